//! The provider's way to a machine that it has just made: our SSH, its key pinned. The newest connection is kept:
//! whoever launched the machine goes on over it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::client::dial::{OverSsh, dial_within};
use crate::client::limits::Limits;
use crate::provision::{BoxFuture, PinnedLogin, Reach, ReachError, Remote};
use crate::ssh::{Ask, Connection, Flow, Retry, SshError, SshErrorKind};

/// The provider knocks again: a packet that came before the machine's network is not waited for.
const KNOCK: Limits = Limits {
    tcp: Some(Duration::from_secs(2)),
    answer: None,
    as_known: true,
};

/// See the module.
pub struct OverPinned {
    ask: Arc<dyn Ask>,
    newest: Newest,
}

/// What was connected to last.
type Newest = Arc<Mutex<Option<(PinnedLogin, Connection)>>>;

impl OverPinned {
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self {
            ask,
            newest: Newest::default(),
        }
    }

    /// The connection that was made last, if it was made with this login.
    pub fn take(&self, login: &PinnedLogin) -> Option<Connection> {
        let taken = held(&self.newest).take_if(|(made, _)| made == login);
        taken.map(|(_, connection)| connection)
    }
}

fn held(newest: &Newest) -> MutexGuard<'_, Option<(PinnedLogin, Connection)>> {
    newest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reach for OverPinned {
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>> {
        Box::pin(async move {
            match knock(login, &self.ask, &self.newest).await {
                Ok(connection) => {
                    let place = format!("{}@{}", login.user, login.address);
                    let (login, ask) = (login.clone(), self.ask.clone());
                    let newest = self.newest.clone();
                    let remote = OverSsh::over(&place, connection).redialled(move || {
                        let (login, ask) = (login.clone(), ask.clone());
                        let newest = newest.clone();
                        Box::pin(async move { Ok(knock(&login, &ask, &newest).await?) })
                    });
                    Ok(Arc::new(remote) as Arc<dyn Remote>)
                }
                Err(e) => Err(ReachError {
                    wait: e.retry() != Retry::Never,
                    stranger: e.kind == SshErrorKind::Auth,
                    message: e.to_string(),
                }),
            }
        })
    }
}

async fn knock(
    login: &PinnedLogin,
    ask: &Arc<dyn Ask>,
    newest: &Newest,
) -> Result<Connection, SshError> {
    let connection = dial_within(login, ask.clone(), Flow::Credited, KNOCK).await?;
    *held(newest) = Some((login.clone(), connection.clone()));
    Ok(connection)
}
