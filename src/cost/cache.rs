//! Prices that AWS told, one JSON file a region: on demand for a week, spot for five minutes, and for an hour
//! that AWS would not tell, so that not every command asks in vain. Losing it costs a question.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::model::{Millis, Money};

pub const WEEK: Millis = 7 * 86_400_000;
pub const FIVE_MINUTES: Millis = 5 * 60_000;
const AN_HOUR: Millis = 3_600_000;

/// What AWS told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told<T> {
    pub value: T,
    pub at: Millis,
}

impl<T> Told<T> {
    /// Told no longer ago than `age`. A time to come is a clock that was wrong.
    pub fn is_fresh(&self, now: Millis, age: Millis) -> bool {
        now.checked_sub(self.at).is_some_and(|old| old <= age)
    }
}

/// One region's prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// By type; `None` for one that is not offered there.
    #[serde(default)]
    pub on_demand: BTreeMap<String, Told<Option<Money>>>,
    /// By type and zone.
    #[serde(default)]
    pub spot: BTreeMap<String, Told<BTreeMap<String, Money>>>,
    /// A GB of gp3 for a month.
    #[serde(default)]
    pub gib_month: Option<Told<Money>>,
    /// Why the Price List did not answer.
    #[serde(default)]
    pub list_refused: Option<Told<String>>,
    /// Why the spot history did not.
    #[serde(default)]
    pub spot_refused: Option<Told<String>>,
}

/// Why not to ask again so soon.
pub fn refusal(refused: Option<&Told<String>>, now: Millis) -> Option<String> {
    refused
        .filter(|r| r.is_fresh(now, AN_HOUR))
        .map(|r| r.value.clone())
}

/// The directory of such files.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

impl Cache {
    /// `dir` is `$XDG_CACHE_HOME/remote`; made when something is written.
    pub fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// `None` for a region whose name is none: it would be part of a path.
    fn file(&self, region: &str) -> Option<PathBuf> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (!region.is_empty() && region.bytes().all(plain))
            .then(|| self.0.join(format!("prices-{region}.json")))
    }

    /// What is known of a region; nothing where that cannot be read.
    pub fn read(&self, region: &str) -> Region {
        self.file(region)
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// Keeps what is known. A cache that cannot be written is no reason to stop.
    pub fn write(&self, region: &str, prices: &Region) {
        let Some(file) = self.file(region) else {
            return;
        };
        let written = std::fs::create_dir_all(&self.0)
            .and_then(|()| Ok(serde_json::to_vec(prices)?))
            .and_then(|text| replace(&file, &text));
        if let Err(e) = written {
            tracing::debug!("{} cannot be written: {e}", file.display());
        }
    }
}

/// Writes a file so that it is whole at every moment, whoever else writes it.
pub fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = file.file_name().unwrap_or_default().to_owned();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{count}.tmp", std::process::id()));
    let beside = file.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut f| f.write_all(bytes))
        .and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        // The error of the write is the one that tells.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_kept_for_its_time() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let cache = Cache::new(dir.path().join("remote"));
        assert_eq!(cache.read("eu-west-1"), Region::default());
        let mut region = Region::default();
        let told = Told {
            value: Some(Money::micros(107_000)),
            at: 1000,
        };
        region
            .on_demand
            .insert("m6i.large".to_owned(), told.clone());
        cache.write("eu-west-1", &region);
        assert_eq!(cache.read("eu-west-1"), region);
        assert!(told.is_fresh(1000 + WEEK, WEEK));
        assert!(!told.is_fresh(1001 + WEEK, WEEK));
        assert!(!told.is_fresh(999, WEEK), "from a clock that was wrong");
        std::fs::write(dir.path().join("remote/prices-eu-west-1.json"), "{\"on")?;
        assert_eq!(cache.read("eu-west-1"), Region::default());
        Ok(())
    }

    #[test]
    fn a_region_is_no_path() {
        let cache = Cache::new("/nowhere".into());
        for region in ["", "../x", "a/b", "EU"] {
            assert_eq!(cache.file(region), None, "{region}");
        }
    }
}
