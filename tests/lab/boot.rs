//! What user-data makes of a machine: its own side of the promises, under real cloud-init, systemd and sshd.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use remote_compute::model::{AgentState, Ends, now_ms};
use remote_compute::proto::{Op, Outcome};
use serde_json::json;

use crate::common::{SOON, await_true};
use crate::guest::device;
use crate::harness::Machines;
use crate::person::slowness;
use crate::rented::{LOGIN, Rented, Wish, epoch_seconds};

const HOUR: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_one_time_host_key_is_replaced_once_and_no_connection_is_dropped() {
    let mut rented = Rented::up(&Wish::default()).await;
    let once = rented.host_key.clone();
    // Nothing restarts sshd behind the first client's back.
    rented.told("cloud-init status --wait >/dev/null");
    let starts = "sudo journalctl -b -u ssh --no-pager | grep -c 'Server listening on 0.0.0.0'";
    assert_eq!(rented.told(starts), "1");
    let mut open = rented.command("user", LOGIN);
    let mut open = open
        .arg("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ssh");
    let mut typed = open.stdin.take().expect("a pipe");
    let mut said = BufReader::new(open.stdout.take().expect("a pipe"));
    let mut echo = |line: &str| {
        writeln!(typed, "{line}").expect("typed");
        let mut back = String::new();
        said.read_line(&mut back).expect("said");
        back.trim().to_owned()
    };
    assert_eq!(echo("before"), "before");

    let new = rented.root("rotate");
    assert!(
        new.starts_with("ssh-ed25519 ") && !once.starts_with(&new),
        "{new}"
    );
    assert_eq!(echo("after"), "after");
    drop(typed);
    open.wait().expect("its end");

    // At once: whoever pins what was printed is let in, and the key that all processes there know is refused.
    let refused = rented.ssh("user", LOGIN, "true", b"");
    assert_ne!(refused.code, 0, "the one-time key is still believed");
    rented.host_key = new.clone();
    assert_eq!(rented.root("rotate"), new, "once");
    assert_eq!(
        rented.told("ls /etc/ssh/ssh_host_*_key"),
        "/etc/ssh/ssh_host_ed25519_key"
    );
    let effective = rented.told("sudo /usr/sbin/sshd -T -C user=admin,host=x,addr=127.0.0.1");
    for wanted in [
        "passwordauthentication no",
        "allowstreamlocalforwarding yes",
        "authorizedkeyscommand /usr/local/sbin/remote-eic %u %k",
        "authorizedkeyscommanduser admin",
    ] {
        assert!(
            effective.contains(wanted),
            "{wanted} is not in\n{effective}"
        );
    }
    let others = rented.told("sudo /usr/sbin/sshd -T -C user=agent,host=x,addr=127.0.0.1");
    assert!(others.contains("authorizedkeyscommand none"), "{others}");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_come_by_instance_connect_are_enrolled_and_revoked() {
    let rented = Rented::up(&Wish::default()).await;
    assert_ne!(
        rented.ssh("guest", LOGIN, "true", b"").code,
        0,
        "not known yet"
    );
    let control = rented.lab.control();
    for user in [LOGIN, "agent"] {
        let key = rented.keys.text("guest.pub");
        let sent = json!({"InstanceId": rented.id, "InstanceOSUser": user, "SSHPublicKey": key});
        let target = "AWSEC2InstanceConnectService.SendSSHPublicKey";
        let (status, told) = control.json_call("ec2-instance-connect", target, &sent);
        assert_eq!(status, 200, "{told}");
    }
    let ran = rented.ssh("guest", LOGIN, "id -un", b"");
    assert_eq!(ran.stdout.trim(), LOGIN, "{}", ran.all());
    assert_ne!(
        rented.ssh("guest", "agent", "true", b"").code,
        0,
        "agents have no door"
    );

    // An image without curl has cloud-init's Python.
    rented.told("sudo mv /usr/bin/curl /usr/bin/curl.away");
    let ran = rented.ssh("guest", LOGIN, "id -un", b"");
    assert_eq!(ran.stdout.trim(), LOGIN, "{}", ran.all());

    let enrol = "sudo -n remote-root enrol";
    let key = rented.keys.text("guest.pub");
    let ran = rented.ssh("guest", LOGIN, enrol, key.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.all());
    control.post("set", &json!({ "key_seconds": 0 }));
    assert_eq!(rented.ssh("guest", LOGIN, "true", b"").code, 0, "enrolled");
    assert_eq!(rented.root("devices"), "user\nguest");
    rented.root("revoke guest");
    assert_ne!(rented.ssh("guest", LOGIN, "true", b"").code, 0, "revoked");
    assert_eq!(rented.root("devices"), "user");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_run_as_their_own_user_and_the_machine_ends_with_its_session() {
    let rented = Rented::ready(&Wish::default()).await;
    rented.root(&format!("mount {}", rented.volume));
    let ends = Ends {
        deadline: Some(now_ms() + HOUR),
        ..Ends::default()
    };
    let script = "echo I am $(id -un) $USER $HOME in $(pwd), sudo $(sudo -n id -u), $(cut -d: -f3 /proc/self/cgroup); \
                  env -i setsid sleep 7373 & cat";
    let endpoint = rented.dispatch(ends, &[script, "exec no-such-program-here"]);
    assert_eq!(endpoint.socket, "/run/remote/session-abc234/host.sock");
    assert!(
        endpoint.dir.starts_with("/work/.remote/sessions/"),
        "{endpoint:?}"
    );
    // Nobody has to come back for it: a dispatch that is left at once goes on.
    assert_eq!(rented.told("test -e /etc/remote/handed-over; echo $?"), "0");
    let said = "I am agent agent /home/agent in /work, sudo 0, ";
    await_true("the agent's words", SOON * slowness(), || {
        rented.output(&endpoint, 1).contains(said)
    });
    let output = rented.output(&endpoint, 1);
    assert!(
        output.contains("remote-session-abc234/1"),
        "in its cgroup: {output}"
    );

    let status = rented.status(&endpoint).await;
    assert!(!status.agents[0].state.is_over(), "{status:?}");
    assert_eq!(status.agents[1].state, AgentState::Exited { code: 127 });
    assert_eq!(status.warnings, Vec::<String>::new());
    // Each socket is one user's.
    let dir = "/run/remote/session-abc234";
    let may = |user: &str, name: &str| {
        rented.told(&format!(
            "sudo -u {user} python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{dir}/{name}\")' \
             2>/dev/null && echo yes || echo no"
        ))
    };
    assert_eq!(may(LOGIN, "host.sock"), "yes");
    assert_eq!(may("agent", "host.sock"), "no");
    assert_eq!(may("agent", "agent.sock"), "yes");
    assert_eq!(may("nobody", "agent.sock"), "no");

    // Longer for the session is longer for the machine.
    let later = now_ms() + 2 * HOUR;
    let outcome = rented.ask(&endpoint, Op::Extend { deadline: later }).await;
    assert_eq!(outcome, Outcome::Done);
    let file: u64 = rented
        .told("cat /etc/remote/deadline")
        .parse()
        .expect("a time");
    assert_eq!(file, later.div_ceil(1000));

    // A host that is killed comes back and says what it lost.
    rented.told("sudo systemctl kill -s KILL --kill-who=main remote-host@session-abc234");
    await_true("a host again", SOON * slowness(), || {
        rented
            .ssh(
                "user",
                LOGIN,
                &format!("test -e {}/endpoint.json", endpoint.dir),
                b"",
            )
            .code
            != 2
            && rented.told("systemctl show -P NRestarts remote-host@session-abc234") == "1"
            && rented
                .told(&format!("sudo cat {}/last.json", endpoint.dir))
                .contains("\"lost\"")
    });
    assert_eq!(
        rented.told("pgrep -c -f '[s]leep 7373' || true"),
        "0",
        "nothing of it is left"
    );

    let begun = Instant::now();
    let why = "a test".to_owned();
    assert_eq!(
        rented.ask(&endpoint, Op::Terminate { why }).await,
        Outcome::Done
    );
    rented.ends().await;
    eprintln!(
        "terminated {:.1} s after it was asked to",
        begun.elapsed().as_secs_f32()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_systemd_that_starts_anew_meanwhile_stops_no_dispatch() {
    let rented = Rented::ready(&Wish::default()).await;
    // What daemon-reexec at the wrong moment looks like, once.
    let cut_off = r#"#!/bin/sh
case $1 in
    start) mv "$0" "$0.once"; echo "Failed to wait for response: Connection reset by peer" >&2; exit 1 ;;
esac
exec /usr/bin/systemctl "$@"
"#;
    let place = "/usr/local/sbin/systemctl";
    let line = format!("sudo sh -c 'cat >{place} && chmod 755 {place}'");
    let ran = rented.ssh("user", LOGIN, &line, cut_off.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.all());
    let endpoint = rented.dispatch(Ends::default(), &["cat"]);
    rented.told(&format!("test -e {place}.once"));
    let status = rented.status(&endpoint).await;
    assert!(!status.agents[0].state.is_over(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spot_notice_is_wrapped_up_and_the_volume_tells_of_it() {
    let rented = Rented::ready(&Wish::default()).await;
    let endpoint = rented.dispatch(Ends::default(), &["trap '' HUP TERM; cat"]);
    rented.status(&endpoint).await;
    let begun = Instant::now();
    rented.lab.control().interrupt(&rented.id, 120);
    // Before the machine goes: the file is on the volume, which outlives it.
    let last = format!("sudo cat {}/last.json", endpoint.dir);
    await_true("its end", Duration::from_secs(60) * slowness(), || {
        let ran = rented.ssh("user", LOGIN, &last, b"");
        ran.stdout.contains("\"interrupted\"") && ran.stdout.contains("EC2 takes the machine back")
    });
    rented.ends().await;
    let took = begun.elapsed();
    eprintln!("terminated {:.1} s after the notice", took.as_secs_f32());
    assert!(took < Duration::from_secs(60) * slowness(), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_kernel_takes_the_volume_and_ends_at_the_deadline() {
    let wish = Wish {
        machines: Machines::Vm,
        ..Wish::default()
    };
    let mut rented = Rented::up(&wish).await;
    rented.host_key = rented.root("rotate");
    rented.root(&format!("mount {} --new", rented.volume));
    let mounted = rented.told("findmnt -no FSTYPE,LABEL,OPTIONS /work");
    assert!(
        mounted.starts_with("ext4") && mounted.contains("remote-work"),
        "{mounted}"
    );
    // One that is smaller than its device, as from a snapshot: grown while it is mounted, which a box may not do.
    let small = format!(
        "sudo mke2fs -q -F -t ext4 -L remote-work {} 200M </dev/null",
        device(&rented.volume)
    );
    rented.root("unmount");
    rented.told(&small);
    rented.root(&format!("mount {}", rented.volume));
    let size = rented.told("df -BM --output=size /work | tail -1");
    let size = size.trim().trim_end_matches('M').parse::<u32>();
    assert!(size.expect("MiB") > 900);
    assert_eq!(rented.root("grow"), (1_u64 << 30).to_string());
    assert_eq!(
        rented.told("findmnt -no SOURCE /home/agent | grep -c home"),
        "1"
    );
    for (name, value) in [("kernel.panic", "10"), ("kernel.softlockup_panic", "1")] {
        assert_eq!(rented.told(&format!("/sbin/sysctl -n {name}")), value);
    }
    rented.told("cloud-init status --wait >/dev/null");
    let watchdog = rented.told("systemctl show -P RuntimeWatchdogUSec; ls /dev/watchdog0");
    assert_eq!(watchdog, "1min\n/dev/watchdog0");
    let deadline = epoch_seconds() + 5;
    rented.root(&format!("deadline {deadline}"));
    rented.ends().await;
    eprintln!(
        "terminated {} s after its deadline",
        epoch_seconds().saturating_sub(deadline)
    );
}
