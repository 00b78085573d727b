//! The configuration as verbs see it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{AgentDef, Paths};
use crate::error::{Error, Result};
use crate::model::Mode;

/// The configuration, all layers merged.
#[derive(Debug, Clone, Default)]
pub struct Config {
    agents: BTreeMap<String, AgentDef>,
}

impl Config {
    /// All layers but the flags: built in, config.toml, `.remote.toml` (from `cwd` up), `REMOTE_*`.
    ///
    /// # Errors
    /// A file that is no TOML, an unknown key (with the nearest one), a value of the wrong type: each with
    /// file and line.
    pub fn load(_paths: &Paths, _cwd: &Path) -> Result<Self> {
        Ok(Self::default())
    }

    /// The top layer: `KEY=VALUE`.
    ///
    /// # Errors
    /// As for a file.
    pub fn set_flag(&mut self, _pair: &str) -> Result<()> {
        Ok(())
    }

    /// The agent of that name.
    ///
    /// # Errors
    /// Unknown: names the nearest.
    pub fn agent(&self, name: &str) -> Result<&AgentDef> {
        self.agents
            .get(name)
            .ok_or_else(|| Error::config(format!("there is no agent `{name}`")))
    }

    /// All agents by name.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &AgentDef)> {
        self.agents.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// The agent that runs a task where none is named.
    pub fn default_agent(&self) -> &str {
        "claude"
    }

    /// `local`, `ssh` or `ec2`.
    pub fn provider(&self) -> &str {
        "local"
    }

    /// Whether anybody has chosen a provider; where not, a dispatch says that it runs on this machine.
    pub fn provider_is_chosen(&self) -> bool {
        false
    }

    /// The `ssh` provider's machine, `me@box`.
    pub fn host(&self) -> Option<&str> {
        None
    }

    /// How agents run on `provider`: as set, or autonomous on ec2, whose machine is thrown away, and
    /// careful elsewhere.
    pub fn mode(&self, _provider: &str) -> Mode {
        Mode::Careful
    }

    /// `--ttl` where it is not given; `None` where nothing is set: the provider's default holds.
    pub fn ttl(&self) -> Option<Duration> {
        None
    }

    pub fn idle(&self) -> Option<Duration> {
        None
    }

    pub fn linger(&self) -> Option<Duration> {
        None
    }

    pub fn wait_limit(&self) -> Option<Duration> {
        None
    }

    /// A further key that leaves an attached session, by its tmux name (`C-]`); `~.` always does.
    pub fn detach_key(&self) -> Option<&str> {
        None
    }

    /// Lines above the screen that `attach` brings into the terminal's own scrollback.
    pub fn scrollback(&self) -> u32 {
        1000
    }

    /// A directory of host binaries for other systems: `remote-linux-aarch64` and its like.
    pub fn host_binaries(&self) -> Option<&Path> {
        None
    }
}
