//! `remote discard`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::target::person;
use super::{Ctx, complete, confirm};
use crate::client::discard::discard;
use crate::client::repo::Pulls;
use crate::client::unpulled::is_safe;
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::SessionId;

/// Delete sessions with all that is on their work volumes, pulled or not
///
/// One that runs is ended first. Of a session on a workspace only what is the session's own goes: the workspace stays
/// as it is. What was pulled stays where it came to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sessions
    #[arg(value_name = "SESSION", required = true, add = ArgValueCandidates::new(complete::sessions))]
    sessions: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints, for each session.
#[derive(Debug, Serialize)]
struct Discarded {
    session: SessionId,
    discarded: bool,
    error: Option<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let first = args.sessions.first().map(String::as_str);
    let registry = match (args.sessions.len(), first) {
        (1, Some(one)) => ctx.registry_of(one).await?,
        _ => ctx.registry(first).await?,
    };
    let mut sessions: Vec<Known> = Vec::new();
    for known in registry.resolve_all(args.sessions.iter().map(String::as_str))? {
        if !sessions.iter().any(|k| k.id == known.id) {
            sessions.push(known);
        }
    }
    let pulls = Pulls::new(&ctx.paths);
    for known in &sessions {
        if let Some(lost) = lost(&pulls, known) {
            ctx.ui.warn(format!("{}: {lost}", known.label()));
        }
    }
    let names: Vec<String> = sessions.iter().map(Known::label).collect();
    let question = format!("Delete {} for ever?", names.join(", "));
    if !confirm(&ctx.ui, &question, args.yes)? {
        return Err(Error::user("nothing was deleted"));
    }
    let mut told = Vec::new();
    let mut failed = None;
    for known in &sessions {
        let done = one(ctx, &registry, known).await;
        told.push(Discarded {
            session: known.id.clone(),
            discarded: done.is_ok(),
            error: done.as_ref().err().map(ToString::to_string),
        });
        match done {
            Ok(()) if args.json => {}
            Ok(()) => ctx.ui.note(format!("Deleted {}.", known.label())),
            Err(e) if failed.is_none() => failed = Some(e),
            Err(e) => ctx.ui.warn(format!("{}: {e}", known.label())),
        }
    }
    if args.json {
        ctx.ui.json(&told)?;
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

async fn one(ctx: &Ctx, registry: &Registry, known: &Known) -> Result<()> {
    let stage = ctx.ui.stage("discard");
    let done = discard(&ctx.paths, registry, known, person(ctx)).await;
    drop(stage);
    done
}

/// What goes with it that is nowhere else.
fn lost(pulls: &Pulls, known: &Known) -> Option<String> {
    if is_safe(pulls, known) {
        return None;
    }
    let on = known.rented.as_ref().and_then(|r| r.workspace.as_ref());
    if let Some(name) = on {
        return Some(format!("its files stay on workspace {name}"));
    }
    let agents = known.last.as_ref().map_or(0, |l| l.agents.len());
    Some(match agents {
        0 => "what it made was not pulled".to_owned(),
        1 => "what its agent made was not pulled".to_owned(),
        n => format!("what its {n} agents made was not pulled"),
    })
}
