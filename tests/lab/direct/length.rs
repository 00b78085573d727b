//! A tree of 1 GB on a volume of 20: how much of it is fetched, beside downloading the whole snapshot. A check has a
//! smaller one in `read.rs`; `make soak` has the time for this.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use super::world::{BLOCK, Direct, FEATURES, assert_same, mkfs, noise};

/// Files of 4 KB to 1 MB, a gigabyte in all.
fn gigabyte(top: &Path, seed: u64) -> u64 {
    let sizes = [4_000, 12_000, 30_000, 90_000, 250_000, 1_000_000];
    let (mut sum, mut n) = (0_u64, 0_u64);
    while sum < 1_000_000_000 {
        let size = sizes[n as usize % sizes.len()];
        let dir = top.join(format!("{:02}/{:02}", n % 37, n % 11));
        fs::create_dir_all(&dir).expect("made");
        fs::write(dir.join(n.to_string()), noise(seed + n, size)).expect("written");
        (sum, n) = (sum + size as u64, n + 1);
    }
    n
}

/// All blocks of a snapshot to a file, as any tool for that would do it: how many calls.
async fn download(direct: &Direct, snapshot: &str, to: &Path) -> u64 {
    let ebs = aws_sdk_ebs::Client::new(&direct.world.config);
    let (mut next, mut blocks, mut calls) = (None, Vec::new(), 0);
    loop {
        let list = ebs
            .list_snapshot_blocks()
            .snapshot_id(snapshot)
            .set_next_token(next);
        let told = list.send().await.expect("a list");
        calls += 1;
        blocks.extend(told.blocks().to_vec());
        next = told.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let file = Arc::new(File::create(to).expect("a file"));
    let mut tasks = JoinSet::new();
    for block in blocks {
        while tasks.len() >= 32 {
            let _: () = tasks.join_next().await.expect("one").expect("no panic");
        }
        let (ebs, file, snapshot) = (ebs.clone(), Arc::clone(&file), snapshot.to_owned());
        calls += 1;
        tasks.spawn(async move {
            let index = block.block_index().expect("an index");
            let get = ebs
                .get_snapshot_block()
                .snapshot_id(snapshot)
                .block_index(index);
            let got = get
                .set_block_token(block.block_token)
                .send()
                .await
                .expect("a block");
            let bytes = got.block_data.collect().await.expect("its bytes").to_vec();
            file.write_all_at(&bytes, index as u64 * BLOCK)
                .expect("written");
        });
    }
    while tasks.join_next().await.is_some() {}
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_out_of_twenty_beside_the_whole_snapshot() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    let files = gigabyte(&tree.join("wanted"), 1);
    gigabyte(&tree.join("other"), 1_000_000);
    mkfs(&image, 20 << 10, FEATURES, Some(&tree));
    fs::remove_dir_all(tree.join("other")).expect("removed");
    let snapshot = direct.photographed(20, &image).await;
    fs::remove_file(&image).expect("removed");

    let begun = Instant::now();
    let to = direct.path("to");
    let done = direct.export(&snapshot, "/wanted", &to).await;
    let took = begun.elapsed();
    assert_same(&tree.join("wanted"), &to);
    let fetched = direct.fetched();
    let lists = direct.calls("ListSnapshotBlocks").len();
    let once: HashSet<_> = fetched.iter().collect();
    assert_eq!(once.len(), fetched.len(), "none twice");
    let holds = done.bytes.div_ceil(BLOCK);
    let share = fetched.len() as f64 / holds as f64;

    let begun = Instant::now();
    let calls = download(&direct, &snapshot, &direct.path("whole")).await;
    let whole = begun.elapsed();
    let mb = |blocks: u64| blocks * BLOCK / 1_000_000;
    eprintln!(
        "direct: {files} files, {} MB: export {} calls, {} MB, {:.1} s ({share:.3}x the {holds} blocks that hold it); \
         the whole snapshot {calls} calls, {} MB, {:.1} s",
        done.bytes / 1_000_000,
        fetched.len() + lists,
        mb(fetched.len() as u64),
        took.as_secs_f64(),
        mb(calls - lists as u64),
        whole.as_secs_f64(),
    );
    assert!(share < 1.2, "{share}");
    assert!(fetched.len() as u64 * 3 < calls * 2);
}
