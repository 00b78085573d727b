//! A machine from the first call to the last, on an EC2 without machines: what is asked for, what the tags say,
//! what takes its place where there is no capacity, and who else sees it.

use std::collections::BTreeSet;

use remote_compute::error::Error;
use remote_compute::model::now_ms;
use remote_compute::provision::ec2::{AwsClass, Cidr, SshFrom};
use remote_compute::provision::{Compute, Launch, Login, MachineState, ProvisionError};
use serde_json::json;

use crate::ec2_world::{Steps, World, launch, wish};
use crate::harness::REGION;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_launched_listed_and_ended() {
    let world = World::new().await;
    let (ec2, launch, steps) = (world.ec2(), launch(wish()), Steps::default());
    let session = &launch.spec.id;
    let endpoint = ec2.launch(&launch, &steps.tell()).await.expect("a host");
    let Login::Pinned(login) = &endpoint.login else {
        panic!("{endpoint:?}");
    };
    assert_eq!((login.user.as_str(), login.port), ("admin", 22));
    let told = steps.told();
    assert!(
        told[0].starts_with("boot i-") && told[0].contains("us-east-1"),
        "{told:?}"
    );
    assert!(
        told.iter().any(|t| t.starts_with("hand over remote ")),
        "{told:?}"
    );
    assert!(world.words.launched(&login.address).is_some());

    let machines = ec2.list().await.expect("a list");
    assert_eq!(machines.len(), 1);
    let rented = machines[0].rented.as_ref().expect("rented");
    assert_eq!(machines[0].state, MachineState::Running);
    assert_eq!(machines[0].session, *session);
    assert_eq!(
        rented.login.as_ref(),
        Some(login),
        "the tag has the machine's own key"
    );
    assert!(!rented.provisional);
    assert_eq!((rented.volume_gib, rented.microusd_per_hour), (1, 96_000));
    assert_eq!(rented.task, launch.spec.task);
    let deadline = launch.spec.ends.deadline.expect("a deadline") / 1000 * 1000;
    assert_eq!(rented.deadline, Some(deadline));
    assert!(ec2.begun().is_empty(), "it is handed over");

    ec2.extend(session, deadline + 600_000)
        .await
        .expect("more time");
    let longer = ec2.describe(session).await.expect("it");
    assert_eq!(
        longer.rented.expect("rented").deadline,
        Some(deadline + 600_000)
    );

    // Its time is up, and it is still there.
    let swept = ec2
        .sweep(&machines, deadline + 600_001)
        .await
        .expect("a look");
    assert_eq!(swept, std::slice::from_ref(session));
    let after = ec2.describe(session).await.expect("its volume");
    assert_eq!(after.state, MachineState::Gone);
    assert_eq!(
        after.rented.expect("rented").volume,
        rented.volume,
        "the work stays"
    );
    let kept = ec2
        .terminate_machine(session, false)
        .await
        .expect("nothing to end");
    assert_eq!(kept.volume.map(|v| v.1), Some(1));
    ec2.terminate_machine(session, true)
        .await
        .expect("discarded");
    let left = ec2.leftovers(false, now_ms()).await.expect("a look");
    assert_eq!(left.len(), 1, "the security group alone: {left:?}");
    assert!(ec2.delete(&left).await.is_empty());
    assert_eq!(world.there().await, []);
    let again = ec2.terminate_machine(session, false).await;
    assert!(
        matches!(again, Ok(_) | Err(ProvisionError::NoSession(_))),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_for_each_thing_once_and_for_what_it_must() {
    let world = World::new().await;
    let ec2 = world.ec2();
    let mut spot = wish();
    spot.instance_type = "t3.large".to_owned();
    spot.spot = true;
    spot.max_microusd_per_hour = Some(100_000);
    for machine in [wish(), spot] {
        let before = world.control.calls().len();
        let launch = launch(machine.clone());
        ec2.launch(&launch, &|_| {}).await.expect("a host");
        let calls = &world.control.calls()[before..];
        let run = calls
            .iter()
            .position(|c| c.action == "RunInstances")
            .expect("it");
        let until: Vec<&str> = calls[..=run].iter().map(|c| c.action.as_str()).collect();
        let distinct: BTreeSet<&&str> = until.iter().collect();
        assert!(until.len() <= 6, "{until:?}");
        assert_eq!(distinct.len(), until.len(), "{until:?}");

        let asked = &calls[run].parameters;
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("MetadataOptions.HttpTokens"), "required");
        assert_eq!(text("MetadataOptions.HttpPutResponseHopLimit"), "1");
        assert_eq!(text("InstanceInitiatedShutdownBehavior"), "terminate");
        assert!(text("ClientToken").starts_with(launch.spec.id.as_str()));
        assert!(text("ImageId").starts_with("resolve:ssm:"));
        assert_eq!(text("KeyName") + &text("IamInstanceProfile.Arn"), "");
        let disk = |name: &str| text(&format!("BlockDeviceMapping.2.{name}"));
        assert_eq!(disk("DeviceName"), "/dev/sdf");
        assert_eq!(disk("Ebs.DeleteOnTermination"), "false");
        assert_eq!(disk("Ebs.Encrypted"), "true");
        assert_eq!(disk("Ebs.VolumeType"), "gp3");
        assert_eq!(text("BlockDeviceMapping.1.Ebs.DeleteOnTermination"), "true");
        let credits = text("CreditSpecification.CpuCredits");
        let market = text("InstanceMarketOptions.MarketType");
        let max = text("InstanceMarketOptions.SpotOptions.MaxPrice");
        match machine.spot {
            true => assert_eq!(
                (credits, market, max),
                ("standard".into(), "spot".into(), "0.100000".into())
            ),
            false => assert_eq!(credits + &market + &max, ""),
        }
        let tagged: Vec<String> = (1..=3)
            .map(|n| text(&format!("TagSpecification.{n}.ResourceType")))
            .collect();
        let request = if machine.spot {
            "spot-instances-request"
        } else {
            ""
        };
        assert_eq!(tagged, ["instance", "volume", request]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_is_looked_for_elsewhere_and_nothing_else_is() {
    let world = World::new().await;
    let ec2 = world.ec2();
    let capacity = |matching: &str, count: u32| {
        world.control.fault(&json!({
            "action": "RunInstances", "kind": "before", "code": "InsufficientInstanceCapacity",
            "status": 400, "count": count, "match": matching, "message": "not enough",
        }));
    };
    let (launch_one, steps) = (launch(wish()), Steps::default());
    capacity("", 1);
    ec2.launch(&launch_one, &steps.tell())
        .await
        .expect("another zone");
    let told = steps.told();
    assert!(
        told[0].starts_with("no capacity for m6i.large in us-east-1a"),
        "{told:?}"
    );
    assert!(
        told[0].ends_with("trying m6i.large in us-east-1b"),
        "{told:?}"
    );

    world.control.post("clear", &json!({}));
    capacity("InstanceType=m6i.large", 0);
    let mut larger = wish();
    larger.other_sizes = true;
    let launch_two = launch(larger);
    ec2.launch(&launch_two, &|_| {})
        .await
        .expect("another size");
    let got = ec2
        .describe(&launch_two.spec.id)
        .await
        .expect("it")
        .rented
        .expect("rented");
    assert_eq!(got.instance_type, "m6i.xlarge");
    let refused = ec2
        .launch(&launch(wish()), &|_| {})
        .await
        .expect_err("no other size is allowed");
    assert!(is(&refused, &AwsClass::Capacity), "{refused}");

    for (code, class) in [
        (
            "VcpuLimitExceeded",
            AwsClass::Quota {
                code: Some("L-1216C47A"),
            },
        ),
        ("InvalidParameterValue", AwsClass::Parameter),
        (
            "UnauthorizedOperation",
            AwsClass::Permission {
                action: "ec2:RunInstances".to_owned(),
            },
        ),
    ] {
        world.control.post("clear", &json!({}));
        let fault = json!({"action": "RunInstances", "kind": "before", "code": code, "status": 400, "count": 1});
        world.control.fault(&fault);
        let refused = ec2.launch(&launch(wish()), &|_| {}).await.expect_err(code);
        assert!(is(&refused, &class), "{refused}");
    }
    assert_eq!(
        ec2.list().await.expect("a list").len(),
        2,
        "the two that were launched"
    );
}

fn is(error: &ProvisionError, class: &AwsClass) -> bool {
    matches!(error, ProvisionError::Aws(e) if e.class == *class)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_was_interrupted_is_finished_or_ended() {
    let world = World::new().await;
    let ec2 = world.ec2();
    for stage in ["rotate", "mount", "host launch"] {
        let launch = launch(wish());
        let session = &launch.spec.id;
        world.words.break_down(Some(stage));
        let lost = interrupted(&world, &launch).await;
        assert!(lost, "{stage}");
        world.words.break_down(None);
        let begun = ec2.begun();
        assert_eq!(begun.len(), 1, "{stage}");
        let endpoint = ec2.start(session).await.expect(stage);
        assert!(ec2.begun().is_empty());
        let fresh = ec2.endpoint(session).await.expect(stage);
        assert_eq!(fresh.login, endpoint.login, "{stage}");
        ec2.terminate_machine(session, true).await.expect("an end");
    }
    let launch = launch(wish());
    world.words.break_down(Some("mount"));
    interrupted(&world, &launch).await;
    let left = ec2.abandon(&launch.spec.id, &|_| {}).await;
    assert_eq!(left, [""; 0]);
    assert!(ec2.begun().is_empty());
    let there = ec2.leftovers(false, now_ms()).await.expect("a look");
    assert_eq!(there.len(), 1, "the group alone: {there:?}");
}

/// A launch that fails where it is broken, and whose cleaning up fails as well.
async fn interrupted(world: &World, launch: &Launch) -> bool {
    // What is left then is what a client leaves that is gone half-way.
    for action in ["TerminateInstances", "ModifyInstanceAttribute"] {
        let code = "InvalidParameterValue";
        let fault =
            json!({"action": action, "kind": "before", "code": code, "status": 400, "count": 0});
        world.control.fault(&fault);
    }
    let ended = world.ec2().launch(launch, &|_| {}).await;
    world.control.post("clear", &json!({}));
    matches!(ended, Err(ProvisionError::Left { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_device_sees_it_and_gets_in() {
    let world = World::new().await;
    let launch = launch(wish());
    world.ec2().launch(&launch, &|_| {}).await.expect("a host");

    let mut settings = world.settings();
    settings.device.name = "chromebook".to_owned();
    let home = tempfile::tempdir().expect("another home");
    settings.journal = home.path().join("launches");
    let other = world.ec2_with(settings);
    let machines = other.list().await.expect("a list");
    assert_eq!(machines.len(), 1);
    let rented = machines[0].rented.as_ref().expect("rented");
    let login = rented.login.as_ref().expect("a login");
    world.words.be_strange();
    other.start(&launch.spec.id).await.expect("in");
    let sent = world.actions();
    assert!(
        sent.iter().any(|a| a.ends_with(":SendSSHPublicKey")),
        "{sent:?}"
    );
    let enrolled = world.words.enrolled(&login.address);
    assert_eq!(enrolled.len(), 1);
    assert!(enrolled[0].ends_with(" chromebook\n"), "{enrolled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_follows_the_device_and_no_other() {
    let world = World::new().await;
    let at = |address: &str| world.control.post("set", &json!({ "address": address }));
    let launch = launch(wish());
    let ec2 = world.ec2();
    ec2.launch(&launch, &|_| {}).await.expect("a host");
    let rules = || async {
        let groups = world.lab.ec2(REGION).describe_security_groups();
        let groups = groups.group_names("remote").send().await.expect("groups");
        let rules = groups.security_groups()[0].ip_permissions().to_vec();
        let mut cidrs: Vec<String> = rules
            .iter()
            .flat_map(|p| {
                let v4 = p.ip_ranges().iter().filter_map(|r| r.cidr_ip());
                v4.chain(p.ipv6_ranges().iter().filter_map(|r| r.cidr_ipv6()))
            })
            .map(str::to_owned)
            .collect();
        cidrs.sort();
        cidrs
    };
    assert_eq!(rules().await, ["127.0.0.1/32"]);
    at("203.0.113.9");
    ec2.endpoint(&launch.spec.id).await.expect("there");
    assert_eq!(rules().await, ["203.0.113.9/32"]);
    let mut settings = world.settings();
    settings.device.name = "tower".to_owned();
    settings.ssh_from = SshFrom::Only(vec![Cidr::parse("2001:db8::/48").expect("a range")]);
    let tower = world.ec2_with(settings);
    tower.endpoint(&launch.spec.id).await.expect("there");
    assert_eq!(rules().await, ["2001:db8::/48", "203.0.113.9/32"]);
    at("2001:db8:1::7");
    ec2.endpoint(&launch.spec.id).await.expect("there");
    assert_eq!(rules().await, ["2001:db8:1::7/128", "2001:db8::/48"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_without_a_way_out_is_refused_before_the_launch() {
    let world = World::new().await;
    let sdk = world.lab.ec2(REGION);
    let vpc = sdk
        .create_vpc()
        .cidr_block("10.9.0.0/16")
        .send()
        .await
        .expect("a vpc");
    let vpc = vpc
        .vpc()
        .and_then(|v| v.vpc_id())
        .expect("its id")
        .to_owned();
    let subnet = sdk.create_subnet().vpc_id(&vpc).cidr_block("10.9.1.0/24");
    let subnet = subnet.send().await.expect("a subnet");
    let subnet = subnet
        .subnet()
        .and_then(|s| s.subnet_id())
        .expect("its id")
        .to_owned();
    for (vpc_only, subnets) in [(true, vec![]), (false, vec![subnet.clone()])] {
        let mut settings = world.settings();
        settings.vpc = vpc_only.then(|| vpc.clone());
        settings.subnets = subnets;
        let refused = world
            .ec2_with(settings)
            .launch(&launch(wish()), &|_| {})
            .await;
        let refused = Error::from(refused.expect_err("no way out"));
        assert!(refused.message.contains(&subnet) && refused.message.contains("internet gateway"));
    }
    let ran = world.actions().iter().any(|a| a.ends_with(":RunInstances"));
    assert!(!ran, "before the launch");
    let mut settings = world.settings();
    settings.subnets = vec!["subnet-0123456789abcdef0".to_owned()];
    let refused = world
        .ec2_with(settings)
        .launch(&launch(wish()), &|_| {})
        .await;
    let refused = refused.expect_err("no such subnet").to_string();
    assert!(refused.contains("subnet-0123456789abcdef0"), "{refused}");
}
