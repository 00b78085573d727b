//! An instance as a virtual machine: everything real, and therefore one test.

use std::time::Instant;

use aws_sdk_ec2::types::{
    HttpTokensState, InstanceMarketOptionsRequest, InstanceMetadataOptionsRequest,
    InstanceStateName, MarketType, Placement,
};
use serde_json::Value;

use crate::common::await_true;
use crate::guest::{
    BOOT, Keys, await_state, device, group, launch, metadata, only, open_ssh, refused, sshd_answers,
};
use crate::harness::{Lab, Machines, REGION};

#[tokio::test(flavor = "multi_thread")]
async fn it_boots_hears_of_its_interruption_and_shuts_down_from_within() {
    let lab = Lab::start(Machines::Vm);
    let (ec2, keys, control) = (lab.ec2(REGION), Keys::new(), lab.control());
    let group = group(&ec2, "remote").await;
    let spot = InstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .build();
    let tokens = InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .build();
    let begun = Instant::now();
    let launched = launch(&ec2, &keys.user_data())
        .security_group_ids(&group)
        .placement(Placement::builder().availability_zone("us-east-1a").build())
        .instance_market_options(spot)
        .metadata_options(tokens)
        .send()
        .await;
    let (id, address) = only(launched.expect("a launch").instances);
    assert!(refused(&address), "no rule opens port 22");
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    await_true("sshd", BOOT, || sshd_answers(&address));
    eprintln!(
        "sshd answers {:.1} s after RunInstances",
        begun.elapsed().as_secs_f32()
    );
    await_true("the user", BOOT, || {
        keys.ssh("user", &address, "true").code == 0
    });

    let volume = ec2
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .send()
        .await;
    let volume = volume.expect("a volume").volume_id.expect("its id");
    let attach = ec2
        .attach_volume()
        .volume_id(&volume)
        .instance_id(&id)
        .device("/dev/sdf");
    attach.send().await.expect("the volume");
    let found = format!("test -b {}", device(&volume));
    await_true("the device", BOOT, || {
        keys.ssh("user", &address, &found).code == 0
    });
    let serial = keys.told(&address, "lsblk -dno SERIAL /dev/nvme0n1");
    assert_eq!(serial, volume.replace('-', ""));

    let notice = metadata("spot/instance-action");
    assert_ne!(keys.ssh("user", &address, &notice).code, 0, "no notice yet");
    control.interrupt(&id, 600);
    let told: Value = serde_json::from_str(&keys.told(&address, &notice)).expect("JSON");
    assert_eq!(told["action"], "terminate");
    let bare = "curl -so /dev/null -w '%{http_code}' http://169.254.169.254/latest/meta-data/";
    assert_eq!(keys.told(&address, bare), "401", "no token, no answer");

    keys.ssh("user", &address, "sudo systemctl poweroff");
    let end = await_state(&ec2, &id, InstanceStateName::Terminated).await;
    assert_eq!(
        end.state_reason.and_then(|r| r.code).as_deref(),
        Some("Client.InstanceInitiatedShutdown")
    );
    eprintln!(
        "terminated {:.1} s after RunInstances",
        begun.elapsed().as_secs_f32()
    );
}
