//! A snapshot as a disk to read from. It is read where waiting is allowed, while the fetching goes on as a task of
//! the runtime: if that ends, whoever waits is told so.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::runtime::Handle;

use super::fetch::Fetcher;
use super::{BLOCK, Result, interrupted, price_of_get};
use crate::workspace::ext4::Disk;
use crate::workspace::{Fetched, WorkspaceError};

/// The blocks that nobody has written are zeros, and nobody is asked for them.
pub(super) struct SnapshotDisk {
    name: String,
    fetcher: Arc<Fetcher>,
    runtime: Handle,
}

impl SnapshotDisk {
    pub fn new(fetcher: Arc<Fetcher>, runtime: Handle) -> Self {
        Self {
            name: format!("snapshot {}", fetcher.snapshot),
            fetcher,
            runtime,
        }
    }

    fn fetch(&self, blocks: Vec<u32>) -> Result<()> {
        let blocks = self.fetcher.missing(blocks);
        if blocks.is_empty() {
            return Ok(());
        }
        let (told, tell) = sync_channel(1);
        let fetcher = Arc::clone(&self.fetcher);
        self.runtime.spawn(async move {
            let _ = told.send(fetcher.fetch(blocks).await);
        });
        tell.recv().map_err(|_| interrupted())?
    }

    fn blocks(&self, spans: &[Range<u64>]) -> Vec<u32> {
        let within = spans.iter().flat_map(|s| self.fetcher.listing.within(s));
        within.collect()
    }
}

impl Disk for SnapshotDisk {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<()> {
        let length = u64::try_from(into.len()).unwrap_or(u64::MAX);
        let span = at..at.saturating_add(length);
        if span.end > self.fetcher.listing.bytes() {
            return Err(WorkspaceError::Damaged {
                what: self.name.clone(),
                why: format!("byte {at} is past its end"),
            });
        }
        let blocks = self.blocks(&[span]);
        if blocks.is_empty() {
            into.fill(0);
            return Ok(());
        }
        self.fetch(blocks.clone())?;
        if let Some(damage) = blocks.iter().find_map(|b| self.fetcher.damage(*b)) {
            return Err(damage);
        }
        // Between those that hold data the file has holes, which are zeros too.
        self.fetcher.cache.read(at, into)
    }

    fn want(&mut self, spans: &[Range<u64>]) -> Result<()> {
        self.fetch(self.blocks(spans))
    }

    fn missing(&self, spans: &[Range<u64>]) -> Fetched {
        let blocks = self.fetcher.missing(self.blocks(spans)).len();
        price_of_get(u64::try_from(blocks).unwrap_or(u64::MAX))
    }

    fn whole(&self) -> Fetched {
        price_of_get(self.fetcher.listing.blocks())
    }

    fn fetched(&self) -> Fetched {
        self.fetcher.fetched()
    }
}

const _: () = assert!(BLOCK.is_power_of_two());
