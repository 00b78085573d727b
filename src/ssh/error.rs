//! What can go wrong between here and a host, sorted by what to do about it.

use std::fmt;

use crate::error::{Error, Kind};

/// Sorted by remedy, not by origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SshErrorKind {
    /// No route, no such name, no network.
    Unreachable,
    /// Nothing listens there.
    Refused,
    /// Nothing answered in time.
    Timeout,
    /// The server hung up before the key exchange was through: MaxStartups, PerSourcePenalties.
    Busy,
    /// The host shows another key than the one recorded or pinned.
    HostKeyChanged,
    /// The host's key is not recorded and nobody confirmed it.
    HostKeyUnknown,
    /// The host's key, or its authority's, is marked `@revoked`.
    Revoked,
    /// No way of authentication succeeded.
    Auth,
    /// The server forbids what was asked (forwarding, a pty, a subsystem).
    Prohibited,
    /// The server tried, but the socket or port behind it did not answer.
    NotThere,
    /// The connection was there and is gone.
    Lost,
    /// The ssh configuration or a key file cannot be used as it is.
    Config,
    /// The two sides have no algorithm in common, or one broke the protocol.
    Protocol,
}

/// When a dial that failed may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// With the usual backoff.
    Soon,
    /// The server limits how often we may come: wait tens of seconds.
    Later,
    /// Not without a person's doing.
    Never,
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An SSH failure: its kind, one line saying what happened and to whom, and what to do next.
#[derive(Debug)]
pub struct SshError {
    pub kind: SshErrorKind,
    pub message: String,
    pub hints: Vec<String>,
    pub source: Option<Source>,
}

impl SshError {
    pub fn new(kind: SshErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
            source: None,
        }
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(SshErrorKind::Config, message)
    }

    pub(super) fn lost(message: impl Into<String>) -> Self {
        Self::new(SshErrorKind::Lost, message)
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Whether a redial makes sense, and when.
    pub fn retry(&self) -> Retry {
        use SshErrorKind as K;
        match self.kind {
            K::Unreachable | K::Refused | K::Timeout | K::Lost | K::NotThere => Retry::Soon,
            K::Busy => Retry::Later,
            K::HostKeyChanged
            | K::HostKeyUnknown
            | K::Revoked
            | K::Auth
            | K::Prohibited
            | K::Config
            | K::Protocol => Retry::Never,
        }
    }

    /// An I/O error met while dialling `place`.
    pub(super) fn dial(place: &str, e: std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let (kind, what) = match e.kind() {
            E::ConnectionRefused => (SshErrorKind::Refused, "refuses connections"),
            E::TimedOut => (SshErrorKind::Timeout, "does not answer"),
            E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe => {
                (SshErrorKind::Busy, "closed the connection")
            }
            _ => (SshErrorKind::Unreachable, "cannot be reached"),
        };
        Self::new(kind, format!("{place} {what}")).because(e)
    }
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SshError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|s| s as &(dyn std::error::Error + 'static))
    }
}

impl From<russh::Error> for SshError {
    fn from(e: russh::Error) -> Self {
        use russh::{ChannelOpenFailure as O, Error as R};
        let (kind, message) = match &e {
            R::ChannelOpenFailure(O::AdministrativelyProhibited | O::UnknownChannelType) => {
                (SshErrorKind::Prohibited, "the server forbids this channel")
            }
            R::ChannelOpenFailure(O::ConnectFailed) => (
                SshErrorKind::NotThere,
                "nothing answers at the far end of this channel",
            ),
            R::ChannelOpenFailure(_) => (
                SshErrorKind::NotThere,
                "the server could not open a channel",
            ),
            R::RequestDenied => (SshErrorKind::Prohibited, "the server refused the request"),
            R::KeepaliveTimeout | R::InactivityTimeout | R::ConnectionTimeout => (
                SshErrorKind::Lost,
                "the server no longer answers keepalives",
            ),
            R::NoCommonAlgo { .. }
            | R::Version
            | R::Kex
            | R::KexInit
            | R::WrongServerSig
            | R::PacketAuth
            | R::PacketSize(_)
            | R::DecryptionError
            | R::StrictKeyExchangeViolation { .. } => {
                (SshErrorKind::Protocol, "the SSH handshake failed")
            }
            _ => (SshErrorKind::Lost, "the connection was lost"),
        };
        Self::new(kind, message).because(e)
    }
}

impl From<SshError> for Error {
    /// The SSH error stays its source, so that what to do about it can still be told.
    fn from(mut e: SshError) -> Self {
        let kind = match e.kind {
            SshErrorKind::Config => Kind::Config,
            _ => Kind::Connection,
        };
        Self {
            kind,
            message: e.message.clone(),
            hints: std::mem::take(&mut e.hints),
            source: Some(Box::new(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_to_do_follows_from_the_kind() {
        let refused = SshError::dial(
            "h port 22",
            io::Error::from(io::ErrorKind::ConnectionRefused),
        );
        assert_eq!(refused.kind, SshErrorKind::Refused);
        assert_eq!(refused.retry(), Retry::Soon);
        let busy = SshError::dial("h", io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(busy.retry(), Retry::Later);
        let no = SshError::new(SshErrorKind::Auth, "no").hint("run `ssh-add`");
        assert_eq!(no.retry(), Retry::Never);
        let shown: Error = no.into();
        assert_eq!(shown.kind, Kind::Connection);
        assert_eq!(shown.hints, ["run `ssh-add`"]);
        let source = shown.source.as_deref().and_then(|s| s.downcast_ref());
        assert!(source.is_some_and(|e: &SshError| e.kind == SshErrorKind::Auth));
    }
}
