//! An agent's results as `diff`, `log` and `merge` take them: the refs in the repository here, fetched first where
//! they are not there yet; and git itself, with the person's own settings and terminal.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap_complete::engine::ArgValueCandidates;

use super::stages::Stages;
use super::target::{Target, interrupted, person};
use super::{Ctx, complete};
use crate::client::repo::fetch::{self, Fetched, Into};
use crate::client::repo::{Pulls, Starts, Way, all_over, starts};
use crate::client::status::{PATIENCE, Presence, report};
use crate::client::unpulled::safe;
use crate::client::without_machine::{self, Copied};
use crate::client::{Known, Registry};
use crate::error::{Context, Error, Kind, Result};
use crate::model::AgentRef;
use crate::repo::{Oid, Refs, Repository};
use crate::ssh::Ask;

/// Whose results they are.
#[derive(Debug, clap::Args)]
pub struct Whose {
    /// The agent, or a session of one agent [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
}

/// The repository here.
///
/// # Errors
/// There is none.
pub async fn here() -> Result<Repository> {
    let dir = std::env::current_dir().context("the current directory cannot be read")?;
    Repository::find(&dir).await?.ok_or_else(|| {
        Error::user(format!("{} is in no git repository", dir.display()))
            .hint("change into the repository that the session is of; `git clone` it first where there is none")
    })
}

/// Fetches a session's results into the repository here.
///
/// # Errors
/// They cannot be had, or are not whole.
pub async fn fetch(
    ctx: &Ctx,
    ask: Arc<dyn Ask>,
    known: &Known,
    only: Option<u32>,
    here: &Repository,
    force: bool,
) -> Result<Fetched> {
    let stages = Stages::new(ctx.ui);
    stages.step("connect");
    let registry = Registry::open(&ctx.paths)?;
    let dead = known.provider == "ec2" && !known.live;
    let over = match dead {
        true => Some(known.last.as_ref().map(starts).unwrap_or_default()),
        false => has_ended(&registry, known, ask.clone()).await,
    };
    let copied = match dead {
        true => match copy(ctx, known, ask.clone(), &stages).await? {
            Some(copied) => Some(copied),
            None => return Ok(Fetched::NoRepository),
        },
        false => None,
    };
    let way = match &copied {
        Some(copied) => copied.way(),
        None => Way::open(known, ask.clone()).await?,
    };
    let to = Into {
        here,
        pulls: &Pulls::new(&ctx.paths),
        force,
        over,
        unread: copied.as_ref().map_or(&[], |c| c.warnings.as_slice()),
    };
    let fetched = fetch::fetch(&way, known, only, &to, &stages).await?;
    if matches!(fetched, Fetched::Pulled(_))
        && let Err(e) = safe(&ctx.paths, &registry, &known.id, ask).await
    {
        ctx.ui.warn(format!(
            "the work volume of {} stays after its machine's end: {e}",
            known.label()
        ));
    }
    stages.finish();
    Ok(fetched)
}

/// What a session whose machine is gone has left; Ctrl-C leaves nothing behind.
async fn copy(
    ctx: &Ctx,
    known: &Known,
    ask: Arc<dyn Ask>,
    stages: &Stages,
) -> Result<Option<Copied>> {
    let cut = Arc::new(AtomicBool::new(false));
    let copying = without_machine::copy(&ctx.paths, known, ask, cut.clone(), stages);
    tokio::pin!(copying);
    tokio::select! {
        copied = &mut copying => copied,
        () = interrupted() => {
            cut.store(true, Ordering::Relaxed);
            // Its snapshot is to go first.
            let copied = copying.await;
            copied.and(Err(Error::new(Kind::Interrupted, "interrupted")))
        }
    }
}

/// The starts of all its agents, where all have ended, as its host says now.
async fn has_ended(registry: &Registry, known: &Known, ask: Arc<dyn Ask>) -> Option<Starts> {
    let seen = report(registry, known, ask, PATIENCE).await;
    let sure = seen.presence == Presence::Live || !known.live;
    seen.status.filter(|_| sure).as_ref().and_then(all_over)
}

/// One agent's results in the repository here.
pub struct Found {
    pub repository: Repository,
    pub known: Known,
    pub agent: u32,
    pub start: Oid,
    pub tip: Oid,
    pub wip: Option<Oid>,
}

impl Found {
    /// The results of the agent that was named; fetched where they never were.
    ///
    /// # Errors
    /// As [`fetch()`]; there are several agents, and none was named.
    pub async fn find(ctx: &Ctx, verb: &str, whose: &Whose) -> Result<Self> {
        let typed = whose.target.as_ref();
        let repository = here().await?;
        let wanted = typed.map(|t| t.session.clone());
        let registry = ctx.registry(wanted.as_deref()).await?;
        let target = Target::find(&registry, typed)?;
        let known = target.known.clone();
        let fetch = async || {
            let fetched = fetch(ctx, person(ctx), &known, None, &repository, false).await?;
            fetched.wanted(&known, &repository)
        };
        let (agent, fetched) = match target.one(verb)? {
            Some(agent) => (agent, false),
            // By its tags alone nothing is known of its agents; what comes says how many there are.
            None => {
                fetch().await?;
                let came = Refs(&known.id).agents(&repository.git()).await?;
                (target.only(verb, &came)?, true)
            }
        };
        let found = async || Self::look(&repository, &known, agent).await;
        if !fetched && found().await?.is_none() {
            fetch().await?;
        }
        found().await?.ok_or_else(|| {
            Error::user(format!("{} has no results of agent {agent}", known.label()))
                .hint(format!("run `remote status {}` for its agents", known.id))
        })
    }

    /// What is here of an agent's; `None` where nothing was ever fetched.
    ///
    /// # Errors
    /// git's.
    pub async fn look(repository: &Repository, known: &Known, agent: u32) -> Result<Option<Self>> {
        let git = repository.git();
        let refs = Refs(&known.id);
        let (start, tip) = (
            git.resolve(&refs.start(agent)).await?,
            git.resolve(&refs.tip(agent)).await?,
        );
        let (Some(start), Some(tip)) = (start, tip) else {
            return Ok(None);
        };
        Ok(Some(Self {
            repository: repository.clone(),
            known: known.clone(),
            agent,
            start,
            tip,
            wip: git.resolve(&refs.wip(agent)).await?,
        }))
    }

    /// `session-abc123/2`
    pub fn label(&self) -> String {
        format!("{}/{}", self.known.id, self.agent)
    }

    /// `remote/session-abc123/2`
    pub fn branch(&self) -> String {
        Refs(&self.known.id).branch(self.agent)
    }
}

/// git as the person would run it here; its exit status becomes ours.
///
/// # Errors
/// It cannot be started.
pub async fn git(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode> {
    let status = tokio::process::Command::new("git")
        .args(args)
        .status()
        .await
        .context("git cannot be started")?;
    let code = status.code().and_then(|c| u8::try_from(c).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
