//! How a person's panes lay, from one device to another: hosts keep it, for they are what all devices know.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::control::Control;
use super::reach::reach;
use super::registry::{Known, Registry};
use crate::error::Result;
use crate::model::Millis;
use crate::proto::{Op, Outcome};
use crate::ssh::Ask;

/// The minor version of the protocol that brought it.
const SINCE: u16 = 3;
/// A host that has not answered by then is not waited for.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// A layout, opaque here, and when it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub at: Millis,
    pub text: String,
}

/// The newest one that the hosts of live sessions on other machines have. One that cannot be asked is passed over.
pub async fn newest(registry: &Registry, ask: Arc<dyn Ask>) -> Option<Layout> {
    let live = registry.all(false).unwrap_or_default();
    let mut asked = JoinSet::new();
    for known in live.into_iter().filter(|known| known.ssh.is_some()) {
        asked.spawn(tokio::time::timeout(PATIENCE, kept(known, ask.clone())));
    }
    let told = asked.join_all().await;
    let told = told.into_iter().filter_map(|told| told.ok()?.ok()?);
    told.max_by_key(|layout| layout.at)
}

async fn kept(known: Known, ask: Arc<dyn Ask>) -> Result<Option<Layout>> {
    let mut control = reach(&known, ask).await?.control().await?;
    if !control.knows(SINCE) {
        return Ok(None);
    }
    Ok(match control.ask(Op::Layout).await? {
        Outcome::Layout { at, layout } if at > 0 => Some(Layout { at, text: layout }),
        _ => None,
    })
}

/// Has a host keep it.
///
/// # Errors
/// As for [`Control::ask`].
pub async fn keep(control: &mut Control, layout: &Layout) -> Result<()> {
    if !control.knows(SINCE) {
        return Ok(());
    }
    let Layout { at, text } = layout.clone();
    control.ask(Op::KeepLayout { at, layout: text }).await?;
    Ok(())
}
