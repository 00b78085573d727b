//! Why a machine on EC2 cannot be reached, told from what was seen: a blocked port, a portal and a wrong address
//! look alike to who waits for a connection. Looking (`probe`, `knock`) is apart from concluding (`decide`).

mod decide;
mod door;
mod finding;
mod knock;
mod probe;

use std::net::IpAddr;

use crate::model::Millis;
use crate::provision::MachineState;
use crate::provision::ec2::{AddressError, Api, Cidr, Rule};

pub use decide::decide;
pub use finding::{Finding, Verdict};
pub use probe::probe;

/// What was seen of AWS and of the way there. What was not looked at is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub region: String,
    /// The price book knows it; the name nearest to it that the book knows.
    pub region_is_known: bool,
    pub region_nearest: &'static str,
    pub profile: Option<String>,
    pub api: Api,
    pub identity: Result<String, NoIdentity>,
    /// What the address service says; not asked where the ranges are fixed.
    pub addresses: Option<Result<Vec<IpAddr>, AddressError>>,
    /// `ec2.ssh_from`, where it is not `auto`.
    pub fixed: Vec<Cidr>,
    /// This device's name in rules; empty where it has none yet.
    pub device: String,
    /// The rules for port 22; `Ok(None)` where no security group is there yet.
    pub rules: Option<Result<Option<Vec<Rule>>, String>>,
    pub session: Option<SessionSeen>,
}

/// Why AWS does not say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoIdentity {
    /// There are no credentials, and what to do about it.
    None {
        why: String,
        remedy: String,
    },
    /// There are, and AWS does not take them: its code and words.
    Refused {
        code: String,
        message: String,
    },
    Silent(String),
    /// Not asked, for something else answers in AWS's place.
    NotAsked,
}

/// A machine's state and address as AWS tells them; `None` where AWS knows nothing of it.
pub type MachineSeen = Result<Option<(MachineState, Option<String>)>, String>;

/// What was seen of one session's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSeen {
    pub id: String,
    pub region: String,
    /// `i-0abc…`
    pub instance: String,
    pub launched: Millis,
    pub now: Millis,
    pub machine: Option<MachineSeen>,
    /// The address and port that this device knows.
    pub address: String,
    pub port: u16,
    pub knock: Option<Knock>,
}

/// What came of knocking at the machine's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knock {
    /// What is sent there vanishes.
    TimedOut,
    Refused,
    /// The network says that there is no way.
    NoWay(String),
    /// It accepts and hangs up without a word.
    Closed,
    /// It accepts and says nothing.
    Silent,
    /// It speaks, and not SSH: its first line.
    Foreign(String),
    /// It speaks SSH.
    Ssh {
        banner: String,
        login: SshLogin,
    },
}

/// What the server's side of a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshLogin {
    /// Its key is the session's, and it let us in.
    In,
    /// Its key is the session's; it does not know this device's.
    Stranger,
    /// Its key is another one.
    OtherKey(String),
    Failed(String),
}

#[cfg(test)]
mod tests;
