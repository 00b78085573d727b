//! `remote terminate`.

use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;
use tokio::task::JoinSet;

use super::target::person;
use super::{Ctx, complete, confirm, waiting, words};
use crate::client::handover::{is_gone, put_down};
use crate::client::{Known, Registry, cloud, reach};
use crate::error::{Error, Kind, Result};
use crate::model::{Certainty, EndKind, Ended, Money, SessionId, now_ms};
use crate::proto::Op;
use crate::provision::ec2::Ec2;
use crate::ssh::Ask;

/// A host that does not answer for this long is ended from outside.
const WRAP_UP: Duration = Duration::from_secs(30);

/// End sessions at once: their agents, and the machine if it was made for them
///
/// Their histories stay readable (`logs`, `replay`) until `remote prune`. Another owner's session on EC2 is ended
/// only where it is named in full and confirmed, or with --yes.
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
    let registry = match args.sessions.as_slice() {
        [one] => ctx.registry_of(one).await?,
        several => ctx.registry(several.first().map(String::as_str)).await?,
    };
    let (sessions, others) = chosen(ctx, &registry, &args).await?;
    let ended = end_others(ctx, others, args.yes).await?;
    if sessions.is_empty() && !ended.is_empty() {
        if args.json {
            ctx.ui.json(&ended)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
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
                "ec2" => {
                    let down = put_down(&paths, &known, ask).await;
                    if down.is_ok() {
                        // It may be off already, and tell nobody.
                        let end = Ended {
                            kind: EndKind::Terminated,
                            at: now_ms(),
                            why: why(),
                        };
                        registry.ledger().ended(&known.id, end);
                    }
                    // A host that was gone already, or went meanwhile, has nothing to say to that.
                    down.and(match ended {
                        Err(e) if e.kind == Kind::Connection => Ok(()),
                        told => told,
                    })
                }
                _ => ended,
            };
            (index, known, ended)
        });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(index, ..)| *index);
    if args.json {
        let own = done.iter().map(|(_, known, ended)| Terminated {
            session: known.id.clone(),
            terminated: ended.is_ok(),
            error: ended.as_ref().err().map(ToString::to_string),
        });
        let told: Vec<Terminated> = own.chain(ended).collect();
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
    if !args.json {
        waiting::say(ctx, &registry)?;
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
    let mut month = String::new();
    let told = match (spend, &known.rented) {
        (Some(total), _) => {
            month = total.kept.map_or(month, |kept| format!(", {kept}"));
            total.spent
        }
        // Another device's: its tags say what an hour of it costs at most.
        (None, Some(rented)) => {
            let ms = now.saturating_sub(known.created).max(60_000);
            Certainty::AtMost.of(Money::micros(rented.microusd_per_hour).for_ms(ms))
        }
        (None, None) => return String::new(),
    };
    let mut told = format!(" Total {told}");
    match &known.rented {
        Some(rented) if rented.workspace.is_some() => {
            let name = rented.workspace.as_deref().unwrap_or_default();
            told.push_str(&format!("; its files stay on workspace {name}"));
        }
        Some(rented) if rented.let_go => told.push_str("; its results are here, its volume goes"),
        Some(rented) if rented.volume.is_some() => told.push_str(&format!(
            "; kept: its work volume of {} GB{month}",
            rented.volume_gib
        )),
        _ => {}
    }
    told
}

/// Another owner's session, and what can end it.
type Other = (Known, Ec2);

/// This person's own sessions that are meant, and others' that were named in full.
async fn chosen(ctx: &Ctx, registry: &Registry, args: &Args) -> Result<(Vec<Known>, Vec<Other>)> {
    if args.all {
        return Ok((registry.all(false)?, Vec::new()));
    }
    let (mut chosen, mut others): (Vec<Known>, Vec<Other>) = (Vec::new(), Vec::new());
    for typed in &args.sessions {
        let known = match registry.resolve(typed) {
            Ok(known) => known,
            Err(e) => match cloud::other(&ctx.paths, &ctx.config, typed, person(ctx)).await? {
                Some(other) => {
                    others.push(other);
                    continue;
                }
                None => return Err(e),
            },
        };
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
    Ok((chosen, others))
}

/// Ends others' machines, each after a question of its own. Their hosts are not asked: this device is no business
/// of theirs. Work volumes stay.
async fn end_others(ctx: &Ctx, others: Vec<Other>, yes: bool) -> Result<Vec<Terminated>> {
    let mut ended = Vec::new();
    for (known, ec2) in others {
        let owner = known.rented.as_ref().map_or("", |r| &r.owner);
        let question = format!(
            "{} is not yours but {}'s. End its machine all the same?",
            known.label(),
            words::owner(owner)
        );
        if !confirm(&ctx.ui, &question, yes)? {
            return Err(Error::user("nothing of another's was terminated"));
        }
        ec2.terminate_machine(&known.id, false).await?;
        ctx.ui.note(format!(
            "Terminated {}, which was {owner}'s.",
            known.label()
        ));
        ended.push(Terminated {
            session: known.id,
            terminated: true,
            error: None,
        });
    }
    Ok(ended)
}

fn why() -> String {
    format!("terminated by {}", crate::client::who())
}

async fn end(
    paths: &crate::config::Paths,
    registry: &Registry,
    known: &Known,
    ask: std::sync::Arc<dyn Ask>,
) -> Result<()> {
    // A machine that cannot answer has nothing to wrap up that its provider's end does not.
    if known
        .rented
        .as_ref()
        .is_some_and(|r| r.stopped || r.provisional)
    {
        registry.ledger().lost(&known.id);
        return Ok(());
    }
    let asked = async {
        let mut control = reach(known, ask.clone()).await?.control().await?;
        match control.ask(Op::Terminate { why: why() }).await {
            // Its last word may be lost with the connection; whether it is gone is looked at next.
            Err(e) if e.kind == Kind::Connection => Ok(()),
            answer => answer.map(|_| ()),
        }
    };
    let asked = tokio::time::timeout(WRAP_UP, asked).await;
    match asked {
        // A rented machine may have gone since it was listed, which whoever looks for its address is told.
        Ok(Err(e)) if e.kind != Kind::Connection && known.rented.is_none() => Err(e),
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
            Ok(false) if e.kind == Kind::Connection => put_down(paths, known, ask).await,
            Ok(false) | Err(_) => Err(e),
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
