//! `remote pull`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::results::{fetch, here};
use super::target::{Target, person};
use super::{Ctx, complete};
use crate::client::Known;
use crate::client::repo::Pulls;
use crate::client::repo::fetch::Fetched;
use crate::client::repo::pull::{Branch, Pulled, PulledAgent};
use crate::client::unpulled::is_safe;
use crate::error::{Error, Kind, Result};
use crate::model::{AgentRef, PushState, SessionId, SessionStatus};

/// Bring what agents have made into the repository here
///
/// Each agent's commits come as the branch remote/SESSION/N; what it has not committed as one commit on
/// refs/remote/SESSION/N/wip. What came is verified before it counts as safe. Your own branches, index and
/// working tree are not touched, and a branch that you have changed is left as it is. May be done again at any
/// time, while the agents work too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote pull abc\n  \
    remote pull abc/2 && remote merge abc/2\n  \
    remote pull --all")]
pub struct Args {
    /// The session, or one of its agents [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// Only this agent's
    #[arg(long, value_name = "N", conflicts_with = "all")]
    agent: Option<u32>,
    /// Of all sessions of this repository; one whose results cannot be had is said, and the others' come
    #[arg(long, conflicts_with = "target")]
    all: bool,
    /// Though the session was of another repository
    #[arg(long, conflicts_with = "all")]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A session of several whose results could not be had.
#[derive(Debug, Serialize)]
struct Failed {
    session: SessionId,
    error: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Pulled(&'a Pulled),
    Failed(&'a Failed),
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let here = here().await?;
    let wanted = args.target.as_ref().map(|t| t.session.clone());
    let registry = match &wanted {
        Some(one) => ctx.registry_of(one).await?,
        None if args.all => ctx.whole_registry().await?,
        None => ctx.registry(None).await?,
    };
    let mut pulled = Vec::new();
    let mut failed = Vec::new();
    let pulls = Pulls::new(&ctx.paths);
    if args.all {
        // Of a rented machine that is over its volume may be left; what is here already is not read from it again.
        let left = |k: &Known| k.rented.as_ref().is_some_and(|r| r.volume.is_some());
        let there = |k: &Known| k.live || k.provider != "ec2" || (left(k) && !is_safe(&pulls, k));
        for known in registry.all(true)?.into_iter().filter(there) {
            match fetch(ctx, person(ctx), &known, None, &here, false).await {
                Ok(Fetched::Pulled(one)) => pulled.push(one),
                Ok(Fetched::NoRepository | Fetched::Another(_)) => {}
                Err(e) if e.kind == Kind::Interrupted => return Err(e),
                Err(_) if is_safe(&pulls, &known) => {}
                Err(e) => {
                    ctx.ui.warn(format!("{}: {e}", known.label()));
                    failed.push(Failed {
                        session: known.id.clone(),
                        error: e.to_string(),
                    });
                }
            }
        }
    } else {
        let known = Target::find(&registry, args.target.as_ref())?;
        let (known, only) = (known.known, args.agent.or(known.agent));
        let fetched = fetch(ctx, person(ctx), &known, only, &here, args.force).await?;
        pulled.push(fetched.wanted(&known, &here)?);
    }
    if args.json {
        let rows = pulled.iter().map(Row::Pulled);
        let rows: Vec<_> = rows.chain(failed.iter().map(Row::Failed)).collect();
        ctx.ui.json(&rows)?;
    } else {
        for one in &pulled {
            let last = registry.get(&one.session).and_then(|k| k.last);
            show(ctx, one, last.as_ref())?;
        }
        if pulled.is_empty() && failed.is_empty() {
            ctx.ui.note("No session has worked on this repository.");
        }
    }
    if !failed.is_empty() {
        let sessions = match failed.len() {
            1 => "1 session".to_owned(),
            n => format!("{n} sessions"),
        };
        return Err(
            Error::connection(format!("the results of {sessions} could not be had"))
                .hint("what they have made stays there: run `remote pull --all` again"),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show(ctx: &Ctx, pulled: &Pulled, last: Option<&SessionStatus>) -> Result<()> {
    for agent in &pulled.agents {
        let mut agents = last.iter().flat_map(|l| &l.agents);
        let told = agents.find(|a| a.number == agent.agent);
        let pushed = match told.and_then(|a| a.push.as_ref()) {
            Some(push) if push.commit.as_deref() == Some(agent.tip.as_str()) => {
                "; pushed".to_owned()
            }
            Some(push) if push.state == PushState::Failed => format!(
                "; not pushed: {}",
                push.message.as_deref().unwrap_or_default()
            ),
            _ => String::new(),
        };
        ctx.ui.line(line(pulled, agent) + &pushed)?;
        if let Some(hint) = hint(pulled, agent) {
            ctx.ui.hint(hint);
        }
    }
    for warning in &pulled.warnings {
        ctx.ui.warn(warning);
    }
    Ok(())
}

/// What to do about a branch that was left as it is.
pub(super) fn hint(pulled: &Pulled, agent: &PulledAgent) -> Option<String> {
    let (session, number) = (&pulled.session, agent.agent);
    (agent.state == Branch::Kept).then(|| {
        format!(
            "{} is checked out, or has commits of yours; to bring the agent's in: `git merge \
             refs/remote/{session}/{number}/tip`",
            agent.branch
        )
    })
}

/// `session-abc123/2  3 commits on remote/session-abc123/2, moved forward`
pub(super) fn line(pulled: &Pulled, agent: &PulledAgent) -> String {
    let commits = match agent.commits {
        0 => "no commits".to_owned(),
        1 => "1 commit".to_owned(),
        n => format!("{n} commits"),
    };
    let branch = match agent.state {
        Branch::Nothing => String::new(),
        Branch::New => format!(" on {}", agent.branch),
        Branch::Forward => format!(" on {}, moved forward", agent.branch),
        Branch::Same => format!(" on {}, nothing new", agent.branch),
        Branch::Removed => format!("; {} was removed here", agent.branch),
        Branch::Kept => format!("; {} is left as it is", agent.branch),
    };
    let wip = match &agent.wip {
        Some(_) => format!(
            "; uncommitted work at refs/remote/{}/{}/wip",
            pulled.session, agent.agent
        ),
        None => String::new(),
    };
    format!("{}/{}  {commits}{branch}{wip}", pulled.session, agent.agent)
}
