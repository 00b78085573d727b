//! How the engine gets a stream to the host, whatever lies between.

use std::future::Future;
use std::pin::Pin;

use crate::client::control::ByteStream;
use crate::client::link::Retry;

/// A future that can be stored.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why there is no stream, and whether to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialError {
    pub retry: Retry,
    pub message: String,
}

/// Opens streams to one session's host.
pub trait Dial: Send + Sync {
    /// A fresh stream; with `refresh`, the connection is made anew and first asked where the host is now.
    fn dial(&self, refresh: bool) -> BoxFuture<'_, Result<Box<dyn ByteStream>, DialError>>;
}
