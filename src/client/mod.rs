//! What the verbs mean, without a terminal: which sessions there are, how to reach one, what to ask it.

pub mod attach;
pub mod broadcast;
pub mod cloud;
pub mod compare;
pub mod connect;
pub mod control;
pub mod copy;
pub mod diagnosis;
pub mod dial;
pub mod digest;
pub mod discard;
pub mod dispatch;
pub mod elsewhere;
pub mod events;
pub mod follow;
pub mod forward;
pub mod grep;
pub mod grow;
pub mod handover;
pub mod history;
pub mod layouts;
pub mod ledger;
pub mod lend;
pub mod limits;
pub mod link;
pub mod logs;
pub mod notices;
pub mod place;
pub mod prune;
pub mod reach;
pub mod registry;
pub mod repo;
pub mod resume;
pub mod secrets;
pub mod setup;
pub mod site;
pub mod status;
pub mod unpulled;
pub mod waiting;
pub mod without_machine;

pub use control::{ByteStream, Control};
pub use ledger::{Ledger, SshPlace};
pub use reach::{HostConn, reach};
pub use registry::{Known, Registry};

/// Who speaks, for people to read: `user@machine`.
pub fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .filter(|u| !u.is_empty())
        .unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}
