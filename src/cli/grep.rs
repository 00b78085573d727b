//! `remote grep`.

mod print;

use std::process::ExitCode;
use std::sync::Arc;

use clap_complete::engine::ArgValueCandidates;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore, mpsc};
use tokio::task::JoinSet;

use self::print::{Form, Printer};
use super::target::{interrupted, person};
use super::{Ctx, complete, report};
use crate::client::grep::{search, sessions, with_agents, with_history};
use crate::client::reach::Hosts;
use crate::client::{Known, Registry};
use crate::error::{Error, Kind, Result};
use crate::model::{AgentRef, Found, Search, Searched};
use crate::mux::Seeker;
use crate::ssh::{Ask, Flow, Nobody};

/// Searched at the same time.
const SIDE_BY_SIDE: usize = 16;
/// What is found is held while another agent's is printed, in bytes.
const HELD: usize = 256 << 10;
/// Found and not looked at yet.
const QUEUE: usize = 64;

/// Find lines in what agents wrote, in live and in ended sessions
///
/// All that `remote logs` prints of them is searched, where it lies: only what is found is sent here. A session whose
/// machine cannot be reached is a warning. The exit status is 0 where something was found, 1 where nothing was, and
/// 2 where something went wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote grep 'error|warning'\n  \
    remote grep -F 'index[0]' -C 3 auth/2\n  \
    remote grep -c 'test result: ok'")]
pub struct Args {
    /// A regular expression; without a capital letter it finds either case
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Sessions or agents [default: live sessions, and ended ones whose history is on this machine]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    targets: Vec<AgentRef>,
    /// Find either case, whatever the pattern has
    #[arg(long, short, overrides_with = "case_sensitive")]
    ignore_case: bool,
    /// Find the pattern's own case alone
    #[arg(long, short = 's', overrides_with = "ignore_case")]
    case_sensitive: bool,
    /// The pattern is text, not a regular expression
    #[arg(long, short = 'F')]
    fixed_strings: bool,
    /// Print how many lines match, for each agent
    #[arg(long, short, conflicts_with = "files_with_matches")]
    count: bool,
    /// Print the names of agents with a match alone
    #[arg(long, short = 'l', alias = "agents-with-matches")]
    files_with_matches: bool,
    /// Stop after so many lines that match, in each agent
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_count: Option<u64>,
    /// Print so many lines after each that matches
    #[arg(long, short = 'A', value_name = "N")]
    after_context: Option<u32>,
    /// Print so many lines before each that matches
    #[arg(long, short = 'B', value_name = "N")]
    before_context: Option<u32>,
    /// Print so many lines before and after each that matches
    #[arg(long, short = 'C', value_name = "N")]
    context: Option<u32>,
    /// Print the time of each line, on a terminal how long ago that is
    #[arg(long)]
    time: bool,
    /// Print JSON, an object a line
    #[arg(long)]
    json: bool,
}

impl Args {
    fn search(&self) -> Search {
        let small = Search::is_small(&self.pattern);
        Search {
            pattern: self.pattern.clone(),
            fixed: self.fixed_strings,
            ignore_case: self.ignore_case || (!self.case_sensitive && small),
            before: self.before_context.or(self.context).unwrap_or(0),
            after: self.after_context.or(self.context).unwrap_or(0),
            count: self.count,
            first: match self.files_with_matches {
                true => Some(1),
                false => self.max_count,
            },
            last: None,
        }
    }

    fn form(&self) -> Form {
        match (self.count, self.files_with_matches) {
            (true, _) => Form::Counts,
            (_, true) => Form::Names,
            _ => Form::Lines,
        }
    }
}

/// As grep's: whatever goes wrong is 2, but a reader that has gone is nothing wrong.
pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    match grep(args, ctx).await {
        Err(e) if e.kind != Kind::BrokenPipe => {
            report::tell(&e, &ctx.ui);
            Ok(ExitCode::from(2))
        }
        done => done,
    }
}

async fn grep(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let wanted = args.search();
    if let Err(e) = Seeker::new(&wanted) {
        let error = Error::user(format!("`{}` is no pattern", args.pattern)).because(e);
        return Err(error.hint("`-F` takes it as text"));
    }
    let mut registry = match args.targets.is_empty() {
        true => ctx.whole_registry().await?,
        false => Registry::open(&ctx.paths)?,
    };
    for target in &args.targets {
        registry = ctx.registry(Some(target.session.as_str())).await?;
    }
    let sought = sought(&registry, &args.targets)?;
    // Who named sessions is there to be asked for a password; a look at all of them asks nothing.
    let ask: Arc<dyn Ask> = match args.targets.is_empty() {
        true => Arc::new(Nobody),
        false => person(ctx),
    };
    let printer = Printer::new(ctx.ui, args.form(), args.context_is_wanted(), &args);
    let work = Work {
        registry,
        wanted,
        printer: Arc::new(Mutex::new(printer)),
        places: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
    };
    let mut tasks = JoinSet::new();
    for (known, agents) in sought {
        // A way to each of its own: none waits until another's machine has answered.
        let hosts = Arc::new(Hosts::new(ask.clone(), Flow::Bulk));
        tasks.spawn(work.clone().session(known, agents, hosts));
    }
    let all = async {
        let (mut found, mut failed) = (false, false);
        while let Some(done) = tasks.join_next().await {
            let done = done.map_err(|e| Error::internal("a search broke off").because(e))?;
            for (label, one) in done {
                match one {
                    Ok(searched) => found |= searched.matched > 0,
                    Err(e) if e.kind == Kind::BrokenPipe => return Err(e),
                    Err(e) => {
                        failed = true;
                        ctx.ui.warn(format!("{label}: {}", with_cause(&e)));
                    }
                }
            }
        }
        Ok(match (failed, found) {
            (true, _) => ExitCode::from(2),
            (false, true) => ExitCode::SUCCESS,
            (false, false) => ExitCode::from(1),
        })
    };
    tokio::select! {
        code = all => code,
        () = interrupted() => Ok(ExitCode::from(130)),
    }
}

impl Args {
    fn context_is_wanted(&self) -> bool {
        let all = [self.before_context, self.after_context, self.context];
        all.into_iter().flatten().any(|n| n > 0)
    }
}

fn with_cause(e: &Error) -> String {
    match &e.source {
        Some(source) => format!("{e}: {}", crate::error::innermost(source.as_ref())),
        None => e.to_string(),
    }
}

/// What is searched: a session, and which of its agents, all where none is named.
fn sought(registry: &Registry, targets: &[AgentRef]) -> Result<Vec<(Known, Vec<u32>)>> {
    if targets.is_empty() {
        let all = sessions(registry)?.into_iter();
        return Ok(all.map(|known| (known, Vec::new())).collect());
    }
    let known = registry.resolve_all(targets.iter().map(|t| t.session.as_str()))?;
    let mut sought: Vec<(Known, Vec<u32>)> = Vec::new();
    for (known, target) in known.into_iter().zip(targets) {
        match sought.iter_mut().find(|(k, _)| k.id == known.id) {
            // All of them were named before, or are now.
            Some((_, agents)) if agents.is_empty() => {}
            Some((_, agents)) => match target.agent {
                Some(agent) if agents.contains(&agent) => {}
                Some(agent) => agents.push(agent),
                None => agents.clear(),
            },
            None => sought.push((known, target.agent.into_iter().collect())),
        }
    }
    Ok(sought)
}

/// What all searches share.
#[derive(Clone)]
struct Work {
    registry: Registry,
    wanted: Search,
    printer: Arc<Mutex<Printer>>,
    places: Arc<Semaphore>,
}

type Done = (String, Result<Searched>);

impl Work {
    /// A session's agents side by side, and what became of each.
    async fn session(self, known: Known, named: Vec<u32>, hosts: Arc<Hosts>) -> Vec<Done> {
        let known = match named.is_empty() {
            false => known,
            true => match with_agents(&self.registry, known.clone(), &hosts).await {
                Ok(known) => known,
                Err(e) => return vec![(known.label(), Err(e))],
            },
        };
        let agents = match named.is_empty() {
            true => with_history(&known),
            false => named,
        };
        let known = Arc::new(known);
        let mut tasks = JoinSet::new();
        for agent in agents {
            let (work, known, hosts) = (self.clone(), known.clone(), hosts.clone());
            tasks.spawn(async move {
                let label = format!("{}/{agent}", known.id);
                let done = work.agent(&known, agent, &hosts).await;
                (label, done)
            });
        }
        tasks.join_all().await
    }

    /// One agent: what is found is printed as it comes where nobody else prints, else held until it is its turn.
    async fn agent(self, known: &Known, agent: u32, hosts: &Arc<Hosts>) -> Result<Searched> {
        let Ok(_place) = self.places.acquire().await else {
            return Ok(Searched::default());
        };
        let (registry, wanted) = (&self.registry, &self.wanted);
        let (send, found) = mpsc::channel::<Found>(QUEUE);
        let printing = async {
            // Gone with this where nothing can be printed any more, which ends the search.
            let mut found = found;
            let mut turn: Option<OwnedMutexGuard<Printer>> = None;
            let mut held: Vec<Found> = Vec::new();
            let mut bytes = 0;
            while let Some(line) = found.recv().await {
                bytes += line.weight();
                held.push(line);
                if turn.is_none() {
                    turn = match bytes < HELD {
                        true => self.printer.clone().try_lock_owned().ok(),
                        false => Some(self.printer.clone().lock_owned().await),
                    };
                }
                if let Some(printer) = &mut turn {
                    printer.lines(known, agent, &mut held)?;
                }
            }
            Ok::<_, Error>((turn, held))
        };
        let looking = async move {
            // What is found is over with it.
            let send = send;
            search(registry, known, agent, hosts, wanted, &send).await
        };
        let (searched, printed) = tokio::join!(looking, printing);
        let (turn, mut held) = printed?;
        let mut printer = match turn {
            Some(printer) => printer,
            None => self.printer.lock_owned().await,
        };
        printer.lines(known, agent, &mut held)?;
        if let Ok(searched) = &searched {
            printer.over(known, agent, searched)?;
        }
        searched
    }
}
