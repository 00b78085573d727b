//! `remote restart`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::notices::hand_over;
use super::secret::send_missing;
use super::stages::Stages;
use super::target::{Target, person};
use super::{Ctx, complete};
use crate::client::handover::revive;
use crate::client::reach;
use crate::client::status::{PATIENCE, Presence, report};
use crate::client::unpulled::keep;
use crate::error::{Error, Result};
use crate::model::AgentRef;
use crate::proto::Op;

/// Start agents again, where they left off if they can
///
/// Without an agent's number: all agents of the session that have ended. The host of a session that died or
/// ended is started again first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session, or one agent as SESSION/2; an agent that still runs is ended first
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: AgentRef,
    /// Begin anew instead of where it left off
    #[arg(long)]
    fresh: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry_of(&args.target.session).await?;
    let mut target = Target::find(&registry, Some(&args.target))?;
    if target.known.ssh.is_some() && target.known.live {
        // From here a dead host there looks alive until it is asked.
        let seen = report(&registry, &target.known, person(ctx), PATIENCE).await;
        target.known.live = matches!(seen.presence, Presence::Live | Presence::Unreachable);
    }
    if !target.known.live {
        let stages = Stages::new(ctx.ui);
        let step = |step: &str| stages.step(step);
        target.known = revive(&ctx.paths, &registry, &target.known, person(ctx), &step).await?;
        stages.finish();
        hand_over(ctx, &target.known, None).await;
    }
    let host = reach(&target.known, person(ctx)).await?;
    let mut control = host.control().await?;
    let status = control.status().await?;
    let agents: Vec<u32> = match target.agent {
        Some(one) => vec![one],
        None if status.agents.len() == 1 => status.agents.iter().map(|a| a.number).collect(),
        None => status
            .agents
            .iter()
            .filter(|a| a.state.is_over())
            .map(|a| a.number)
            .collect(),
    };
    let id = &target.known.id;
    if agents.is_empty() {
        return Err(
            Error::user(format!("all agents of {} run", target.known.label())).hint(format!(
                "name the one to start again: `remote restart {id}/1`"
            )),
        );
    }
    // What it makes now is nowhere else.
    keep(&ctx.paths, &registry, &target.known, person(ctx)).await?;
    send_missing(ctx, &mut control, &status.spec, &agents).await?;
    for agent in agents {
        let fresh = args.fresh;
        control.ask(Op::Restart { agent, fresh }).await?;
        ctx.ui.note(format!("Restarted {id}/{agent}."));
    }
    // Whoever was about to let it go has not seen that.
    keep(&ctx.paths, &registry, &target.known, person(ctx)).await?;
    Ok(ExitCode::SUCCESS)
}
