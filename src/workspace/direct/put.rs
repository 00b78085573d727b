//! Writes an image into a new snapshot, the blocks with data only, and seals it with the checksum of all of them.
//! What goes wrong in between deletes the snapshot again.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_ebs::config::Config;
use aws_sdk_ebs::config::retry::RetryConfig;
use aws_sdk_ebs::primitives::ByteStream;
use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Tag};
use aws_sdk_ec2::types::SnapshotState;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::cache::Sum;
use super::image::Image;
use super::listing::room;
use super::{ATTEMPTS, BLOCK, Result, interrupted, passes, pause};
use crate::provision::ProvisionError;
use crate::provision::Steps;
use crate::provision::ec2::calls::{Calls, gone_is_good};
use crate::provision::ec2::{AwsClass, AwsError, Ec2};
use crate::workspace::{Fetched, WorkspaceError};

/// A snapshot that was just begun is not known everywhere at once.
const UNKNOWN: Duration = Duration::from_secs(120);
/// Sealed, it is complete soon.
const SEALED: Duration = Duration::from_secs(900);
/// Minutes after which AWS itself gives up one that nobody writes to.
const ABANDONED: i32 = 60;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    /// The snapshot, complete.
    pub snapshot: String,
    pub put: Fetched,
}

impl Image {
    /// Puts it into a new snapshot with these tags. `until` ends it early, as an error does: the snapshot is deleted
    /// then.
    ///
    /// # Errors
    /// What AWS says; nothing is left.
    pub async fn put(
        self,
        ec2: &Ec2,
        tags: &[(&str, String)],
        description: &str,
        until: impl Future<Output = ()>,
        steps: Steps<'_>,
    ) -> Result<Seeded> {
        let (put, calls) = (self.price(), ec2.calls());
        let snapshot = start(calls, self.gib, tags, description).await?;
        steps(&format!("seed {snapshot}, {} blocks", self.blocks.len()));
        let written = async {
            let sums = put_all(calls, &snapshot, self, steps).await?;
            seal(calls, &snapshot, &sums).await?;
            steps(&format!("seal {snapshot}"));
            complete(calls, &snapshot).await
        };
        let written = tokio::select! {
            written = written => written,
            () = until => Err(interrupted()),
        };
        match written {
            Ok(()) => Ok(Seeded { snapshot, put }),
            Err(e) => {
                if let Err(stays) = delete(calls, &snapshot).await {
                    return Err(WorkspaceError::Refused(format!(
                        "{e}; and the snapshot {snapshot} could not be deleted again: {stays}"
                    )));
                }
                Err(e)
            }
        }
    }
}

fn aws(error: AwsError) -> WorkspaceError {
    WorkspaceError::Provision(ProvisionError::Aws(error))
}

async fn start(
    calls: &Calls,
    gib: u32,
    tags: &[(&str, String)],
    description: &str,
) -> Result<String> {
    let tags = tags
        .iter()
        .map(|(k, v)| Tag::builder().key(*k).value(v).build());
    let returned = calls
        .ebs
        .start_snapshot()
        .volume_size(i64::from(gib))
        .set_tags(Some(tags.collect()))
        .description(description)
        .timeout(ABANDONED)
        .send()
        .await;
    let started = calls
        .told("ebs:StartSnapshot", returned)
        .await
        .map_err(aws)?;
    let Some(snapshot) = started.snapshot_id() else {
        return Err(WorkspaceError::Refused(
            "AWS began a snapshot without a name".to_owned(),
        ));
    };
    Ok(snapshot.to_owned())
}

async fn put_all(
    calls: &Calls,
    snapshot: &str,
    image: Image,
    steps: Steps<'_>,
) -> Result<BTreeMap<u32, Sum>> {
    let all = image.blocks.len();
    let image = Arc::new(image);
    let done = AtomicU64::new(0);
    let mut sums = BTreeMap::new();
    let mut told = Instant::now();
    let mut tasks: JoinSet<Result<(u32, Sum)>> = JoinSet::new();
    for index in image.blocks.clone() {
        let mut keep = |(index, sum)| {
            sums.insert(index, sum);
            done.fetch_add(1, Ordering::Relaxed);
        };
        room(&mut tasks, &mut keep, false).await?;
        if told.elapsed() > Duration::from_secs(1) {
            told = Instant::now();
            steps(&format!(
                "seed {snapshot}, {} of {all} blocks",
                done.load(Ordering::Relaxed)
            ));
        }
        let (calls, snapshot, image) = (calls.clone(), snapshot.to_owned(), Arc::clone(&image));
        tasks.spawn(async move {
            let block = block(image.file.as_file(), index)
                .map_err(WorkspaceError::io("read", image.file.path()))?;
            let sum = Sum::from(Sha256::digest(&block));
            put(&calls, &snapshot, index, block, &sum).await?;
            Ok((index, sum))
        });
    }
    let mut keep = |(index, sum)| {
        sums.insert(index, sum);
    };
    room(&mut tasks, &mut keep, true).await?;
    Ok(sums)
}

/// A block of the image; past the file's end it is zeros.
fn block(file: &File, index: u32) -> std::io::Result<Vec<u8>> {
    let at = u64::from(index).saturating_mul(BLOCK);
    let inside = file.metadata()?.len().saturating_sub(at).min(BLOCK);
    let mut block = vec![0; usize::try_from(inside).unwrap_or_default()];
    file.read_exact_at(&mut block, at)?;
    block.resize(usize::try_from(BLOCK).unwrap_or_default(), 0);
    Ok(block)
}

async fn put(calls: &Calls, snapshot: &str, index: u32, block: Vec<u8>, sum: &Sum) -> Result<()> {
    let block = bytes::Bytes::from(block);
    let begun = Instant::now();
    let mut failed = 0;
    loop {
        let returned = calls
            .ebs
            .put_snapshot_block()
            .snapshot_id(snapshot)
            .block_index(i32::try_from(index).unwrap_or(i32::MAX))
            .block_data(ByteStream::from(block.clone()))
            .data_length(i32::try_from(BLOCK).unwrap_or(i32::MAX))
            .checksum(STANDARD.encode(sum))
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .send()
            .await;
        let Err(error) = calls.told("ebs:PutSnapshotBlock", returned).await else {
            return Ok(());
        };
        failed += 1;
        let unknown = error.class == AwsClass::Missing && begun.elapsed() < UNKNOWN;
        if !unknown && (!passes(&error) || failed >= ATTEMPTS) {
            return Err(aws(error));
        }
        tokio::time::sleep(pause(failed)).await;
    }
}

/// No more blocks: their number, and the checksum of their checksums in their order.
async fn seal(calls: &Calls, snapshot: &str, sums: &BTreeMap<u32, Sum>) -> Result<()> {
    let mut all = Sha256::new();
    sums.values().for_each(|sum| all.update(sum));
    let all = STANDARD.encode(all.finalize());
    let mut failed = 0;
    // The SDK would ask again by itself, and not say so.
    let once = Config::builder().retry_config(RetryConfig::disabled());
    loop {
        let returned = calls
            .ebs
            .complete_snapshot()
            .snapshot_id(snapshot)
            .changed_blocks_count(i32::try_from(sums.len()).unwrap_or(i32::MAX))
            .checksum(&all)
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear)
            .customize()
            .config_override(once.clone())
            .send()
            .await;
        let Err(error) = calls.told("ebs:CompleteSnapshot", returned).await else {
            return Ok(());
        };
        failed += 1;
        // An answer that was lost had its effect: asked again, AWS says that it cannot be written to any more.
        if failed > 1 && error.class == AwsClass::Parameter {
            return Ok(());
        }
        if !passes(&error) || failed >= ATTEMPTS {
            return Err(aws(error));
        }
        tokio::time::sleep(pause(failed)).await;
    }
}

/// Waits until it can be used.
async fn complete(calls: &Calls, snapshot: &str) -> Result<()> {
    let begun = Instant::now();
    let mut n = 0;
    loop {
        match state(calls, snapshot).await? {
            (true, _) => return Ok(()),
            (_, Some(SnapshotState::Error)) => {
                return Err(WorkspaceError::Refused(format!(
                    "AWS could not complete {snapshot}"
                )));
            }
            _ if begun.elapsed() > SEALED => {
                return Err(WorkspaceError::Late(
                    "completing a snapshot",
                    SEALED.as_secs(),
                ));
            }
            _ => {}
        }
        n += 1;
        tokio::time::sleep(pause(n).min(Duration::from_secs(5))).await;
    }
}

async fn state(calls: &Calls, snapshot: &str) -> Result<(bool, Option<SnapshotState>)> {
    let returned = calls
        .ec2
        .describe_snapshots()
        .snapshot_ids(snapshot)
        .send()
        .await;
    let told = calls
        .told("ec2:DescribeSnapshots", returned)
        .await
        .map_err(aws)?;
    let state = told.snapshots().first().and_then(|s| s.state().cloned());
    Ok((state == Some(SnapshotState::Completed), state))
}

async fn delete(calls: &Calls, snapshot: &str) -> Result<()> {
    let returned = calls
        .ec2
        .delete_snapshot()
        .snapshot_id(snapshot)
        .send()
        .await;
    let deleted = calls.told("ec2:DeleteSnapshot", returned).await.map(drop);
    gone_is_good(deleted).map_err(aws)
}
