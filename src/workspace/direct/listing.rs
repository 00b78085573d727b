//! Which blocks of a snapshot hold data, with the token by which each is fetched.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::{BLOCK, PARALLEL, Result, interrupted};
use crate::provision::ProvisionError;
use crate::provision::ec2::calls::Calls;
use crate::workspace::WorkspaceError;

/// As many as one answer can have.
const PAGE: i32 = 10_000;
/// The rest of a long list is asked for in so many parts at once.
const PARTS: u32 = 8;

/// The blocks of a snapshot.
pub(super) struct Listing {
    /// Of the volume.
    gib: u64,
    /// By index.
    tokens: BTreeMap<u32, Box<str>>,
    /// How many requests it took.
    pub requests: u64,
}

impl Listing {
    /// The volume's size.
    pub fn bytes(&self) -> u64 {
        self.gib.saturating_mul(1 << 30)
    }

    pub fn token(&self, index: u32) -> Option<&str> {
        self.tokens.get(&index).map(AsRef::as_ref)
    }

    /// How many blocks hold data.
    pub fn blocks(&self) -> u64 {
        u64::try_from(self.tokens.len()).unwrap_or(u64::MAX)
    }

    /// Those that hold data among the blocks of these bytes.
    pub fn within(&self, span: &std::ops::Range<u64>) -> impl Iterator<Item = u32> {
        let index = |byte: u64| u32::try_from(byte / BLOCK).unwrap_or(u32::MAX);
        let range =
            index(span.start)..index(span.end.saturating_add(BLOCK - 1)).max(index(span.start));
        self.tokens.range(range).map(|(index, _)| *index)
    }
}

/// One answer.
struct Page {
    gib: u64,
    tokens: Vec<(u32, Box<str>)>,
    next: Option<String>,
}

/// All of them.
pub(super) async fn list(calls: &Calls, snapshot: &str) -> Result<Listing> {
    let first = page(calls, snapshot, 0, None).await?;
    let mut listing = Listing {
        gib: first.gib,
        requests: 1,
        tokens: BTreeMap::new(),
    };
    let begin = first
        .tokens
        .last()
        .map_or(0, |(index, _)| index.saturating_add(1));
    let more = first.next.is_some();
    listing.tokens.extend(first.tokens);
    if more {
        let end = u32::try_from(listing.bytes() / BLOCK).unwrap_or(u32::MAX);
        let step = end.saturating_sub(begin).div_ceil(PARTS).max(1);
        let mut parts = JoinSet::new();
        for n in 0..PARTS {
            let from = begin.saturating_add(step.saturating_mul(n));
            let until = from.saturating_add(step).min(end);
            if from < until {
                let (calls, snapshot) = (calls.clone(), snapshot.to_owned());
                parts.spawn(async move { part(&calls, &snapshot, from, until).await });
            }
        }
        while let Some(part) = parts.join_next().await {
            let (requests, tokens) = part.map_err(|_| interrupted())??;
            listing.requests = listing.requests.saturating_add(requests);
            listing.tokens.extend(tokens);
        }
    }
    Ok(listing)
}

/// Those from `from` on and below `until`, and how many requests it took.
async fn part(
    calls: &Calls,
    snapshot: &str,
    from: u32,
    until: u32,
) -> Result<(u64, Vec<(u32, Box<str>)>)> {
    let (mut found, mut requests, mut next) = (Vec::new(), 0_u64, None);
    loop {
        let page = page(calls, snapshot, from, next).await?;
        requests = requests.saturating_add(1);
        let all = page.tokens.len();
        let inside = page.tokens.into_iter().filter(|(index, _)| *index < until);
        let before = found.len();
        found.extend(inside);
        // An answer that goes past the end is the last one.
        if page.next.is_none() || found.len().saturating_sub(before) < all {
            return Ok((requests, found));
        }
        next = page.next;
    }
}

async fn page(calls: &Calls, snapshot: &str, from: u32, next: Option<String>) -> Result<Page> {
    let first = i32::try_from(from)
        .ok()
        .filter(|n| *n > 0 && next.is_none());
    let returned = calls
        .ebs
        .list_snapshot_blocks()
        .snapshot_id(snapshot)
        .max_results(PAGE)
        .set_starting_block_index(first)
        .set_next_token(next)
        .send()
        .await;
    let told = calls.told("ebs:ListSnapshotBlocks", returned).await;
    let told = told.map_err(|e| unreadable(e, snapshot))?;
    if let Some(size) = told.block_size()
        && u64::try_from(size) != Ok(BLOCK)
    {
        return Err(WorkspaceError::Refused(format!(
            "the blocks of {snapshot} have {size} bytes, which is not known here"
        )));
    }
    let tokens = told.blocks().iter().filter_map(|block| {
        let index = u32::try_from(block.block_index()?).ok()?;
        Some((index, Box::from(block.block_token()?)))
    });
    Ok(Page {
        gib: told
            .volume_size()
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0),
        tokens: tokens.collect(),
        next: told.next_token().map(str::to_owned),
    })
}

/// A snapshot that is not there is told by its name.
pub(super) fn unreadable(error: crate::provision::ec2::AwsError, snapshot: &str) -> WorkspaceError {
    use crate::provision::ec2::AwsClass;
    match error.class {
        AwsClass::Missing => WorkspaceError::NoSnapshot(snapshot.to_owned()),
        _ => WorkspaceError::Provision(ProvisionError::Aws(error)),
    }
}

/// Bounds how many tasks run at once.
pub(super) async fn room<T: 'static>(
    tasks: &mut JoinSet<Result<T>>,
    mut each: impl FnMut(T),
    all: bool,
) -> Result<()> {
    let most = if all { 0 } else { PARALLEL.saturating_sub(1) };
    while tasks.len() > most {
        if let Some(done) = tasks.join_next().await {
            each(done.map_err(|_| interrupted())??);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_blocks_that_hold_data_or_in_none() {
        let listing = Listing {
            gib: 1,
            requests: 1,
            tokens: [0, 1, 5].map(|n| (n, Box::from(""))).into(),
        };
        let within = |from: u64, to: u64| listing.within(&(from..to)).collect::<Vec<_>>();
        assert_eq!(within(0, 1), [0]);
        assert_eq!(within(0, BLOCK), [0]);
        assert_eq!(within(BLOCK - 1, BLOCK + 1), [0, 1]);
        assert_eq!(within(2 * BLOCK, 5 * BLOCK), [0; 0]);
        assert_eq!(within(0, u64::MAX), [0, 1, 5]);
        assert_eq!(within(BLOCK, BLOCK), [0; 0]);
    }
}
