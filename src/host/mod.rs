//! The role of this binary on a session's machine: one process that owns the agents, their terminals and
//! their history, knows their states, and ends the session when it is time. Clients come and go over its
//! socket. What decides is pure and takes the time as an argument; tasks and effects are around it.

mod agent;
mod attachment;
pub mod bridge;
mod cgroup;
mod checks;
mod control;
mod cpu;
pub mod credential;
mod embedded;
mod ends;
mod environment;
mod files;
mod fitting;
mod flow;
mod grep;
mod handed;
mod hook;
mod hub;
pub mod imds;
mod journal;
mod layout;
mod leftovers;
mod lenders;
mod lent;
mod list;
mod load;
mod lock;
mod logfile;
mod logs;
pub mod notify;
mod processes;
mod push;
mod rented;
mod ring;
mod run;
mod scrollback;
mod server;
mod settle;
mod setup;
mod shell;
mod startup;
mod state;
mod strays;
mod teller;
#[cfg(test)]
mod tests;
mod upgrade;
mod volume;
mod wrapup;

pub use leftovers::workspace_of;
pub use list::{Check, Listed, check, list};
pub use lock::holder;
pub use run::{RunOptions, run};
