//! Volumes and snapshots: what nobody may do with those that are no session's, and what a colleague leaves alone.

use aws_sdk_ebs::operation::start_snapshot::{StartSnapshotError, StartSnapshotOutput};
use aws_sdk_ebs::types::ChecksumAlgorithm;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::create_snapshot::{CreateSnapshotError, CreateSnapshotOutput};
use aws_sdk_ec2::operation::create_volume::{CreateVolumeError, CreateVolumeOutput};
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification, VolumeType};

use super::conditions::refused;
use super::world::{Made, Person, World};
use crate::harness::REGION;

/// Somebody with docs/iam/user.json alone: a session's volume goes on a session's machine, and only what it holds is
/// copied and read.
pub async fn attempts(world: &World, me: &Person, plain: &Made) {
    let own = world.made(me, 60, &[]).await;
    let (sdk, ebs) = (world.sdk(me), world.ebs(me));
    let on = |volume: &str, instance: &str| {
        let call = sdk.attach_volume().device("/dev/sdg");
        call.volume_id(volume).instance_id(instance).send()
    };
    refused(on(&own.volume, &plain.instance).await);
    refused(on(&plain.volume, &own.instance).await);
    let named = [
        ("remote:session", own.session.as_str()),
        ("remote:owner", me.arn.as_str()),
    ];
    refused(snapshot_of(&sdk, &plain.volume, &named).await);
    refused(snapshot_of(&sdk, &own.volume, &[("Name", "x")]).await);
    refused(snapshot_of(&sdk, &own.volume, &[]).await);
    // Nor as a workspace's.
    refused(snapshot_of(&sdk, &own.volume, &[("remote:workspace", "x")]).await);
    let snapshot = world.snapshot(plain).await;
    reads_none(&ebs, &snapshot).await;
    let tag = Tag::builder().key("remote:session").value("x").build();
    refused(
        sdk.create_tags()
            .resources(&snapshot)
            .tags(tag)
            .send()
            .await,
    );
    // Its own are made, read and deleted.
    let made = snapshot_of(&sdk, &own.volume, &named).await;
    let made = made.expect("a snapshot").snapshot_id.expect("an id");
    let list = ebs.list_snapshot_blocks().snapshot_id(&made);
    list.send().await.expect("its blocks");
    let gone = sdk.delete_snapshot().snapshot_id(&made).send().await;
    gone.expect("an end");
}

/// Its blocks are neither listed nor read.
pub async fn reads_none(ebs: &aws_sdk_ebs::Client, snapshot: &str) {
    let list = ebs.list_snapshot_blocks().snapshot_id(snapshot);
    refused(list.send().await);
    let get = ebs.get_snapshot_block().snapshot_id(snapshot);
    refused(get.block_index(0).block_token("x").send().await);
}

/// It is compared with nothing, and not written to.
pub async fn changes_none(ebs: &aws_sdk_ebs::Client, snapshot: &str) {
    let changed = ebs.list_changed_blocks().second_snapshot_id(snapshot);
    refused(changed.send().await);
    let put = ebs.put_snapshot_block().snapshot_id(snapshot);
    let put = put.block_index(0).data_length(524_288);
    let put = put.block_data(vec![0; 524_288].into()).checksum("x");
    let put = put.checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256);
    refused(put.send().await);
    let seal = ebs.complete_snapshot().snapshot_id(snapshot);
    refused(seal.changed_blocks_count(0).send().await);
}

/// A colleague with all policies, before another's session and workspace; their own goes on.
pub async fn colleague(world: &World, me: &Person, theirs: &Made, own: &Made) {
    let (sdk, ebs) = (world.sdk(me), world.ebs(me));
    let of = |owner| [("remote:workspace", "x"), ("remote:owner", owner)];
    let (hers, mine) = (of(theirs.owner.as_str()), of(me.arn.as_str()));
    let made = volume(&world.root, None, &hers).await.expect("a volume");
    let workspace = made.volume_id.expect("an id");
    let made = snapshot_of(&world.root, &workspace, &hers).await;
    let snapshot = made.expect("a snapshot").snapshot_id.expect("an id");
    for disk in [&theirs.volume, &workspace] {
        let on = sdk.attach_volume().volume_id(disk).device("/dev/sdg");
        refused(on.instance_id(&own.instance).send().await);
        refused(snapshot_of(&sdk, disk, &mine).await);
        refused(sdk.detach_volume().volume_id(disk).send().await);
    }
    let grow = sdk.modify_volume().volume_id(&workspace).size(9);
    refused(grow.send().await);
    refused(volume(&sdk, Some(&snapshot), &mine).await);
    reads_none(&ebs, &snapshot).await;
    changes_none(&ebs, &snapshot).await;

    let made = volume(&sdk, None, &mine).await.expect("a volume");
    let workspace = made.volume_id.expect("an id");
    // Nothing is made in another's name.
    refused(volume(&sdk, None, &hers).await);
    refused(snapshot_of(&sdk, &workspace, &hers).await);
    refused(start(&ebs, &hers).await);
    let made = snapshot_of(&sdk, &workspace, &mine).await;
    let snapshot = made.expect("a snapshot").snapshot_id.expect("an id");
    volume(&sdk, Some(&snapshot), &mine)
        .await
        .expect("a volume");
    let changed = ebs.list_changed_blocks().second_snapshot_id(&snapshot);
    changed.send().await.expect("blocks");
    start(&ebs, &mine).await.expect("a snapshot");
}

/// A snapshot that would be written to.
pub async fn start(
    ebs: &aws_sdk_ebs::Client,
    tags: &[(&str, &str)],
) -> Result<StartSnapshotOutput, SdkError<StartSnapshotError, HttpResponse>> {
    let tag = |(key, value): &(&str, &str)| {
        let tag = aws_sdk_ebs::types::Tag::builder();
        tag.key(*key).value(*value).build()
    };
    let call = ebs.start_snapshot().volume_size(1);
    let tags = tags.iter().map(tag).collect();
    call.set_tags(Some(tags)).send().await
}

fn tagged(kind: ResourceType, tags: &[(&str, &str)]) -> Option<Vec<TagSpecification>> {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
    let tags: Vec<Tag> = tags.iter().map(tag).collect();
    let named = TagSpecification::builder().resource_type(kind);
    (!tags.is_empty()).then(|| vec![named.set_tags(Some(tags)).build()])
}

pub async fn volume(
    sdk: &Client,
    from: Option<&str>,
    tags: &[(&str, &str)],
) -> Result<CreateVolumeOutput, SdkError<CreateVolumeError, HttpResponse>> {
    let zone = format!("{REGION}a");
    let call = sdk.create_volume().availability_zone(zone).size(1);
    let call = call
        .volume_type(VolumeType::Gp3)
        .set_snapshot_id(from.map(str::to_owned));
    call.set_tag_specifications(tagged(ResourceType::Volume, tags))
        .send()
        .await
}

pub async fn snapshot_of(
    sdk: &Client,
    volume: &str,
    tags: &[(&str, &str)],
) -> Result<CreateSnapshotOutput, SdkError<CreateSnapshotError, HttpResponse>> {
    let call = sdk.create_snapshot().volume_id(volume);
    call.set_tag_specifications(tagged(ResourceType::Snapshot, tags))
        .send()
        .await
}
