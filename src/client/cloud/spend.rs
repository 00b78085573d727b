//! What this device saw of rented machines' cost, written down as it happens: `remote cost` reads it.

use super::Plan;
use crate::config::Paths;
use crate::cost::{Ledger, Record, Spend};
use crate::error::Result;
use crate::model::{Millis, SessionId, SessionSpec};
use crate::provision::Rented;

/// A machine was rented.
///
/// # Errors
/// The record cannot be written.
pub fn began(
    paths: &Paths,
    plan: &Plan,
    region: &str,
    spec: &SessionSpec,
    now: Millis,
) -> Result<()> {
    Ledger::new(paths).saw(&Record {
        session: spec.id.clone(),
        owner: spec.owner.clone(),
        name: spec.name.clone(),
        task: spec.task.clone(),
        repository: None,
        workspace: None,
        instance_type: plan.wish.instance_type.clone(),
        region: region.to_owned(),
        zone: plan.wish.zone.clone().unwrap_or_default(),
        spot: plan.wish.spot,
        on_demand: plan.on_demand,
        rate: plan.rate,
        launched: spec.created,
        ended: None,
        deadline: spec.ends.deadline,
        runs: Vec::new(),
        kept: true,
        gone: None,
        seen: now,
    })
}

/// Its end was seen; what it has cost, where its beginning was seen here too.
///
/// # Errors
/// The record cannot be read or written.
pub fn ended(paths: &Paths, session: &SessionId, at: Millis, now: Millis) -> Result<Option<Spend>> {
    let ledger = Ledger::new(paths);
    let known = ledger.all()?.records;
    let Some(mut record) = known.into_iter().find(|r| r.session == *session) else {
        return Ok(None);
    };
    if record.ended.is_none() {
        record.ended = Some(at.max(record.launched));
        record.seen = now;
        ledger.saw(&record)?;
    }
    Ok(Some(record.spend(now)))
}

/// The ends that the tags and EC2 tell of.
///
/// # Errors
/// As [`ended`].
pub fn learned(paths: &Paths, session: &SessionId, rented: &Rented, now: Millis) -> Result<()> {
    if let Some((at, _)) = &rented.ended {
        ended(paths, session, *at, now)?;
    }
    Ok(())
}
