//! `remote resume`: a session whose machine is gone goes on, on another one, with the files it left; whatever ended it,
//! and whatever goes wrong on the way.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use aws_sdk_ec2::types::InstanceStateName;
use serde_json::json;

use crate::common::env::{TestEnv, session_in};
use crate::common::{SOON, await_some, await_true};
use crate::guest::BOOT;
use crate::harness::{Lab, Machines};
use crate::person::{
    all_is_listed_and_goes, await_instance, await_presence, dispatch, instance_of, json_of,
    patiently, sudo,
};

/// It counts how often it was begun, in a file of its own and one that only its owner may read; then it is at work.
const AGENT: &str = "echo began >>began; sync -f .; n=$(wc -l <began); echo run $n; [ $n -gt 1 ] || { mkdir -p -m 750 deep; \
     echo secret >deep/own; chmod 600 deep/own; ln -s deep/own link; sync -f .; }; exec sleep 1000";

/// What is told where that never comes.
const WHY: &str = "'cd /work; ls -ln . began; cat began; df .; ps -eo pid,ppid,stat,wchan:20,etimes,args; \
     tail -n 40 .remote/sessions/*/host.log'";

fn begun(env: &TestEnv, session: &str, times: usize) {
    let wanted = format!("run {times}");
    let since = Instant::now();
    await_true(&wanted, BOOT, || {
        let logs = env.ok(&["logs", session]).stdout;
        assert!(
            since.elapsed() < BOOT - SOON || logs.contains(&wanted),
            "no {wanted} in {logs}\n{}\n{}",
            env.run(&["status", session, "--json"]).all(),
            patiently(env, &["ssh", session, "--", "sudo", "sh", "-c", WHY]).all()
        );
        logs.contains(&wanted)
    });
}

const LOOK: &str = "'cd /work && stat -c \"%n %a %U %F\" began deep deep/own link && cat began deep/own && readlink link'";

#[test]
fn a_session_goes_on_where_it_was_whatever_ended_its_machine() {
    let lab = Lab::start(Machines::Box);
    let (here, other) = (lab.device(), lab.device());
    let session = dispatch(&here, &["--instance", "m6i.large", "--command", AGENT]);
    begun(&here, &session, 1);
    let two = [
        "--into",
        &session,
        "--command",
        "echo second; exec sleep 1000",
    ];
    dispatch(&here, &two);
    let before = sudo(&here, &session, LOOK);
    let first = instance_of(&here, &session);
    let lives = here.run(&["resume", &session]);
    assert_eq!(lives.code, 1, "{}", lives.all());
    assert!(lives.stderr.contains("has not ended"), "{}", lives.all());

    // By name; then on another size, from another device that has never seen it.
    here.ok(&["terminate", &session, "--yes"]);
    await_instance(&lab, &first, &InstanceStateName::Terminated);
    let told = patiently(
        &other,
        &["resume", &session, "--instance", "m6i.xlarge", "--json"],
    );
    assert_eq!(told.code, 0, "{}", told.all());
    assert_eq!(json_of(&told)["agents"], json!([1, 2]), "{}", told.all());
    assert!(told.stderr.contains("m6i.xlarge"), "{}", told.all());
    // Of a session that it knows by its tags alone a device has to ask for the agents.
    let of_tags = other.home().join(".local/state/remote/ledger");
    let of_tags = of_tags.join(format!("{session}.json"));
    let text = std::fs::read(&of_tags).expect("an entry");
    let mut entry: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    entry["last"]["agents"] = json!([]);
    entry["last"]["spec"]["agents"] = json!([]);
    std::fs::write(&of_tags, entry.to_string()).expect("written");
    let logs = other.ok(&["logs", &session]).stdout;
    assert!(logs.contains("run 1") && logs.contains("second"), "{logs}");
    begun(&other, &session, 2);
    let second = instance_of(&other, &session);
    assert_ne!(second, first);
    let after = sudo(&other, &session, LOOK);
    assert_eq!(after.replacen("began\nbegan\n", "began\n", 1), before);
    let logs = other.ok(&["logs", &session]).stdout;
    assert!(logs.contains("run 1") && logs.contains("run 2"), "{logs}");

    // The power fails: what was written before is there, and the agent was lost.
    lab.control().kill(&second, "power");
    await_instance(&lab, &second, &InstanceStateName::Terminated);
    let told = patiently(&here, &["resume", &session, "--spot"]);
    assert_eq!(told.code, 0, "{}", told.all());
    begun(&here, &session, 3);
    let third = instance_of(&here, &session);
    let after = sudo(&here, &session, LOOK);
    assert_eq!(
        after.replacen("began\nbegan\nbegan\n", "began\n", 1),
        before
    );

    // EC2 takes it back.
    lab.control().interrupt(&third, 12);
    await_instance(&lab, &third, &InstanceStateName::Terminated);
    let told = patiently(&here, &["resume", &session, "--on-demand"]);
    assert_eq!(told.code, 0, "{}", told.all());
    begun(&here, &session, 4);
    await_presence(&here, &session, "live");

    // What all of it has cost is one session's.
    let cost = json_of(&here.ok(&["cost", "--json"]));
    let groups = cost["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 1, "{cost}");
    here.ok(&["terminate", &session, "--yes"]);
    all_is_listed_and_goes(&lab, &here, "resumed");
}

#[test]
fn a_resume_that_fails_or_is_cut_off_leaves_the_work_where_it_was() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let session = dispatch(&env, &["--instance", "m6i.large", "--command", AGENT]);
    begun(&env, &session, 1);
    let first = instance_of(&env, &session);
    env.ok(&["terminate", &session, "--yes"]);
    await_instance(&lab, &first, &InstanceStateName::Terminated);
    let volume = || {
        let left = json_of(&env.ok(&["gc", "--here", "--json"]));
        let left = left.as_array().expect("a list").clone();
        let of = |kind: &str| left.iter().filter(|l| l["kind"] == kind).count();
        (of("volume"), of("instance"))
    };
    // Whichever call fails, after its effect too.
    for (action, kind) in [
        ("RunInstances", "before"),
        ("AttachVolume", "before"),
        ("AttachVolume", "after"),
        ("CreateTags", "before"),
        ("DescribeVolumes", "before"),
    ] {
        let fault =
            json!({"action": action, "kind": kind, "count": 20, "code": "UnauthorizedOperation"});
        lab.control().fault(&fault);
        let failed = patiently(&env, &["resume", &session]);
        assert_ne!(failed.code, 0, "{action}: {}", failed.all());
        lab.control().post("clear", &json!({}));
        await_true(action, BOOT, || volume() == (1, 0));
    }
    let none = json!({"action": "RunInstances", "kind": "before", "count": 20, "code": "InsufficientInstanceCapacity"});
    lab.control().fault(&none);
    let told = patiently(&env, &["resume", &session]);
    assert_eq!(told.code, 1, "{}", told.all());
    assert!(
        told.stderr
            .contains("where its work volume is, has no capacity now")
            && told.stderr.contains("--instance"),
        "{}",
        told.all()
    );
    lab.control().post("clear", &json!({}));
    assert_eq!(volume(), (1, 0));

    let back = patiently(&env, &["resume", &session]);
    assert_eq!(back.code, 0, "{}", back.all());
    begun(&env, &session, 2);
    env.ok(&["terminate", &session, "--yes"]);
    all_is_listed_and_goes(&lab, &env, "failed resumes");
    let gone = patiently(&env, &["resume", &session]);
    assert_eq!(gone.code, 1, "{}", gone.all());
    assert!(gone.stderr.contains("volume is gone"), "{}", gone.all());
}

#[test]
fn a_session_of_ones_own_machine_is_put_back_too() {
    let lab = Lab::start(Machines::None);
    let mut env = lab.device();
    env.set("REMOTE_PROVIDER", "local");
    let session = env.dispatch(&["--command", "echo began; exec sleep 1000"]);
    env.ok(&["terminate", &session, "--yes"]);
    let refused = env.run(&["resume", &session, "--instance", "m6i.large"]);
    assert!(
        refused.stderr.contains("is not rented"),
        "{}",
        refused.all()
    );
    let told = env.ok(&["resume", &session]);
    assert!(told.stderr.contains("goes on: agent 1"), "{}", told.all());
    await_some("twice", BOOT, || {
        let logs = env.ok(&["logs", &session]).stdout;
        (logs.matches("began").count() == 2).then_some(())
    });
    env.ok(&["terminate", &session, "--yes"]);
    assert!(Path::new(&env.home()).exists());
}

#[test]
fn a_spot_machine_that_is_taken_back_is_followed_to_the_next_one() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let agent = "echo began >>began; sync -f .; n=$(wc -l <began); echo run $n; [ $n -gt 1 ] || exec sleep 1000; echo the end";
    let spot = [
        "dispatch",
        "--spot",
        "--instance",
        "m6i.large",
        "--on-interrupt",
        "resume",
    ];
    let mut command = env.remote(&[&spot[..], &["--linger", "60s", "--command", agent]].concat());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().expect("remote");
    let session = await_some("a session", BOOT, || {
        let listed = env.ok(&["status"]).stdout;
        session_in(&listed).filter(|s| env.run(&["logs", s]).stdout.contains("run 1"))
    });
    let first = instance_of(&env, &session);
    lab.control().interrupt(&first, 20);
    let told = child.wait_with_output().expect("its end");
    let (out, err) = (
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr),
    );
    assert_eq!(told.status.code(), Some(0), "{out}\n{err}");
    assert!(err.contains("has taken the machine of"), "{err}");
    assert!(out.contains("the end"), "{out}\n{err}");
    assert_ne!(instance_of(&env, &session), first);
    env.ok(&["discard", &session, "--yes"]);
}
