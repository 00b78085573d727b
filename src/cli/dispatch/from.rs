//! `--from FILE`: a session for each line, all decided and priced before the first is started, so many at once.
//! One that fails does not stop the others. Ctrl-C begins no more, takes back what is under way, and leaves
//! what runs.

use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::board::Board;
use super::repo::Brings;
use super::start::Prepared;
use super::tasks::{self, Task};
use super::told::{End, Ended, one_line, rehearsal, summary, whole, why};
use super::{Args, Ctx, secrets};
use crate::cli::notices::not_given;
use crate::cli::stages::Stages;
use crate::cli::target::{interrupted, person};
use crate::cli::{Color, Ui};
use crate::client::Registry;
use crate::client::dispatch::{Place, Started, check_name, fresh_id};
use crate::client::notices::{self, for_host};
use crate::client::repo::bring::Tell;
use crate::client::site::Site;
use crate::config::Paths;
use crate::error::{Error, Kind, Result};
use crate::model::{HostRule, SessionId, now_ms};
use crate::ssh::Nobody;

/// How many are started at once: a launch is mostly waiting, and an sshd takes ten channels of one connection.
const AT_ONCE: usize = 8;
/// Stands for a task's number in a name. Not in braces: in help clap breaks the line there.
const PLACE: &str = "%n";
const TICK: Duration = Duration::from_millis(250);

/// One of the sessions.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// From 1.
    pub number: usize,
    pub task: Task,
    pub id: SessionId,
    pub name: Option<String>,
    pub prepared: Prepared,
}

/// What all launches have in common.
struct Common {
    site: Site,
    registry: Registry,
    paths: Paths,
    ui: Ui,
    board: Board,
    cut: watch::Receiver<bool>,
    /// What is brought into each.
    brings: Option<Brings>,
    /// What each host is to do about news.
    rules: Vec<HostRule>,
}

/// One launch's line on the board.
struct OnBoard<'a>(&'a Board, usize);

impl Tell for OnBoard<'_> {
    fn step(&self, text: &str) {
        self.0.step(self.1, text);
    }

    fn waits(&self, _: &str) {}
}

impl Args {
    pub(super) async fn dispatch_all(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        from: &Path,
    ) -> Result<ExitCode> {
        let tasks = tasks::read(from)?;
        let names = self.names(registry, tasks.len())?;
        let place = match self.machine.dry_run {
            true => self.rented_place(ctx)?,
            false => self.place(ctx)?,
        };
        // What is wrong with all of them is not the first line's.
        self.ends(ctx, matches!(place, Place::Ec2(_)))?;
        self.specs(ctx, place.provider(), &self.each(Some("task".to_owned())))?;
        if !self.machine.dry_run {
            self.allowed(ctx)?;
        }
        let jobs = self.jobs(ctx, registry, &place, tasks, names).await?;
        if self.machine.dry_run {
            rehearsal(ctx, &jobs, self.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        self.say_where(ctx);
        for line in whole(&jobs) {
            ctx.ui.note(line);
        }
        let ttl = jobs.first().and_then(|j| j.prepared.clocks.ttl);
        let agents = jobs.iter().flat_map(|j| &j.prepared.agents);
        let values = secrets::take(ctx, agents, ttl).await?;
        let stages = Stages::new(ctx.ui);
        let brings = self.brings(ctx, &place, values, &stages).await?;
        stages.finish();
        let site = Site::open(&ctx.paths, &place, person(ctx), &|_| {}).await?;
        let (cut, told) = watch::channel(false);
        let common = Arc::new(Common {
            site,
            registry: registry.clone(),
            paths: ctx.paths.clone(),
            ui: ctx.ui,
            board: Board::new(ctx.ui, jobs.len()),
            cut: told,
            brings,
            rules: for_host(&ctx.config),
        });
        let (mut ended, interrupted) = launch_all(ctx, &common, jobs, &cut, self.json).await?;
        ended.sort_by_key(|e| e.job.number);
        drop(common);
        for line in summary(ctx, &ended, interrupted) {
            ctx.ui.note(line);
        }
        Ok(
            match ended.iter().any(|e| matches!(e.end, End::Failed(_))) {
                _ if interrupted => ExitCode::from(130),
                true => ExitCode::FAILURE,
                false => ExitCode::SUCCESS,
            },
        )
    }

    /// The sessions' names: none, or the pattern with each one's number in it.
    fn names(&self, registry: &Registry, count: usize) -> Result<Vec<Option<String>>> {
        let Some(pattern) = &self.name else {
            return Ok(vec![None; count]);
        };
        if !pattern.contains(PLACE) {
            return Err(Error::user(format!(
                "`--name {pattern}` would be the name of every session of the file"
            ))
            .hint(format!(
                "put `{PLACE}` where the task's number belongs: `--name {pattern}-{PLACE}`"
            )));
        }
        (1..=count)
            .map(|n| {
                let name = pattern.replace(PLACE, &n.to_string());
                check_name(registry, &name).map(|()| Some(name))
            })
            .collect()
    }

    async fn jobs(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        place: &Place,
        tasks: Vec<Task>,
        names: Vec<Option<String>>,
    ) -> Result<Vec<Job>> {
        let mut jobs: Vec<Job> = Vec::new();
        for (task, name) in tasks.into_iter().zip(names) {
            let prepared = self
                .prepare(ctx, place, self.each(Some(task.text.clone())))
                .await;
            let prepared = prepared.map_err(|e| Error {
                message: format!("line {}: {}", task.line, e.message),
                ..e
            })?;
            let id = loop {
                let id = fresh_id(registry)?;
                if !jobs.iter().any(|j| j.id == id) {
                    break id;
                }
            };
            jobs.push(Job {
                number: jobs.len() + 1,
                task,
                id,
                name,
                prepared,
            });
        }
        Ok(jobs)
    }
}

/// Starts them all, or until Ctrl-C; what came of each, and whether it was pressed.
async fn launch_all(
    ctx: &Ctx,
    common: &Arc<Common>,
    jobs: Vec<Job>,
    cut: &watch::Sender<bool>,
    json: bool,
) -> Result<(Vec<Ended>, bool)> {
    let mut queue = VecDeque::from(jobs);
    let mut running = JoinSet::new();
    let mut ended: Vec<Ended> = Vec::new();
    let mut stopped = false;
    let mut tick = tokio::time::interval(TICK);
    let interrupt = interrupted();
    tokio::pin!(interrupt);
    loop {
        while !stopped && running.len() < AT_ONCE {
            let Some(job) = queue.pop_front() else {
                break;
            };
            let board = &common.board;
            board.begin(job.number, job.id.as_str(), &job.task.text);
            running.spawn(launch(common.clone(), job));
        }
        tokio::select! {
            joined = running.join_next() => match joined {
                None => break,
                Some(one) => {
                    let one = one.map_err(|e| Error::internal("a launch broke off").because(e))?;
                    tell(ctx, &common.board, &one, json)?;
                    ended.push(one);
                }
            },
            () = &mut interrupt => {
                if stopped {
                    return Err(given_up(&common.board));
                }
                stopped = true;
                interrupt.set(interrupted());
                common.board.stop("Interrupted: no more are begun.");
                // Nobody listens where all are through.
                let _ = cut.send(true);
            }
            _ = tick.tick() => common.board.tick(),
        }
    }
    for job in queue {
        let one = Ended {
            job,
            end: End::NotBegun,
        };
        tell(ctx, &common.board, &one, json)?;
        ended.push(one);
    }
    Ok((ended, stopped))
}

/// Twice interrupted: what is under way is left as it is.
fn given_up(board: &Board) -> Error {
    board.stop("Interrupted again: what is under way is left as it is.");
    Error::new(Kind::Interrupted, "not all was taken back").hint(
        "run `remote status` for what runs, `remote gc` for what else is there; a machine that nobody took \
         over ends itself within ten minutes",
    )
}

async fn launch(common: Arc<Common>, job: Job) -> Ended {
    let end = match start(&common, &job).await {
        Ok(Some(started)) => End::Runs(Box::new(started.known)),
        Ok(None) => End::TakenBack,
        Err(e) => End::Failed(e),
    };
    Ended { job, end }
}

/// Starts it, with its repository; `None` where it was cut off.
async fn start(common: &Common, job: &Job) -> Result<Option<Started>> {
    let tell = OnBoard(&common.board, job.number);
    let step = |step: &str| tell.step(step);
    let mut order = job.prepared.order(job.id.clone(), job.name.clone());
    let agents = match &common.brings {
        Some(_) => std::mem::take(&mut order.agents),
        None => Vec::new(),
    };
    let site = &common.site;
    let cut = cut_off(common.cut.clone());
    let started = site.start(&common.registry, order, now_ms(), &step, cut);
    let Some(started) = started.await? else {
        return Ok(None);
    };
    let (rules, known) = (common.rules.clone(), &started.known);
    let given = notices::hand_over(rules, known, started.host.as_ref(), Arc::new(Nobody));
    if let Err(e) = given.await {
        let warn = || common.ui.warn(not_given(known, &e));
        common.board.aside(warn);
    }
    let brings = common.brings.as_ref();
    if let Err(e) = job.prepared.began(&common.paths, known, brings) {
        let warn = || common.ui.warn(format!("{}: {}", job.id, why(&e)));
        common.board.aside(warn);
    }
    let Some(brings) = brings else {
        return Ok(Some(started));
    };
    let cut = cut_off(common.cut.clone());
    let brought = brings.give_to(&common.registry, site, started, agents, &tell, cut);
    let brought = brought.await;
    if !matches!(brought, Ok(Some(_))) {
        job.prepared
            .taken_back(&common.paths, &common.registry, &job.id)?;
    }
    Ok(brought?.map(|b| b.started))
}

async fn cut_off(mut cut: watch::Receiver<bool>) {
    if cut.wait_for(|cut| *cut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Says at once what came of one: its line on stderr; on stdout its name or its object, unless both are the
/// same terminal.
fn tell(ctx: &Ctx, board: &Board, one: &Ended, json: bool) -> Result<()> {
    let (word, color) = match &one.end {
        End::Runs(_) => ("runs", Color::Green),
        End::Failed(_) => ("failed", Color::Red),
        End::TakenBack => ("taken back", Color::Yellow),
        End::NotBegun => ("not begun", Color::Yellow),
    };
    board.over(one.job.number, word, color);
    let same = ctx.ui.out_is_terminal() && ctx.ui.err_is_terminal();
    match &one.end {
        _ if json => {
            let line = one_line(one)?;
            board.aside(|| ctx.ui.line(line))
        }
        End::Runs(known) if !same => ctx.ui.line(known.id.as_str()),
        _ => Ok(()),
    }
}
