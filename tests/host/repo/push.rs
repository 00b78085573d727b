//! Branches pushed from the session's machine, by git there: to a bare repository, and over ssh to OpenSSH's server.

use std::path::PathBuf;

use crate::agents::sh;
use crate::common::{SOON, await_some};

use super::world::{WORK, World};

/// A bare repository where branches may go.
fn forge(w: &World, home: &std::path::Path) -> PathBuf {
    let forge = home.join("forge.git");
    std::fs::create_dir_all(&forge).unwrap();
    w.git_in(&forge, &["init", "--quiet", "--bare"]);
    forge
}

fn push(w: &World, session: &str, agent: usize) -> serde_json::Value {
    let status = w.client.status(session);
    status["status"]["agents"][agent - 1]["push"].clone()
}

/// Waits until an agent's push is through, as `what`.
fn await_push(w: &World, session: &str, what: &str) -> serde_json::Value {
    await_some(what, 2 * SOON, || {
        let push = push(w, session, 1);
        (push["state"] == what).then_some(push)
    })
}

fn there(w: &World, forge: &std::path::Path, session: &str, agent: u32) -> String {
    let name = format!("refs/heads/remote/{session}/{agent}");
    let args = ["for-each-ref", "--format=%(objectname)", &name];
    let out = w.git_in(forge, &args);
    String::from_utf8_lossy(&out).trim().to_owned()
}

#[test]
fn each_agents_branch_is_at_origin_when_it_is_done() {
    let w = World::local();
    let refused = w.dispatch("", &["--push", "--command", WORK]);
    assert!(
        refused.code == 1 && refused.stderr.contains("no remote `origin`"),
        "{}",
        refused.all()
    );
    let refused = w.dispatch("", &["--push=elsewhere", "--command", WORK]);
    assert!(refused.stderr.contains("`elsewhere`"), "{}", refused.all());
    assert_eq!(w.ok(&["status", "--all", "--json"]).stdout.trim(), "[]");
    let forge = forge(&w, &w.client.work());
    w.git(&["remote", "add", "origin", "../forge.git"]);
    let ran = w.dispatch("sub", &["--push", "-n", "2", "--command", WORK]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    await_push(&w, &session, "pushed");
    w.client
        .await_status("its end", &session, |s| s.ended.is_some());
    let pulled = w.ok(&["pull", &session]).stdout;
    assert_eq!(pulled.matches("; pushed").count(), 2, "{pulled}");
    for n in [1, 2] {
        let branch = format!("remote/{session}/{n}");
        assert_eq!(
            there(&w, &forge, &session, n),
            w.git(&["rev-parse", &branch])
        );
    }
    let shown = w.ok(&["status", &session]).stdout;
    assert!(shown.contains("of agent 2: pushed "), "{shown}");
    let told = w.ok(&["digest"]).stdout;
    assert!(told.contains("of agent 1: pushed "), "{told}");
    // What has made nothing has nothing to push.
    let ran = w.dispatch("", &["--push", "--command", "true"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    await_push(&w, &session, "nothing");
    assert_eq!(there(&w, &forge, &session, 1), "");
}

#[test]
fn what_an_agent_rewrites_is_replaced_and_what_a_person_has_added_is_not() {
    let w = World::local();
    let forge = forge(&w, &w.client.work());
    w.git(&["remote", "add", "mine", forge.to_str().unwrap()]);
    let report = |state: &str| format!("printf '\\033]7501;state={state}\\033\\\\'");
    let (working, done) = (report("working"), report("done"));
    let script = format!(
        "{working}; echo one >f; git add f; git commit -qm one; {done}; \
         while read x; do {working}; echo $x >f; git commit -qa --amend -m $x; {done}; done"
    );
    let ran = w.dispatch("", &["--detach", "--push=mine", "--command", &sh(&script)]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let session = w.latest();
    let first = await_push(&w, &session, "pushed");
    assert_eq!(
        there(&w, &forge, &session, 1),
        first["commit"].as_str().unwrap()
    );
    w.ok(&["send", &session, "two", "--enter"]);
    let second = await_some("the second push", 2 * SOON, || {
        let push = push(&w, &session, 1);
        (push["state"] == "pushed" && push["commit"] != first["commit"]).then_some(push)
    });
    assert_eq!(
        there(&w, &forge, &session, 1),
        second["commit"].as_str().unwrap()
    );
    // A person goes on from it there.
    let branch = format!("remote/{session}/1");
    w.git(&["fetch", "--quiet", "mine"]);
    w.git(&[
        "checkout",
        "--quiet",
        "-b",
        "theirs",
        &format!("mine/{branch}"),
    ]);
    w.write("mine", "mine\n");
    w.commit("mine");
    w.git(&["push", "--quiet", "mine", &format!("theirs:{branch}")]);
    let mine = w.git(&["rev-parse", "theirs"]);
    w.ok(&["send", &session, "three", "--enter"]);
    let third = await_push(&w, &session, "failed");
    let why = third["message"].as_str().unwrap();
    assert!(why.contains("rejected"), "{why}");
    assert_eq!(there(&w, &forge, &session, 1), mine);
    w.ok(&["terminate", &session, "--yes"]);
    let pulled = w.ok(&["pull", &session]).stdout;
    assert!(pulled.contains("; not pushed: "), "{pulled}");
}

#[test]
fn over_ssh_the_credentials_are_what_the_agents_environment_has() {
    let w = World::ssh();
    let server = w.server.as_ref().unwrap();
    let forge = forge(&w, server.home());
    // A login's directory is the user's, not this test's.
    let push = format!("--push=box:{}", forge.display());
    let go = |env: &str| {
        let args = ["dispatch", push.as_str(), "--env", env, "--command", WORK];
        let ran = w.remote("", &args);
        assert_eq!(ran.code, 0, "{}", ran.all());
        w.latest()
    };
    let session = go("GIT_SSH_COMMAND=ssh -o PubkeyAuthentication=no");
    let failed = await_push(&w, &session, "failed");
    let why = failed["message"].as_str().unwrap();
    assert!(why.contains("Permission denied"), "{why}");
    let told = w.ok(&["digest"]).stdout;
    assert!(told.contains("of agent 1: failed: "), "{told}");
    let session = go("UNUSED=1");
    await_push(&w, &session, "pushed");
    assert_eq!(there(&w, &forge, &session, 1).len(), 40);
    let path = forge.to_str().unwrap();
    let refused = w.dispatch("", &[&format!("--push={path}"), "--command", "true"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("a directory of this machine"),
        "{}",
        refused.all()
    );
}
