//! All that a person does with `remote` on AWS, once; where a machine is needed for it, first without the
//! permission.

use aws_sdk_ec2::types::InstanceStateName;
use serde_json::json;

use super::actions::{Proved, tells};
use super::world::{Person, World, json_of};
use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::terminal::size;
use crate::common::{SOON, await_true};
use crate::harness::REGION;
use crate::person::{LONG, patiently};

const DEVICES: [&str; 3] = ["device", "list", "first"];

/// A machine of one's own, from its launch to its end.
pub async fn machine(world: &World, me: &Person, proved: &mut Proved<'_>) {
    let here = world.device(me);
    here.ok(&["init", "--provider", "ec2", "--region", REGION, "--yes"]);
    here.ok(&["prices", "m6i.large"]);
    let session = here.dispatch(&["--command", "echo hello from ec2; exec sleep 1000"]);
    let instance = world.machine_of(&session).await;
    here.ok(&["extend", &session, "30m"]);
    here.ok(&["rename", &session, "first"]);
    let status = here.ok(&["status"]);
    assert!(status.stdout.contains("first"), "{}", status.all());

    let there = world.device(me);
    proved.lacks(world, "ec2-instance-connect:SendSSHPublicKey", |action| {
        tells(action, &there.run(&DEVICES));
    });
    let known = json_of(&there.ok(&["device", "list", "first", "--json"]));
    assert_eq!(known.as_array().map(Vec::len), Some(2), "{known}");

    world.move_devices().await;
    // It goes on; the old address stays let in.
    proved.lacks(world, "ec2:RevokeSecurityGroupIngress", |_| {
        there.ok(&DEVICES);
    });
    world.move_devices().await;
    hello(&there);

    world.cut_off(&instance).await;
    let third = world.device(me);
    proved.lacks(world, "ec2:GetConsoleOutput", |action| {
        tells(action, &third.run(&DEVICES));
    });
    hello(&third);

    world.stop(&instance).await;
    proved.lacks(world, "ec2:StartInstances", |action| {
        tells(action, &there.run(&["restart", "first"]));
    });
    there.ok(&["restart", "first"]);
    there.ok(&["terminate", "first", "--yes"]);
    world.state(&instance, InstanceStateName::Terminated).await;
    over(world, &there, &session, proved).await;
}

/// What it left is read from its volume; then it goes on with that on another machine.
async fn over(world: &World, env: &TestEnv, session: &str, proved: &mut Proved<'_>) {
    let top = env.work().join("elsewhere");
    std::fs::create_dir_all(&top).expect("a directory");
    let begun = run(
        env.command("git").args(["init", "--quiet"]).arg(&top),
        b"",
        SOON,
    );
    assert_eq!(begun.code, 0, "{}", begun.all());
    let pull = || {
        let mut pull = env.remote(&["pull", "first"]);
        run(pull.current_dir(&top), b"", LONG)
    };
    for action in [
        "ec2:CreateSnapshot",
        "ebs:ListSnapshotBlocks",
        "ebs:GetSnapshotBlock",
    ] {
        proved.lacks(world, action, |action| tells(action, &pull()));
    }
    // Its whole volume was looked through.
    let told = pull();
    assert!(
        told.stderr.contains("brought no repository"),
        "{}",
        told.all()
    );
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let left = left.as_array().expect("a list").iter();
    let snapshots = left.filter(|l| l["kind"] == "snapshot").count();
    assert_eq!(snapshots, 0, "each was deleted");

    proved.lacks(world, "ec2:AttachVolume", |action| {
        tells(action, &patiently(env, &["resume", "first"]));
    });
    let back = patiently(env, &["resume", "first"]);
    assert_eq!(back.code, 0, "{}", back.all());
    let instance = world.machine_of(session).await;
    env.ok(&["terminate", "first", "--yes"]);
    world.state(&instance, InstanceStateName::Terminated).await;
}

fn hello(env: &TestEnv) {
    let mut terminal = env.attach("first", size(80, 24));
    terminal.wait_text("hello from ec2");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
}

/// What needs no machine that answers: launches that fail, leftovers in two regions, alerts.
pub async fn rest(world: &World, me: &Person) {
    let env = world.device(me);
    let run = ["dispatch", "--detach", "--command", "true"];
    // Its look at the machine fails, so that it takes the machine away again.
    world.control.fault(&json!({
        "action": "DescribeInstances", "kind": "before", "code": "AuthFailure", "status": 401,
    }));
    let mut spot = run.to_vec();
    spot.push("--spot");
    let failed = env.run(&spot);
    assert!(failed.stderr.contains("AuthFailure"), "{}", failed.all());
    world.control.post("clear", &json!({}));
    let role = "AuthFailure.ServiceLinkedRoleCreationNotPermitted";
    world.control.fault(&json!({
        "action": "RunInstances", "kind": "before", "code": role, "status": 403,
    }));
    let failed = env.run(&spot);
    let remedy = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com";
    assert!(failed.stderr.contains(remedy), "{}", failed.all());
    let mut elsewhere = run.to_vec();
    elsewhere.extend(["--config", "ec2.subnet=subnet-0123456789abcdef0"]);
    let failed = env.run(&elsewhere);
    assert!(
        failed.stderr.contains("there is no subnet"),
        "{}",
        failed.all()
    );

    let blank = world.blank(me).await;
    env.ok(&["terminate", &blank.session, "--yes"]);
    // Whoever looks ends what is long past its deadline.
    let overdue = world.made(me, -60, &[]).await;
    await_true("its end is asked for", SOON, || {
        env.ok(&["status"]);
        let calls = world.control.calls().into_iter();
        let mut ends = calls.filter(|c| c.action == "TerminateInstances");
        ends.any(|c| c.parameters["InstanceId.1"] == *overdue.instance)
    });
    world.ended(&overdue).await;
    let here = world.made(me, -5, &[]).await;
    world.snapshot(&here).await;
    world.made_in("eu-west-1", me, -5, &[]).await;
    env.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
    await_true("nothing but doors", SOON, || {
        env.ok(&[
            "gc",
            "--here",
            "--delete",
            "--volumes",
            "--results",
            "--yes",
        ]);
        let left = json_of(&env.ok(&["gc", "--here", "--json"]));
        left.as_array().is_some_and(Vec::is_empty)
    });

    for daily in ["5usd", "5usd", "7usd"] {
        env.ok(&alert(daily));
    }
    env.ok(&["alert", "show"]);
    env.ok(&["alert", "rm", "--yes"]);
}

pub fn alert(daily: &str) -> [&str; 6] {
    [
        "alert",
        "set",
        "--daily",
        daily,
        "--email",
        "me@example.com",
    ]
}
