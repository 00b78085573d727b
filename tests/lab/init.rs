//! `remote init` on EC2: what it finds out before anything is rented, what it writes, and that it makes nothing.

use serde_json::json;

use crate::common::env::TestEnv;
use crate::ec2_world::{World, launch, wish};
use crate::harness::{Call, REGION};
use remote_compute::provision::Compute;

const INIT: [&str; 4] = ["init", "--provider", "ec2", "--yes"];

fn written(env: &TestEnv) -> String {
    let file = env.home().join(".config/remote/config.toml");
    std::fs::read_to_string(file).unwrap_or_default()
}

/// It looks, or it only asks whether it may.
fn makes_nothing(call: &Call) -> bool {
    let looks = ["Describe", "Get", "List", "Decode"];
    looks.iter().any(|verb| call.action.starts_with(verb)) || call.parameters["DryRun"] == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_ready_is_told_so_and_nothing_is_made() {
    let world = World::new().await;
    let env = world.lab.device();
    let told = env.ok(&INIT);
    for line in [
        "arn:aws:sts::123456789012",
        "us-east-1 has m6i.large (2 vCPU, 8 GiB)",
        "6 zones of vpc-",
        "127.0.0.1",
        "640 vCPUs (L-1216C47A): 320 machines of m6i.large",
        "https://us-east-1.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-1216C47A",
        "AWS would permit ec2:CreateSecurityGroup, ec2:RunInstances",
        "none yet",
    ] {
        assert!(told.stderr.contains(line), "no {line:?}: {}", told.all());
    }
    for line in ["provider = \"ec2\"", "region = \"us-east-1\""] {
        assert!(written(&env).contains(line), "{}", written(&env));
    }
    assert_eq!(world.there().await, []);
    let made: Vec<Call> = world
        .control
        .calls()
        .into_iter()
        .filter(|c| !makes_nothing(c))
        .collect();
    assert!(made.is_empty(), "{made:?}");

    // Where a machine is there, its end can be asked about too.
    world
        .ec2()
        .launch(&launch(wish()), &|_| {})
        .await
        .expect("a host");
    let told = env.ok(&INIT);
    for line in [
        "one machine of yours",
        "ec2:AuthorizeSecurityGroupIngress, ec2:RunInstances, ec2:TerminateInstances, ec2:CreateTags",
    ] {
        assert!(told.stderr.contains(line), "no {line:?}: {}", told.all());
    }
    assert_eq!(
        world.ec2().list().await.expect("a list").len(),
        1,
        "it was only asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_missing_is_named_with_its_remedy() {
    let world = World::new().await;
    let env = world.lab.device();
    for (call, action) in [
        ("RunInstances", "ec2:CreateTags"),
        ("CreateSecurityGroup", "ec2:CreateSecurityGroup"),
    ] {
        let message = format!(
            "User: arn:aws:iam::1:user/u is not authorized to perform: {action} on resource: x"
        );
        world.control.fault(
            &json!({"action": call, "kind": "before", "count": 0, "status": 403,
            "code": "UnauthorizedOperation", "message": message}),
        );
    }
    world
        .control
        .post("set", &json!({"quotas": {"L-1216C47A": 1}}));
    let told = env.run(&INIT);
    assert_eq!(told.code, 1, "{}", told.all());
    for line in [
        "AWS does not permit ec2:CreateSecurityGroup, ec2:CreateTags",
        "docs/AWS.md",
        "the quota L-1216C47A allows 1 vCPUs, and m6i.large has 2",
        "ask for a higher quota: https://us-east-1.console",
        "not all is ready",
    ] {
        assert!(told.stderr.contains(line), "no {line:?}: {}", told.all());
    }
    assert!(
        written(&env).contains("region = \"us-east-1\""),
        "what was chosen is written: {}",
        told.all()
    );
    world.control.post("clear", &json!({}));

    let aws = world.lab.ec2(REGION);
    let subnets = aws.describe_subnets().send().await.expect("subnets");
    for subnet in subnets.subnets() {
        let id = subnet.subnet_id().expect("its id");
        aws.delete_subnet()
            .subnet_id(id)
            .send()
            .await
            .expect("gone");
    }
    let mut env = world.lab.device();
    env.set("REMOTE_EC2_ADDRESS_SERVICE", "http://127.0.0.1:1/");
    let told = env.run(&INIT);
    assert_eq!(told.code, 1, "{}", told.all());
    for line in [
        "aws ec2 create-default-vpc",
        "does not say which address",
        "remote doctor",
    ] {
        assert!(told.stderr.contains(line), "no {line:?}: {}", told.all());
    }
    // One type that the region lacks.
    let told = env.run(&[
        "--config",
        "instance=x9.huge",
        "init",
        "--provider",
        "ec2",
        "--yes",
    ]);
    assert!(
        told.stderr.contains("us-east-1 has no x9.huge"),
        "{}",
        told.all()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_region_is_offered_where_none_is_known() {
    let world = World::new().await;
    let mut env = TestEnv::new();
    let known = world.lab.variables();
    for (name, value) in known.into_iter().filter(|(name, _)| name != "AWS_REGION") {
        env.set(&name, value);
    }
    let asked = env.run(&["init", "--provider", "ec2"]);
    assert_eq!(asked.code, 1, "{}", asked.all());
    assert!(asked.stderr.contains("--yes"), "{}", asked.all());
    assert_eq!(written(&env), "");
    env.set(
        "REMOTE_EC2_ADDRESS_SERVICE",
        format!("{}/lab/address", world.lab.endpoint),
    );
    let told = env.ok(&INIT);
    assert!(told.stderr.contains("is the nearest ("), "{}", told.all());
    let text = written(&env);
    let region = text
        .lines()
        .find_map(|l| l.strip_prefix("region = "))
        .expect("a region");
    assert!(
        told.stderr
            .contains(&format!("{} has m6i.large", region.trim_matches('"'))),
        "{}",
        told.all()
    );
}
