//! Each unusual repository on its own: its tree is what git itself would make of it, there and back.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::fixture::*;
use crate::repo::*;

/// Takes it, compares the tree with git's own, brings it there, looks at the working tree, and has it back.
pub async fn travels(fixture: &Fixture) -> (Snapshot, There) {
    let expected = fixture.tree_by_hand();
    let taken = fixture.snapshot().await;
    let tree = taken
        .git()
        .text(["rev-parse", &format!("{}^{{tree}}", taken.commit)])
        .await;
    assert_eq!(tree.expect("a tree"), expected, "the tree is not git's own");
    let there = bring(fixture, &taken, "abc234", &[1]).await;
    let dir = there.tree(1);
    let status = git_in(&dir, &["status", "--porcelain"]);
    assert_eq!(
        String::from_utf8_lossy(&status),
        "",
        "it is not clean there"
    );
    let arrived = git_in(&dir, &["rev-parse", "HEAD^{tree}"]);
    assert_eq!(String::from_utf8_lossy(&arrived).trim(), expected);
    // Nothing was done there: nothing comes back.
    let collected = there.collect().await;
    assert_eq!(collected.warnings, Vec::<String>::new());
    let results = &collected.agents[0];
    assert_eq!(
        (results.commits, results.objects, &results.wip),
        (0, 0, &None)
    );
    assert!(results.pulled);
    (taken, there)
}

#[tokio::test]
async fn a_clean_tree_is_head_itself() {
    let f = Fixture::new();
    let (taken, _) = travels(&f).await;
    assert_eq!(taken.commit.as_str(), f.git(&["rev-parse", "HEAD"]));
    assert!(!taken.dirty);
}

#[tokio::test]
async fn modes_links_deletions_and_changes_travel_staged_or_not() {
    let f = Fixture::new();
    for name in ["gone", "staged-gone", "to-link", "to-dir", "exec"] {
        f.write(name, name);
    }
    f.write("dir/was", "a directory");
    f.commit("more");
    std::fs::remove_file(f.top.join("gone")).unwrap();
    f.git(&["rm", "--quiet", "staged-gone"]);
    f.git(&["rm", "--quiet", "--cached", "exec"]);
    std::fs::remove_file(f.top.join("to-link")).unwrap();
    symlink("a.txt", f.top.join("to-link")).unwrap();
    symlink("/nowhere/at all", f.top.join("dangling")).unwrap();
    std::fs::remove_file(f.top.join("to-dir")).unwrap();
    f.write("to-dir/inside", "x");
    std::fs::remove_dir_all(f.top.join("dir")).unwrap();
    f.write("dir", "a file now");
    std::fs::set_permissions(f.top.join("exec"), PermissionsExt::from_mode(0o755)).unwrap();
    f.write("a.txt", "staged\n");
    f.git(&["add", "a.txt"]);
    f.write("a.txt", "staged, then changed\n");
    f.write("intended", "to add");
    f.git(&["add", "--intent-to-add", "intended"]);
    let (taken, there) = travels(&f).await;
    assert!(taken.dirty);
    let dir = there.tree(1);
    assert_eq!(
        std::fs::read_link(dir.join("to-link")).unwrap().as_os_str(),
        "a.txt"
    );
    assert_eq!(
        std::fs::read(dir.join("a.txt")).unwrap(),
        b"staged, then changed\n"
    );
    assert!(dir.join("exec").metadata().unwrap().permissions().mode() & 0o100 != 0);
    assert!(!dir.join("gone").exists() && !dir.join("staged-gone").exists());
}

#[tokio::test]
async fn a_change_of_the_same_size_in_the_same_second_is_seen() {
    let f = Fixture::new();
    for round in 0..20 {
        // As racy as it gets: the index is written in the same tick as the file is changed.
        f.write("a.txt", format!("{round:04}\n"));
        f.git(&["add", "a.txt"]);
        f.write("a.txt", format!("{:04}\n", round + 5000));
        let taken = f.snapshot().await;
        let blob = format!("{}:a.txt", taken.commit);
        let text = taken.git().text(["cat-file", "blob", &blob]).await.unwrap();
        assert_eq!(text, format!("{:04}", round + 5000));
    }
}

#[tokio::test]
async fn odd_names_travel() {
    let f = Fixture::new();
    let names: [&[u8]; 9] = [
        b"new\nline",
        b"not-utf8-\xff\xfe",
        "umlaut-\u{fc}".as_bytes(),
        b"-dash",
        b":(top)magic",
        b"*glob?[x]",
        b"tab\tand\"quote\"",
        b" space ",
        b"back\\slash",
    ];
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name);
        std::fs::write(f.top.join(name), name.as_bytes()).unwrap();
    }
    let (_, there) = travels(&f).await;
    for name in names {
        let path = there.tree(1).join(std::ffi::OsStr::from_bytes(name));
        assert_eq!(std::fs::read(path).unwrap(), name);
    }
}

#[tokio::test]
async fn ignored_files_stay_here_and_tracked_ones_go_though_ignored() {
    let f = Fixture::new();
    f.write("kept.log", "tracked");
    f.commit("a log");
    f.write(".gitignore", "*.log\ntarget/\n");
    f.write(".git/info/exclude", "private\n");
    for name in ["x.log", "target/big", "private"] {
        f.write(name, "stays");
    }
    f.write("kept.log", "changed");
    let (_, there) = travels(&f).await;
    for name in ["x.log", "target", "private"] {
        assert!(!there.tree(1).join(name).exists(), "{name}");
    }
    assert_eq!(
        std::fs::read(there.tree(1).join("kept.log")).unwrap(),
        b"changed"
    );
}

#[tokio::test]
async fn line_ends_travel_as_git_stores_them() {
    for setting in ["true", "input", "false"] {
        let f = Fixture::new();
        f.git(&["config", "core.autocrlf", setting]);
        f.git(&["config", "core.safecrlf", "true"]);
        f.write(".gitattributes", "*.bat text eol=crlf\n*.bin -text\n");
        f.write("dos.txt", "a\r\nb\r\n");
        f.write("mixed.txt", "a\r\nb\n");
        f.write("run.bat", "a\r\nb\r\n");
        f.write("x.bin", b"\r\n\0\r\n");
        // By hand git would refuse what cannot be undone; the tree is the same.
        let expected = {
            f.git(&["config", "core.safecrlf", "false"]);
            let tree = f.tree_by_hand();
            f.git(&["config", "core.safecrlf", "true"]);
            tree
        };
        let taken = f.snapshot().await;
        let tree = format!("{}^{{tree}}", taken.commit);
        assert_eq!(
            taken.git().text(["rev-parse", &tree]).await.unwrap(),
            expected
        );
        let there = bring(&f, &taken, "abc234", &[1]).await;
        assert_eq!(git_in(&there.tree(1), &["status", "--porcelain"]), b"");
        assert_eq!(
            std::fs::read(there.tree(1).join("run.bat")).unwrap(),
            b"a\r\nb\r\n"
        );
        assert_eq!(
            std::fs::read(there.tree(1).join("x.bin")).unwrap(),
            b"\r\n\0\r\n"
        );
    }
}

#[tokio::test]
async fn a_filters_pointers_travel_not_its_contents() {
    let f = Fixture::new();
    // As git-lfs does it: what is stored stands for what is in the tree.
    f.git(&["config", "filter.lfs.clean", "sed s/^/pointer-to-/"]);
    f.git(&["config", "filter.lfs.smudge", "sed s/^pointer-to-//"]);
    f.git(&["config", "filter.lfs.required", "true"]);
    f.write(".gitattributes", "*.bin filter=lfs\n");
    f.write("tracked.bin", "one\n");
    f.commit("a large file");
    f.write("tracked.bin", "two\n");
    f.write("untracked.bin", "three\n");
    let (_, there) = travels(&f).await;
    assert_eq!(
        std::fs::read(there.tree(1).join("tracked.bin")).unwrap(),
        b"pointer-to-two\n"
    );
    assert_eq!(
        std::fs::read(there.tree(1).join("untracked.bin")).unwrap(),
        b"pointer-to-three\n"
    );
}

#[tokio::test]
async fn empty_unborn_and_detached() {
    let f = Fixture::empty();
    let taken = f.snapshot().await;
    assert!(taken.dirty && taken.repository.head.is_none());
    let (_, there) = travels(&f).await;
    assert_eq!(
        std::fs::read_dir(there.tree(1)).unwrap().count(),
        1,
        "only .git"
    );

    let f = Fixture::empty();
    f.write("first", "not committed\n");
    travels(&f).await;

    let f = Fixture::new();
    f.commit("second");
    f.git(&["checkout", "--quiet", "--detach", "HEAD~1"]);
    f.write("a.txt", "on a detached HEAD\n");
    let (taken, _) = travels(&f).await;
    assert_eq!(taken.repository.branch, None);
    let parent = format!("{}^", taken.commit);
    assert_eq!(
        taken.git().text(["rev-parse", &parent]).await.unwrap(),
        f.git(&["rev-parse", "HEAD"])
    );
}

#[tokio::test]
async fn in_the_middle_of_a_merge_and_of_a_rebase() {
    for rebase in [false, true] {
        let f = Fixture::new();
        f.git(&["checkout", "--quiet", "-b", "other"]);
        f.write("a.txt", "theirs\n");
        f.commit("theirs");
        f.git(&["checkout", "--quiet", "main"]);
        f.write("a.txt", "ours\n");
        f.commit("ours");
        let verb: &[&str] = if rebase {
            &["rebase", "other"]
        } else {
            &["merge", "other"]
        };
        assert!(
            !git_command(&f.top)
                .args(verb)
                .output()
                .unwrap()
                .status
                .success()
        );
        let (taken, there) = travels(&f).await;
        let doing = if rebase { Doing::Rebase } else { Doing::Merge };
        assert_eq!(taken.repository.doing, Some(doing));
        let text = std::fs::read_to_string(there.tree(1).join("a.txt")).unwrap();
        assert!(
            text.contains("<<<<<<<") && text.contains("theirs"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_second_working_tree_of_the_same_repository() {
    let mut f = Fixture::new();
    let second = f.side.join("second");
    f.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "side",
        second.to_str().unwrap(),
    ]);
    f.write("a.txt", "in the first one only\n");
    f.top = second;
    f.write("new", "in the second\n");
    let (taken, there) = travels(&f).await;
    assert_eq!(taken.repository.branch.as_deref(), Some("side"));
    assert_eq!(
        std::fs::read(there.tree(1).join("a.txt")).unwrap(),
        b"one\n"
    );
}

#[tokio::test]
async fn a_repository_inside_is_left_out_and_named() {
    let f = Fixture::new();
    for name in ["nested", "bare-bones"] {
        let dir = f.top.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        git_in(&dir, &["init", "--quiet"]);
        std::fs::write(dir.join("x"), "inside").unwrap();
    }
    git_in(&f.top.join("nested"), &["add", "x"]);
    git_in(&f.top.join("nested"), &["commit", "--quiet", "-m", "x"]);
    let taken = f.snapshot().await;
    let mut nested = taken.nested.clone();
    nested.sort();
    assert_eq!(
        nested,
        ["bare-bones", "nested"].map(std::path::PathBuf::from)
    );
    assert!(!taken.dirty);
}

#[tokio::test]
async fn sha256_and_split_and_untracked_caches() {
    let mut f = Fixture::empty();
    f.top = f.side.join("wide");
    git_in(
        &f.side,
        &["init", "--quiet", "--object-format=sha256", "wide"],
    );
    f.identify(&f.top);
    f.write("a.txt", "one\n");
    f.commit("first");
    f.write("b.txt", "two\n");
    let (taken, _) = travels(&f).await;
    assert_eq!(taken.commit.as_str().len(), 64);

    let f = Fixture::new();
    f.git(&["config", "core.splitIndex", "true"]);
    f.git(&["config", "core.untrackedCache", "true"]);
    f.git(&["update-index", "--split-index", "--untracked-cache"]);
    git_command(&f.top)
        .env("GIT_OPTIONAL_LOCKS", "1")
        .arg("status")
        .output()
        .unwrap();
    f.write("b.txt", "two\n");
    f.write("a.txt", "changed\n");
    travels(&f).await;
}

#[tokio::test]
async fn a_bare_repository_is_its_head() {
    let f = Fixture::new();
    let bare = f.side.join("bare.git");
    git_in(
        &f.side,
        &[
            "clone",
            "--quiet",
            "--bare",
            f.top.to_str().unwrap(),
            "bare.git",
        ],
    );
    let repository = Repository::find(&bare).await.unwrap().unwrap();
    let taken = snapshot(&repository, &f.options()).await.unwrap();
    assert_eq!(taken.commit.as_str(), f.git(&["rev-parse", "HEAD"]));
    bring(&f, &taken, "abc234", &[1]).await;
}

#[tokio::test]
async fn one_tree_is_one_commit_whenever_it_is_taken() {
    let f = Fixture::new();
    f.write("a.txt", "changed\n");
    f.write("b.txt", "new\n");
    let first = f.snapshot().await;
    assert_eq!(f.snapshot().await.commit, first.commit);
    f.write("b.txt", "newer\n");
    assert_ne!(f.snapshot().await.commit, first.commit);
    let clean = Options {
        dirty: false,
        ..f.options()
    };
    let taken = snapshot(&f.repository().await, &clean).await.unwrap();
    assert_eq!(taken.commit.as_str(), f.git(&["rev-parse", "HEAD"]));
}

#[tokio::test]
async fn no_hook_monitor_or_signature_has_a_say() {
    let f = Fixture::new();
    let marker = f.side.join("ran");
    let script = format!("#!/bin/sh\ntouch {}\nexit 1\n", marker.display());
    for hook in [
        "pre-commit",
        "post-index-change",
        "pre-push",
        "reference-transaction",
        "post-checkout",
    ] {
        f.write(&format!(".git/hooks/{hook}"), &script);
        let path = f.top.join(".git/hooks").join(hook);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let monitor = f.top.join(".git/hooks/pre-push").display().to_string();
    f.git(&["config", "commit.gpgSign", "true"]);
    f.git(&["config", "gpg.program", "/nonexistent"]);
    f.git(&["config", "push.gpgSign", "true"]);
    f.write("a.txt", "changed\n");
    f.git(&["config", "core.fsmonitor", &monitor]);
    let taken = f.snapshot_quietly().await;
    bring(&f, &taken, "abc234", &[1]).await;
    assert!(!marker.exists(), "a hook ran");
}

#[tokio::test]
async fn what_is_tracked_is_measured_and_nothing_else() {
    let fixture = Fixture::empty();
    fixture.write("one", "12345");
    fixture.write("deep/two words", "678");
    fixture.commit("both");
    fixture.write("untracked", "not counted");
    let repository = fixture.repository().await;
    assert_eq!(measure(&repository).await.expect("measured"), (2, 8));
}
