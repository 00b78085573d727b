//! The two policies that deny: what is another owner's, and sessions before a role that a person gives to
//! their machines.

use aws_sdk_ec2::types::{HttpTokensState, Tag};
use serde_json::Value;

use super::conditions::{disk_goes, everything, push_key, refused, run};
use super::disks::reads_none;
use super::world::{Made, Person, World};

/// A colleague with the same policies and docs/iam/owners.json.
pub async fn colleague(world: &World, me: &Person, theirs: &Made, own: &Made) {
    let door = &world.group(true).await;
    let sdk = world.sdk(me);
    hands_off(world, me, theirs).await;
    refused(
        sdk.start_instances()
            .instance_ids(&theirs.instance)
            .send()
            .await,
    );
    refused(disk_goes(&sdk, &theirs.instance, "/dev/sdf").await);
    let tag = |key: &str| Tag::builder().key(key).value("x").build();
    for id in [&theirs.instance, &theirs.volume] {
        let tagging = sdk.create_tags().resources(id);
        refused(tagging.tags(tag("remote:deadline")).send().await);
    }
    let tags = ["remote:session"; 2];
    let in_their_name = run(&sdk, tags, &theirs.owner, HttpTokensState::Required);
    refused(in_their_name.security_group_ids(door).send().await);
    // One's own goes on.
    let mine = run(&sdk, tags, &me.arn, HttpTokensState::Required);
    mine.security_group_ids(door)
        .send()
        .await
        .expect("a machine");
    let tagging = sdk.create_tags().resources(&own.instance);
    let tagging = tagging.tags(tag("remote:deadline")).send().await;
    tagging.expect("a tag");
    let ending = sdk.terminate_instances().instance_ids(&own.instance);
    ending.send().await.expect("an end");
}

/// A role that may do anything, and docs/iam/instance.json: what an agent on a machine must leave alone.
pub async fn agent(world: &World, me: &Person, session: &Made, plain: &Made) {
    let doors = [&world.group(true).await, &world.group(false).await];
    let sdk = world.sdk(me);
    let (id, disk) = (&session.instance, &session.volume);
    hands_off(world, me, session).await;
    refused(sdk.start_instances().instance_ids(id).send().await);
    refused(sdk.stop_instances().instance_ids(id).send().await);
    refused(sdk.reboot_instances().instance_ids(id).send().await);
    refused(disk_goes(&sdk, id, "/dev/sdf").await);
    refused(sdk.detach_volume().volume_id(disk).send().await);
    let attach = sdk.attach_volume().volume_id(disk).device("/dev/sdg");
    refused(attach.instance_id(&plain.instance).send().await);
    refused(sdk.create_snapshot().volume_id(disk).send().await);
    let tag = |key: &str| Tag::builder().key(key).value("x").build();
    for id in [id, doors[0]] {
        let tags = sdk.create_tags().resources(id).tags(tag("Name"));
        refused(tags.send().await);
        let tags = sdk.delete_tags().resources(id).tags(tag("Name"));
        refused(tags.send().await);
    }
    let claim = sdk.create_tags().resources(&plain.instance);
    refused(claim.tags(tag("remote:session")).send().await);
    for (door, open) in [(doors[0], false), (doors[1], true)] {
        let rule = super::world::door(Some("198.51.100.7/32"), None);
        let adding = sdk.authorize_security_group_ingress().group_id(door);
        let added = adding.ip_permissions(rule.clone()).send().await;
        let taking = sdk.revoke_security_group_ingress().group_id(door);
        let taken = taking.ip_permissions(rule).send().await;
        if open {
            assert!(added.is_ok() && taken.is_ok(), "{added:?} {taken:?}");
        } else {
            refused(added);
            refused(taken);
        }
    }
    refused(sdk.delete_security_group().group_id(doors[0]).send().await);
    let machine = run(&sdk, ["remote:session"; 2], "x", HttpTokensState::Required);
    refused(machine.send().await);
    // Its own work goes on.
    let machine = run(&sdk, ["x"; 2], "x", HttpTokensState::Required);
    machine.send().await.expect("a machine");
    let tags = sdk.create_tags().resources(&plain.instance);
    tags.tags(tag("Name")).send().await.expect("a tag");
    let ending = sdk.terminate_instances().instance_ids(&plain.instance);
    ending.send().await.expect("an end");
}

/// What neither may do to a session of somebody's.
async fn hands_off(world: &World, me: &Person, session: &Made) {
    let sdk = world.sdk(me);
    let id = &session.instance;
    refused(sdk.terminate_instances().instance_ids(id).send().await);
    refused(sdk.get_console_output().instance_id(id).send().await);
    refused(sdk.delete_volume().volume_id(&session.volume).send().await);
    let snapshot = world.snapshot(session).await;
    reads_none(&world.ebs(me), &snapshot).await;
    refused(sdk.delete_snapshot().snapshot_id(snapshot).send().await);
    refused(push_key(world, me, id, "admin").await);
}

/// The agent's policies: whatever its work needs, and the fence.
pub fn fenced(fence: &Value) -> [Value; 2] {
    [everything(), fence.clone()]
}
