//! Reading: the same tree, no more blocks than it needs, none of them twice, and no damage passed on.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use remote_compute::workspace::{FileKind, WorkspaceError};
use serde_json::json;

use super::world::{BLOCK, Direct, FEATURES, assert_same, assorted, exported, mkfs, noise, read};

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_is_the_same() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir(&tree).expect("made");
    assorted(&tree);
    // Small blocks, no checksums, large inodes: what another mkfs may have made.
    for (n, features) in [
        FEATURES,
        "^metadata_csum,^64bit",
        "metadata_csum_seed,^flex_bg",
    ]
    .iter()
    .enumerate()
    {
        mkfs(&image, 1024, features, Some(&tree));
        let snapshot = direct.photographed(1, &image).await;
        let to = direct.path(&format!("to-{n}"));
        let done = direct.export(&snapshot, "/", &to).await;
        assert_eq!((done.failed, done.others), (vec![], vec![]));
        assert_same(&tree, &to);
        // Sparse stays sparse.
        let sparse = fs::metadata(to.join("repo/sparse")).expect("there");
        assert!(
            sparse.blocks() * 512 < sparse.len() / 4,
            "{}",
            sparse.blocks()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_files_and_directories_are_listed_and_read() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir(&tree).expect("made");
    assorted(&tree);
    mkfs(&image, 1024, FEATURES, Some(&tree));
    let snapshot = direct.photographed(1, &image).await;
    let mut files = direct.open(&snapshot).await.expect("files");
    let listed = tokio::task::spawn_blocking(move || {
        let repo = files.list(Path::new("/repo")).expect("listed");
        let names: Vec<_> = repo
            .iter()
            .map(|e| e.path.to_string_lossy().into_owned())
            .collect();
        let link = files.entry(Path::new("/to-src")).expect("a link");
        let gone = files.entry(Path::new("/repo/none"));
        let through = files.entry(Path::new("/to-src/main.rs"));
        let up = files.entry(Path::new("/repo/../small"));
        (names, link, gone, through, up)
    });
    let (names, link, gone, through, up) = listed.await.expect("no panic");
    let all = ["holes", "just", "large", "over", "same", "sparse", "src"];
    assert_eq!(names, all.map(|n| format!("/repo/{n}")));
    assert_eq!(
        (link.kind, link.target.as_deref()),
        (FileKind::Link, Some(Path::new("repo/../repo/src")))
    );
    for refused in [gone, through, up] {
        assert!(
            matches!(refused, Err(WorkspaceError::NoFile(_))),
            "{refused:?}"
        );
    }
    let files = direct.open(&snapshot).await.expect("files");
    assert_eq!(
        read(files, "/repo/large").await.expect("read"),
        noise(1, 3 << 20)
    );
    // One file alone, into a directory.
    let to = direct.path("one");
    direct.export(&snapshot, "/repo/just", &to).await;
    assert_eq!(fs::read(to.join("just")).expect("there"), noise(2, 4096));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_fetched_than_holds_the_tree() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    // 48 MB that are wanted among 48 MB that are not, on 20 GB.
    for n in 0..600_u64 {
        for (which, seed) in [("wanted", n), ("other", n + 10_000)] {
            let dir = tree.join(which).join(format!("{:02}", n % 40));
            fs::create_dir_all(&dir).expect("made");
            let length = if n % 10 == 0 { 400_000 } else { 44_000 };
            fs::write(dir.join(format!("{n}")), noise(seed, length)).expect("written");
        }
    }
    mkfs(&image, 20 << 10, FEATURES, Some(&tree));
    let snapshot = direct.photographed(20, &image).await;
    let to = direct.path("to");
    let done = direct.export(&snapshot, "/wanted", &to).await;
    assert_same(&tree.join("wanted"), &to);
    let holds = done.bytes.div_ceil(BLOCK);
    let fetched = direct.fetched();
    let share = fetched.len() as f64 / holds as f64;
    eprintln!(
        "direct: {} blocks fetched, {holds} hold the tree: {share:.3}x",
        fetched.len()
    );
    assert!(share < 1.2, "{share}");
    let once: HashSet<_> = fetched.iter().collect();
    assert_eq!(once.len(), fetched.len(), "none twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_is_named_and_nothing_of_its_file_written() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir(&tree).expect("made");
    for n in 0..6 {
        fs::write(tree.join(format!("f{n}")), noise(n, 4 << 20)).expect("written");
    }
    mkfs(&image, 1024, FEATURES, Some(&tree));
    let snapshot = direct.photographed(1, &image).await;
    // In the midst of the third file: found by its bytes.
    let bytes = fs::read(&image).expect("the image");
    let part = &noise(2, 4 << 20)[2 << 20..(2 << 20) + 64];
    let at = bytes
        .windows(64)
        .step_by(64)
        .position(|w| w == part)
        .expect("there") as u64
        * 64;
    let index = at / BLOCK;
    let words = json!({ "snapshot": snapshot, "index": index });
    direct.world.control.post("corrupt", &words);
    let to = direct.path("to");
    let done = direct.export(&snapshot, "/", &to).await;
    let (path, why) = done.failed.first().expect("named");
    let byte = index * BLOCK;
    let named = format!("block {index} of {snapshot} (byte {byte}) is damaged");
    assert!(why.contains(&named), "{why}");
    // Files that share the block are not whole either.
    assert!(
        done.failed.len() <= 2 && path.starts_with("/"),
        "{:?}",
        done.failed
    );
    assert!(
        done.failed.iter().any(|(p, _)| p == Path::new("/f2")),
        "{:?}",
        done.failed
    );
    let there = fs::read_dir(&to).expect("read").count();
    assert_eq!(there, 6 - done.failed.len());
    assert!(!to.join("f2").exists());
    // Asked for three times, and never again.
    let asked = direct.fetched().iter().filter(|i| **i == index).count();
    assert_eq!(asked, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_goes_on_and_fetches_nothing_twice() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir(&tree).expect("made");
    for n in 0..40 {
        fs::write(tree.join(format!("f{n}")), noise(n, 1 << 20)).expect("written");
    }
    mkfs(&image, 1024, FEATURES, Some(&tree));
    let snapshot = direct.photographed(1, &image).await;
    let to = direct.path("to");
    let files = direct.open(&snapshot).await.expect("files");
    let stopped = exported(files, "/", &to, Some(15 << 20)).await;
    assert!(stopped.is_err());
    let before = direct.fetched().len();
    assert!(before > 30, "{before}");
    let done = direct.export(&snapshot, "/", &to).await;
    assert!(done.had >= 14, "{done:?}");
    assert_same(&tree, &to);
    let fetched = direct.fetched();
    let once: HashSet<_> = fetched.iter().collect();
    assert_eq!(once.len(), fetched.len(), "none twice");
    assert!(fetched.len() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said_by_its_name() {
    let direct = Direct::new().await;
    let image = direct.path("image");
    let said = |e: Option<WorkspaceError>| e.expect("refused").to_string();
    let none = direct.open("snap-0123456789abcdef0").await.err();
    assert!(
        matches!(none, Some(WorkspaceError::NoSnapshot(_))),
        "{none:?}"
    );
    // Nothing was ever written.
    fs::File::create(&image)
        .expect("made")
        .set_len(1 << 30)
        .expect("long");
    let blank = direct.photographed(1, &image).await;
    let why = said(direct.open(&blank).await.err());
    assert!(why.contains(&blank) && why.contains("no ext4"), "{why}");
    let tree = direct.path("tree");
    fs::create_dir(&tree).expect("made");
    fs::write(tree.join("tiny"), "tiny").expect("written");
    mkfs(&image, 1024, "inline_data", Some(&tree));
    let inline = direct.photographed(1, &image).await;
    let files = direct.open(&inline).await.expect("files");
    let why = said(read(files, "/tiny").await.err());
    assert!(
        why.contains("/tiny") && why.contains("cannot be read here"),
        "{why}"
    );
    // Not complete yet.
    direct
        .world
        .control
        .post("set", &json!({ "snapshot_seconds": 600 }));
    let pending = direct.photographed(1, &image).await;
    let why = said(direct.open(&pending).await.err());
    assert!(why.contains("not completed"), "{why}");
}
