//! A repository in, branches out: on this machine and on one behind OpenSSH's server, by the real binary and git.
#![allow(clippy::unwrap_used)]

mod auto;
mod checks;
mod push;
mod setup;
mod together;
mod world;

use std::path::Path;

use rustix::process::Signal;

use crate::common::process::{kill, run};
use crate::common::{SOON, await_true};
use world::{WORK, World, torture, tree_by_hand};

fn both(test: impl Fn(World)) {
    test(World::local());
    test(World::ssh());
}

#[test]
fn the_torture_repository_goes_in_and_comes_back_bit_for_bit() {
    both(|w| {
        torture(&w);
        let before = w.state();
        let ran = w.dispatch("sub", &["-n", "2", "--command", WORK]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(w.state() == before, "the dispatch was noticed");
        assert!(
            ran.stderr.contains("in the middle of a merge"),
            "{}",
            ran.stderr
        );
        let session = w.latest();
        for n in [1, 2] {
            let line = format!("at sub on remote/{session}/{n}");
            assert!(ran.stdout.contains(&line), "{}", ran.all());
        }
        let pulled = w.ok(&["pull", &session]);
        let after = w.state();
        assert!(
            (before.0, before.1, before.3) == (after.0, after.1, after.3),
            "the pull was noticed"
        );
        for n in [1, 2] {
            let line = format!("{session}/{n}  1 commit on remote/{session}/{n}");
            assert!(pulled.stdout.contains(&line), "{}", pulled.all());
            let branch = format!("remote/{session}/{n}");
            let who = w.git(&["log", "-1", "--format=%an <%ae> %s", &branch]);
            assert_eq!(who, format!("A U Thor <author@example.com> work of {n}"));
            let left = format!("refs/remote/{session}/{n}/wip:sub/left-{n}");
            assert_eq!(w.git(&["cat-file", "blob", &left]), "left");
        }
        // What was there is what is here: every mode, name and content, submodules by what is in them.
        let start = format!("refs/remote/{session}/1/start");
        let list = w.git_in(&w.top, &["ls-tree", "-r", "-z", &start]);
        // `mode type object` there, `mode object stage` here.
        let list = String::from_utf8_lossy(&list)
            .replace(" blob ", " ")
            .replace('\t', " 0\t");
        let by_hand = tree_by_hand(&w);
        let files = |list: &str| -> Vec<String> {
            let all = list.split('\0').filter(|l| !l.starts_with("160000"));
            all.map(str::to_owned).collect()
        };
        assert_eq!(files(&list), files(&by_hand));
        let again = w.ok(&["pull", &session]);
        assert_eq!(
            again.stdout.matches("nothing new").count(),
            2,
            "{}",
            again.all()
        );
    });
}

#[test]
fn results_are_looked_at_and_merged_with_gits_own_verbs() {
    let w = World::local();
    let ran = w.dispatch("", &["--command", WORK]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stderr.contains("remote pull"), "{}", ran.stderr);
    let session = w.latest();
    // Fetched by itself where it is not here yet.
    let diff = w.ok(&["diff", &session, "--stat"]);
    assert!(
        diff.stdout.contains("made-1") && diff.stdout.contains("left-1"),
        "{}",
        diff.all()
    );
    let diff = w.ok(&["diff", "--committed", &session, "--", "made-1"]);
    assert!(
        diff.stdout.contains("+by 1") && !diff.stdout.contains("left"),
        "{}",
        diff.all()
    );
    let log = w.ok(&["log", &session, "--oneline"]);
    assert!(
        log.stdout.contains("work of 1") && log.stdout.lines().count() == 1,
        "{}",
        log.all()
    );
    let merged = w.ok(&["merge", &session]);
    assert!(
        merged.stderr.contains("uncommitted work"),
        "{}",
        merged.all()
    );
    assert_eq!(
        std::fs::read_to_string(w.top.join("made-1")).unwrap(),
        "by 1\n"
    );
    // A branch that the person removes stays removed.
    w.git(&["branch", "--quiet", "-D", &format!("remote/{session}/1")]);
    let again = w.ok(&["pull", &session]);
    assert!(again.stdout.contains("was removed here"), "{}", again.all());
    let json = w.ok(&["pull", "--all", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[0]["safe"], &json[0]["agents"][0]["commits"]),
        (&true.into(), &1.into())
    );
}

#[test]
fn a_live_agents_work_is_pulled_again_and_again_and_yours_is_left_alone() {
    both(|w| {
        let command =
            "while read x; do echo $x >f; git add f; git commit -qm $x; echo made $x; done";
        let ran = w.dispatch("", &["--detach", "--command", command]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        let session = w.latest();
        let branch = format!("remote/{session}/1");
        for (n, expected) in [("one", " on remote/"), ("two", "moved forward")] {
            w.ok(&["send", &session, n, "--enter"]);
            await_true("the commit", SOON, || {
                w.ok(&["logs", &session])
                    .stdout
                    .contains(&format!("made {n}"))
            });
            let pulled = w.ok(&["pull", &session]);
            assert!(pulled.stdout.contains(expected), "{}", pulled.all());
            assert_eq!(w.git(&["log", "-1", "--format=%s", &branch]), n);
        }
        w.git(&["checkout", "--quiet", &branch]);
        w.write("mine", "mine\n");
        w.commit("mine");
        let mine = w.git(&["rev-parse", "HEAD"]);
        w.ok(&["send", &session, "three", "--enter"]);
        await_true("the commit", SOON, || {
            w.ok(&["logs", &session]).stdout.contains("made three")
        });
        let pulled = w.ok(&["pull", &session]);
        assert!(pulled.stdout.contains("left as it is"), "{}", pulled.all());
        assert_eq!(w.git(&["rev-parse", &branch]), mine);
        let tip = format!("refs/remote/{session}/1/tip");
        assert_eq!(w.git(&["log", "-1", "--format=%s", &tip]), "three");
        // One more agent has a tree of its own.
        let ran = w.remote("", &["dispatch", "--into", &session, "--command", WORK]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert!(
            ran.stdout.contains(&format!("on remote/{session}/2")),
            "{}",
            ran.all()
        );
        let pulled = w.ok(&["pull", &format!("{session}/2")]);
        assert!(pulled.stdout.contains("1 commit"), "{}", pulled.all());
        w.ok(&["terminate", &session, "--yes"]);
        assert!(w.ok(&["pull", &session]).stdout.contains("nothing new"));
    });
}

#[test]
fn a_second_dispatch_sends_only_what_changed() {
    both(|w| {
        let mut state = 1_u64;
        let mut noise = Vec::with_capacity(4_000_000);
        while noise.len() < 4_000_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend_from_slice(&state.to_be_bytes());
        }
        w.write("big.bin", &noise);
        w.commit("big");
        let first = w.dispatch("", &["--command", "true"]);
        assert_eq!(first.code, 0, "{}", first.all());
        w.write("a.txt", "changed\n");
        let second = w.dispatch("", &["--command", "cat a.txt; wc -c <big.bin"]);
        assert!(second.stdout.contains("changed"), "{}", second.all());
        assert!(second.stdout.contains("4000000"), "{}", second.all());
        let (first, second) = (World::sent(&first), World::sent(&second));
        assert!(
            first >= 4e6 && second < first / 100.0,
            "{first} then {second}"
        );
    });
}

#[test]
fn without_a_repository_it_says_so_and_copies_or_clones_on_request() {
    let w = World::ssh();
    let plain = w.client.work().join("plain");
    std::fs::create_dir_all(&plain).unwrap();
    std::fs::write(plain.join("file"), "a file\n").unwrap();
    std::fs::write(plain.join(".gitignore"), "no\n").unwrap();
    std::fs::write(plain.join("no"), "stays\n").unwrap();
    let go = |args: &[&str]| {
        let all = [&["dispatch", "--host", "box"], args].concat();
        let mut command = w.client.remote(&all);
        command.current_dir(&plain);
        run(&mut command, b"", 4 * SOON)
    };
    let ran = go(&["--command", "ls"]);
    assert!(
        ran.code == 0 && ran.stderr.contains("`--copy`"),
        "{}",
        ran.all()
    );
    let ran = go(&["--copy", "--command", "ls; git status --porcelain"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("file"),
        "{}",
        ran.all()
    );
    assert!(!ran.stdout.contains("no"), "{}", ran.all());
    assert!(!plain.join(".git").exists());
    let url = format!("file://{}", w.top.display());
    let ran = go(&[
        "--repo",
        &url,
        "--command",
        "cat a.txt; git --no-pager log --format=%s origin/main",
    ]);
    assert_eq!(
        (ran.code, ran.stdout.split_whitespace().collect::<Vec<_>>()),
        (0, vec!["one", "first"]),
        "{}",
        ran.all()
    );
    let ran = go(&["--repo", "file:///nowhere", "--command", "true"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("cannot be cloned"),
        "{}",
        ran.all()
    );
    let ran = go(&["--repo", "ext::sh -c true", "--command", "true"]);
    assert!(
        ran.code == 1 && ran.stderr.contains("no repository's address"),
        "{}",
        ran.all()
    );
    let refused = w.remote(
        "",
        &["dispatch", "--host", "box", "--copy", "--command", "true"],
    );
    assert!(
        refused.code == 1 && refused.stderr.contains("is in a repository"),
        "{}",
        refused.all()
    );
}

#[test]
fn what_cannot_go_is_refused_and_leaves_nothing() {
    both(|w| {
        let count = || {
            let all = w.ok(&["status", "--all", "--json"]).stdout;
            serde_json::from_str::<serde_json::Value>(&all)
                .unwrap()
                .as_array()
                .unwrap()
                .len()
        };
        let file = std::fs::File::create(w.top.join("disk.img")).unwrap();
        file.set_len(200_000_000).unwrap();
        let ran = w.dispatch("", &["--command", "true"]);
        assert!(
            ran.code == 1 && ran.stderr.contains("`disk.img` (200.0 MB)"),
            "{}",
            ran.all()
        );
        assert_eq!(count(), 0);
        let ran = w.dispatch("", &["--no-dirty", "--command", "ls"]);
        assert!(
            ran.code == 0 && !ran.stdout.contains("disk.img"),
            "{}",
            ran.all()
        );
        std::fs::remove_file(w.top.join("disk.img")).unwrap();
        // The repository is there by then; the session is taken back.
        let ran = w.dispatch("", &["--", "no-such-program"]);
        assert!(
            ran.code == 1 && ran.stderr.contains("no-such-program"),
            "{}",
            ran.all()
        );
        assert_eq!(count(), 1);
        w.git(&["branch", "remote"]);
        let ran = w.dispatch("", &["--command", "true"]);
        assert!(
            ran.code == 1 && ran.stderr.contains("git branch -m remote"),
            "{}",
            ran.all()
        );
        assert_eq!(count(), 1);
        let ran = w.dispatch(
            "",
            &[
                "--no-repo",
                "--command",
                "git branch --show-current || true",
            ],
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
    });
}

#[test]
fn on_this_machine_no_repo_means_right_here() {
    let w = World::local();
    let ran = w.dispatch("sub", &["--no-repo", "--command", "pwd"]);
    assert_eq!(Path::new(ran.stdout.trim()), w.top.join("sub"));
}

#[test]
fn another_repository_does_not_take_them_in() {
    let w = World::local();
    assert_eq!(w.dispatch("", &["--command", WORK]).code, 0);
    let other = w.client.work().join("other");
    std::fs::create_dir_all(&other).unwrap();
    w.git_in(&other, &["init", "--quiet"]);
    let mut command = w.client.remote(&["pull"]);
    command.current_dir(&other);
    let ran = run(&mut command, b"", 2 * SOON);
    assert!(
        ran.code == 1 && ran.stderr.contains("worked on `my project`"),
        "{}",
        ran.all()
    );
    let mut command = w.client.remote(&["pull", "--force"]);
    command.current_dir(&other);
    let ran = run(&mut command, b"", 2 * SOON);
    assert!(
        ran.code == 0 && ran.stdout.contains("1 commit"),
        "{}",
        ran.all()
    );
}

#[test]
fn what_a_dead_hosts_agents_left_is_kept_through_a_prune() {
    both(|w| {
        let command = "echo left >left; echo ready; exec sleep 1000";
        assert_eq!(w.dispatch("", &["--detach", "--command", command]).code, 0);
        let session = w.latest();
        await_true("its output", SOON, || {
            w.ok(&["logs", &session]).stdout.contains("ready")
        });
        let there = w.server.as_ref().unwrap_or(&w.client);
        let pid = there.endpoint(&session).pid;
        kill(pid, Signal::KILL);
        await_true("its death", SOON, || {
            w.client.status(&session)["presence"] == "lost"
        });
        let pulled = w.ok(&["pull", &session]);
        assert!(
            pulled.stdout.contains("uncommitted work at"),
            "{}",
            pulled.all()
        );
        w.ok(&["terminate", "--all", "--yes"]);
        w.ok(&["prune", "--yes"]);
        assert!(!there.session_dir(&session).exists());
        let left = format!("refs/remote/{session}/1/wip");
        let stores = there.home().join(".local/state/remote/repo");
        let store = std::fs::read_dir(stores)
            .unwrap()
            .flatten()
            .next()
            .unwrap()
            .path();
        let text = w.git_in(&store, &["show", &format!("{left}:left")]);
        assert_eq!(text, b"left\n");
    });
}
