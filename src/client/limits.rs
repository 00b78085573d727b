//! How long a machine is waited for that may be dead: by a status much less than by somebody who wants to get in.

use std::time::Duration;

use crate::ssh::Resolved;

/// Without them, what ssh itself would wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Until its TCP answers.
    pub tcp: Option<Duration>,
    /// Until its TCP, and then its SSH server, has answered.
    pub answer: Option<Duration>,
    /// A rented machine is looked for only where it is known to be: its provider is not asked for the way.
    pub as_known: bool,
}

impl Limits {
    /// `limit` for each answer.
    pub fn each(limit: Duration) -> Self {
        Self {
            answer: Some(limit),
            ..Self::default()
        }
    }

    /// For who has asked for the way already, or has no time to.
    #[must_use]
    pub fn as_known(self) -> Self {
        Self {
            as_known: true,
            ..self
        }
    }

    /// Sets them where a connection is dialled.
    pub(super) fn put(self, resolved: &mut Resolved) {
        resolved.tcp_timeout = self.tcp;
        resolved.connect_timeout = self.answer.or(resolved.connect_timeout);
    }
}
