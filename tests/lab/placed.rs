//! `dispatch --workspace`: the volume is there before its machine, decides where that is, and is as it was left with the
//! next one, whatever ended the first.

use std::process::Stdio;

use aws_sdk_ec2::types::InstanceStateName;
use serde_json::json;

use crate::common::env::TestEnv;
use crate::common::process::{exit_code, wait_child};
use crate::common::{SOON, await_true};
use crate::guest::BOOT;
use crate::harness::{Lab, Machines};
use crate::person::{
    all_is_listed_and_goes, await_instance, await_presence, dispatch, instance_of, json_of,
    patiently, sudo,
};

fn workspace(env: &TestEnv) -> serde_json::Value {
    let listed = json_of(&env.ok(&["workspace", "list", "--json"]));
    assert_eq!(listed.as_array().expect("a list").len(), 1, "{listed}");
    listed[0].clone()
}

#[test]
fn a_workspace_is_as_it_was_left_with_the_next_machine() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let made = ["workspace", "create", "--name", "alpha", "--size", "10gb"];
    env.ok(&[&made[..], &["--az", "us-east-1b"]].concat());
    assert_eq!(workspace(&env)["place"], "us-east-1b");

    // Before anything is rented.
    let refused = env.run(&["dispatch", "--workspace", "beta", "--command", "true"]);
    assert!(
        refused.stderr.contains("no workspace `beta`"),
        "{}",
        refused.all()
    );
    let elsewhere = ["dispatch", "--workspace", "alpha", "--az", "us-east-1a"];
    let refused = env.run(&[&elsewhere[..], &["--command", "true"]].concat());
    assert!(
        refused.stderr.contains("is in us-east-1b"),
        "{}",
        refused.all()
    );
    assert!(
        refused.stderr.contains("workspace move alpha"),
        "{}",
        refused.all()
    );

    let on = ["--workspace", "alpha", "--instance", "m6i.large"];
    let work =
        "mkdir -m 750 deep && echo mine >deep/own && chmod 600 deep/own && sync; exec sleep 1000";
    let first = dispatch(&env, &[&on[..], &["--command", work]].concat());
    let look = "'cd /work && stat -c \"%n %a %U\" deep deep/own && cat deep/own'";
    await_true("its work", BOOT, || {
        patiently(
            &env,
            &["ssh", &first, "--", "sudo", "test", "-s", "/work/deep/own"],
        )
        .code
            == 0
    });
    let before = sudo(&env, &first, look);
    let one = workspace(&env);
    assert_eq!(
        (&one["state"], &one["session"]),
        (&json!("attached"), &json!(first))
    );

    // Whoever comes second is told who has it.
    let second = env.run(&["dispatch", "--workspace", "alpha", "--command", "true"]);
    assert_eq!(second.code, 1, "{}", second.all());
    for said in [first.as_str(), "--into", "--from alpha"] {
        assert!(second.stderr.contains(said), "{said}: {}", second.all());
    }

    for end in ["terminate", "power", "spot"] {
        let session = workspace(&env)["session"]
            .as_str()
            .expect("a session")
            .to_owned();
        let instance = instance_of(&env, &session);
        match end {
            "terminate" => {
                let told = env.ok(&["terminate", &session, "--yes"]);
                assert!(
                    told.stderr.contains("stay on workspace alpha"),
                    "{}",
                    told.all()
                );
            }
            "power" => lab.control().kill(&instance, "power"),
            _ => lab.control().interrupt(&instance, 12),
        }
        await_instance(&lab, &instance, &InstanceStateName::Terminated);
        let next = dispatch(&env, &[&on[..], &["--command", "exec sleep 1000"]].concat());
        assert_eq!(sudo(&env, &next, look), before, "{end}");
        assert_ne!(instance_of(&env, &next), instance);
    }
    // A session on it is put back as any other.
    let last = workspace(&env)["session"]
        .as_str()
        .expect("a session")
        .to_owned();
    let instance = instance_of(&env, &last);
    env.ok(&["terminate", &last, "--yes"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    let back = patiently(&env, &["resume", &last]);
    assert_eq!(back.code, 0, "{}", back.all());
    await_presence(&env, &last, "live");
    assert_eq!(sudo(&env, &last, look), before);

    // Neither discard nor gc ever touches it.
    let instance = instance_of(&env, &last);
    env.ok(&["discard", &last, "--yes"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    env.ok(&[
        "gc",
        "--here",
        "--delete",
        "--volumes",
        "--results",
        "--yes",
    ]);
    assert_eq!(workspace(&env)["name"], "alpha");
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
    all_is_listed_and_goes(&lab, &env, "a workspace");
}

#[test]
fn two_at_once_get_one_machine_and_a_zone_without_room_is_said() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "10gb"]);
    let words = [
        "dispatch",
        "--detach",
        "--workspace",
        "alpha",
        "--command",
        "exec sleep 1000",
    ];
    let none = json!({"action": "RunInstances", "kind": "before", "count": 20, "code": "InsufficientInstanceCapacity"});
    lab.control().fault(&none);
    let told = patiently(&env, &words);
    assert_eq!(told.code, 1, "{}", told.all());
    for said in [
        "where workspace `alpha` is",
        "has no capacity now",
        "workspace move alpha",
    ] {
        assert!(told.stderr.contains(said), "{said}: {}", told.all());
    }
    lab.control().post("clear", &json!({}));

    let begin = || {
        let mut command = env.remote(&words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().expect("remote")
    };
    let mut both = [begin(), begin()];
    let codes: Vec<i32> = both
        .iter_mut()
        .map(|c| exit_code(wait_child(c, BOOT).expect("its end")))
        .collect();
    assert_eq!(codes.iter().filter(|c| **c == 0).count(), 1, "{codes:?}");
    await_true("one machine", SOON, || {
        let left = json_of(&env.ok(&["gc", "--here", "--json"]));
        let left = left.as_array().expect("a list").iter();
        left.filter(|l| l["kind"] == "instance").count() == 1
    });
    let session = workspace(&env)["session"]
        .as_str()
        .expect("a session")
        .to_owned();
    env.ok(&["terminate", &session, "--yes"]);
    await_true("it is free", BOOT, || workspace(&env)["state"] == "free");
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
    all_is_listed_and_goes(&lab, &env, "two at once");
}
