//! What a person has set: directories, the configuration file, agents as data. Values come in layers
//! (built in, config.toml, .remote.toml, REMOTE_*, flags), and each remembers the one it came from.

mod account;
mod agent;
mod agents;
mod allowed;
mod bindings;
mod chord;
mod edit;
mod file;
mod keys;
mod machine;
mod notify;
mod paths;
mod rules;
mod settings;
mod trust;
mod value;

pub use account::Account;
pub use agent::AgentDef;
pub use allowed::RepoCommands;
pub use bindings::{Action, Bindings};
pub use chord::{Chord, ChordError, Code};
pub use edit::set_in_file;
pub use keys::{KEYS, Key, meant_variable};
pub use machine::{MACHINE_FILE, MachineFile, WORK};
pub use notify::{NotifyRule, Way, check_url};
pub use paths::{Paths, SessionDir};
pub use rules::AutoRule;
pub use settings::{Config, Problem, REPO_FILE};
pub use trust::{Trust, put as put_directory};
pub use value::{Origin, Shape, Value, parse_duration};
