//! What is on EBS snapshots, read and written block by block over the network, with no machine: only the blocks that
//! are needed, side by side, each held against its checksum, and kept on disk until they are no longer needed.

mod cache;
mod changed;
mod disk;
mod fetch;
mod image;
mod listing;
mod put;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::ext4::{Ext4, Ext4Files};
use super::{Fetched, Files, WorkspaceError};
use crate::config::Paths;
use crate::provision::Steps;
use crate::provision::ec2::{AwsClass, AwsError, Ec2};
use cache::Cache;
use disk::SnapshotDisk;
use fetch::Fetcher;

pub use cache::forget;
pub use changed::{Changed, changed};
pub use image::Image;
pub use put::Seeded;

/// Bytes of a block, the same for every snapshot.
pub const BLOCK: u64 = 524_288;
/// So many are fetched or put at a time.
const PARALLEL: usize = 32;
/// What is asked again, and how long after the first time; each next time takes twice as long.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(300);

type Result<T> = std::result::Result<T, WorkspaceError>;

/// Where blocks are kept.
pub fn cache_of(paths: &Paths) -> PathBuf {
    paths.cache.join("blocks")
}

/// What so many blocks cost to fetch.
pub const fn price_of_get(blocks: u64) -> Fetched {
    Fetched {
        requests: blocks,
        bytes: blocks.saturating_mul(BLOCK),
        microusd: blocks.saturating_mul(3),
    }
}

/// What so many blocks cost to write.
pub const fn price_of_put(blocks: u64) -> Fetched {
    Fetched {
        requests: blocks,
        bytes: blocks.saturating_mul(BLOCK),
        microusd: blocks.saturating_mul(6),
    }
}

/// What so many listings cost, rounded up.
const fn price_of_lists(requests: u64) -> u64 {
    requests.saturating_mul(6).div_ceil(10)
}

/// Opens the files of a complete snapshot. What is fetched is kept below `cache`, one directory a snapshot, until
/// [`forget`] is told to remove it: whoever opens it again fetches nothing twice.
///
/// # Errors
/// No such snapshot, one that is not complete, no permission (named), or no file system that can be read.
pub async fn open(
    ec2: &Ec2,
    snapshot: &str,
    cache: &Path,
    steps: Steps<'_>,
) -> Result<Box<dyn Files>> {
    let calls = ec2.calls();
    steps(&format!("list {snapshot}"));
    let listing = listing::list(calls, snapshot).await?;
    steps(&format!("open {snapshot}"));
    let kept = Cache::open(cache, snapshot, listing.bytes())?;
    let fetcher = Fetcher::new(calls.clone(), snapshot, listing, kept);
    let disk = SnapshotDisk::new(Arc::new(fetcher), Handle::current());
    let opened = tokio::task::spawn_blocking(move || {
        let fs = Ext4::open(Box::new(disk))?;
        Ok(Box::new(Ext4Files::new(fs)) as Box<dyn Files>)
    });
    match opened.await {
        Ok(files) => files,
        Err(_) => Err(interrupted()),
    }
}

fn interrupted() -> WorkspaceError {
    WorkspaceError::Refused("interrupted".to_owned())
}

/// Whether the same may go well a little later.
fn passes(error: &AwsError) -> bool {
    match error.class {
        AwsClass::Throttling | AwsClass::Network => true,
        AwsClass::Other => error.code.contains("Internal") || error.code.contains("Unavailable"),
        _ => false,
    }
}

/// How long to wait before attempt `n`, the first repetition being 1.
fn pause(n: u32) -> Duration {
    PAUSE.saturating_mul(1 << n.min(6).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_those_of_the_list() {
        // 20 GiB in full: $0.12 out, $0.25 in.
        assert_eq!(price_of_get(40_960).microusd, 122_880);
        assert_eq!(price_of_put(40_960).microusd, 245_760);
        assert_eq!(price_of_lists(5), 3);
        assert_eq!((pause(1), pause(3)), (PAUSE, PAUSE * 4));
    }
}
