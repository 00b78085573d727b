//! What workspaces cost while no machine runs, as this device has last seen them: for `remote cost`.

use std::collections::BTreeMap;

use crate::cli::{Ctx, age};
use crate::cost::Held;
use crate::model::{Millis, Money};
use crate::workspace::{Seen, Sight};

/// All volumes and snapshots of workspaces that this device knows of. Directories cost nothing.
pub fn held(ctx: &Ctx) -> Vec<Held> {
    let seen = Seen::new(&ctx.paths).all().into_values();
    seen.flat_map(|sight| of(&sight)).collect()
}

fn of(sight: &Sight) -> Vec<Held> {
    let mut all: BTreeMap<(&str, &str), Held> = BTreeMap::new();
    let new = |name: &str, region: &str| Held {
        name: name.to_owned(),
        region: region.to_owned(),
        gib: 0,
        month: Money::ZERO,
        snapshots: 0,
        snapshots_month: Money::ZERO,
        seen: sight.at,
    };
    for workspace in sight.workspaces.iter().filter(|w| !w.region.is_empty()) {
        let (name, region) = (workspace.name.as_str(), workspace.region.as_str());
        let held = all
            .entry((name, region))
            .or_insert_with(|| new(name, region));
        held.gib = held.gib.saturating_add(workspace.gib);
        held.month = held.month.plus(Money::micros(workspace.microusd_per_month));
    }
    for snapshot in sight.snapshots.iter().filter(|s| !s.region.is_empty()) {
        let (name, region) = (snapshot.workspace.as_str(), snapshot.region.as_str());
        let held = all
            .entry((name, region))
            .or_insert_with(|| new(name, region));
        held.snapshots += 1;
        held.snapshots_month = held
            .snapshots_month
            .plus(Money::micros(snapshot.microusd_per_month));
    }
    all.into_values().collect()
}

/// `≈$8.00 a month for 1 workspace (100 GB), and at most ≈$5.00 for 2 snapshots, as seen 3h ago`
pub fn line(all: &[Held], now: Millis) -> Option<String> {
    let oldest = all.iter().map(|h| h.seen).min()?;
    let there = all.iter().filter(|h| h.gib > 0);
    let (count, gib) = there.fold((0, 0_u64), |(n, gib), h| {
        (n + 1, gib.saturating_add(h.gib.into()))
    });
    let month: Money = all.iter().map(|h| h.month).sum();
    let plural = |n: usize, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    let mut parts = Vec::new();
    if count > 0 {
        parts.push(format!(
            "≈{month} a month for {} ({gib} GB)",
            plural(count, "workspace")
        ));
    }
    let snapshots = all.iter().map(|h| h.snapshots).sum();
    if snapshots > 0 {
        let most: Money = all.iter().map(|h| h.snapshots_month).sum();
        let a_month = if count > 0 { "" } else { " a month" };
        parts.push(format!(
            "at most ≈{most}{a_month} for {}",
            plural(snapshots, "snapshot")
        ));
    }
    let when = match age(oldest, now).as_str() {
        "now" => "now".to_owned(),
        age => format!("{age} ago"),
    };
    Some(format!("{}, as seen {when}", parts.join(", and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(name: &str, gib: u32, month: u64, snapshots: usize, most: u64) -> Held {
        Held {
            name: name.to_owned(),
            region: "us-east-1".to_owned(),
            gib,
            month: Money::micros(month),
            snapshots,
            snapshots_month: Money::micros(most),
            seen: 1000,
        }
    }

    #[test]
    fn what_is_kept_is_one_line() {
        let one = [held("a", 100, 8_000_000, 2, 10_000_000)];
        assert_eq!(
            line(&one, 8_000_000).as_deref(),
            Some(
                "≈$8.00 a month for 1 workspace (100 GB), and at most ≈$10.00 for 2 snapshots, as seen 2h ago"
            )
        );
        let gone = [held("a", 0, 0, 1, 5_000_000)];
        assert_eq!(
            line(&gone, 1000).as_deref(),
            Some("at most ≈$5.00 a month for 1 snapshot, as seen now")
        );
        assert_eq!(line(&[], 0), None);
    }
}
