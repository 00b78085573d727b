//! `remote digest`.

mod text;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap_complete::engine::ArgValueCandidates;

use super::{Ctx, complete};
use crate::client::digest::{SeenFile, Wanted, marks};
use crate::client::status::Presence;
use crate::client::{Known, who};
use crate::error::Result;
use crate::model::{AgentRef, Millis, now_ms};
use crate::ssh::{Ask, Nobody};

/// Show what happened since you left: who waits for you, what was made, what ended
///
/// Each session's host writes down what happens in it. This shows what was not shown on this device yet: of
/// each agent the states it came to, its commits and checks; who else was there, warnings, cost, and how a
/// session ended. Agents that wait for an answer come first, new or not. All hosts are asked side by side, as
/// by `remote status`; one that does not answer is told of the next time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote digest\n  \
    remote digest abc --peek\n  \
    remote digest --since 8h --json")]
pub struct Args {
    /// Of these sessions only [default: all in which anything may have happened]
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    sessions: Vec<AgentRef>,
    /// From then on, whatever was shown: `8h` back, or a time such as 2026-03-01T09:00Z; counts as no look
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Millis>,
    /// Do not count it as a look: the next digest shows the same again
    #[arg(long)]
    peek: bool,
    /// Sessions without news too, ended ones included
    #[arg(long, short, conflicts_with = "sessions")]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = match args.sessions.as_slice() {
        [one] => ctx.registry_of(&one.session).await?,
        _ => ctx.whole_registry().await?,
    };
    let file = SeenFile::new(&ctx.paths);
    let wanted = Wanted {
        seen: file.get(),
        since: args.since,
        now: now_ms(),
        who: who(),
    };
    let all = registry.all(true)?;
    let named = !args.sessions.is_empty();
    let known: Vec<Known> = if named {
        let mut named = Vec::new();
        for typed in &args.sessions {
            let known = registry.resolve(&typed.session)?;
            if !named.iter().any(|k: &Known| k.id == known.id) {
                named.push(known);
            }
        }
        named
    } else {
        let may = |k: &&Known| args.all || wanted.may_have_news(k);
        all.iter().filter(may).cloned().collect()
    };
    // Nobody is asked for a password by a look.
    let ask: Arc<dyn Ask> = Arc::new(Nobody);
    let news = wanted.ask(&registry, &known, &ask).await;
    if args.json {
        ctx.ui.json(&news)?;
    } else {
        let told = text::lines(&news, args.all || named, &ctx.ui, now_ms());
        told.iter().try_for_each(|l| ctx.ui.line(l))?;
        let quiet = |n: &crate::client::digest::News| {
            !n.new && n.presence != Presence::Unreachable && n.waiting().next().is_none()
        };
        let quiet = news.iter().filter(|n| quiet(n)).count();
        if let Some(line) = text::nothing(quiet, told.is_empty(), &wanted, now_ms()) {
            ctx.ui.note(line);
        }
    }
    if !args.peek && args.since.is_none() {
        let there = |id: &_| all.iter().any(|k| k.id == *id);
        file.forward(wanted.now, marks(&news), there)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `8h` (back) or a time for clap.
fn since(text: &str) -> std::result::Result<Millis, String> {
    let text = text.trim();
    if let Ok(back) = humantime::parse_duration(text) {
        let back = Millis::try_from(back.as_millis()).unwrap_or(Millis::MAX);
        return Ok(now_ms().saturating_sub(back));
    }
    let long = match text.len() {
        // Minutes are enough.
        16 | 17 => format!("{}:00Z", text.trim_end_matches('Z')),
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    let at = humantime::parse_rfc3339_weak(&long)
        .map_err(|_| "write how far back, as 8h or 2days, or a time as 2026-03-01T09:00Z")?;
    let at = at.duration_since(SystemTime::UNIX_EPOCH);
    let ms = at.unwrap_or(Duration::ZERO).as_millis();
    Ok(Millis::try_from(ms).unwrap_or(Millis::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_how_far_back_or_a_date() {
        assert_eq!(since("1970-01-02"), Ok(86_400_000));
        assert_eq!(since("1970-01-01T00:01Z"), Ok(60_000));
        assert_eq!(since("1970-01-01 00:01"), Ok(60_000));
        assert_eq!(since("1970-01-01T00:00:02Z"), Ok(2_000));
        let hour = now_ms().saturating_sub(since("1h").expect("a time"));
        assert!((3_600_000..3_660_000).contains(&hour));
        assert!(since("yesterday").is_err_and(|e| e.contains("8h")));
    }
}
