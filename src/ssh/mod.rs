//! SSH both ways: a client that treats hosts, keys and configuration as OpenSSH does and gives channels
//! out as byte streams, and the small loopback server that `local` sessions run. russh carries the
//! packets; trust, authentication order, flow control and errors are decided here.

mod agent;
mod auth;
mod channel;
mod client;
mod config_file;
mod connect;
mod destination;
mod error;
mod exec;
mod exec_streams;
mod forward;
mod guard;
mod identities;
pub mod keys;
mod known_hosts;
mod options;
mod pattern;
mod prompt_ack;
mod proxy;
mod queue;
mod resolve;
pub mod server;
mod signers;
mod trust;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use channel::{Channel, Flow};
pub use connect::Connection;
pub use error::{Retry, SshError, SshErrorKind};
pub use exec::{Exec, ExecControl, ExecOutput, ExecReader, ExecStdin, Exit, PtyRequest};
pub use forward::RemoteForward;
pub use known_hosts::Strict;
pub use resolve::{AgentSocket, Family, Overrides, Resolved, resolve};
pub use trust::HostTrust;

/// A boxed future: what keeps [`Ask`] usable as a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whoever can be asked for a passphrase, a password or a yes, and told what a person should know.
pub trait Ask: Send + Sync {
    /// Asks; `echo` says whether what is typed may be shown. `None` means nobody can answer, or the
    /// question was declined.
    fn ask<'a>(&'a self, prompt: &'a str, echo: bool) -> BoxFuture<'a, Option<String>>;
    /// A line for the person: a server's banner, a host key that was recorded.
    fn tell(&self, line: &str);
}

/// Nobody is there: every question is declined. For links that redial by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Ask for Nobody {
    fn ask<'a>(&'a self, _: &'a str, _: bool) -> BoxFuture<'a, Option<String>> {
        Box::pin(std::future::ready(None))
    }
    fn tell(&self, line: &str) {
        tracing::info!(line, "ssh");
    }
}

/// Locks; a panic elsewhere while it was held does not spread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
