//! What only a virtual machine can show, a minute or more each: `make soak` has the time for it, and the feature `soak`.

use std::time::Instant;

use aws_sdk_ec2::types::InstanceStateName;
use base64::Engine;

use crate::common::terminal::find;
use crate::harness::{Lab, Machines};
use crate::network::{Run, STREAM, is_cut_and_mended, kinds_left};
use crate::person::{
    actions, all_is_listed_and_goes, await_instance, dispatch, instance_of, json_of, told_end,
};
use crate::rented::{Rented, Wish, epoch_seconds};

impl Rented {
    /// What it has printed on its console.
    async fn console(&self) -> String {
        let asked = self.ec2.get_console_output().instance_id(&self.id);
        let output = asked.send().await.expect("the console").output;
        let base64 = base64::engine::general_purpose::STANDARD;
        let bytes = base64.decode(output.unwrap_or_default());
        String::from_utf8_lossy(&bytes.expect("base64")).into_owned()
    }

    /// Root does this there in a second, when nobody looks any more.
    fn behind_us(&self, line: &str) {
        self.told(&format!(
            "sudo sh -c 'nohup sh -c \"sleep 1; {line}\" </dev/null >/dev/null 2>&1 &'"
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_that_panics_past_its_time_starts_again_and_ends() {
    let rented = Rented::up(&Wish {
        machines: Machines::Vm,
        ..Wish::default()
    })
    .await;
    let deadline = epoch_seconds() + 30;
    rented.root(&format!("deadline {deadline}"));
    rented.behind_us("echo c >/proc/sysrq-trigger");
    rented.ends_past(deadline, "its kernel panicked").await;
    let console = rented.console().await;
    assert!(console.contains("Kernel panic"), "{console}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_systemd_hangs_is_reset_by_its_watchdog_and_ends() {
    // No timer runs then, and nothing can be asked to power off.
    let freeze = "echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze";
    let console = without_systemd(freeze, "its systemd hung").await;
    let reset = "softdog: Initiating system reboot";
    assert!(console.contains(reset), "{console}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_systemd_crashes_starts_again_and_ends() {
    without_systemd("kill -SEGV 1", "its systemd crashed").await;
}

/// A machine whose time is up half a minute later loses its systemd to `line`: what its console has said at its end.
async fn without_systemd(line: &str, what: &str) -> String {
    let rented = Rented::up(&Wish {
        machines: Machines::Vm,
        ..Wish::default()
    })
    .await;
    // The last of it is that systemd takes the watchdog.
    rented.told("cloud-init status --wait >/dev/null");
    let watchdog = rented.told("cat /sys/class/watchdog/watchdog0/state");
    assert_eq!(watchdog, "active");
    let deadline = epoch_seconds() + 30;
    rented.root(&format!("deadline {deadline}"));
    rented.behind_us(line);
    rented.ends_past(deadline, what).await;
    rented.console().await
}

#[test]
fn cuts_another_device_and_idleness_on_a_real_kernel() {
    let lab = Lab::start(Machines::Vm);
    let mut here = lab.device();
    // An interrupt ends the stream, and the agent waits for ever.
    let script = format!("trap : INT; {STREAM}; echo quiet now; exec sleep 10000");
    let session = dispatch(&here, &["--idle", "60s", "--command", &script]);
    let instance = instance_of(&here, &session);
    is_cut_and_mended(&lab, &mut here, &session);

    // Nothing but the account is known there.
    let there = lab.device();
    let connects = |lab: &Lab| actions(lab).iter().any(|a| a == "SendSSHPublicKey");
    assert!(!connects(&lab), "the first device has its key there");
    // `attach` before `status`, which does not wait until a slow machine has taken the key.
    let mut run = Run::attach(&there, &session);
    run.until("the stream", |r| r.judge.lines > 40);
    assert!(connects(&lab), "by EC2 Instance Connect");
    let listed = there.ok(&["status"]);
    assert!(listed.stdout.contains(&session), "{}", listed.all());
    let devices = json_of(&there.ok(&["device", "list", &session, "--json"]));
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    run.terminal.send("\x03");
    run.until("silence", |r| find(&r.tail, b"quiet now").is_some());
    let left = Instant::now();
    run.terminal.send("\r~.");
    assert_eq!(run.terminal.wait_exit(), 0);
    let why = await_instance(&lab, &instance, &InstanceStateName::Terminated);
    assert_eq!(why.as_deref(), Some("Client.InstanceInitiatedShutdown"));
    let late = left.elapsed().as_secs_f32() - 60.0;
    assert!(late >= 0.0, "not before its time: {late}");
    told_end(&lab, "idle", late, "a minute in which nothing happened");
    for device in [&here, &there] {
        assert!(!device.ok(&["status"]).stdout.contains(&session));
    }
    assert_eq!(kinds_left(&there), ["volume", "security group"]);
    all_is_listed_and_goes(&lab, &there, "an idle session in a VM");
}
