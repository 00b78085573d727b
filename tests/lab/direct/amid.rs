//! A volume that a machine has and writes to: its snapshot has what was synced, and it grows under it.

use std::fs;

use aws_sdk_ec2::types::{InstanceStateName, Placement};

use super::world::Direct;
use crate::common::{SOON, await_true};
use crate::guest::{Keys, await_state, device, group, launch, only, open_ssh, sshd_answers};
use crate::harness::{Lab, Machines, REGION};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_has_synced_is_read_while_it_runs() {
    let direct = Direct::with(Lab::start(Machines::Box)).await;
    let (ec2, keys) = (direct.world.lab.ec2(REGION), Keys::new());
    let group = group(&ec2, "remote").await;
    open_ssh(&ec2, &group, "127.0.0.1/32").await;
    let blank = direct.path("blank");
    fs::write(&blank, "").expect("written");
    let volume = direct.volume(1, &blank).await;
    let zone = Placement::builder().availability_zone(format!("{REGION}a"));
    let launched = launch(&ec2, &keys.user_data()).security_group_ids(&group);
    let launched = launched.placement(zone.build()).send().await;
    let (id, address) = only(launched.expect("a launch").instances);
    await_state(&ec2, &id, InstanceStateName::Running).await;
    let attach = ec2.attach_volume().volume_id(&volume).instance_id(&id);
    attach.device("/dev/sdf").send().await.expect("attached");
    await_true("sshd", SOON, || sshd_answers(&address));
    let link = device(&volume);
    await_true("the device", SOON, || {
        keys.ssh("user", &address, &format!("test -b {link}")).code == 0
    });
    keys.told(
        &address,
        &format!(
            "sudo mkfs.ext4 -q {link} && sudo mount {link} /mnt && sudo mkdir /mnt/d && \
             echo synced | sudo tee /mnt/d/file && sudo sync"
        ),
    );
    let snapshot = direct.snapshot(&volume).await;
    let to = direct.path("to");
    let done = direct.export(&snapshot, "/", &to).await;
    assert_eq!(done.failed, vec![]);
    assert_eq!(fs::read(to.join("d/file")).expect("there"), b"synced\n");
    // It goes on, and sees at once that its volume is larger.
    let grow = ec2.modify_volume().volume_id(&volume).size(2).send().await;
    grow.expect("larger");
    let size = format!("sudo blockdev --getsize64 {link}");
    await_true("2 GiB", SOON, || keys.told(&address, &size) == "2147483648");
    keys.told(&address, "sudo umount /mnt");
}
