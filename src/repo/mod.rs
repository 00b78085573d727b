//! A repository's way to a session's machine and its results' way back: working tree -> commit -> there,
//! branches -> here. All of it is `git` itself, run as a program (git.rs): it is wherever repositories are, and
//! what it does with CRLF, filters, submodules, sparse, shallow and partial clones is right by definition, where a
//! library (gix) has one or another of these still to come.

pub mod base;
mod choose;
mod disarm;
mod error;
mod find;
mod git;
mod measure;
mod moved;
mod names;
mod oid;
mod ports;
mod refs;
mod results;
mod snapshot;
mod store;
pub mod transfer;
mod untracked;
mod words;
mod worktree;

#[cfg(test)]
mod tests;

pub use error::RepoError;
pub use find::{Doing, Repository, ignore_rules};
pub use git::{Git, GitFailed};
pub use measure::measure;
pub use moved::{Moved, moved};
pub use names::{identity, store_name, without_credentials};
pub use oid::Oid;
pub use refs::Refs;
pub use results::{Collected, Results, collect, count, mark_pulled};
pub use snapshot::{Options, Snapshot, plain_directory, snapshot};
pub use store::{Open, Opened, Record, Store, find_record};
pub use untracked::Limits;
pub use words::size;
pub use worktree::{Begin, Begun, BegunAgent, begin, forget};
