//! The role of this binary on a session's machine: one process that owns the agents, their terminals and
//! their history, knows their states, and ends the session when it is time. Clients come and go over its
//! socket. What decides is pure and takes the time as an argument; tasks and effects are around it.

mod agent;
mod attachment;
pub mod bridge;
mod cgroup;
mod control;
mod cpu;
mod embedded;
mod ends;
mod environment;
mod files;
mod fitting;
mod flow;
mod hub;
pub mod imds;
mod list;
mod lock;
mod logfile;
mod logs;
pub mod notify;
mod processes;
mod rented;
mod ring;
mod run;
mod scrollback;
mod server;
mod startup;
mod state;
mod strays;
#[cfg(test)]
mod tests;
mod upgrade;
mod wrapup;

pub use list::{Check, Listed, check, list};
pub use lock::holder;
pub use run::{RunOptions, run};
