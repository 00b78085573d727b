//! Many instances without machines, as if one person had dispatched them: for what has to list them.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, ResourceType, Tag, TagSpecification, VolumeType,
};
use remote_compute::model::SessionId;

const IMAGE: &str = "resolve:ssm:/aws/service/debian/release/12/latest/amd64";

/// A session's instance and its tags.
pub async fn instance(ec2: &aws_sdk_ec2::Client, session: &str) -> (String, Vec<Tag>) {
    let filter = aws_sdk_ec2::types::Filter::builder()
        .name("tag:remote:session")
        .values(session);
    let told = ec2
        .describe_instances()
        .filters(filter.build())
        .send()
        .await;
    let told = told.expect("instances");
    let found = told
        .reservations()
        .iter()
        .flat_map(|r| r.instances())
        .next();
    let found = found.expect("the session's instance");
    let id = found.instance_id().expect("its id").to_owned();
    (id, found.tags().to_vec())
}

/// So many instances with the tags of a session's, each under a name of its own and with nothing that listens.
pub async fn join(ec2: &aws_sdk_ec2::Client, session: &str, count: usize) {
    let like = instance(ec2, session).await.1;
    for _ in 0..count {
        launch(ec2, &like).await;
    }
}

async fn launch(ec2: &aws_sdk_ec2::Client, like: &[Tag]) {
    let own = SessionId::generate().expect("a name");
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let mut tags: Vec<Tag> = like.to_vec();
    tags.retain(|t| t.key() != Some("remote:session"));
    tags.push(tag("remote:session", own.as_str()));
    tags.push(tag("lab:machine", "none"));
    let of = |kind| {
        let tagged = TagSpecification::builder().resource_type(kind);
        tagged.set_tags(Some(tags.clone())).build()
    };
    let disk = EbsBlockDevice::builder()
        .volume_size(20)
        .volume_type(VolumeType::Gp3)
        .delete_on_termination(false);
    let disk = BlockDeviceMapping::builder()
        .device_name("/dev/sdf")
        .ebs(disk.build());
    let made = ec2
        .run_instances()
        .image_id(IMAGE)
        .instance_type("m6i.large".into())
        .min_count(1)
        .max_count(1)
        .block_device_mappings(disk.build())
        .tag_specifications(of(ResourceType::Instance))
        .tag_specifications(of(ResourceType::Volume))
        .send()
        .await;
    made.expect("an instance");
}
