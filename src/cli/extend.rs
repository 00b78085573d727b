//! `remote extend`.

use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::target::{person, time};
use super::{Ctx, complete, words};
use crate::client::dispatch::{TTL, checked};
use crate::client::{Control, Known, cloud, reach};
use crate::error::{Error, Result};
use crate::model::{Millis, Money, SessionStatus, now_ms};
use crate::proto::Op;
use crate::provision::Binaries;

/// Give a session more time, or another budget
///
/// A time moves the end of its TTL. A budget is what it may cost in all, counted from its start: its host ends it
/// before it costs more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: String,
    /// How much later its TTL is to end: `30m`, `1h`
    #[arg(value_name = "TIME", value_parser = time, required_unless_present = "budget")]
    time: Option<Duration>,
    /// What it may cost in all from now on, such as 5usd
    #[arg(long, value_name = "USD")]
    budget: Option<Money>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let more = args.time.map(|t| checked("the time", t)).transpose()?;
    let registry = ctx.registry(Some(&args.session)).await?;
    let known = registry.resolve(&args.session)?;
    let host = reach(&known, person(ctx)).await?;
    let mut control = host.control().await?;
    let status = control.status().await?;
    if let Some(budget) = args.budget {
        let microusd = budget.as_micros();
        control.ask(Op::Budget { microusd }).await?;
        ctx.ui.note(format!("{}: budget {budget}.", known.id));
    }
    if let Some(more) = more {
        extend(ctx, &known, &mut control, &status, more).await?;
    }
    registry
        .ledger()
        .saw(&control.status().await.unwrap_or(status), now_ms());
    Ok(ExitCode::SUCCESS)
}

async fn extend(
    ctx: &Ctx,
    known: &Known,
    control: &mut Control,
    status: &SessionStatus,
    more: Duration,
) -> Result<()> {
    let old = status.spec.ends.deadline.ok_or_else(|| {
        Error::user(format!(
            "{} has no TTL, so there is nothing to extend",
            known.label()
        ))
        .hint(format!(
            "run `remote status {}` to see what ends it",
            known.id
        ))
    })?;
    let deadline = later(old, status.now, more)?;
    if known.provider == "ec2" {
        let region = known.rented.as_ref().map(|r| r.region.as_str());
        let binaries = Binaries::default();
        let ec2 = cloud::open(&ctx.paths, &ctx.config, region, &binaries, person(ctx)).await?;
        // First: whoever lists machines ends those that are long past what their tag says.
        ec2.extend(&known.id, deadline).await?;
    }
    control.ask(Op::Extend { deadline }).await?;
    let left = Duration::from_millis(deadline.saturating_sub(status.now));
    ctx.ui
        .note(format!("{}: TTL in {}.", known.id, words::short(left)));
    Ok(())
}

/// `more` after the old deadline, or after now where that is past already.
fn later(old: Millis, now: Millis, more: Duration) -> Result<Millis> {
    let more = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
    let deadline = old.max(now).saturating_add(more);
    checked(
        "the TTL left",
        Duration::from_millis(deadline.saturating_sub(now)).max(*TTL.start()),
    )?;
    Ok(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_added_to_what_is_left() {
        let hour = Duration::from_secs(3600);
        assert_eq!(later(10_000, 5000, hour).ok(), Some(3_610_000));
        assert_eq!(later(1000, 5000, hour).ok(), Some(3_605_000));
        assert!(later(5000, 5000, Duration::from_secs(366 * 86_400)).is_err());
    }
}
