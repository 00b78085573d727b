//! Each layer of a machine's end alone: with the others dead, hung or taken away it still ends at its time. In
//! boxes in a check; in a soak each in a virtual machine, with the seconds that it took past its time.

use std::time::Duration;

use remote_compute::model::{Ends, now_ms};

use crate::common::{SOON, await_true};
use crate::guest::sshd_answers;
use crate::person::{slowness, told_end};
use crate::rented::{LOGIN, Rented, Wish, epoch_seconds};

const HOUR: u64 = 3_600_000;

impl Rented {
    /// The machine ends by itself, its time was up at `deadline` (seconds since 1970), and it was not before that:
    /// how many seconds later.
    pub async fn ends_past(&self, deadline: u64, what: &str) -> f32 {
        self.ends().await;
        let now = now_ms();
        assert!(now >= deadline * 1000, "{what}: not before its time");
        let late = (now - deadline * 1000) as f32 / 1e3;
        told_end(&self.lab, what, late, "its time");
        late
    }
}

/// A deadline so near that nothing else happens before, and far enough to be set in a slow machine.
fn soon() -> u64 {
    epoch_seconds() + u64::from(3 * slowness())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_clock_ends_a_machine_whose_timer_is_gone() {
    let rented = Rented::ready(&Wish {
        sudo: false,
        ..Wish::default()
    })
    .await;
    rented.told("sudo systemctl disable --now remote-check.timer");
    let deadline = epoch_seconds() + u64::from(8 * slowness());
    let ends = Ends {
        deadline: Some(deadline * 1000),
        ..Ends::default()
    };
    let endpoint = rented.dispatch(ends, &["sudo -n true || echo no sudo here; cat"]);
    await_true("the agent's words", SOON * slowness(), || {
        rented.output(&endpoint, 1).contains("no sudo here")
    });
    let late = rented.ends_past(deadline, "no timer").await;
    assert!(late < 30.0 * slowness() as f32, "{late} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_ends_a_machine_whose_host_is_dead() {
    let rented = Rented::ready(&Wish::default()).await;
    let endpoint = rented.dispatch(Ends::default(), &["cat"]);
    rented.status(&endpoint).await;
    // For good: systemd would start it again.
    rented.told(
        "sudo mkdir -p /run/systemd/system/remote-host@.service.d && \
         printf '[Service]\\nRestart=no\\n' | sudo tee /run/systemd/system/remote-host@.service.d/no.conf && \
         sudo systemctl daemon-reload && sudo systemctl kill -s KILL remote-host@session-abc234",
    );
    let deadline = soon();
    rented.root(&format!("deadline {deadline}"));
    let late = rented.ends_past(deadline, "its host dead").await;
    assert!(late < 60.0 * slowness() as f32, "{late} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_is_not_waited_for_for_long() {
    let rented = Rented::ready(&Wish::default()).await;
    let endpoint = rented.dispatch(Ends::default(), &["cat"]);
    rented.status(&endpoint).await;
    rented.told("sudo systemctl kill -s STOP --kill-who=main remote-host@session-abc234");
    let deadline = soon();
    rented.root(&format!("deadline {deadline}"));
    let late = rented.ends_past(deadline, "its host hung").await;
    assert!(late < 120.0 * slowness() as f32, "{late} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_that_hangs_half_way_ends_at_the_deadline_too() {
    let wish = Wish {
        deadline: Duration::from_secs(8),
        // The first thing after ours, before users, keys and sshd.
        change: |text| text.replace("write_files:\n", "  - [sleep, infinity]\nwrite_files:\n"),
        ..Wish::default()
    };
    let rented = Rented::launch(&wish).await;
    rented.ends_past(rented.begun + 8, "cloud-init hung").await;
    assert!(!sshd_answers(&rented.address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_nobody_comes_to_ends() {
    let within = 6;
    let wish = Wish {
        handover_within: Duration::from_secs(within),
        ..Wish::default()
    };
    // Its clock begins with its first check, so its boot is in what is told.
    let rented = Rented::launch(&wish).await;
    rented.ends_past(rented.begun + within, "nobody came").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_keeps_the_deadline_the_volume_and_what_is_known_of_the_session() {
    let rented = Rented::ready(&Wish::default()).await;
    let ends = Ends {
        linger_ms: Some(HOUR),
        ..Ends::default()
    };
    let endpoint = rented.dispatch(ends, &["cat"]);
    rented.status(&endpoint).await;
    let later = epoch_seconds() + 7200;
    rented.root(&format!("deadline {later}"));
    // A box has another process 1 then, a VM another boot of its kernel.
    let boot = || {
        let first = rented.lab.control().machine(&rented.id)["pid"].clone();
        let line = "cat /proc/sys/kernel/random/boot_id";
        let kernel = rented.ssh("user", LOGIN, line, b"");
        (kernel.code == 0).then_some((first, kernel.stdout))
    };
    let before = boot().expect("it answers");
    rented.ssh("user", LOGIN, "sudo systemctl reboot", b"");
    await_true("another boot", SOON * slowness(), || {
        boot().is_some_and(|now| now != before)
    });
    await_true("sshd again", SOON * slowness(), || {
        rented.ssh("user", LOGIN, "true", b"").code == 0
    });
    assert_eq!(rented.told("cat /etc/remote/deadline"), later.to_string());
    assert_eq!(
        rented.told("systemctl is-active remote-check.timer"),
        "active"
    );
    await_true("the host again", SOON * slowness(), || {
        rented
            .ssh("user", LOGIN, &format!("test -S {}", endpoint.socket), b"")
            .code
            == 0
    });
    let status = rented.status(&endpoint).await;
    assert!(status.agents[0].state.is_over(), "{status:?}");
    assert_eq!(status.ended, None);
    // What counts is the file alone: the host that came up knows of no deadline.
    let deadline = soon();
    rented.root(&format!("deadline {deadline}"));
    let late = rented.ends_past(deadline, "rebooted").await;
    assert!(late < 60.0 * slowness() as f32, "{late} s");
}
