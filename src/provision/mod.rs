//! Where sessions' machines come from. A provider is eight questions on plain data ([`Compute`]); it knows
//! nothing of SSH or of the wire: what has to run on another machine goes through [`Remote`], which the
//! client implements over its connection.

mod binaries;
pub mod ec2;
mod error;
mod local;
mod program;
pub mod sizing;
mod ssh_host;
mod system;
mod unit;
mod upload;
pub mod user_data;
mod whole;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;

use crate::model::{Millis, SessionId, SessionSpec};

pub use binaries::{Binaries, Shelf};
pub use error::ProvisionError;
pub use local::{Local, live_endpoint};
pub use program::{find_program, login_path};
pub use ssh_host::{Lives, SshHost};
pub use system::system_name;
pub use upload::{quote, sh};
pub use whole::{Survives, write_whole};

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
    /// What machine to rent; only `ec2` rents one.
    #[serde(default)]
    pub wish: Option<MachineWish>,
    /// When it is put back on a new machine; its directory is on its work volume then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Millis>,
}

/// What is new of a session that is put back on a new machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    pub session: SessionId,
    pub deadline: Option<Millis>,
    pub microusd_per_hour: u64,
    pub budget_microusd: Option<u64>,
}

impl Renewal {
    pub fn of(spec: &SessionSpec) -> Self {
        Self {
            session: spec.id.clone(),
            deadline: spec.ends.deadline,
            microusd_per_hour: spec.price_microusd_per_hour,
            budget_microusd: spec.budget_microusd,
        }
    }
}

/// The machine that is wanted, all of it decided: what was left open has been filled in before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineWish {
    /// `m6i.large`
    pub instance_type: String,
    /// The zone it must be in; any, where none is named.
    #[serde(default)]
    pub zone: Option<String>,
    #[serde(default)]
    pub spot: bool,
    /// What an hour may cost, fail-over to other zones, sizes and markets included.
    #[serde(default)]
    pub max_microusd_per_hour: Option<u64>,
    /// Whether a larger size of the family may take its place where there is no capacity.
    #[serde(default)]
    pub other_sizes: bool,
    /// Whether on-demand may take the place of spot.
    #[serde(default)]
    pub on_demand_too: bool,
    /// The work volume's size.
    pub disk_gib: u32,
    /// `ubuntu-24.04`, `debian-12`, `amazon-linux-2023`, `ami-…` or `resolve:ssm:…`
    pub image: String,
    /// Whether agents may use sudo there.
    pub sudo: bool,
    /// The volume that is its work volume; a new one is made where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Existing>,
}

impl MachineWish {
    /// The workspace that its work volume is.
    pub fn workspace(&self) -> Option<&str> {
        self.volume.as_ref()?.workspace.as_deref()
    }
}

/// A volume that was there before the machine, and stays whatever becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// `vol-0abc…`
    pub id: String,
    /// The workspace that it is; none where it is the work volume of the session that is resumed.
    #[serde(default)]
    pub workspace: Option<String>,
    /// It was made blank, and has no file system yet.
    #[serde(default)]
    pub blank: bool,
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
    /// What its provider knows of a rented one.
    #[serde(default)]
    pub rented: Option<Rented>,
}

/// A rented machine as its tags and its provider tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rented {
    /// `i-0abc…`
    pub instance: String,
    pub instance_type: String,
    pub region: String,
    pub zone: String,
    pub spot: bool,
    pub name: Option<String>,
    pub task: String,
    /// The owner's ARN.
    pub owner: String,
    pub deadline: Option<Millis>,
    /// What one hour costs, volumes and address included, as it was known at the launch.
    pub microusd_per_hour: u64,
    /// The work volume, where one is there.
    pub volume: Option<String>,
    pub volume_gib: u32,
    /// The workspace that its work volume is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Its work volume goes with it: its results are safe elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub let_go: bool,
    /// How to log in, once it has an address; `identity` is the asking device's.
    pub login: Option<PinnedLogin>,
    /// The host key is still the one-time key from user-data: nothing of value may be sent before it is changed.
    pub provisional: bool,
    /// When it ended and why, as the provider says it.
    pub ended: Option<(Millis, String)>,
    /// It was stopped from outside: it costs its disks, and can be started again.
    #[serde(default)]
    pub stopped: bool,
    /// The name of the device that made it.
    #[serde(default)]
    pub device: String,
}

/// Something that nothing else is known by: 32 hexadecimal digits.
///
/// # Errors
/// The system gives no random bytes.
pub fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
impl Rented {
    /// One that runs, in tests.
    pub(crate) fn sample() -> Self {
        Self {
            instance: "i-0abc".to_owned(),
            instance_type: "m6i.large".to_owned(),
            region: "us-east-1".to_owned(),
            zone: "us-east-1b".to_owned(),
            spot: false,
            name: Some("auth".to_owned()),
            task: "implement auth".to_owned(),
            owner: "arn:aws:iam::1:user/me".to_owned(),
            deadline: None,
            microusd_per_hour: 107_000,
            volume: None,
            volume_gib: 8,
            workspace: None,
            let_go: false,
            login: None,
            provisional: false,
            ended: None,
            stopped: false,
            device: "laptop".to_owned(),
        }
    }
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// A server whose key is known beforehand: the host's own on 127.0.0.1, or an EC2 machine's.
    Pinned(PinnedLogin),
    /// What one would type after `ssh`; the user's own ssh configuration says the rest.
    Ssh { destination: String },
}

/// An SSH server that is known by its address and key alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedLogin {
    /// An address or a name.
    pub address: String,
    /// The IPv6 address of a machine whose other one is IPv4: for networks that have no IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address6: Option<String>,
    pub port: u16,
    pub user: String,
    /// One OpenSSH public key line; no other is accepted.
    pub host_key: String,
    /// The private key's file here.
    pub identity: PathBuf,
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
    /// What its provider knows of a rented machine, where it has just made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rented: Option<Rented>,
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

/// How a provider gets to a machine that it has just made: the client's SSH.
pub trait Reach: Send + Sync {
    /// Connects once: an error says whether to come again ([`ReachError::wait`]).
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>>;
}

/// Why a machine cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ReachError {
    pub message: String,
    /// It may still be on its way up.
    pub wait: bool,
    /// It answers, and does not know our key: another device made it.
    pub stranger: bool,
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

    /// Connects anew, once, after the connection was lost.
    fn again(&self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async { Err(std::io::ErrorKind::Unsupported.into()) })
    }

    /// What one would type after `ssh`.
    fn destination(&self) -> &str;
}
