//! How much two snapshots of one volume differ.

use super::listing::unreadable;
use super::{BLOCK, Result};
use crate::provision::ec2::Ec2;
use crate::workspace::Fetched;

/// The blocks that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    pub blocks: u64,
    /// What finding out has cost.
    pub fetched: Fetched,
}

impl Changed {
    /// At most so many bytes: a block with one byte changed counts whole.
    pub fn bytes(self) -> u64 {
        self.blocks.saturating_mul(BLOCK)
    }
}

/// Counts the blocks of `to` that are not as in `from`.
///
/// # Errors
/// One of them is not there or not complete, they are not of one volume, or there is no permission.
pub async fn changed(ec2: &Ec2, from: &str, to: &str) -> Result<Changed> {
    let calls = ec2.calls();
    let (mut blocks, mut requests, mut next) = (0_u64, 0_u64, None::<String>);
    loop {
        let returned = calls
            .ebs
            .list_changed_blocks()
            .first_snapshot_id(from)
            .second_snapshot_id(to)
            .max_results(10_000)
            .set_next_token(next)
            .send()
            .await;
        let told = calls.told("ebs:ListChangedBlocks", returned).await;
        let told = told.map_err(|e| unreadable(e, to))?;
        requests = requests.saturating_add(1);
        let found = u64::try_from(told.changed_blocks().len()).unwrap_or(u64::MAX);
        blocks = blocks.saturating_add(found);
        next = told.next_token().map(str::to_owned);
        if next.is_none() {
            let fetched = Fetched {
                requests,
                bytes: 0,
                microusd: super::price_of_lists(requests),
            };
            return Ok(Changed { blocks, fetched });
        }
    }
}
