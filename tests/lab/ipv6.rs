//! IPv6 the whole way, as far as this machine goes: the address that is asked for, the rule, the machine's own
//! address, and a connection to one that has no other way.

use std::net::SocketAddr;

use remote_compute::provision::Compute;
use remote_compute::provision::ec2::Cidr;
use serde_json::json;

use crate::common::SOON;
use crate::common::env::user;
use crate::common::process::run;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::doctor::Case;
use crate::ec2_world::{World, launch, wish};
use crate::harness::REGION;

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_has_the_ipv6_address_that_its_subnet_gives() {
    let world = World::new().await;
    let aws = world.lab.ec2(REGION);
    // Every default subnet gets a range of its own.
    let vpcs = aws.describe_vpcs().send().await.expect("vpcs");
    let vpc = vpcs.vpcs()[0].vpc_id().expect("its id").to_owned();
    let associate = aws.associate_vpc_cidr_block().vpc_id(&vpc);
    associate
        .amazon_provided_ipv6_cidr_block(true)
        .send()
        .await
        .expect("a range");
    let vpcs = aws.describe_vpcs().send().await.expect("vpcs");
    let whole = vpcs.vpcs()[0].ipv6_cidr_block_association_set()[0].ipv6_cidr_block();
    let prefix = whole
        .and_then(|w| w.strip_suffix("00::/56"))
        .expect("a /56")
        .to_owned();
    let subnets = aws.describe_subnets().send().await.expect("subnets");
    for (n, subnet) in subnets.subnets().iter().enumerate() {
        let call = aws
            .associate_subnet_cidr_block()
            .subnet_id(subnet.subnet_id().expect("it"));
        call.ipv6_cidr_block(format!("{prefix}{n:02x}::/64"))
            .send()
            .await
            .expect("a range");
    }
    world
        .control
        .post("set", &json!({"address": "2001:db8::7"}));
    let (ec2, launch) = (world.ec2(), launch(wish()));
    ec2.launch(&launch, &|_| {}).await.expect("a host");
    let machine = ec2.describe(&launch.spec.id).await.expect("a machine");
    let login = machine.rented.and_then(|r| r.login).expect("its login");
    assert!(login.address.starts_with("127.0."), "{login:?}");
    let six = login.address6.expect("an address of both kinds");
    let in_vpc = Cidr::parse(whole.expect("it")).expect("a range");
    assert!(in_vpc.covers(six.parse().expect("an address")), "{six}");
    // The rule is for where this device is.
    let rules = ec2
        .rules(Some(&launch.spec.id))
        .await
        .expect("rules")
        .expect("a group");
    let ranges: Vec<&str> = rules.iter().map(|r| r.cidr.as_str()).collect();
    assert_eq!(ranges, ["2001:db8::7/128"]);
    let asked = world.control.calls();
    let allow = asked
        .iter()
        .find(|c| c.action == "AuthorizeSecurityGroupIngress")
        .expect("it");
    assert_eq!(
        allow.parameters["IpPermissions.1.Ipv6Ranges.1.CidrIpv6"],
        "2001:db8::7/128"
    );
    let run = asked
        .iter()
        .find(|c| c.action == "RunInstances")
        .expect("it");
    assert_eq!(run.parameters["NetworkInterface.1.Ipv6AddressCount"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_reached_over_ipv6_where_that_is_the_way() {
    let case = Case::new().await;
    let sshd = Sshd::start(&SshdOptions::default().line("ListenAddress ::1"));
    let at: SocketAddr = format!("[::1]:{}", sshd.port).parse().expect("it");
    let key = sshd.client_key().display().to_string();
    case.place(
        at,
        &[
            ("host_key", sshd.host_key()),
            ("identity", key),
            ("user", user()),
        ],
    );
    let told = case.finding("port 22").1;
    assert!(
        told.contains(&format!("[::1]:{} lets this device in", sshd.port)),
        "{told}"
    );
    let ran = case
        .env
        .ok(&["ssh", &case.session, "--", "echo", "over six"]);
    assert!(ran.stdout.contains("over six"), "{}", ran.all());
    // Stock ssh by the block that is printed, its host key by ours.
    let block = case.env.ok(&["ssh-config", &case.session]).stdout;
    assert!(block.contains("HostName ::1\n"), "{block}");
    let file = case.env.home().join("block");
    std::fs::write(&file, &block).expect("the block");
    let mut ssh = case.env.command("/usr/bin/ssh");
    ssh.arg("-F")
        .arg(&file)
        .args(["-o", "BatchMode=yes", &case.session, "echo by stock ssh"]);
    let ran = run(&mut ssh, b"", SOON);
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (0, "by stock ssh"),
        "{}",
        ran.all()
    );
    // It has an IPv4 address too, and this network has no way there.
    let nowhere: SocketAddr = format!("255.255.255.255:{}", sshd.port)
        .parse()
        .expect("it");
    case.place(nowhere, &[("address6", "::1".to_owned())]);
    let ran = case
        .env
        .ok(&["ssh", &case.session, "--", "echo", "by the other"]);
    assert!(ran.stdout.contains("by the other"), "{}", ran.all());
    assert_eq!(case.finding("port 22").0, "good");
}
