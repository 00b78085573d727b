//! The provider's way to a machine that it has just made: our SSH, its key pinned.

use std::sync::Arc;

use crate::client::reach::{OverSsh, dial_pinned};
use crate::provision::{BoxFuture, PinnedLogin, Reach, ReachError, Remote};
use crate::ssh::{Ask, Flow, Retry, SshErrorKind};

/// See the module.
pub struct OverPinned {
    ask: Arc<dyn Ask>,
}

impl OverPinned {
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self { ask }
    }
}

impl Reach for OverPinned {
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>> {
        Box::pin(async move {
            match dial_pinned(login, self.ask.clone(), Flow::Credited).await {
                Ok(connection) => {
                    let place = format!("{}@{}", login.user, login.address);
                    Ok(Arc::new(OverSsh::new(&place, connection)) as Arc<dyn Remote>)
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
