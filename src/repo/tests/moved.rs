//! Results out of a copy of a machine's volume.

use std::path::Path;
use std::process::Command;

use super::fixture::*;
use crate::repo::*;

#[tokio::test]
async fn results_are_collected_from_a_copy_whose_machine_is_gone() {
    let f = Fixture::new();
    let part = f.side.join("part");
    std::fs::create_dir_all(&part).unwrap();
    git_in(&part, &["init", "--quiet"]);
    f.identify(&part);
    std::fs::write(part.join("p"), "p\n").unwrap();
    git_in(&part, &["add", "p"]);
    git_in(&part, &["commit", "--quiet", "-m", "part"]);
    git_in(
        &f.top,
        &[
            "submodule",
            "--quiet",
            "add",
            part.to_str().unwrap(),
            "part",
        ],
    );
    f.commit("with a part");
    let taken = f.snapshot().await;
    let there = bring(&f, &taken, "abc234", &[1, 2]).await;
    let dir = there.tree(1);
    std::fs::write(dir.join("a.txt"), "by agent 1\n").unwrap();
    git_in(&dir, &["commit", "--quiet", "-am", "agent's work"]);
    std::fs::write(dir.join("new"), "untracked\n").unwrap();
    std::fs::write(dir.join("part/p"), "changed\n").unwrap();
    git_in(
        &dir.join("part"),
        &["commit", "--quiet", "-am", "in the part"],
    );

    // As it is read from the volume; then nothing is left of where it was.
    let copy = f.top.parent().unwrap().join("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&f.side)
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    std::fs::rename(&f.side, f.top.parent().unwrap().join("gone")).unwrap();

    let id = session("abc234");
    for _ in 0..2 {
        let moved = moved(&copy, &f.side, &id).await.unwrap();
        let Moved { store, warnings } = moved.expect("a store");
        assert_eq!(warnings, Vec::<String>::new());
        assert!(store.dir().starts_with(&copy));
        let record = store.record(&id).unwrap();
        let collected = collect(&store, &record, None).await.unwrap();
        assert_eq!(collected.warnings, Vec::<String>::new());
        let [one, two] = &collected.agents[..] else {
            panic!("{collected:?}")
        };
        assert_eq!((one.commits, two.commits), (1, 0));
        let wip = one.wip.as_ref().expect("what was not committed");
        let git = |what: &str| git_in(store.dir(), &["show", &format!("{wip}:{what}")]);
        assert_eq!(git("new"), b"untracked\n");
        assert_eq!(git("a.txt"), b"by agent 1\n");
        assert_eq!(one.modules.len(), 1, "{one:?}");
        assert!(two.wip.is_none());
    }
    let none = moved(&copy, &f.side, &session("zzz777")).await.unwrap();
    assert!(none.is_none());
}

/// Sets a trap: whoever runs git with this configuration makes `mark`.
fn trap(config: &Path, mark: &Path) {
    let evil = format!("touch '{}'; cat", mark.display());
    let file = config.to_str().unwrap();
    let dir = config.parent().unwrap();
    git_in(dir, &["config", "--file", file, "filter.evil.clean", &evil]);
}

/// A repository of its own in `dir`, with a commit.
fn another(f: &Fixture, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    git_in(dir, &["init", "--quiet"]);
    f.identify(dir);
    std::fs::write(dir.join(".gitattributes"), "* filter=evil\n").unwrap();
    std::fs::write(dir.join("n"), "n\n").unwrap();
    git_in(dir, &["add", "."]);
    git_in(dir, &["commit", "--quiet", "-m", "another"]);
}

#[tokio::test]
async fn nothing_that_an_agent_configured_is_run_here() {
    use std::os::unix::fs::symlink;
    let f = Fixture::new();
    let taken = f.snapshot().await;
    let there = bring(&f, &taken, "abc234", &[1, 2, 3, 4]).await;
    let marks = f.top.parent().unwrap().join("marks");
    std::fs::create_dir_all(&marks).unwrap();
    let store = there.store.dir().to_owned();
    let evil = "* filter=evil\n";

    // In the store's own configuration, and an object directory that it reads.
    let one = there.tree(1);
    trap(&store.join("config"), &marks.join("store"));
    std::fs::write(one.join(".gitattributes"), evil).unwrap();
    std::fs::write(one.join("a.txt"), "by agent 1\n").unwrap();
    // The trap is one.
    git_in(&one, &["add", "a.txt"]);
    assert!(marks.join("store").exists());
    std::fs::write(one.join("a.txt"), "by agent 1, again\n").unwrap();
    std::fs::write(store.join("objects/info/alternates"), "/nowhere\n").unwrap();

    // In a working tree's.
    let two = there.tree(2);
    let git_dir = String::from_utf8(git_in(&two, &["rev-parse", "--absolute-git-dir"])).unwrap();
    let git_dir = Path::new(git_dir.trim());
    let of_tree = git_dir.join("config.worktree");
    let file = of_tree.to_str().unwrap();
    git_in(&two, &["config", "--file", file, "core.bare", "false"]);
    trap(&of_tree, &marks.join("worktree"));
    let config = store.join("config");
    let config = config.to_str().unwrap();
    let its_own = |yes: &str| {
        let args = ["config", "--file", config, "extensions.worktreeConfig", yes];
        git_in(&f.top, &args);
    };
    its_own("true");
    std::fs::write(two.join(".gitattributes"), evil).unwrap();
    std::fs::write(two.join("a.txt"), "by agent 2\n").unwrap();
    git_in(&two, &["add", "a.txt"]);
    assert!(marks.join("worktree").exists());
    its_own("false");
    std::fs::write(two.join("a.txt"), "by agent 2, again\n").unwrap();
    // And a file of the person's, by a link.
    let theirs = marks.join("theirs");
    symlink(&theirs, store.join("worktrees/link")).unwrap();

    // In repositories inside of a tree: one that it knows, one behind a pointer, one that shares another's.
    let three = there.tree(3);
    for name in ["nested", "pointed", "shares"] {
        another(&f, &three.join(name));
        git_in(&three, &["-c", "advice.addEmbeddedRepo=false", "add", name]);
    }
    trap(&three.join("nested/.git/config"), &marks.join("nested"));
    let hidden = three.join("hidden");
    std::fs::rename(three.join("pointed/.git"), &hidden).unwrap();
    std::fs::write(three.join("pointed/.git"), "gitdir: ../hidden\n").unwrap();
    trap(&hidden.join("config"), &marks.join("pointed"));
    std::fs::write(three.join("shares/.git/commondir"), "../../hidden\n").unwrap();
    for name in ["nested", "pointed", "shares"] {
        let dir = three.join(name);
        std::fs::write(dir.join("n"), "changed\n").unwrap();
        git_in(&dir, &["add", "n"]);
        std::fs::write(dir.join("n"), "changed again\n").unwrap();
    }
    assert!(marks.join("nested").exists() && marks.join("pointed").exists());

    // A tree that is said to be a repository of the person's.
    let person = f.top.parent().unwrap().join("person");
    another(&f, &person);
    trap(&person.join(".git/config"), &marks.join("person"));
    std::fs::write(person.join("n"), "theirs\n").unwrap();
    let id = session("abc234");
    let mut record = there.store.record(&id).unwrap();
    record
        .agents
        .iter_mut()
        .find(|a| a.number == 4)
        .unwrap()
        .dir = person.clone();
    there.store.put(&record).unwrap();
    its_own("true");

    for mark in std::fs::read_dir(&marks).unwrap() {
        std::fs::remove_file(mark.unwrap().path()).unwrap();
    }
    let copy = f.top.parent().unwrap().join("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&f.side)
        .arg(&copy)
        .status();
    assert!(copied.unwrap().success());
    std::fs::rename(&f.side, f.top.parent().unwrap().join("gone")).unwrap();

    for _ in 0..2 {
        let moved = moved(&copy, &f.side, &id).await.unwrap().expect("a store");
        let record = moved.store.record(&id).unwrap();
        let collected = collect(&moved.store, &record, None).await.unwrap();
        let made: Vec<_> = std::fs::read_dir(&marks).unwrap().flatten().collect();
        assert!(made.is_empty(), "{made:?}");
        assert_eq!(collected.agents.len(), 4, "{collected:?}");
        assert_eq!(collected.warnings, Vec::<String>::new());
        for (agent, text) in collected.agents.iter().zip(["by agent 1", "by agent 2"]) {
            let wip = agent.wip.as_ref().expect("what was not committed");
            let said = git_in(moved.store.dir(), &["show", &format!("{wip}:a.txt")]);
            assert_eq!(String::from_utf8(said).unwrap(), format!("{text}, again\n"));
        }
        assert!(collected.agents[3].wip.is_none());
        let lost = moved.warnings.iter().filter(|w| w.starts_with("agent 4:"));
        assert_eq!(lost.count(), 1, "{:?}", moved.warnings);
        assert!(!theirs.exists());
    }
}

#[tokio::test]
async fn a_tree_that_is_not_in_the_copy_is_told_of() {
    let f = Fixture::new();
    let taken = f.snapshot().await;
    let there = bring(&f, &taken, "abc234", &[1, 2]).await;
    std::fs::remove_dir_all(there.tree(2)).unwrap();
    let id = session("abc234");
    let moved = moved(&f.side, &f.side, &id)
        .await
        .unwrap()
        .expect("a store");
    let [lost] = &moved.warnings[..] else {
        panic!("{:?}", moved.warnings)
    };
    assert!(lost.starts_with("agent 2: its working tree"), "{lost}");
    let record = moved.store.record(&id).unwrap();
    let collected = collect(&moved.store, &record, None).await.unwrap();
    assert_eq!(collected.agents.len(), 2, "{collected:?}");
}
