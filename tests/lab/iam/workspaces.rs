//! docs/iam/workspaces.json beside user.json, proved as those are: what `remote workspace` and a session's machine
//! ask for is allowed, nothing in it is idle, and what is no workspace is left alone.

use aws_sdk_ec2::types::Tag;
use serde_json::{Value, json};

use super::actions::{lacking, tells};
use super::conditions::{of_one, refused};
use super::disks::{changes_none, reads_none, snapshot_of, start, volume};
use super::policy::{actions, read};
use super::world::{Made, Person, World, json_of};
use crate::common::env::TestEnv;
use crate::common::process::Ran;

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_are_allowed_and_no_more() {
    let world = World::new();
    world.machines("none");
    let policies = ["user", "workspaces", "owners"].map(read);
    let ana = world.person("ana", &policies);
    let own = world.made(&ana, 60, &[]).await;
    verbs(&world, &ana).await;
    machine(&world, &ana, &own).await;
    for action in actions(&policies[1]) {
        lacks(&world, &policies, &action).await;
    }
    let alone = world.person("alone", &policies[..2]);
    attempts(&world, &alone, &own).await;
    of_one(&world, &policies, 1);
}

fn id(told: &Value) -> String {
    told["id"].as_str().expect("an id").to_owned()
}

fn make(env: &TestEnv, name: &str) -> String {
    let words = [
        "workspace",
        "create",
        "--name",
        name,
        "--size",
        "1gb",
        "--json",
    ];
    id(&json_of(&env.ok(&words)))
}

/// One that begins with a directory.
fn seed(env: &TestEnv, name: &str) -> Ran {
    let top = env.work().join("seed");
    std::fs::create_dir_all(&top).expect("a directory");
    std::fs::write(top.join("note"), "hello\n").expect("a file");
    let top = top.to_str().expect("a path");
    let words = [
        "workspace",
        "create",
        "--name",
        name,
        "--size",
        "1gb",
        "--from-dir",
        top,
    ];
    env.run(&words)
}

fn seeded(env: &TestEnv, name: &str) {
    let made = seed(env, name);
    assert_eq!(made.code, 0, "{}", made.all());
}

/// What needs no machine to see what is on one.
fn direct(env: &TestEnv) {
    seeded(env, "gamma");
    let listed = env.ok(&["workspace", "ls", "gamma"]);
    assert!(listed.stdout.contains("note"), "{}", listed.all());
    let printed = env.ok(&["workspace", "cat", "gamma", "note"]);
    assert_eq!(printed.stdout, "hello\n");
    let to = env.work().join("copy");
    let to = to.to_str().expect("a path");
    env.ok(&["workspace", "export", "gamma", "-o", to]);
    for _ in 0..2 {
        env.ok(&["workspace", "snapshot", "gamma", "--diff"]);
    }
    env.ok(&["workspace", "delete", "gamma", "--yes", "gamma"]);
}

/// All of `remote workspace`.
async fn verbs(world: &World, me: &Person) {
    let env = world.device(me);
    direct(&env);
    let alpha = make(&env, "alpha");
    world.tag(&alpha, "remote:blank", "no").await;
    let words = ["workspace", "snapshot", "alpha", "--wait", "--json"];
    let snapshot = id(&json_of(&env.ok(&words)));
    env.ok(&["workspace", "restore", &snapshot, "--name", "beta"]);
    env.ok(&["workspace", "resize", "beta", "2gb", "--yes"]);
    env.ok(&["workspace", "move", "alpha", "--az", "us-east-1b", "--yes"]);
    env.ok(&["workspace", "list"]);
    env.ok(&["workspace", "delete", &snapshot, "--yes", &snapshot]);
    for name in ["alpha", "beta"] {
        env.ok(&["workspace", "delete", name, "--yes", name]);
    }
}

/// What a dispatch does with one: attached, told of, and detached from a machine that is no more.
async fn machine(world: &World, me: &Person, own: &Made) {
    let (env, sdk) = (world.device(me), world.sdk(me));
    let alpha = make(&env, "alpha");
    let attach = sdk.attach_volume().volume_id(&alpha).device("/dev/sdg");
    attach
        .instance_id(&own.instance)
        .send()
        .await
        .expect("attached");
    for key in ["holder", "used-at", "used", "blank"] {
        let tag = Tag::builder()
            .key(format!("remote:{key}"))
            .value("no")
            .build();
        let tags = sdk.create_tags().resources(&alpha).tags(tag);
        tags.send().await.expect(key);
    }
    let told = env.run(&["workspace", "delete", "alpha", "--yes", "alpha"]);
    assert!(told.stderr.contains("is in use by"), "{}", told.all());
    world.ends(own).await;
    let stick = json!({ "instance": own.instance, "volume": alpha });
    world.control.post("stick", &stick);
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
}

/// Without this action the verb that needs it says so.
async fn lacks(world: &World, policies: &[Value], action: &str) {
    let name = format!("without-{}", action.replace(':', "-"));
    let me = world.person(&name, &lacking(policies, &[action]));
    let env = world.device(&me);
    let create = ["workspace", "create", "--name", "alpha", "--size", "1gb"];
    if ["ec2:CreateVolume", "ec2:CreateTags"].contains(&action) {
        return tells(action, &env.run(&create));
    }
    match action {
        "ebs:StartSnapshot" | "ebs:PutSnapshotBlock" | "ebs:CompleteSnapshot" => {
            return tells(action, &seed(&env, "alpha"));
        }
        "ebs:ListSnapshotBlocks" | "ebs:GetSnapshotBlock" => {
            seeded(&env, "alpha");
            return tells(action, &env.run(&["workspace", "ls", "alpha"]));
        }
        "ebs:ListChangedBlocks" => {
            seeded(&env, "alpha");
            env.ok(&["workspace", "snapshot", "alpha", "--wait"]);
            let diff = ["workspace", "snapshot", "alpha", "--diff"];
            return tells(action, &env.run(&diff));
        }
        _ => {}
    }
    let alpha = make(&env, "alpha");
    world.tag(&alpha, "remote:blank", "no").await;
    let delete = ["workspace", "delete", "alpha", "--yes", "alpha"];
    match action {
        "ec2:CreateSnapshot" => tells(action, &env.run(&["workspace", "snapshot", "alpha"])),
        "ec2:DeleteSnapshot" => {
            let made = json_of(&env.ok(&["workspace", "snapshot", "alpha", "--json"]));
            let made = id(&made);
            tells(
                action,
                &env.run(&["workspace", "delete", &made, "--yes", &made]),
            );
        }
        "ec2:ModifyVolume" | "ec2:DescribeVolumesModifications" => {
            tells(
                action,
                &env.run(&["workspace", "resize", "alpha", "2gb", "--yes"]),
            );
        }
        "ec2:DeleteVolume" => tells(action, &env.run(&delete)),
        "ec2:AttachVolume" => {
            let made = world.made(&me, 60, &[]).await;
            let sdk = world.sdk(&me);
            let attach = sdk.attach_volume().volume_id(&alpha).device("/dev/sdg");
            refused(attach.instance_id(&made.instance).send().await);
        }
        "ec2:DetachVolume" => {
            let made = world.made(&me, 60, &[]).await;
            world.ends(&made).await;
            let stick = json!({ "instance": made.instance, "volume": alpha });
            world.control.post("stick", &stick);
            tells(action, &env.run(&delete));
        }
        other => panic!("nothing shows what lacks without {other}"),
    }
}

/// What a person must not do with these.
async fn attempts(world: &World, me: &Person, own: &Made) {
    let sdk = world.sdk(me);
    let plain = world.plain().await;
    let fresh = world.made(me, 60, &[]).await;
    let env = world.device(me);
    let alpha = make(&env, "last");
    refused(volume(&sdk, None, &[("Name", "x")]).await);
    let snapshot = world.snapshot(&plain).await;
    let named = [("remote:workspace", "x")];
    refused(volume(&sdk, Some(&snapshot), &named).await);
    refused(sdk.delete_snapshot().snapshot_id(&snapshot).send().await);
    let ebs = world.ebs(me);
    refused(start(&ebs, &[("Name", "x")]).await);
    reads_none(&ebs, &snapshot).await;
    changes_none(&ebs, &snapshot).await;
    refused(snapshot_of(&sdk, &plain.volume, &named).await);
    refused(snapshot_of(&sdk, &alpha, &[("Name", "x")]).await);
    let disk = &plain.volume;
    refused(sdk.delete_volume().volume_id(disk).send().await);
    refused(sdk.modify_volume().volume_id(disk).size(9).send().await);
    let off = sdk.detach_volume().volume_id(disk);
    refused(off.instance_id(&plain.instance).send().await);
    let on = sdk.attach_volume().device("/dev/sdg");
    refused(
        on.clone()
            .volume_id(disk)
            .instance_id(&fresh.instance)
            .send()
            .await,
    );
    refused(
        on.volume_id(&alpha)
            .instance_id(&plain.instance)
            .send()
            .await,
    );
    let tag = |key: &str| Tag::builder().key(key).value("x").build();
    for (id, key) in [
        (disk, "remote:workspace"),
        (&alpha, "remote:owner"),
        (&own.volume, "remote:holder"),
    ] {
        refused(sdk.create_tags().resources(id).tags(tag(key)).send().await);
    }
}
