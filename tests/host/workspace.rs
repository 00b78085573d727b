//! `dispatch --workspace` on this machine and on one behind sshd: a directory that sessions hand on, with the repository
//! and its branches in it; one session at a time.

use crate::common::env::{TestEnv, session_in};
use crate::common::repository::{git, remote_in, repository};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::{SOON, await_true};

fn hands_on(env: &TestEnv, server: &TestEnv, at: &[&str]) {
    let top = repository(env);
    let ok = |args: &[&str]| {
        let ran = remote_in(env, &top, args);
        assert_eq!(ran.code, 0, "remote {args:?}: {}", ran.all());
        ran
    };
    let make = ["workspace", "create", "--name", "alpha", "--size", "10gb"];
    ok(&[&make[..], at].concat());
    let on = ["dispatch", "--detach", "--workspace", "alpha"];
    let begin = |command: &str| {
        let words = ["--command", command];
        let ran = remote_in(env, &top, &[&on[..], at, &words].concat());
        let session = (ran.code == 0).then(|| session_in(&ran.stdout)).flatten();
        session.ok_or(ran)
    };
    let first =
        begin("pwd; git commit -q --allow-empty -m later; echo kept >kept; exec sleep 1000");
    let first = first.unwrap_or_else(|ran| panic!("{}", ran.all()));
    let files = server
        .home()
        .join(".local/share/remote/workspaces/alpha/files");
    let tree = files.join("tree").join(&first).join("1/api");
    await_true("its work", SOON, || tree.join("kept").exists());

    // A second one is told who has it.
    let refused = begin("true").expect_err("it is in use");
    assert_ne!(refused.code, 0, "{}", refused.all());
    for said in [first.as_str(), "--into", "--from alpha"] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.all());
    }
    let more = [
        "dispatch",
        "--into",
        &first,
        "--command",
        "pwd; exec sleep 1000",
        "--detach",
    ];
    ok(&more);
    let second = files.join("tree").join(&first).join("2/api");
    await_true("the second agent's place", SOON, || second.exists());
    ok(&["terminate", &first, "--yes"]);

    // The next one goes on from yesterday's commit, and nothing travels twice.
    let next = begin("git log --format=%s; exec sleep 1000");
    let next = next.unwrap_or_else(|ran| panic!("{}", ran.all()));
    await_true("its output", SOON, || {
        ok(&["logs", &next]).stdout.contains("first")
    });
    ok(&["pull", &first]);
    let branch = format!("remote/{first}/1");
    assert_eq!(
        git(env, &top, &["log", "-1", "--format=%s", &branch]),
        "later"
    );
    let left = format!("refs/remote/{first}/1/wip:kept");
    assert_eq!(git(env, &top, &["show", &left]), "kept");
    ok(&["terminate", &next, "--yes"]);

    // Discarding a session leaves the workspace; that goes by name alone.
    ok(&["discard", &next, "--yes"]);
    assert!(tree.join("kept").exists());
    ok(&[&["workspace", "delete", "alpha", "--yes", "alpha"], at].concat());
    assert!(!files.exists());
    server.await_no_process();
}

#[test]
fn a_directory_is_handed_on_from_session_to_session() {
    let env = TestEnv::new();
    hands_on(&env, &env, &[]);
}

#[test]
fn so_it_is_on_another_machine() {
    let (env, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    env.use_sshd(&sshd, sshd.port);
    hands_on(&env, &server, &["--host", "box"]);
}
