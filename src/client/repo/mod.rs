//! A session's repository as the verbs see it: brought there before its agents begin, and its results fetched.

pub mod auto;
mod bridge;
pub mod bring;
pub mod fetch;
pub mod pull;
mod record;
mod way;

pub use bridge::{SOCKET, serve_shim};
pub use record::{Pulls, Seen};
pub use record::{Starts, all_over, starts};
pub use way::{Way, failed};
