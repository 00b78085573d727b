//! What is said of results that wait on the volumes of sessions that have ended, wherever a person looks.

use super::{Ctx, age};
use crate::client::Registry;
use crate::client::repo::Pulls;
use crate::client::unpulled::{Waiting, waiting};
use crate::error::Result;
use crate::model::{Millis, Money, now_ms};

/// What is younger is not said to be old.
const WORTH_TELLING: Millis = 3_600_000;

/// All that wait.
///
/// # Errors
/// The ledger cannot be read.
pub fn all(ctx: &Ctx, registry: &Registry) -> Result<Vec<Waiting>> {
    waiting(registry, &Pulls::new(&ctx.paths))
}

/// Says how many there are, what they cost and how old they are; nothing where there are none.
///
/// # Errors
/// The ledger cannot be read.
pub fn say(ctx: &Ctx, registry: &Registry) -> Result<()> {
    if let Some(line) = line(&all(ctx, registry)?, now_ms()) {
        ctx.ui.note(line);
        ctx.ui.hint(
            "`remote pull --all` in their repositories brings them, `remote gc --unpulled` lists them, \
             `remote discard SESSION` deletes one",
        );
    }
    Ok(())
}

fn line(waiting: &[Waiting], now: Millis) -> Option<String> {
    let oldest = waiting.first()?;
    let month: Money = waiting.iter().map(|w| w.month).sum();
    let old = now.saturating_sub(oldest.since) >= WORTH_TELLING;
    let since = age(oldest.since, now);
    Some(match (waiting.len(), old) {
        (1, true) => format!(
            "The results of {} have waited on its work volume for {since}: ≈{month} a month.",
            oldest.known.label()
        ),
        (1, false) => format!(
            "The results of {} wait on its work volume: ≈{month} a month.",
            oldest.known.label()
        ),
        (n, true) => format!(
            "The results of {n} sessions wait on their work volumes, the oldest for {since}: ≈{month} a month."
        ),
        (n, false) => {
            format!("The results of {n} sessions wait on their work volumes: ≈{month} a month.")
        }
    })
}
