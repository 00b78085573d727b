//! `remote prune`.

use std::process::ExitCode;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::target::{person, time};
use super::{Ctx, complete, confirm};
use crate::client::prune::{candidates, remove};
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::now_ms;

/// Sessions that a question names.
const NAMED: usize = 8;

/// Remove what is left of ended sessions: their histories and records
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these; without any, all that are over
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    sessions: Vec<String>,
    /// Only those that ended at least this long ago
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
    older_than: Duration,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Though not all that agents left uncommitted can be kept
    #[arg(long)]
    force: bool,
    /// Only show what would be removed
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Those of `over` that were named, all where none was.
    fn named(&self, registry: &Registry, over: Vec<Known>) -> Result<Vec<Known>> {
        if self.sessions.is_empty() {
            return Ok(over);
        }
        let mut named = Vec::new();
        for typed in &self.sessions {
            let known = registry.resolve(typed)?;
            let Some(one) = over.iter().find(|k| k.id == known.id) else {
                let id = &known.id;
                let (why, hint) = match known.live {
                    true => (
                        "is not over",
                        format!("end it first: `remote terminate {id}`"),
                    ),
                    false => (
                        "is not over for that long",
                        format!("see `remote status {id}`"),
                    ),
                };
                return Err(Error::user(format!("{} {why}", known.label())).hint(hint));
            };
            if !named.iter().any(|k: &Known| k.id == one.id) {
                named.push(one.clone());
            }
        }
        Ok(named)
    }
}

/// As many names as a person reads before a question, and how many more.
fn few(names: &[String]) -> String {
    match names.get(..NAMED) {
        Some(first) if names.len() > NAMED => {
            let more = names.len().saturating_sub(NAMED);
            format!("{} and {more} more", first.join(", "))
        }
        _ => names.join(", "),
    }
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = Registry::open(&ctx.paths)?;
    let ask = person(ctx);
    let over = candidates(
        &ctx.paths,
        &registry,
        args.older_than,
        now_ms(),
        ask.clone(),
    )
    .await?;
    let over = args.named(&registry, over)?;
    let names: Vec<String> = over.iter().map(Known::label).collect();
    if over.is_empty() || args.dry_run {
        if args.json {
            let ids: Vec<_> = over.iter().map(|k| &k.id).collect();
            ctx.ui.json(&ids)?;
        } else if over.is_empty() {
            ctx.ui.note("Nothing to remove.");
        } else {
            names.iter().try_for_each(|n| ctx.ui.line(n))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let question = format!("Remove the histories of {}?", few(&names));
    if !confirm(&ctx.ui, &question, args.yes)? {
        return Err(Error::user("nothing was removed"));
    }
    let mut pruned = Vec::new();
    let mut first = None;
    for known in &over {
        match remove(&registry, known, ask.clone(), args.force).await {
            Ok(one) => pruned.push(one),
            Err(e) if first.is_none() => first = Some(e),
            Err(e) => ctx.ui.warn(format!("{}: {e}", known.label())),
        }
    }
    if args.json {
        ctx.ui.json(&pruned)?;
    } else {
        let freed: u64 = pruned.iter().map(|p| p.freed).fold(0, u64::saturating_add);
        ctx.ui.note(format!(
            "Removed {} session{}, {:.1} MB here.",
            pruned.len(),
            if pruned.len() == 1 { "" } else { "s" },
            freed as f64 / 1e6
        ));
    }
    first.map_or(Ok(ExitCode::SUCCESS), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_few() {
        let names = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>();
        assert_eq!(few(&names(2)), "1, 2");
        assert_eq!(few(&names(8)), "1, 2, 3, 4, 5, 6, 7, 8");
        assert_eq!(few(&names(30)), "1, 2, 3, 4, 5, 6, 7, 8 and 22 more");
    }
}
