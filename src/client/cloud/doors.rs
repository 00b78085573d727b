//! This device let in to its machines from where it is now, once for all of a region: for who asks many of them at
//! once, and would otherwise have each of them asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::config::{Config, Paths};
use crate::error::{Context, Result};
use crate::provision::Binaries;
use crate::ssh::Ask;

/// Those of one command.
pub struct Doors {
    ask: Arc<dyn Ask>,
    opened: Mutex<BTreeMap<String, Arc<OnceCell<bool>>>>,
}

impl Doors {
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self {
            ask,
            opened: Mutex::default(),
        }
    }

    /// Opens those of a region. Whether that changed anything, so that knocking again may help; where it cannot be
    /// done it did not.
    pub async fn open(&self, region: &str) -> bool {
        let once = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened.entry(region.to_owned()).or_default().clone()
        };
        let opened = once.get_or_init(|| async { self.try_open(region).await.unwrap_or(false) });
        *opened.await
    }

    async fn try_open(&self, region: &str) -> Result<bool> {
        let paths = Paths::from_env()?;
        let cwd = std::env::current_dir().context("the current directory cannot be read")?;
        let config = Config::load(&paths, &cwd)?;
        let binaries = Binaries::default();
        let ec2 = super::open(&paths, &config, Some(region), &binaries, self.ask.clone()).await?;
        Ok(ec2.let_in_anew().await?)
    }
}
