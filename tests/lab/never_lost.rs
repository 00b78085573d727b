//! Whatever ends a machine, what its agents had written and synced can be had back: with `pull` from its volume, where a
//! session has a repository, and as files by `resume`. The table in docs/RELIABILITY.md is this test's.

use aws_sdk_ec2::types::InstanceStateName;
use rustix::process::Signal;

use crate::common::env::{TestEnv, session_in};
use crate::common::process::{kill, run};
use crate::common::repository::{git, remote_ok, repository};
use crate::common::{SOON, await_true};
use crate::harness::{Lab, Machines, REGION};
use crate::person::{LONG, await_instance, block, instance_of, json_of, patiently};

/// A commit and something uncommitted are on the disk; then it writes and writes, to be cut off in the middle.
const AGENT: &str = "echo by agent >>a.txt; git commit -qam work; head -c 300000 /dev/urandom | base64 >left; \
     sha256sum left >sum; sync -f .; echo ready; while :; do echo more >>noise; git add noise 2>/dev/null; \
     git commit -qm more 2>/dev/null; done";

/// Ways in which a machine ends.
const ENDS: [&str; 8] = [
    "terminate",
    "power",
    "shutdown",
    "outside",
    "spot",
    "ttl",
    "host",
    "frozen",
];

fn end(lab: &Lab, env: &TestEnv, session: &str, how: &str) {
    let instance = instance_of(env, session);
    let terminate = || {
        let ec2 = lab.ec2(REGION);
        let call = ec2.terminate_instances().instance_ids(&instance);
        block(call.send()).expect("terminated");
    };
    let there = |command: &str| {
        // The connection may go with it.
        let _ = patiently(env, &["ssh", session, "--", "sudo", "sh", "-c", command]);
    };
    match how {
        "terminate" => drop(env.ok(&["terminate", session, "--yes"])),
        "power" | "shutdown" => lab.control().kill(&instance, how),
        "outside" => terminate(),
        "spot" => lab.control().interrupt(&instance, 12),
        // Its time is over a moment from now.
        "ttl" => there(
            "'/usr/local/sbin/remote-root deadline $(($(date +%s) + 2)) && sleep 3 && /usr/local/sbin/remote-root check'",
        ),
        "host" => {
            there("'kill -9 $(cat /work/.remote/sessions/*/lock)'");
            terminate();
        }
        "frozen" => {
            lab.control().kill(&instance, "freeze");
            lab.control().kill(&instance, "power");
        }
        other => panic!("{other}?"),
    }
    await_instance(lab, &instance, &InstanceStateName::Terminated);
}

#[test]
fn what_was_written_and_synced_comes_back_whatever_ended_the_machine() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let top = repository(&env);
    // Two at a time are machines enough.
    for ends in ENDS.chunks(2) {
        let sessions: Vec<(&str, String)> = ends
            .iter()
            .map(|how| {
                let told = remote_ok(&env, &top, &["dispatch", "--detach", "--command", AGENT]);
                let session = session_in(&told.stdout).unwrap_or_else(|| panic!("{}", told.all()));
                (*how, session)
            })
            .collect();
        for (how, session) in &sessions {
            await_true("its work", SOON, || {
                env.ok(&["logs", session]).stdout.contains("ready")
            });
            end(&lab, &env, session, how);
            let told = json_of(&remote_ok(&env, &top, &["pull", session, "--json"]));
            assert_eq!(told[0]["safe"], true, "{how}: {told}");
            assert_eq!(told[0]["warnings"], serde_json::json!([]), "{how}: {told}");
            let show = |name: &str| git(&env, &top, &["show", name]);
            let branch = format!("remote/{session}/1");
            assert_eq!(show(&format!("{branch}:a.txt")), "one\nby agent", "{how}");
            git(&env, &top, &["fsck", "--no-dangling", "--strict", &branch]);
            // What was not committed is whole too.
            let out = env.work().join("out");
            let wip = format!("refs/remote/{session}/1/wip");
            let tree = format!("--work-tree={}", out.display());
            std::fs::create_dir_all(&out).expect("a directory");
            git(&env, &top, &[&tree, "checkout", &wip, "--", "left", "sum"]);
            git(&env, &top, &["reset", "--quiet"]);
            let checked = run(
                env.command("sha256sum")
                    .current_dir(&out)
                    .args(["--check", "sum"]),
                b"",
                SOON,
            );
            assert_eq!(checked.code, 0, "{how}: {}", checked.all());
            eprintln!("{how}: all that was synced is here");
            env.ok(&["discard", session, "--yes"]);
        }
    }
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let left = left.as_array().expect("a list").iter();
    assert!(
        left.clone().all(|l| l["kind"] == "security group"),
        "{left:?}"
    );
}

#[test]
fn a_dispatch_that_is_killed_loses_no_work_of_a_workspace() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "10gb"]);
    let on = [
        "--workspace",
        "alpha",
        "--instance",
        "m6i.large",
        "--command",
    ];
    let begin = |command: &str| crate::person::dispatch(&env, &[&on[..], &[command]].concat());
    let first = begin("echo mine >kept; sync -f .; exec sleep 1000");
    await_true("its work", SOON, || {
        patiently(
            &env,
            &["ssh", &first, "--", "sudo", "test", "-s", "/work/kept"],
        )
        .code
            == 0
    });
    let instance = instance_of(&env, &first);
    env.ok(&["terminate", &first, "--yes"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);

    // Cut off at each stage of the way there; the next command takes back what was made, and nothing else.
    for stage in ["asked", "made", "trusted", "mounted"] {
        let words = [
            "dispatch",
            "--detach",
            "--workspace",
            "alpha",
            "--command",
            "true",
        ];
        let mut command = env.remote(&words);
        command.stdin(std::process::Stdio::null());
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().expect("remote");
        let launches = env.home().join(".local/state/remote/launches");
        let reached = || {
            let files = std::fs::read_dir(&launches)
                .ok()
                .into_iter()
                .flatten()
                .flatten();
            files.into_iter().any(|f| {
                let text = std::fs::read_to_string(f.path()).unwrap_or_default();
                text.contains(&format!("\"stage\": \"{stage}\""))
            })
        };
        await_true(stage, LONG, || {
            reached() || child.try_wait().expect("a child").is_some()
        });
        kill(child.id(), Signal::KILL);
        child.wait().expect("its end");
        await_true("nothing of it", LONG, || {
            env.ok(&["status"]);
            let left = json_of(&env.ok(&["gc", "--here", "--json"]));
            let left = left.as_array().expect("a list").iter();
            left.filter(|l| l["kind"] == "instance").count() == 0
        });
    }
    let last = begin("cat kept; exec sleep 1000");
    await_true("what was there", SOON, || {
        env.ok(&["logs", &last]).stdout.contains("mine")
    });
    let instance = instance_of(&env, &last);
    env.ok(&["discard", &last, "--yes"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
}
