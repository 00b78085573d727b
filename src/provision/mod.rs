//! Where sessions' machines come from. A provider is eight questions on plain data ([`Compute`]); it knows
//! nothing of SSH or of the wire: what has to run on another machine goes through [`Remote`], which the
//! client implements over its connection.

mod error;
mod local;
mod program;
pub mod sizing;
mod ssh_host;
mod upload;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

use crate::model::{Millis, SessionId, SessionSpec};

pub use error::ProvisionError;
pub use local::{Local, live_endpoint, write_atomically};
pub use program::{find_program, login_path};
pub use ssh_host::SshHost;
pub use upload::{Binaries, quote, sh, system_name};

/// A boxed future, so that the traits here can be objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Told of each step that may take a while: `uploading remote 0.1.0 (8.1 MB)`.
pub type Steps<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub spec: SessionSpec,
    /// For the embedded SSH server; only `local` has one.
    #[serde(default)]
    pub keys: Option<Keys>,
}

/// A fresh pair of private keys in OpenSSH's text form: the server's own, and the one it lets in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    pub host: String,
    pub client: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// What a machine is doing, as far as its provider can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MachineState {
    Pending,
    Running,
    Stopped,
    /// It is no more; what it left behind may still be readable.
    Gone,
}

/// One session's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub session: SessionId,
    pub state: MachineState,
    pub launched: Millis,
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// The host's embedded server on 127.0.0.1, its key pinned (one OpenSSH public key line).
    Loopback {
        port: u16,
        user: String,
        host_key: String,
        identity: PathBuf,
    },
    /// What one would type after `ssh`; the user's own ssh configuration says the rest.
    Ssh { destination: String },
}

/// How to reach a session's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub login: Login,
    /// The session's directory on its machine.
    pub dir: String,
    /// The host's Unix socket there.
    pub socket: String,
    /// The `remote` binary there, for what a socket cannot carry.
    pub binary: String,
}

/// What a machine costs while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Price {
    pub microusd_per_hour: u64,
}

/// A provider of machines.
pub trait Compute: Send + Sync {
    /// Starts a machine and its host; returns once the host listens. A failed launch leaves nothing behind.
    fn launch<'a>(
        &'a self,
        launch: &'a Launch,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>>;

    /// All machines of this provider, ended ones too where they can still be read.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Machine>, ProvisionError>>;

    /// One machine.
    fn describe<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Machine, ProvisionError>>;

    /// Starts a stopped machine, or the host of a session whose host has died. Its agents are not restarted.
    fn start<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>>;

    /// Stops a machine so that it can be started again.
    fn stop<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<(), ProvisionError>>;

    /// Ends a machine whose host does not answer; a host that does is asked over the wire.
    fn terminate<'a>(&'a self, session: &'a SessionId)
    -> BoxFuture<'a, Result<(), ProvisionError>>;

    /// How to reach a running host, fresh.
    fn endpoint<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>>;

    /// What one hour of the machine for `spec` costs.
    fn price<'a>(&'a self, spec: &'a SessionSpec) -> BoxFuture<'a, Result<Price, ProvisionError>>;
}

/// What a command on another machine said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// A command line on another machine, given to the login shell there.
pub trait Remote: Send + Sync {
    /// Runs `command` with `stdin`, both outputs collected (to a sane bound).
    fn run<'a>(
        &'a self,
        command: &'a str,
        stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, std::io::Result<Ran>>;

    /// What one would type after `ssh`.
    fn destination(&self) -> &str;
}
