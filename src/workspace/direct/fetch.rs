//! Fetches blocks, many at a time. A block whose bytes are not those of its checksum is asked for again, and then
//! remembered as damaged: it is never kept, and never given to anybody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::cache::{Cache, Sum};
use super::listing::{Listing, room, unreadable};
use super::{ATTEMPTS, BLOCK, Result, interrupted, passes, pause, price_of_get, price_of_lists};
use crate::error::innermost;
use crate::provision::ProvisionError;
use crate::provision::ec2::calls::Calls;
use crate::provision::ec2::{AwsClass, AwsError};
use crate::workspace::{Fetched, WorkspaceError};

const CALL: &str = "ebs:GetSnapshotBlock";
/// A block with the wrong bytes is asked for so often.
const WRONG: u32 = 3;

/// The blocks of one snapshot.
pub(super) struct Fetcher {
    calls: Calls,
    pub snapshot: String,
    pub listing: Listing,
    pub cache: Cache,
    fetched: AtomicU64,
    /// Why, by block.
    damaged: Mutex<HashMap<u32, String>>,
}

/// One block's answer.
enum Got {
    Block(Vec<u8>, Sum),
    /// Its bytes are not those of its checksum, or it has none.
    Wrong(String),
    Failed(WorkspaceError, bool),
}

impl Fetcher {
    pub fn new(calls: Calls, snapshot: &str, listing: Listing, cache: Cache) -> Self {
        Self {
            calls,
            snapshot: snapshot.to_owned(),
            listing,
            cache,
            fetched: AtomicU64::new(0),
            damaged: Mutex::default(),
        }
    }

    /// What was fetched so far, the list included.
    pub fn fetched(&self) -> Fetched {
        let lists = self.listing.requests;
        let blocks = price_of_get(self.fetched.load(Ordering::Relaxed));
        Fetched {
            requests: blocks.requests.saturating_add(lists),
            microusd: blocks.microusd.saturating_add(price_of_lists(lists)),
            ..blocks
        }
    }

    /// Of these blocks those that are not here yet and can be had.
    pub fn missing(&self, mut blocks: Vec<u32>) -> Vec<u32> {
        blocks.sort_unstable();
        blocks.dedup();
        blocks.retain(|index| !self.cache.has(*index) && self.damage(*index).is_none());
        blocks
    }

    /// Why a block cannot be read, where it was found to be damaged.
    pub fn damage(&self, index: u32) -> Option<WorkspaceError> {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let why = damaged.get(&index)?;
        let byte = u64::from(index).saturating_mul(BLOCK);
        Some(WorkspaceError::Damaged {
            what: format!("block {index} of {} (byte {byte})", self.snapshot),
            why: why.clone(),
        })
    }

    /// Fetches these blocks, [`super::PARALLEL`] at a time.
    ///
    /// # Errors
    /// They cannot be had. A damaged one is no error: [`Fetcher::damage`] knows it then.
    pub async fn fetch(self: &Arc<Self>, blocks: Vec<u32>) -> Result<()> {
        let mut tasks: JoinSet<Result<()>> = JoinSet::new();
        let mut outcome = Ok(());
        for index in blocks {
            outcome = room(&mut tasks, drop, false).await;
            if outcome.is_err() {
                break;
            }
            let own = Arc::clone(self);
            tasks.spawn(async move { own.one(index).await });
        }
        // Those under way are paid for: they are kept, whatever became of another.
        while let Some(done) = tasks.join_next().await {
            let done = done.unwrap_or_else(|_| Err(interrupted()));
            outcome = outcome.and(done);
        }
        outcome
    }

    async fn one(&self, index: u32) -> Result<()> {
        let (mut failed, mut wrong) = (0, 0);
        loop {
            match self.get(index).await {
                Got::Block(block, sum) => return self.cache.put(index, &block, &sum),
                Got::Wrong(why) => {
                    wrong += 1;
                    if wrong >= WRONG {
                        let mut damaged =
                            self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
                        damaged.insert(index, why);
                        return Ok(());
                    }
                }
                Got::Failed(error, again) => {
                    failed += 1;
                    if !again || failed >= ATTEMPTS {
                        return Err(error);
                    }
                    tokio::time::sleep(pause(failed)).await;
                }
            }
        }
    }

    async fn get(&self, index: u32) -> Got {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let returned = self
            .calls
            .ebs
            .get_snapshot_block()
            .snapshot_id(&self.snapshot)
            .block_index(i32::try_from(index).unwrap_or(i32::MAX))
            .set_block_token(self.listing.token(index).map(str::to_owned))
            .send()
            .await;
        let answer = match self.calls.told(CALL, returned).await {
            Ok(answer) => answer,
            Err(e) => {
                let again = passes(&e);
                return Got::Failed(unreadable(e, &self.snapshot), again);
            }
        };
        let sum = answer.checksum().map(str::to_owned);
        let bytes = match answer.block_data.collect().await {
            Ok(bytes) => bytes.to_vec(),
            Err(e) => return Got::Failed(self.cut_off(innermost(&e)), true),
        };
        let is = Sum::from(Sha256::digest(&bytes));
        let said = sum.and_then(|sum| STANDARD.decode(sum).ok());
        if u64::try_from(bytes.len()) != Ok(BLOCK) {
            return Got::Wrong(format!("it has {} bytes", bytes.len()));
        }
        match said {
            Some(said) if said == is => Got::Block(bytes, is),
            Some(_) => Got::Wrong("its bytes are not those of its checksum".to_owned()),
            None => Got::Wrong("it came without a checksum".to_owned()),
        }
    }

    /// The connection ended amid a block.
    fn cut_off(&self, message: String) -> WorkspaceError {
        WorkspaceError::Provision(ProvisionError::Aws(AwsError {
            call: CALL,
            class: AwsClass::Network,
            code: String::new(),
            message,
            region: self.calls.region.clone(),
        }))
    }
}
