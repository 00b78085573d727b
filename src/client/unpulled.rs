//! Results that exist only on a session's own work volume: which sessions have such, what keeping them costs, and
//! letting the volume go with its machine once they are safe here. A workspace is never let go.

use std::sync::Arc;

use super::cloud;
use super::place::{Place, Provider};
use super::registry::{Known, Registry};
use super::repo::{Pulls, all_over, starts};
use super::status::{PATIENCE, Presence, report};
use crate::config::Paths;
use crate::cost::GP3_GIB_MONTH;
use crate::error::{Error, Result};
use crate::model::{Millis, Money, SessionId};
use crate::ssh::Ask;

/// A session that has ended, whose volume is still there and whose results are not known to be anywhere else.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub known: Known,
    pub gib: u32,
    /// About what it costs.
    pub month: Money,
    /// When it ended, as far as is known.
    pub since: Millis,
}

/// All of them, the oldest first. Nothing is asked over a network.
///
/// # Errors
/// The ledger cannot be read.
pub fn waiting(registry: &Registry, pulls: &Pulls) -> Result<Vec<Waiting>> {
    let ended = registry.all(true)?.into_iter().filter(|k| !k.live);
    let mut found: Vec<Waiting> = ended
        .filter(|known| !is_safe(pulls, known))
        .filter_map(|known| {
            let rented = known.rented.as_ref()?;
            rented.volume.as_ref()?;
            if rented.workspace.is_some() || rented.let_go {
                return None;
            }
            let gib = rented.volume_gib;
            Some(Waiting {
                gib,
                month: GP3_GIB_MONTH.share(u64::from(gib), 1),
                since: over_since(&known),
                known,
            })
        })
        .collect();
    found.sort_by_key(|w| w.since);
    Ok(found)
}

/// Whether all that it made is here: it was pulled, whole, after all of its agents had ended, and none was started since.
pub fn is_safe(pulls: &Pulls, known: &Known) -> bool {
    let seen = pulls.get(&known.id).filter(|s| s.safe);
    let (Some(then), Some(last)) = (seen.and_then(|s| s.over), known.last.as_ref()) else {
        return false;
    };
    // Of one that has ended nothing else is to be known: it may have died before it could say that its agents had.
    then == starts(last) && (!known.live || all_over(last).is_some())
}

fn over_since(known: &Known) -> Millis {
    let ended = known.last.as_ref().and_then(|l| l.ended.as_ref());
    let told = known.rented.as_ref().and_then(|r| r.ended.as_ref());
    let at = ended.map(|e| e.at).or(told.map(|(at, _)| *at));
    at.filter(|at| *at > 0).unwrap_or(known.last_seen)
}

/// After a pull: where all that there is was brought after all agents had ended, the volume goes with its machine.
/// Returns whether it does. The host is asked before and after: one that was started again meanwhile has it stay.
///
/// # Errors
/// AWS does not let it go: it stays then.
pub async fn safe(
    paths: &Paths,
    registry: &Registry,
    id: &SessionId,
    ask: Arc<dyn Ask>,
) -> Result<bool> {
    let pulls = Pulls::new(paths);
    let fresh = async || -> Option<Known> {
        let known = registry.get(id).filter(|k| k.provider == "ec2" && k.live)?;
        let seen = report(registry, &known, ask.clone(), PATIENCE).await;
        let told = seen.status.filter(|_| seen.presence == Presence::Live)?;
        Some(Known {
            last: Some(told),
            ..known
        })
    };
    let Some(known) = fresh().await.filter(|k| is_safe(&pulls, k)) else {
        return Ok(false);
    };
    if !let_go(paths, registry, &known, true, ask.clone())
        .await?
        .goes
    {
        return Ok(false);
    }
    if fresh().await.is_some_and(|k| is_safe(&pulls, &k)) {
        return Ok(true);
    }
    let_go(paths, registry, &known, false, ask)
        .await
        .map(|g| g.goes)
}

/// Before more work is done in a session: its volume stays whatever becomes of its machine.
///
/// # Errors
/// AWS does not say that it does: no work may be begun then.
pub async fn keep(
    paths: &Paths,
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
) -> Result<()> {
    Pulls::new(paths).goes_on(&known.id)?;
    // One that another device has let go is not known here to be; so it is said in any case.
    let own = known.rented.as_ref().is_some_and(|r| r.workspace.is_none());
    if known.provider == "ec2" && own && !let_go(paths, registry, known, false, ask).await?.is_known
    {
        return Err(Error::connection(format!(
            "the work volume of {} is not to be seen: whether it stays is not known",
            known.label()
        ))
        .hint("run it again in a moment"));
    }
    Ok(())
}

async fn let_go(
    paths: &Paths,
    registry: &Registry,
    known: &Known,
    go: bool,
    ask: Arc<dyn Ask>,
) -> Result<Going> {
    let place: Place = super::handover::place_of(paths, known)?;
    let (provider, _) = place.open(paths, ask, &|_| {}).await?;
    let Provider::Ec2(ec2) = &provider else {
        return Ok(Going::default());
    };
    if !ec2.let_go(&known.id, go).await? {
        return Ok(Going::default());
    }
    if let Some(mut entry) = registry.ledger().get(&known.id)
        && let Some(rented) = &mut entry.rented
    {
        rented.let_go = go;
        registry.ledger().put(&entry)?;
    }
    cloud::kept(paths, &known.id, !go)?;
    Ok(Going {
        is_known: true,
        goes: go,
    })
}

/// Whether a volume goes with its machine.
#[derive(Debug, Clone, Copy, Default)]
struct Going {
    /// There is a volume of the session's own.
    is_known: bool,
    goes: bool,
}
