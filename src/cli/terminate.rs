//! `remote terminate`.

use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;
use tokio::task::JoinSet;

use super::target::person;
use super::{Ctx, complete, confirm};
use crate::client::handover::{is_gone, put_down};
use crate::client::{Known, Registry, cloud, reach};
use crate::error::{Error, Kind, Result};
use crate::model::{Certainty, Money, SessionId, now_ms};
use crate::proto::Op;
use crate::ssh::Ask;

/// A host that does not answer for this long is ended from outside.
const WRAP_UP: Duration = Duration::from_secs(30);

/// End sessions at once: their agents, and the machine if it was made for them
///
/// Their histories stay readable (`logs`, `replay`) until `remote prune`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sessions
    #[arg(value_name = "SESSION", required_unless_present = "all")]
    #[arg(add = ArgValueCandidates::new(complete::sessions))]
    sessions: Vec<String>,
    /// All live sessions
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints, for each session.
#[derive(Debug, Serialize)]
struct Terminated {
    session: SessionId,
    terminated: bool,
    error: Option<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx
        .registry(args.sessions.first().map(String::as_str))
        .await?;
    let sessions = chosen(&registry, &args)?;
    if sessions.is_empty() {
        if args.json {
            ctx.ui.json(&[(); 0])?;
        } else {
            ctx.ui.note("No live sessions.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = sessions.iter().map(Known::label).collect();
    let question = format!("Terminate {}?", names.join(", "));
    if !confirm(&ctx.ui, &question, args.yes)? {
        return Err(Error::user("nothing was terminated"));
    }
    let mut tasks = JoinSet::new();
    for (index, known) in sessions.into_iter().enumerate() {
        let (ask, paths, registry) = (person(ctx), ctx.paths.clone(), registry.clone());
        tasks.spawn(async move {
            let ended = end(&paths, &registry, &known, ask.clone()).await;
            let ended = match known.provider.as_str() {
                // Its host has wrapped up; what costs is ended by name, whatever the host managed to do.
                "ec2" => put_down(&paths, &known, ask).await.and(ended),
                _ => ended,
            };
            (index, known, ended)
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(index, ..)| *index);
    if args.json {
        let told: Vec<Terminated> = done
            .iter()
            .map(|(_, known, ended)| Terminated {
                session: known.id.clone(),
                terminated: ended.is_ok(),
                error: ended.as_ref().err().map(ToString::to_string),
            })
            .collect();
        ctx.ui.json(&told)?;
    }
    let mut first = None;
    for (_, known, ended) in done {
        match ended {
            Ok(()) if !args.json => {
                ctx.ui.note(format!(
                    "Terminated {}.{}",
                    known.label(),
                    total(ctx, &known)
                ));
            }
            Ok(()) => {}
            Err(e) if first.is_none() => first = Some(e),
            Err(e) => ctx.ui.warn(format!("{}: {e}", known.label())),
        }
    }
    first.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// What a rented machine has cost, and what stays of it.
fn total(ctx: &Ctx, known: &Known) -> String {
    if known.provider != "ec2" {
        return String::new();
    }
    let now = now_ms();
    // A record must not stop what it is a record of.
    let spend = cloud::ended(&ctx.paths, &known.id, now, now).unwrap_or_default();
    let told = match (spend, &known.rented) {
        (Some(spend), _) => spend.told(),
        // Another device's: its tags say what an hour of it costs at most.
        (None, Some(rented)) => {
            let ms = now.saturating_sub(known.created).max(60_000);
            Certainty::AtMost.of(Money::micros(rented.microusd_per_hour).for_ms(ms))
        }
        (None, None) => return String::new(),
    };
    let mut told = format!(" Total {told}");
    if let Some(rented) = known.rented.as_ref().filter(|r| r.volume.is_some()) {
        told.push_str(&format!(
            "; kept: its work volume of {} GB (`remote gc`)",
            rented.volume_gib
        ));
    }
    told
}

fn chosen(registry: &Registry, args: &Args) -> Result<Vec<Known>> {
    if args.all {
        return registry.all(false);
    }
    let mut chosen: Vec<Known> = Vec::new();
    for typed in &args.sessions {
        let known = registry.resolve(typed)?;
        if !known.live {
            return Err(
                Error::user(format!("{} is over already", known.label())).hint(format!(
                    "run `remote logs {}` for its output, or `remote prune {}` to remove it",
                    known.id, known.id
                )),
            );
        }
        if !chosen.iter().any(|k| k.id == known.id) {
            chosen.push(known);
        }
    }
    Ok(chosen)
}

async fn end(
    paths: &crate::config::Paths,
    registry: &Registry,
    known: &Known,
    ask: std::sync::Arc<dyn Ask>,
) -> Result<()> {
    let asked = async {
        let mut control = reach(known, ask.clone()).await?.control().await?;
        let why = format!("terminated by {}", crate::client::who());
        match control.ask(Op::Terminate { why }).await {
            // Its last word may be lost with the connection; whether it is gone is looked at next.
            Err(e) if e.kind == Kind::Connection => Ok(()),
            answer => answer.map(|_| ()),
        }
    };
    let asked = tokio::time::timeout(WRAP_UP, asked).await;
    match asked {
        Ok(Err(e)) if e.kind != Kind::Connection => Err(e),
        Ok(Ok(())) => {
            remember(registry, known, &ask).await;
            Ok(())
        }
        // It does not answer: its machine is asked, and does it.
        Ok(Err(e)) => match is_gone(paths, known, ask.clone()).await {
            Ok(true) => {
                remember(registry, known, &ask).await;
                registry.ledger().lost(&known.id);
                Ok(())
            }
            Ok(false) => put_down(paths, known, ask).await,
            Err(_) => Err(e),
        },
        Err(_) => put_down(paths, known, ask).await,
    }
}

/// Of a session elsewhere only this record tells that it is over.
async fn remember(registry: &Registry, known: &Known, ask: &std::sync::Arc<dyn Ask>) {
    if known.ssh.is_some()
        && let Ok(status) = crate::client::status::on_disk(known, ask).await
    {
        registry.ledger().saw(&status, crate::model::now_ms());
    }
}
