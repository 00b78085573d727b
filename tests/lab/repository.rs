//! A repository's whole way on a rented machine: uncommitted work in, branches out, on the device that sent it and
//! on another one that knows nothing but the account.

use std::path::{Path, PathBuf};

use crate::common::env::{TestEnv, session_in};
use crate::common::repository::{git, remote_ok, repository};
use crate::common::{SOON, await_true};
use crate::harness::{Lab, Machines};
use crate::person::{await_presence, json_of};

/// What each agent does: says where it is, commits on top of what came, and leaves something.
const WORK: &str = "set -e; echo \"I am $(id -un) in $PWD on $(git branch --show-current)\"; cat draft; \
     stat -c 'lent by %U %a %F' \"$SSH_AUTH_SOCK\"; test \"$PORT\" = \"$REMOTE_PORT_BASE\"; test -w \"$TMPDIR\"; echo \"port $PORT tmp $TMPDIR\"; \
     test -z \"$(git status --porcelain)\"; echo by $REMOTE_AGENT >>a.txt; \
     git commit -qam \"work of $REMOTE_AGENT\"; echo left >left-$REMOTE_AGENT";

/// A repository with a commit, an origin, and work that is not committed.
fn at_work(env: &TestEnv) -> PathBuf {
    let top = repository(env);
    let origin = "git@forge.example:me/api.git";
    git(env, &top, &["remote", "add", "origin", origin]);
    std::fs::write(top.join("a.txt"), "one\nand more, not committed\n").expect("a file");
    std::fs::write(top.join("draft"), "a draft, not added\n").expect("a file");
    top
}

#[test]
fn a_repository_goes_to_a_rented_machine_and_its_branches_come_back_to_two_devices() {
    let lab = Lab::start(Machines::Box);
    let here = lab.device();
    let top = at_work(&here);
    let before = git(&here, &top, &["status", "--porcelain=v2"]);
    let args = ["dispatch", "--agents", "2", "--command", WORK];
    let told = remote_ok(&here, &top, &args);
    let session = session_in(&told.stderr).unwrap_or_else(|| panic!("{}", told.all()));
    assert!(
        told.stderr
            .contains("api at main, uncommitted work included"),
        "{}",
        told.all()
    );
    let trees = format!("/work/tree/{session}");
    for n in [1, 2] {
        let place = format!("I am agent in {trees}/{n}/api on remote/{session}/{n}");
        assert!(told.stdout.contains(&place), "{}", told.all());
        // Whoever logs in is another user, who cannot open it.
        let lent = told.stdout.matches("lent by agent 600 socket").count();
        assert_eq!(lent, 2, "{}", told.all());
        let tmp = format!("tmp {trees}/{n}/tmp");
        assert!(told.stdout.contains(&tmp), "{}", told.all());
    }
    let ports: Vec<&str> = told
        .stdout
        .match_indices("port ")
        .map(|(at, _)| &told.stdout[at..at + 10])
        .collect();
    assert!(ports.len() == 2 && ports[0] != ports[1], "{ports:?}");
    assert_eq!(git(&here, &top, &["status", "--porcelain=v2"]), before);

    // Its agents are over, and the machine is there for a while yet.
    let status = await_presence(&here, &session, "live");
    let agents = status["status"]["agents"].as_array().expect("agents");
    assert!(agents.iter().all(|a| a["code"] == 0), "{status}");
    pulls(&here, &top, &session, &[1, 2]);
    let diff = remote_ok(
        &here,
        &top,
        &["diff", &session_agent(&session, 1), "--stat"],
    );
    assert!(
        diff.stdout.contains("a.txt") && diff.stdout.contains("left-1"),
        "{}",
        diff.all()
    );
    git(&here, &top, &["stash", "--quiet", "--include-untracked"]);
    remote_ok(&here, &top, &["merge", &session_agent(&session, 1)]);
    let merged = std::fs::read_to_string(top.join("a.txt")).expect("a file");
    assert_eq!(merged, "one\nand more, not committed\nby 1\n");

    // A device that has a clone, and of the session nothing but the account.
    let there = lab.device();
    let clone = there.work().join("clone");
    let from = top.display().to_string();
    git(&there, &there.work(), &["clone", "--quiet", &from, "clone"]);
    let origin = "git@forge.example:me/api.git";
    git(&there, &clone, &["remote", "set-url", "origin", origin]);
    pulls(&there, &clone, &session, &[1, 2]);

    // One more agent, from over there: on what was brought, in a place of its own.
    let more = ["dispatch", "--into", &session, "--command", WORK];
    let told = remote_ok(&there, &clone, &more);
    let place = format!("I am agent in {trees}/3/api on remote/{session}/3");
    assert!(told.stdout.contains(&place), "{}", told.all());
    for (env, top) in [(&here, &top), (&there, &clone)] {
        pulls(env, top, &session, &[3]);
    }
    remote_ok(&here, &top, &["terminate", &session, "--yes"]);
    await_true("the machine's end", SOON, || {
        let left = json_of(&here.ok(&["gc", "--json"]));
        !left
            .as_array()
            .expect("a list")
            .iter()
            .any(|l| l["kind"] == "instance")
    });
    here.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
}

fn session_agent(session: &str, agent: u32) -> String {
    format!("{session}/{agent}")
}

/// `remote pull`, and that everything of these agents is here as they made it, in the name of who asked.
fn pulls(env: &TestEnv, top: &Path, session: &str, agents: &[u32]) {
    let told = json_of(&remote_ok(env, top, &["pull", session, "--json"]));
    assert_eq!(told[0]["safe"], true, "{told}");
    for n in agents {
        let branch = format!("remote/{session}/{n}");
        let who = git(
            env,
            top,
            &["log", "-1", "--format=%an <%ae>, %cn: %s", &branch],
        );
        let expected = format!("A U Thor <author@example.com>, A U Thor: work of {n}");
        assert_eq!(who, expected);
        let base = git(env, top, &["show", &format!("{branch}~1:draft")]);
        assert_eq!(base, "a draft, not added");
        let left = format!("refs/remote/{session}/{n}/wip:left-{n}");
        assert_eq!(git(env, top, &["show", &left]), "left");
    }
}
