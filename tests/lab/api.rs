//! The API through the real SDK, with no machines: what the lab adds to moto, and its faults.

use std::time::{Duration, Instant};

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Filter, InstanceStateName, InstanceType, ResourceType, Tag,
    TagSpecification, VolumeType,
};
use serde_json::json;

use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::guest::{await_state, describe, group, launch, only, open_ssh, ssh_from};
use crate::harness::{Lab, Machines, REGION};

fn tagged(kind: ResourceType) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(kind)
        .tags(
            Tag::builder()
                .key("remote:session")
                .value("session-abc234")
                .build(),
        )
        .build()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

async fn instances(ec2: &aws_sdk_ec2::Client) -> usize {
    let told = ec2.describe_instances().send().await.expect("instances");
    let reservations = told.reservations.unwrap_or_default();
    reservations.iter().map(|r| r.instances().len()).sum()
}

#[tokio::test]
async fn the_same_token_launches_once_and_can_be_searched_for() {
    let lab = Lab::start(Machines::None);
    let ec2 = lab.ec2(REGION);
    let run = || launch(&ec2, "#cloud-config\n").client_token("token-1");
    let first = only(run().send().await.expect("a launch").instances);
    let again = only(run().send().await.expect("the same launch").instances);
    assert_eq!(first, again);
    assert_eq!(instances(&ec2).await, 1);
    let other = run().instance_type(InstanceType::M6iXlarge).send().await;
    let code = other
        .expect_err("another request")
        .code()
        .map(str::to_owned);
    assert_eq!(code.as_deref(), Some("IdempotentParameterMismatch"));

    let control = lab.control();
    let runs = control
        .calls()
        .into_iter()
        .filter(|c| c.service == "ec2" && c.action == "RunInstances");
    let tokens: Vec<_> = runs.map(|c| c.parameters["ClientToken"].clone()).collect();
    assert_eq!(tokens, ["token-1", "token-1", "token-1"]);

    let found = |token: &'static str| {
        let search = ec2
            .describe_instances()
            .filters(filter("client-token", token));
        async move {
            search
                .send()
                .await
                .expect("instances")
                .reservations
                .unwrap_or_default()
                .len()
        }
    };
    assert_eq!((found("token-1").await, found("token-2").await), (1, 0));
}

#[tokio::test]
async fn every_kind_of_fault_reaches_the_sdk() {
    let lab = Lab::start(Machines::None);
    let (ec2, control) = (lab.ec2(REGION), lab.control());
    let run = |token: &str| launch(&ec2, "#cloud-config\n").client_token(token);

    let capacity = json!({"action": "RunInstances", "code": "InsufficientInstanceCapacity", "status": 500, "count": 0});
    control.fault(&capacity);
    let refused = run("a").send().await.expect_err("no capacity");
    assert_eq!(refused.code(), Some("InsufficientInstanceCapacity"));
    assert_eq!(instances(&ec2).await, 0, "before: no effect");
    control.post("clear", &json!({}));

    // The SDK sends again with the same token, and so there is one machine.
    control.fault(&json!({"action": "RunInstances", "kind": "drop"}));
    run("b").send().await.expect("a second attempt");
    assert_eq!(instances(&ec2).await, 1, "drop: the effect, once");

    control.fault(&json!({"action": "RunInstances", "kind": "after", "code": "UnauthorizedOperation", "status": 403}));
    let denied = run("c")
        .send()
        .await
        .expect_err("an error after the effect");
    assert_eq!(denied.code(), Some("UnauthorizedOperation"));
    assert_eq!(instances(&ec2).await, 2, "after: the effect all the same");

    control.fault(&json!({"action": "RunInstances", "kind": "delay", "delay": 0.7}));
    let begun = Instant::now();
    run("d").send().await.expect("a late answer");
    assert!(begun.elapsed() >= Duration::from_millis(700));

    // Only the third of its kind; and only those that carry a word.
    control.fault(&json!({"action": "DescribeVpcs", "nth": 3, "code": "UnauthorizedOperation", "status": 403}));
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(ec2.describe_vpcs().send().await.is_err());
    }
    assert_eq!(failed, [false, false, true, false]);

    let faults: Vec<_> = control
        .calls()
        .into_iter()
        .filter_map(|c| c.fault)
        .collect();
    let count = |kind: &str| faults.iter().filter(|f| *f == kind).count();
    assert!(count("before") >= 2, "{faults:?}");
    assert_eq!((count("drop"), count("after"), count("delay")), (1, 1, 1));
}

#[tokio::test]
async fn volumes_keep_what_was_asked_for_and_go_or_stay_as_they_are_told() {
    let lab = Lab::start(Machines::None);
    let ec2 = lab.ec2(REGION);
    let disk = EbsBlockDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(20)
        .iops(4000)
        .throughput(250)
        .encrypted(true)
        .delete_on_termination(false)
        .build();
    let mapping = BlockDeviceMapping::builder()
        .device_name("/dev/sdf")
        .ebs(disk)
        .build();
    let launched = launch(&ec2, "#cloud-config\n")
        .block_device_mappings(mapping)
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume))
        .send()
        .await;
    let (id, _) = only(launched.expect("a launch").instances);
    await_state(&ec2, &id, InstanceStateName::Running).await;

    let ours = || {
        ec2.describe_volumes()
            .filters(filter("tag:remote:session", "session-abc234"))
    };
    let volumes = ours()
        .send()
        .await
        .expect("volumes")
        .volumes
        .unwrap_or_default();
    assert_eq!(volumes.len(), 2, "root and data, both tagged: {volumes:?}");
    let data = volumes
        .iter()
        .find(|v| v.size == Some(20))
        .expect("the data volume");
    assert_eq!(
        (data.iops, data.throughput, data.encrypted),
        (Some(4000), Some(250), Some(true))
    );

    ec2.terminate_instances()
        .instance_ids(&id)
        .send()
        .await
        .expect("an end");
    await_state(&ec2, &id, InstanceStateName::Terminated).await;
    let left = ours()
        .send()
        .await
        .expect("volumes")
        .volumes
        .unwrap_or_default();
    assert_eq!(left.len(), 1, "the root went, the data stayed: {left:?}");

    lab.control().post("forget", &json!({ "instance": id }));
    assert_eq!(describe(&ec2, &id).await.tags(), []);
}

#[tokio::test]
async fn a_group_in_use_cannot_be_deleted_and_regions_do_not_see_each_other() {
    let lab = Lab::start(Machines::None);
    let ec2 = lab.ec2(REGION);
    let group = group(&ec2, "remote").await;
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    let launched = launch(&ec2, "#cloud-config\n")
        .security_group_ids(&group)
        .send()
        .await;
    let (id, _) = only(launched.expect("a launch").instances);
    let denied = ec2.delete_security_group().group_id(&group).send().await;
    assert_eq!(
        denied.expect_err("in use").code(),
        Some("DependencyViolation")
    );
    let twice = ec2
        .authorize_security_group_ingress()
        .group_id(&group)
        .ip_permissions(ssh_from("127.0.0.1/32"))
        .send()
        .await;
    assert_eq!(
        twice.expect_err("there already").code(),
        Some("InvalidPermission.Duplicate")
    );
    assert_eq!(instances(&lab.ec2("eu-west-1")).await, 0);

    ec2.terminate_instances()
        .instance_ids(&id)
        .send()
        .await
        .expect("an end");
    await_state(&ec2, &id, InstanceStateName::Terminated).await;
    ec2.delete_security_group()
        .group_id(&group)
        .send()
        .await
        .expect("no longer in use");
}

#[tokio::test]
async fn lists_come_in_pages_and_new_instances_late() {
    let lab = Lab::start(Machines::None);
    let ec2 = lab.ec2(REGION);
    for _ in 0..7 {
        launch(&ec2, "#cloud-config\n")
            .send()
            .await
            .expect("a launch");
    }
    let mut pages = ec2
        .describe_instances()
        .max_results(5)
        .into_paginator()
        .send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page").reservations().len());
    }
    assert_eq!(sizes, [5, 2]);

    let control = lab.control();
    control.post("set", &json!({ "lag": 3600 }));
    assert_eq!(instances(&ec2).await, 0);
    control.post("set", &json!({ "lag": 0 }));
    assert_eq!(instances(&ec2).await, 7);
}

#[tokio::test]
async fn quotas_bound_what_can_be_launched() {
    let lab = Lab::start(Machines::None);
    let (ec2, control) = (lab.ec2(REGION), lab.control());
    control.post("set", &json!({ "quotas": { "L-1216C47A": 3 } }));
    launch(&ec2, "#cloud-config\n")
        .send()
        .await
        .expect("two vCPUs of three");
    let denied = launch(&ec2, "#cloud-config\n")
        .send()
        .await
        .expect_err("four of three");
    assert_eq!(denied.code(), Some("VcpuLimitExceeded"));
    let asked = json!({"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"});
    let (status, told) = control.json_call(
        "servicequotas",
        "ServiceQuotasV20190624.GetServiceQuota",
        &asked,
    );
    assert_eq!(status, 200, "{told}");
    assert!(told.contains(r#""Value": 3"#), "{told}");
}

#[test]
fn remote_finds_the_lab_by_the_variables_it_names() {
    let (lab, mut env) = (Lab::start(Machines::None), TestEnv::new());
    for (name, value) in lab.variables() {
        env.set(&name, value);
    }
    let ran = run(&mut env.remote(&["doctor"]), b"", SOON);
    assert!(ran.all().contains(REGION), "{}", ran.all());
}
