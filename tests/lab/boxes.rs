//! Instances as boxes: real cloud-init, systemd and sshd at native speed.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::{InstanceStateName, VolumeType};
use serde_json::json;

use crate::common::{SOON, await_true};
use crate::guest::{
    Keys, await_state, device, group, launch, metadata, mounted_below, only, open_ssh, refused,
    ssh_from, sshd_answers,
};
use crate::harness::{Lab, Machines, REGION};

#[tokio::test(flavor = "multi_thread")]
async fn it_boots_with_the_host_key_it_was_given_behind_a_door_that_the_group_opens() {
    let lab = Lab::start(Machines::Box);
    let (ec2, keys) = (lab.ec2(REGION), Keys::new());
    let group = group(&ec2, "remote").await;
    let begun = Instant::now();
    let launched = launch(&ec2, &keys.user_data())
        .security_group_ids(&group)
        .send()
        .await;
    let (id, address) = only(launched.expect("a launch").instances);
    assert!(refused(&address), "no rule opens port 22");
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    await_true("sshd", SOON, || sshd_answers(&address));
    eprintln!(
        "sshd answers {:.2} s after RunInstances",
        begun.elapsed().as_secs_f32()
    );
    assert_eq!(
        keys.told(
            &address,
            "id -un; cloud-init status --wait >/dev/null; cloud-init status"
        ),
        "dev\nstatus: done"
    );
    assert_eq!(keys.told(&address, &metadata("instance-id")), id);
    ec2.revoke_security_group_ingress()
        .group_id(&group)
        .ip_permissions(ssh_from("127.0.0.1/32"))
        .send()
        .await
        .expect("the rule's end");
    assert!(refused(&address), "the rule is gone");
    // A rule for another address: the door is there, and is shut in our face.
    open_ssh(&ec2, &group, "127.0.0.77/32").await;
    assert!(!sshd_answers(&address));

    ec2.terminate_instances()
        .instance_ids(&id)
        .send()
        .await
        .expect("an end");
    let end = await_state(&ec2, &id, InstanceStateName::Terminated).await;
    assert_eq!(
        end.state_reason.and_then(|r| r.code).as_deref(),
        Some("Client.UserInitiatedShutdown")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_through_instance_connect_opens_the_door_for_its_time() {
    let lab = Lab::start(Machines::Box);
    let (ec2, keys, control) = (lab.ec2(REGION), Keys::new(), lab.control());
    let group = group(&ec2, "remote").await;
    open_ssh(&ec2, &group, "127.0.0.0/8").await;
    let launched = launch(&ec2, &keys.user_data())
        .security_group_ids(&group)
        .send()
        .await;
    let (id, address) = only(launched.expect("a launch").instances);
    await_true("sshd", SOON, || sshd_answers(&address));
    await_true("the user", SOON, || {
        keys.ssh("user", &address, "true").code == 0
    });
    assert_ne!(keys.ssh("guest", &address, "true").code, 0, "not sent yet");

    let sent =
        json!({"InstanceId": id, "InstanceOSUser": "dev", "SSHPublicKey": keys.text("guest.pub")});
    let target = "AWSEC2InstanceConnectService.SendSSHPublicKey";
    let (status, told) = control.json_call("ec2-instance-connect", target, &sent);
    assert_eq!(status, 200, "{told}");
    let ran = keys.ssh("guest", &address, "true");
    assert_eq!(ran.code, 0, "{}", ran.all());
    // Its minute is over.
    control.post("set", &json!({ "key_seconds": 0 }));
    assert_ne!(keys.ssh("guest", &address, "true").code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_disks_survive_it_and_poweroff_within_ends_the_instance() {
    let lab = Lab::start(Machines::Box);
    let (ec2, keys) = (lab.ec2(REGION), Keys::new());
    let group = group(&ec2, "remote").await;
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    let volume = ec2
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .volume_type(VolumeType::Gp3)
        .send()
        .await
        .expect("a volume");
    let volume = volume.volume_id.expect("its id");
    let link = device(&volume);

    for (number, work) in ["mkfs.ext4 -q", "blkid -o value -s TYPE"]
        .into_iter()
        .enumerate()
    {
        let zone = aws_sdk_ec2::types::Placement::builder()
            .availability_zone("us-east-1a")
            .build();
        let launched = launch(&ec2, &keys.user_data())
            .security_group_ids(&group)
            .placement(zone)
            .send()
            .await;
        let (id, address) = only(launched.expect("a launch").instances);
        await_state(&ec2, &id, InstanceStateName::Running).await;
        ec2.attach_volume()
            .volume_id(&volume)
            .instance_id(&id)
            .device("/dev/sdf")
            .send()
            .await
            .expect("the volume");
        await_true("sshd", SOON, || sshd_answers(&address));
        await_true("the device", SOON, || {
            keys.ssh("user", &address, &format!("test -b {link}")).code == 0
        });
        let line = format!(
            "sudo {work} {link} && sudo mount {link} /mnt && echo boot {number} | sudo tee -a /mnt/log"
        );
        keys.told(&address, &line);
        assert_eq!(
            keys.told(&address, "wc -l </mnt/log"),
            (number + 1).to_string()
        );
        // Mounted and not synced: a proper shutdown is the machine's own business.
        let begun = Instant::now();
        keys.ssh("user", &address, "sudo systemctl poweroff");
        let end = await_state(&ec2, &id, InstanceStateName::Terminated).await;
        eprintln!(
            "terminated {:.2} s after poweroff",
            begun.elapsed().as_secs_f32()
        );
        assert_eq!(
            end.state_reason.and_then(|r| r.code).as_deref(),
            Some("Client.InstanceInitiatedShutdown")
        );
    }
    let state = lab.state.clone();
    drop(lab);
    assert!(
        !state.exists() && !mounted_below(&state),
        "nothing is left of the lab"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_frozen_cut_off_and_killed() {
    let lab = Lab::start(Machines::Box);
    let (ec2, keys, control) = (lab.ec2(REGION), Keys::new(), lab.control());
    let group = group(&ec2, "remote").await;
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    let launched = launch(&ec2, &keys.user_data())
        .security_group_ids(&group)
        .send()
        .await;
    let (id, address) = only(launched.expect("a launch").instances);
    await_true("sshd", SOON, || sshd_answers(&address));
    for (off, on) in [("freeze", "thaw"), ("unplug", "plug")] {
        control.kill(&id, off);
        assert!(!sshd_answers(&address), "{off}");
        assert!(!refused(&address), "{off}: no answer is not a refusal");
        control.kill(&id, on);
        await_true(on, SOON, || sshd_answers(&address));
    }
    // A reboot from within is no end.
    let first = control.machine(&id)["pid"].clone();
    await_true("the user", SOON, || {
        keys.ssh("user", &address, "true").code == 0
    });
    keys.ssh("user", &address, "sudo systemctl reboot");
    await_true("another process 1", SOON, || {
        control.machine(&id)["pid"] != first
    });
    await_true("sshd again", SOON, || sshd_answers(&address));
    assert_eq!(
        keys.told(&address, "hostname").split('-').next(),
        Some("ip")
    );

    control.kill(&id, "power");
    await_state(&ec2, &id, InstanceStateName::Terminated).await;
    assert!(refused(&address));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_outlives_a_lab_that_is_killed() {
    let lab = Lab::start(Machines::Box);
    let (ec2, keys) = (lab.ec2(REGION), Keys::new());
    let launched = launch(&ec2, &keys.user_data()).send().await;
    let (id, _) = only(launched.expect("a launch").instances);
    let volume = ec2
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .send()
        .await;
    let volume = volume.expect("a volume").volume_id.expect("its id");
    await_state(&ec2, &id, InstanceStateName::Running).await;
    let attach = ec2
        .attach_volume()
        .volume_id(&volume)
        .instance_id(&id)
        .device("/dev/sdf");
    attach.send().await.expect("the volume");
    let disk = lab.state.join("disks").join(format!("{volume}.raw"));
    let disk = disk.to_string_lossy().into_owned();
    await_true("the loop device", SOON, || loops().contains(&disk));
    let first = lab.control().machine(&id)["pid"]
        .as_u64()
        .expect("process 1");
    lab.die();
    await_true("process 1 to end", Duration::from_secs(10), || {
        !crate::common::process::alive(u32::try_from(first).expect("a process"))
    });
    await_true("the loop device to go", Duration::from_secs(10), || {
        !loops().contains(&disk)
    });
}

/// The files behind this machine's loop devices.
fn loops() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|e| std::fs::read_to_string(e.path().join("loop/backing_file")).ok())
        .map(|file| file.trim().trim_end_matches(" (deleted)").to_owned())
        .collect()
}
