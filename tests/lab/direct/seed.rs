//! A workspace that begins with a directory of this machine's: put block by block, with no machine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use remote_compute::workspace::direct::{Image, changed};
use remote_compute::workspace::export::walk;
use serde_json::json;

use super::world::{BLOCK, Direct, assert_same, assorted, noise};
use crate::common::process::run;
use crate::harness::REGION;

async fn image(direct: &Direct, tree: &Path, gib: u32) -> Image {
    let made = Image::of_dir(tree, gib, &direct.path("scratch")).await;
    made.expect("an image")
}

fn tags() -> Vec<(&'static str, String)> {
    vec![
        ("remote:workspace", "alpha".to_owned()),
        ("remote:owner", "me".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_becomes_a_volume_and_comes_back() {
    let direct = Direct::new().await;
    let tree = direct.path("tree");
    fs::create_dir(&tree).expect("made");
    assorted(&tree);
    let image = image(&direct, &tree, 20).await;
    let price = image.price();
    assert_eq!(price.microusd, price.requests * 6);
    let never = std::future::pending();
    let seeded = image
        .put(&direct.ec2, &tags(), "seeded", never, &|_| {})
        .await
        .expect("a snapshot");
    let puts = direct.calls("PutSnapshotBlock").len() as u64;
    assert_eq!((puts, seeded.put), (price.requests, price));
    // 20 GiB have 40,960 blocks; only those with data travel.
    assert!(puts < 100, "{puts}");
    let to = direct.path("to");
    direct.export(&seeded.snapshot, "/", &to).await;
    assert_same(&tree, &to);
    // All but the top is the agents' user's, on whatever machine.
    let mut files = direct.open(&seeded.snapshot).await.expect("files");
    let owners = tokio::task::spawn_blocking(move || {
        let tree = walk(files.as_mut(), Path::new("/"), &mut |_| {}).expect("a tree");
        let all = tree.entries.iter().map(|e| (e.uid, e.gid));
        all.collect::<std::collections::HashSet<_>>()
    });
    assert_eq!(
        owners.await.expect("no panic"),
        [(0, 0), (7501, 7501)].into()
    );

    // A volume of it is what its snapshot says, and what the machine's own fsck says of it is: clean.
    let sdk = direct.world.lab.ec2(REGION);
    let made = sdk.create_volume().availability_zone(format!("{REGION}a"));
    let made = made
        .snapshot_id(&seeded.snapshot)
        .send()
        .await
        .expect("a volume");
    let id = made.volume_id.expect("an id");
    assert_eq!(made.size, Some(20));
    let disk = direct.world.lab.state.join(format!("disks/{id}.raw"));
    for (program, args) in [("e2fsck", &["-fn"][..]), ("dumpe2fs", &["-h"])] {
        let mut command = std::process::Command::new(program);
        command
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(args)
            .arg(&disk);
        let ran = run(&mut command, b"", Duration::from_secs(120));
        assert_eq!(ran.code, 0, "{}", ran.all());
        if program == "dumpe2fs" {
            assert!(ran.stdout.contains("remote-work"), "{}", ran.stdout);
        }
    }
    // Tags are there, so that it is found as the workspace's.
    let told = sdk
        .describe_snapshots()
        .snapshot_ids(&seeded.snapshot)
        .send()
        .await
        .expect("told");
    let tags = told.snapshots()[0].tags();
    assert!(
        tags.iter()
            .any(|t| t.key() == Some("remote:workspace") && t.value() == Some("alpha"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_no_snapshot() {
    let direct = Direct::new().await;
    let tree = direct.path("tree");
    fs::create_dir(&tree).expect("made");
    fs::write(tree.join("f"), noise(1, 8 << 20)).expect("written");
    let control = &direct.world.control;
    let sdk = direct.world.lab.ec2(REGION);
    for (action, kind, skip) in [
        ("StartSnapshot", "before", 0),
        ("PutSnapshotBlock", "before", 5),
        ("CompleteSnapshot", "before", 0),
    ] {
        let fault = json!({ "action": action, "kind": kind, "code": "AccessDeniedException", "status": 403,
                            "skip": skip, "count": 0 });
        control.fault(&fault);
        let image = image(&direct, &tree, 1).await;
        let never = std::future::pending();
        let refused = image.put(&direct.ec2, &tags(), "", never, &|_| {}).await;
        let why = refused.expect_err("refused").to_string();
        assert!(why.contains(&format!("ebs:{action}")), "{why}");
        control.post("clear", &json!({}));
        let told = sdk.describe_snapshots().filters(
            aws_sdk_ec2::types::Filter::builder()
                .name("tag-key")
                .values("remote:workspace")
                .build(),
        );
        let left = told.send().await.expect("told");
        assert_eq!(left.snapshots().len(), 0, "{action}");
    }
    // Somebody has had enough in between.
    let image = image(&direct, &tree, 1).await;
    let slow = json!({ "action": "PutSnapshotBlock", "kind": "delay", "delay": 0.3, "count": 0 });
    control.fault(&slow);
    let before = direct.calls("PutSnapshotBlock").len();
    let begun = async {
        while direct.calls("PutSnapshotBlock").len() == before {
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    };
    let cut = image.put(&direct.ec2, &tags(), "", begun, &|_| {}).await;
    assert!(cut.expect_err("cut").to_string().contains("interrupted"));
    control.post("clear", &json!({}));
    assert_eq!(direct.calls("DeleteSnapshot").len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_survived_and_an_answer_that_was_lost() {
    let direct = Direct::new().await;
    let tree = direct.path("tree");
    fs::create_dir(&tree).expect("made");
    fs::write(tree.join("f"), noise(1, 8 << 20)).expect("written");
    let control = &direct.world.control;
    control.post("set", &json!({ "snapshot_seconds": 1.0 }));
    for fault in [
        json!({ "action": "StartSnapshot", "kind": "drop", "count": 1 }),
        json!({ "action": "PutSnapshotBlock", "kind": "drop", "skip": 2, "count": 3 }),
        // Right after its beginning a snapshot is not known everywhere.
        json!({ "action": "PutSnapshotBlock", "kind": "before", "code": "ResourceNotFoundException", "status": 404,
                "count": 4 }),
        json!({ "action": "CompleteSnapshot", "kind": "drop", "count": 1 }),
    ] {
        control.fault(&fault);
    }
    let image = image(&direct, &tree, 1).await;
    let seeded = image
        .put(&direct.ec2, &tags(), "", std::future::pending(), &|_| {})
        .await;
    let seeded = seeded.expect("a snapshot");
    let to = direct.path("to");
    direct.export(&seeded.snapshot, "/", &to).await;
    assert_same(&tree, &to);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_does_not_fit_and_a_laptop_without_mke2fs() {
    let direct = Direct::new().await;
    let tree = direct.path("tree");
    fs::create_dir(&tree).expect("made");
    let large = fs::File::create(tree.join("large")).expect("made");
    // Where it is sparse it would fit.
    let full = vec![1; 1 << 20];
    for n in 0..1100 {
        std::os::unix::fs::FileExt::write_all_at(&large, &full, n << 20).expect("written");
    }
    let refused = Image::of_dir(&tree, 1, &direct.path("scratch")).await;
    let why = refused.err().expect("refused").to_string();
    assert!(why.contains("1 GiB could be made"), "{why}");
    let left = fs::read_dir(direct.path("scratch")).expect("read").count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_snapshots_differ_in_so_many_blocks() {
    let direct = Direct::new().await;
    let image = direct.path("image");
    let bytes = noise(1, 40 * BLOCK as usize);
    fs::write(&image, &bytes).expect("written");
    let volume = direct.volume(1, &image).await;
    let first = direct.snapshot(&volume).await;
    let mut second = bytes.clone();
    // One byte of block 3, all of block 5; 40 is new; 7 becomes zeros.
    second[3 * BLOCK as usize + 100] ^= 1;
    second[5 * BLOCK as usize..6 * BLOCK as usize].fill(9);
    second[7 * BLOCK as usize..8 * BLOCK as usize].fill(0);
    second.extend([1; 10]);
    fs::write(&image, &second).expect("written");
    direct.fill(&volume, 1, &image);
    let later = direct.snapshot(&volume).await;
    let found = changed(&direct.ec2, &first, &later).await.expect("counted");
    assert_eq!((found.blocks, found.bytes()), (4, 4 * BLOCK));
    assert_eq!(
        changed(&direct.ec2, &later, &later)
            .await
            .expect("counted")
            .blocks,
        0
    );
    let other = direct.photographed(1, &image).await;
    let why = changed(&direct.ec2, &first, &other)
        .await
        .expect_err("refused")
        .to_string();
    assert!(why.contains("not of one volume"), "{why}");
}
