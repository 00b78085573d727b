//! What every verb is given: where things lie, what is configured, and how to speak to the person.

use super::target::person;
use super::{Globals, Ui};
use crate::client::elsewhere::{self, Effort};
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
        let ui = ui.still(config.screen_reader());
        Ok(Self {
            paths,
            config,
            ui,
            overrides,
        })
    }

    /// The sessions that are known here; where `wanted` (any, where none is named) is not among them, those that the
    /// configured ssh machine and the tags on AWS tell of too: another device may have begun it.
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
            let effort = wanted.map_or(Effort::Look, |_| Effort::Person);
            self.ask_around(&registry, effort).await?;
        }
        Ok(registry)
    }

    /// As [`Ctx::registry`] for one session; of a rented one the tags are asked in any case, as its machine may
    /// have been stopped, started or put back meanwhile.
    ///
    /// # Errors
    /// As [`Ctx::registry`].
    pub async fn registry_of(&self, wanted: &str) -> Result<Registry> {
        let registry = Registry::open(&self.paths)?;
        let known = registry.resolve(wanted);
        if known.is_ok_and(|k| k.provider != "ec2") {
            return Ok(registry);
        }
        self.ask_around(&registry, Effort::Person).await?;
        Ok(registry)
    }

    /// All sessions, those that only the ssh machine or the tags on AWS tell of included.
    ///
    /// # Errors
    /// As [`Ctx::registry`].
    pub async fn whole_registry(&self) -> Result<Registry> {
        let registry = Registry::open(&self.paths)?;
        self.ask_around(&registry, Effort::Look).await?;
        Ok(registry)
    }

    async fn ask_around(&self, registry: &Registry, effort: Effort) -> Result<()> {
        let (away, fleet) = tokio::join!(
            elsewhere::sync(&self.paths, &self.config, registry, person(self), effort),
            cloud::sync(&self.paths, &self.config, registry, person(self))
        );
        if let Some(why) = away? {
            let host = self.config.host().unwrap_or_default();
            self.ui
                .warn(format!("{host} was not asked for other sessions: {why}"));
        }
        let fleet = fleet?;
        for one in &fleet.unfinished {
            self.ui.note(&one.told);
        }
        if let Some(why) = fleet.failed {
            self.ui
                .warn(format!("AWS was not asked for other sessions: {why}"));
            why.hints.into_iter().for_each(|hint| self.ui.hint(hint));
        }
        if let Some(why) = fleet.overdue {
            self.ui
                .warn(format!("machines past their deadline run on: {why}"));
            why.hints.into_iter().for_each(|hint| self.ui.hint(hint));
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
