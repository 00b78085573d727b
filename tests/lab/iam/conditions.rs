//! Resources and conditions: what was asked for is held against the policies as they are, and against the
//! policies with one place changed. Every place must matter, to a call that was made or to one that was refused.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::modify_instance_attribute::ModifyInstanceAttributeError;
use aws_sdk_ec2::types::{
    AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, EbsInstanceBlockDeviceSpecification,
    HttpTokensState, InstanceBlockDeviceMappingSpecification, InstanceMetadataOptionsRequest,
    InstanceType, ResourceType, Tag, TagSpecification,
};
use aws_sdk_ec2instanceconnect::operation::send_ssh_public_key::SendSSHPublicKeyError;
use remote_compute::provision::ec2::{Arch, IMAGE_NAMES, image};
use remote_compute::ssh::keys;
use serde_json::{Value, json};

use super::policy::{
    Change, actions, denies, loosened, narrowed, read, shortened, statements, texts,
};
use super::world::{IMAGE, Made, Person, World};

/// Holds what was asked for by everybody so far against the policies for users.
pub fn of_users(world: &World, policies: &[Value]) {
    let whole: Vec<&Value> = policies.iter().collect();
    let (asked, _) = world.judge(None, std::slice::from_ref(&whole), false);
    assert!(asked.len() > 100, "{} is no run", asked.len());
    for (n, policy) in policies.iter().enumerate() {
        if !denies(policy) {
            of_one(world, policies, n);
        }
    }
}

/// The same of one that allows: nothing in it is idle.
pub fn of_one(world: &World, policies: &[Value], n: usize) {
    let whole: Vec<&Value> = policies.iter().collect();
    let (asked, refused) = world.judge(None, std::slice::from_ref(&whole), false);
    assert_eq!(
        refused[0],
        Vec::<Value>::new(),
        "asked for, and not allowed"
    );
    let policy = &policies[n];
    for action in actions(policy) {
        let used = asked.iter().any(|a| a["action"] == *action);
        assert!(used, "nothing asks for {action}");
    }
    let changes = narrowed(policy);
    let sets = with(policies, n, &changes);
    let (_, refused) = world.judge(None, &sets, false);
    idle(
        &changes,
        refused.iter().map(|r| !r.is_empty()),
        "no call needs",
    );
    // What was refused, without each condition; what denies may have refused it too.
    let allowing: Vec<Value> = policies.iter().filter(|p| !denies(p)).cloned().collect();
    let whole: Vec<&Value> = allowing.iter().collect();
    let (_, base) = world.judge(None, &[whole], true);
    let changes = loosened(policy);
    let (_, refused) = world.judge(None, &with(&allowing, n, &changes), true);
    let less = refused.iter().map(|r| r.len() < base[0].len());
    idle(&changes, less, "nothing is kept out by");
}

/// Holds a person's calls, let through and refused, against policies of which the last denies.
pub fn of_a_denial(world: &World, person: &Person, policies: &[Value]) {
    let n = policies.len() - 1;
    let whole: Vec<&Value> = policies.iter().collect();
    let verdicts = |sets: &[Vec<&Value>]| -> Vec<Vec<Value>> {
        let (_, first) = world.judge(Some(person), sets, false);
        let (_, second) = world.judge(Some(person), sets, true);
        let both = first.into_iter().zip(second);
        both.map(|(a, b)| [a, b].concat()).collect()
    };
    let base = verdicts(std::slice::from_ref(&whole));
    let last = &policies[n];
    for changes in [narrowed(last), loosened(last), shortened(last)] {
        let told = verdicts(&with(policies, n, &changes));
        idle(
            &changes,
            told.iter().map(|t| *t != base[0]),
            "nothing depends on",
        );
    }
}

/// The policies, the n-th of them as each change has it.
fn with<'a>(policies: &'a [Value], n: usize, changes: &'a [Change]) -> Vec<Vec<&'a Value>> {
    let set = |change: &'a Change| {
        let all = policies.iter().enumerate();
        all.map(|(at, policy)| if at == n { &change.policy } else { policy })
            .collect()
    };
    changes.iter().map(set).collect()
}

fn idle(changes: &[Change], matters: impl Iterator<Item = bool>, why: &str) {
    let idle: Vec<&str> = changes
        .iter()
        .zip(matters)
        .filter(|(_, matters)| !matters)
        .map(|(change, _)| change.what.as_str())
        .collect();
    assert_eq!(idle, Vec::<&str>::new(), "{why} these");
}

/// Calls that a person with the policies for users must not make, and does not. With each of the images' users
/// a second device may be let in, which the run does with one.
pub async fn attempts(world: &World, person: &Person, own: &Made, theirs: &Made) {
    let policy = read("user");
    let named = statements(&policy)
        .iter()
        .find(|s| s["Sid"] == "SecondDevice");
    let users = texts(&named.expect("it")["Condition"]["StringEquals"]["ec2:osuser"]);
    let mut logins: Vec<String> = IMAGE_NAMES
        .iter()
        .filter_map(|name| image(name, Arch::X86_64).map(|i| i.login))
        .collect();
    logins.sort();
    assert_eq!(users, logins, "the users of the images that have names");
    for login in &users {
        push_key(world, person, &own.instance, login)
            .await
            .expect(login);
    }
    refused(push_key(world, person, &own.instance, "root").await);

    let sdk = world.sdk(person);
    let foreign = (&theirs.instance, &theirs.volume);
    refused(
        sdk.terminate_instances()
            .instance_ids(foreign.0)
            .send()
            .await,
    );
    refused(sdk.start_instances().instance_ids(foreign.0).send().await);
    refused(sdk.get_console_output().instance_id(foreign.0).send().await);
    refused(sdk.delete_volume().volume_id(foreign.1).send().await);
    refused(push_key(world, person, foreign.0, "admin").await);
    let tag = |key: &str| Tag::builder().key(key).value("x").build();
    let tagging = sdk.create_tags().resources(foreign.0);
    refused(tagging.tags(tag("remote:deadline")).send().await);
    let snapshot = world.snapshot(theirs).await;
    refused(sdk.delete_snapshot().snapshot_id(snapshot).send().await);
    // Of one's own: no other tag than those that change, or everything could be claimed.
    let tagging = sdk.create_tags().resources(&own.instance);
    refused(tagging.tags(tag("remote:owner")).send().await);
    let attribute = sdk.modify_instance_attribute().instance_id(foreign.0);
    let value = AttributeBooleanValue::builder().value(true).build();
    refused(attribute.disable_api_termination(value).send().await);
    // A disk of nobody's on a machine of one's own.
    world.with_a_plain_disk(own).await;
    refused(disk_goes(&sdk, &own.instance, "/dev/sdg").await);

    let (door, other) = (&world.group(true).await, &world.group(false).await);
    refused(sdk.delete_security_group().group_id(other).send().await);
    let making = sdk.create_security_group().group_name("x").description("x");
    refused(making.send().await);
    for (tags, tokens, group) in [
        (["x", "remote:session"], HttpTokensState::Required, door),
        (["remote:session", "x"], HttpTokensState::Required, door),
        (["remote:session"; 2], HttpTokensState::Optional, door),
        (["remote:session"; 2], HttpTokensState::Required, other),
    ] {
        let run = run(&sdk, tags, &person.arn, tokens).security_group_ids(group);
        refused(run.send().await);
    }
    let sns = world.sns(person);
    let topic = "arn:aws:sns:us-east-1:123456789012:remote-alert-x";
    let telling = sns.subscribe().topic_arn(topic).protocol("sms");
    refused(telling.endpoint("+3531234567").send().await);
}

/// Has a key let in for a minute, as a second device does.
pub async fn push_key(
    world: &World,
    person: &Person,
    instance: &str,
    login: &str,
) -> Result<(), SdkError<SendSSHPublicKeyError, HttpResponse>> {
    let key = keys::public_line(&keys::generate_ed25519());
    let pushing = world
        .connect(person)
        .send_ssh_public_key()
        .instance_id(instance);
    let pushing = pushing.instance_os_user(login).ssh_public_key(key);
    pushing.send().await.map(drop)
}

/// Has an instance's disk go with it.
pub async fn disk_goes(
    sdk: &aws_sdk_ec2::Client,
    instance: &str,
    device: &str,
) -> Result<(), SdkError<ModifyInstanceAttributeError, HttpResponse>> {
    let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(true);
    let disk = InstanceBlockDeviceMappingSpecification::builder().device_name(device);
    let changing = sdk.modify_instance_attribute().instance_id(instance);
    let changing = changing.block_device_mappings(disk.ebs(ebs.build()).build());
    changing.send().await.map(drop)
}

/// RunInstances with these tags on the machine and its disk.
pub fn run(
    sdk: &aws_sdk_ec2::Client,
    tags: [&str; 2],
    owner: &str,
    tokens: HttpTokensState,
) -> aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let specification = |kind, key: &str| {
        TagSpecification::builder()
            .resource_type(kind)
            .tags(tag(key, "session-abc234"))
            .tags(tag("remote:owner", owner))
            .build()
    };
    let disk = EbsBlockDevice::builder().volume_size(1).build();
    let disk = BlockDeviceMapping::builder()
        .device_name("/dev/sdf")
        .ebs(disk);
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(tokens);
    sdk.run_instances()
        .image_id(IMAGE)
        .instance_type(InstanceType::M6iLarge)
        .min_count(1)
        .max_count(1)
        .metadata_options(metadata.build())
        .block_device_mappings(disk.build())
        .tag_specifications(specification(ResourceType::Instance, tags[0]))
        .tag_specifications(specification(ResourceType::Volume, tags[1]))
}

/// It was refused for want of a permission, and for nothing else.
pub fn refused<T: std::fmt::Debug, E, R>(told: Result<T, SdkError<E, R>>)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
    R: std::fmt::Debug,
{
    let code = match &told {
        Ok(done) => panic!("done: {done:?}"),
        Err(e) => e
            .as_service_error()
            .and_then(|e| e.code().map(str::to_owned)),
    };
    let codes = [
        "UnauthorizedOperation",
        "AccessDeniedException",
        "AuthorizationError",
    ];
    let known = code.as_deref().is_some_and(|c| codes.contains(&c));
    assert!(known, "{told:?}");
}

/// All that there is, allowed.
pub fn everything() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*" },
    ]})
}
