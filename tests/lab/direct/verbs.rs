//! `remote workspace ls`, `cat` and `export` as a person types them: a temporary snapshot comes and goes by itself.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use aws_sdk_ec2::types::{Snapshot, Tag};
use serde_json::{Value, json};

use super::world::{FEATURES, assert_same, assorted, mkfs};
use crate::common::env::TestEnv;
use crate::common::process::{kill, wait_child};
use crate::common::{SOON, await_true};
use crate::harness::{Lab, Machines, REGION};

/// A device, and a workspace `alpha` of 1 GB with this image, that nobody uses.
async fn alpha(lab: &Lab, image: &Path) -> (TestEnv, String) {
    let env = lab.device();
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "1gb"]);
    let told = env.ok(&["workspace", "list", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let volume = told[0]["id"].as_str().expect("an id").to_owned();
    let disk = lab.state.join(format!("disks/{volume}.raw"));
    fs::copy(image, &disk).expect("copied");
    let sdk = lab.ec2(REGION);
    let blank = Tag::builder().key("remote:blank").build();
    let used = sdk
        .delete_tags()
        .resources(&volume)
        .tags(blank)
        .send()
        .await;
    used.expect("it has been used");
    (env, volume)
}

async fn snapshots(lab: &Lab) -> Vec<Snapshot> {
    let told = lab
        .ec2(REGION)
        .describe_snapshots()
        .send()
        .await
        .expect("told");
    let all = told.snapshots.unwrap_or_default().into_iter();
    all.filter(|s| s.tags().iter().any(|t| t.key() == Some("remote:workspace")))
        .collect()
}

fn calls(lab: &Lab, action: &str) -> usize {
    let all = lab.control().calls();
    all.iter().filter(|c| c.action == action).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_listed_printed_and_exported() {
    let lab = Lab::start(Machines::None);
    let dir = tempfile::tempdir().expect("a directory");
    let (tree, image) = (dir.path().join("tree"), dir.path().join("image"));
    fs::create_dir(&tree).expect("made");
    assorted(&tree);
    mkfs(&image, 1024, FEATURES, Some(&tree));
    let (env, _) = alpha(&lab, &image).await;

    let listed = env.ok(&["workspace", "ls", "alpha", "/repo"]);
    let names: Vec<&str> = listed
        .stdout
        .lines()
        .filter_map(|l| l.split_whitespace().last())
        .collect();
    assert_eq!(
        names,
        [
            "NAME", "holes", "just", "large", "over", "same", "sparse", "src/"
        ]
    );
    assert!(
        listed.stderr.contains("temporary") && listed.stderr.contains("$0.0"),
        "{}",
        listed.stderr
    );
    assert_eq!(snapshots(&lab).await.len(), 0, "it is gone again");

    let printed = env.ok(&["workspace", "cat", "alpha", "to-src/main.rs"]);
    assert_eq!(printed.stdout, "fn main() {}\n");
    let outside = env.run(&["workspace", "cat", "alpha", "outside"]);
    assert!(
        outside.code == 1 && outside.stderr.contains("leads out of the workspace"),
        "{}",
        outside.all()
    );
    let none = env.run(&["workspace", "ls", "alpha", "/none"]);
    assert!(
        none.code == 1 && none.stderr.contains("/none"),
        "{}",
        none.all()
    );

    // One that is as the workspace is serves, and stays.
    env.ok(&["workspace", "snapshot", "alpha", "--wait"]);
    let made = calls(&lab, "CreateSnapshot");
    let json = env.ok(&["workspace", "ls", "alpha", "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let small = json
        .as_array()
        .and_then(|a| a.iter().find(|e| e["path"] == "/small"));
    assert_eq!(small.expect("there")["size"], 7);
    let to = dir.path().join("to");
    let to = to.to_str().expect("a path");
    let done = env.ok(&["workspace", "export", "alpha", "-o", to]);
    assert!(done.stderr.contains("requests, $0.0"), "{}", done.stderr);
    assert_same(&tree, Path::new(to));
    assert_eq!(calls(&lab, "CreateSnapshot"), made);
    assert_eq!(snapshots(&lab).await.len(), 1);
    let kept = env.home().join(".cache/remote/blocks");
    let left = fs::read_dir(kept).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0, "nothing is kept of what was exported");
    let again = env.run(&["workspace", "export", "alpha", "-o", to]);
    assert!(
        again.code == 1 && again.stderr.contains("is not empty"),
        "{}",
        again.all()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_and_its_snapshot_is_gone_all_the_same() {
    let lab = Lab::start(Machines::None);
    let dir = tempfile::tempdir().expect("a directory");
    let image = dir.path().join("image");
    fs::write(&image, vec![1; 1 << 20]).expect("written");
    let (env, volume) = alpha(&lab, &image).await;
    let refused = env.run(&["workspace", "export", "alpha", "-o", "to"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("no ext4"),
        "{}",
        refused.all()
    );
    assert_eq!(snapshots(&lab).await.len(), 0);
    fs::remove_file(lab.state.join(format!("disks/{volume}.raw"))).expect("removed");
    let refused = env.run(&["workspace", "ls", "alpha"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert_eq!(snapshots(&lab).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_deletes_the_temporary_snapshot() {
    let lab = Lab::start(Machines::None);
    let dir = tempfile::tempdir().expect("a directory");
    let image = dir.path().join("image");
    mkfs(&image, 1024, FEATURES, None);
    let (env, _) = alpha(&lab, &image).await;
    lab.control()
        .post("set", &json!({ "snapshot_seconds": 600 }));
    let mut command = env.remote(&["workspace", "export", "alpha", "-o", "to"]);
    let mut child = command.stderr(Stdio::null()).spawn().expect("remote");
    // It waits for the snapshot to be complete.
    let before = calls(&lab, "DescribeSnapshots");
    await_true("a snapshot that is waited for", SOON, || {
        calls(&lab, "CreateSnapshot") == 1 && calls(&lab, "DescribeSnapshots") > before + 1
    });
    assert_eq!(snapshots(&lab).await.len(), 1);
    kill(child.id(), rustix::process::Signal::INT);
    let status = wait_child(&mut child, SOON).expect("its end");
    assert_eq!(status.code(), Some(130));
    assert_eq!(snapshots(&lab).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_begins_with_a_directory_and_says_what_has_changed() {
    let lab = Lab::start(Machines::None);
    let env = lab.device();
    let dir = tempfile::tempdir().expect("a directory");
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).expect("made");
    assorted(&tree);
    let from = tree.to_str().expect("a path");
    let create = [
        "workspace",
        "create",
        "--name",
        "alpha",
        "--size",
        "2gb",
        "--from-dir",
        from,
    ];
    let made = env.ok(&create);
    assert!(
        made.stderr.contains("to put") && made.stderr.contains("$0.0"),
        "{}",
        made.stderr
    );
    assert_eq!(snapshots(&lab).await.len(), 0, "the volume has all of it");
    let again = env.run(&create);
    assert!(
        again.code == 1 && again.stderr.contains("already"),
        "{}",
        again.all()
    );
    let to = dir.path().join("to");
    env.ok(&[
        "workspace",
        "export",
        "alpha",
        "-o",
        to.to_str().expect("a path"),
    ]);
    assert_same(&tree, &to);

    let first = env.ok(&["workspace", "snapshot", "alpha", "--diff"]);
    assert!(
        first.stderr.contains("no snapshot before"),
        "{}",
        first.stderr
    );
    let told = env.ok(&["workspace", "list", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    let volume = told[0]["id"].as_str().expect("an id");
    let disk = fs::File::options();
    let disk = disk
        .clone()
        .write(true)
        .open(lab.state.join(format!("disks/{volume}.raw")));
    let disk = disk.expect("the disk");
    std::os::unix::fs::FileExt::write_all_at(&disk, b"x", 1 << 30).expect("written");
    let second = env.ok(&["workspace", "snapshot", "alpha", "--diff", "--json"]);
    let second: Value = serde_json::from_str(&second.stdout).expect("JSON");
    assert_eq!(
        (&second["changed_blocks"], &second["complete"]),
        (&json!(1), &json!(true))
    );
}
