//! The flags that say what each agent gets, what runs before them, and what checks their work.

use std::time::Duration;

use clap::ArgAction;

use super::repo::kept;
use super::{Args, Ctx};
use crate::cli::allow;
use crate::cli::stages::Stages;
use crate::cli::target::{interrupted, time};
use crate::client::dispatch::checked;
use crate::client::reach::HostConn;
use crate::client::repo::Way;
use crate::client::repo::bring;
use crate::client::setup::Setup;
use crate::client::{Control, Known};
use crate::error::{Error, Kind, Result};
use crate::model::{AgentSpec, CheckSpec};

/// How long a check may take where nobody says.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// More side by side in one session are a mistake.
const MOST: usize = 100;

#[derive(Debug, clap::Args)]
pub struct CrewArgs {
    /// One agent with this task: text, `-` for stdin, or `@FILE`; may be repeated, one agent each
    #[arg(long = "task", value_name = "TASK", action = ArgAction::Append)]
    #[arg(conflicts_with_all = ["task", "file", "command", "argv", "from"])]
    tasks: Vec<String>,
    /// Whenever an agent is done, run this shell command in its working tree: is its work good?
    ///
    /// It is good if that exits with 0. It runs as the agent would, with its PORT and TMPDIR, and once more when the
    /// agent has worked again; `remote logs SESSION/N --check` shows what it printed. The session does not end
    /// meanwhile. By itself `check` of the configuration, for agents; a command of yours is checked only by this.
    #[arg(long, value_name = "COMMAND", conflicts_with = "no_check")]
    check: Option<String>,
    /// Check nothing
    #[arg(long)]
    no_check: bool,
    /// A check that takes longer is ended, and says nothing [default: 30m]
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "no_check")]
    check_limit: Option<Duration>,
    /// Run no setup, neither the configuration's nor the agent's
    #[arg(long)]
    no_setup: bool,
    /// Run the agent's own setup also where a work volume has what it made
    ///
    /// A setup that keeps to the agents' home is run once for a volume, and reused from then on: say this for a newer
    /// version of what it installs. One that changes the machine itself (`sudo`) is always run.
    #[arg(long, conflicts_with = "no_setup")]
    fresh_setup: bool,
    /// Give each agent an empty home directory of its own, beside its working tree
    #[arg(long)]
    home_each: bool,
}

impl CrewArgs {
    /// The tasks that were given one by one.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }
}

impl Args {
    /// A person has seen and allowed what comes from a repository and is to run.
    pub(super) fn allowed(&self, ctx: &Ctx) -> Result<()> {
        let setup = !self.crew.no_setup && ctx.config.setup().is_some();
        let check = self.configured_check(ctx).is_some();
        match setup || check {
            true => allow::ensure(ctx),
            false => Ok(()),
        }
    }

    /// Something other than a configured agent runs.
    fn is_command(&self) -> bool {
        self.command.is_some() || !self.argv.is_empty()
    }

    /// What runs before the agents.
    pub(super) fn setup(&self, ctx: &Ctx) -> Result<Setup> {
        if self.crew.no_setup {
            return Ok(Setup::default());
        }
        let once = match self.is_command() {
            true => None,
            false => ctx.config.agent(self.agent_name(ctx))?.setup.clone(),
        };
        Ok(Setup {
            once,
            again: self.crew.fresh_setup,
            each: ctx.config.setup().map(str::to_owned),
        })
    }

    /// Runs it for agents who are to join a live session; if it fails, or is interrupted, their places are taken back.
    pub(super) async fn set_up(
        &self,
        ctx: &Ctx,
        known: &Known,
        host: &HostConn,
        control: &mut Control,
        agents: &[AgentSpec],
    ) -> Result<()> {
        let setup = self.setup(ctx)?;
        if setup.is_empty() {
            return Ok(());
        }
        let stages = Stages::new(ctx.ui);
        let keep = kept(&ctx.paths, &known.id);
        let done = tokio::select! {
            done = setup.run(host, agents, &stages, &keep) => done,
            () = interrupted() => {
                Err(Error::new(Kind::Interrupted, "interrupted before setup was over"))
            }
        };
        stages.finish();
        if done.is_err()
            && let Some(connection) = host.connection()
            && let Ok(status) = control.status().await
        {
            let there = |n: &u32| *n == 0 || status.agents.iter().any(|a| a.number == *n);
            let mut places: Vec<u32> = agents.iter().map(|a| a.number).collect();
            places.retain(|n| !there(n));
            // What stays is in nobody's way but that of the next one with its number, which is told.
            let way = Way::over(known, connection.clone());
            let _ = bring::forget(&way, &known.id, &places).await;
        }
        done
    }

    /// Each agent has a home of its own.
    pub(super) fn own_homes(&self, ctx: &Ctx) -> Result<bool> {
        let configured = match self.is_command() {
            true => false,
            false => ctx.config.agent(self.agent_name(ctx))?.own_home,
        };
        Ok(self.crew.home_each || configured)
    }

    fn configured_check<'a>(&self, ctx: &'a Ctx) -> Option<&'a str> {
        // What a command of the person's exits with says enough.
        let asked = self.crew.check.is_some() || self.crew.no_check || self.is_command();
        ctx.config.check().filter(|_| !asked)
    }

    /// What their work is checked by.
    pub(super) fn check_spec(&self, ctx: &Ctx) -> Result<Option<CheckSpec>> {
        let given = self.crew.check.as_deref();
        if given.is_some_and(|c| c.trim().is_empty()) {
            return Err(
                Error::user("`--check` is empty").hint("say for example `--check 'make test'`")
            );
        }
        let Some(command) = given.or(self.configured_check(ctx)) else {
            return match self.crew.check_limit {
                Some(_) => Err(
                    Error::user("`--check-limit` limits no check: there is none")
                        .hint("name one with `--check 'make test'`"),
                ),
                None => Ok(None),
            };
        };
        let limit = match self.crew.check_limit {
            Some(limit) => checked("--check-limit", limit)?,
            None => LIMIT,
        };
        Ok(Some(CheckSpec {
            command: command.to_owned(),
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        }))
    }

    /// The task of each agent, in their order; `None` where there is none.
    pub(super) fn all_tasks(&self, ctx: &Ctx) -> Result<Vec<Option<String>>> {
        let given = self.crew.tasks();
        if given.is_empty() {
            let task = self.task_text(ctx)?;
            return Ok(self.each(task));
        }
        let tasks = given.iter().map(|t| super::task::given(t).map(Some));
        let tasks = tasks.collect::<Result<Vec<_>>>()?;
        spread(tasks, self.agents)
    }

    /// One task for all of them.
    pub(super) fn each(&self, task: Option<String>) -> Vec<Option<String>> {
        let count = usize::try_from(self.agents.unwrap_or(1)).unwrap_or(1);
        vec![task; count]
    }
}

/// One agent for each task, or that many for the only one.
fn spread(tasks: Vec<Option<String>>, agents: Option<u32>) -> Result<Vec<Option<String>>> {
    let wanted = agents.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    match (tasks.len(), wanted) {
        (given, _) if given > MOST => Err(Error::user(format!(
            "{given} tasks are more than the {MOST} agents that a session may have"
        ))
        .hint("`--from FILE` makes a session for each line of a file")),
        (1, Some(wanted)) => Ok(vec![tasks.into_iter().next().flatten(); wanted]),
        (given, Some(wanted)) if given != wanted => Err(Error::user(format!(
            "`--agents {wanted}` and {given} tasks do not go together: each `--task` is one agent's"
        ))
        .hint("leave `--agents` out, or give one `--task` that all of them get")),
        _ => Ok(tasks),
    }
}

/// All of them as one text, for people and for choosing a machine by its words.
pub(super) fn joined(tasks: &[Option<String>]) -> Option<String> {
    let mut different: Vec<&str> = Vec::new();
    for task in tasks.iter().flatten() {
        if !different.contains(&task.as_str()) {
            different.push(task);
        }
    }
    (!different.is_empty()).then(|| different.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(list: &[&str]) -> Vec<Option<String>> {
        list.iter().map(|t| Some((*t).to_owned())).collect()
    }

    #[test]
    fn each_task_is_one_agents_and_only_a_single_one_is_shared() -> Result<()> {
        assert_eq!(spread(tasks(&["a", "b"]), None)?.len(), 2);
        assert_eq!(spread(tasks(&["a", "b"]), Some(2))?, tasks(&["a", "b"]));
        assert_eq!(spread(tasks(&["a"]), Some(3))?, tasks(&["a", "a", "a"]));
        let error = spread(tasks(&["a", "b"]), Some(3)).expect_err("it");
        assert!(
            error.message.contains("`--agents 3` and 2 tasks"),
            "{error}"
        );
        assert!(spread(tasks(&["a"; 101]), None).is_err());
        Ok(())
    }

    #[test]
    fn several_tasks_are_told_as_one_text_and_the_same_one_once() {
        assert_eq!(joined(&tasks(&["a", "b", "a"])).as_deref(), Some("a · b"));
        assert_eq!(joined(&[None, None]), None);
    }
}
