//! What every verb is given: where things lie, what is configured, and how to speak to the person.

use super::target::person;
use super::{Globals, Ui};
use crate::client::{Registry, cloud};
use crate::config::{Config, Paths};
use crate::error::{Context, Result};

/// What every verb is given.
#[derive(Debug)]
pub struct Ctx {
    pub paths: Paths,
    pub config: Config,
    pub ui: Ui,
    /// `--config KEY=VALUE`s, already in `config`.
    pub overrides: Vec<String>,
}

impl Ctx {
    /// Reads the environment and the configuration. Where `lenient`, a wrong configuration is replaced by
    /// the built-in one: the verb says itself what is wrong with it.
    ///
    /// # Errors
    /// No home directory, or a wrong configuration.
    pub fn new(globals: &Globals, lenient: bool) -> Result<Self> {
        let ui = Ui::new(globals.color);
        let paths = Paths::from_env()?;
        let overrides = globals.config.clone();
        let config = match Self::load(&paths, &overrides) {
            Ok(config) => config,
            Err(_) if lenient => Config::default(),
            Err(e) => return Err(e),
        };
        Ok(Self {
            paths,
            config,
            ui,
            overrides,
        })
    }

    /// The sessions that are known here; where `wanted` (any, where none is named) is not among them, those
    /// that the tags on AWS tell of too: another device may have begun it.
    ///
    /// # Errors
    /// The ledger or the sessions' directory cannot be read.
    pub async fn registry(&self, wanted: Option<&str>) -> Result<Registry> {
        let registry = Registry::open(&self.paths)?;
        let known = match wanted {
            Some(typed) => registry.resolve(typed).is_ok(),
            None => !registry.all(false)?.is_empty(),
        };
        if !known {
            self.ask_tags(&registry).await?;
        }
        Ok(registry)
    }

    /// All sessions, those that only the tags on AWS tell of included.
    ///
    /// # Errors
    /// As [`Ctx::registry`].
    pub async fn whole_registry(&self) -> Result<Registry> {
        let registry = Registry::open(&self.paths)?;
        self.ask_tags(&registry).await?;
        Ok(registry)
    }

    async fn ask_tags(&self, registry: &Registry) -> Result<()> {
        let fleet = cloud::sync(&self.paths, &self.config, registry, person(self)).await?;
        if let Some(why) = fleet.failed {
            self.ui
                .warn(format!("AWS was not asked for other sessions: {why}"));
        }
        Ok(())
    }

    /// The configuration for the current directory, with `KEY=VALUE` on top.
    ///
    /// # Errors
    /// A wrong file, variable or override, with its place.
    pub fn load(paths: &Paths, overrides: &[String]) -> Result<Config> {
        let cwd = std::env::current_dir().context("the current directory cannot be read")?;
        let mut config = Config::load(paths, &cwd)?;
        for pair in overrides {
            config.set_flag(pair)?;
        }
        Ok(config)
    }
}
