//! Sessions on the configured ssh machine that another device began: the machine is asked, and the ledger learns of
//! them, as it does of rented machines by their tags. So a second laptop needs no more than the way there.

use std::sync::Arc;
use std::time::Duration;

use super::place::{Place, Provider};
use super::registry::Registry;
use crate::config::{Config, Paths};
use crate::error::{Error, Result};
use crate::model::now_ms;
use crate::provision::{Binaries, Lives};
use crate::ssh::{Ask, Nobody};

/// A machine that is away must not hold up a look at the others for longer.
const PATIENCE: Duration = Duration::from_secs(6);

/// How much may be done to hear of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A look at all there is: nobody is asked for a password, nothing is uploaded, and it does not take long.
    Look,
    /// A person means one that is not known here.
    Person,
}

/// Asks the machine on which sessions run by the configuration, if there is one; gives why it could not be asked.
///
/// # Errors
/// The ledger cannot be written.
pub async fn sync(
    paths: &Paths,
    config: &Config,
    registry: &Registry,
    ask: Arc<dyn Ask>,
    effort: Effort,
) -> Result<Option<Error>> {
    let Some(destination) = config.host().filter(|_| config.provider() == "ssh") else {
        return Ok(None);
    };
    let place = Place::Ssh {
        destination: destination.to_owned(),
        binaries: Binaries {
            by_system: config.host_binaries().clone(),
            ..Binaries::default()
        },
    };
    // Boxed: a dial is long, and this is part of every verb.
    let asked = match effort {
        Effort::Look => {
            let asked = Box::pin(ask_there(&place, paths, Arc::new(Nobody), false));
            let late = |_| {
                Err(Error::connection(format!(
                    "no answer in {} s",
                    PATIENCE.as_secs()
                )))
            };
            tokio::time::timeout(PATIENCE, asked)
                .await
                .unwrap_or_else(late)
        }
        Effort::Person => Box::pin(ask_there(&place, paths, ask, true)).await,
    };
    let lives = match asked {
        Ok(lives) => lives,
        Err(e) => return Ok(Some(e)),
    };
    for one in lives {
        // A session on a machine that shares this home is known by its directory.
        if one.spec.provider != "ssh" || registry.get(&one.spec.id).is_some() {
            continue;
        }
        registry.ledger().launched(&one.spec, &one.endpoint)?;
        if let Some(status) = &one.status {
            registry.ledger().saw(status, now_ms());
        }
    }
    Ok(None)
}

async fn ask_there(
    place: &Place,
    paths: &Paths,
    ask: Arc<dyn Ask>,
    bring: bool,
) -> Result<Vec<Lives>> {
    match place.open(paths, ask, &|_| {}).await? {
        (Provider::Ssh(host), _way) => Ok(host.lives(bring).await?),
        _ => Ok(Vec::new()),
    }
}
