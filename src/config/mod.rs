//! What a person has set: directories, the configuration file, agents as data. Values come in layers
//! (built in, config.toml, .remote.toml, REMOTE_*, flags), and each remembers the one it came from.

mod agent;
mod paths;
mod settings;

pub use agent::AgentDef;
pub use paths::{Paths, SessionDir};
pub use settings::Config;
