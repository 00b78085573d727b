//! What a person has set: directories, the configuration file, agents as data.

mod paths;

pub use paths::{Paths, SessionDir};
