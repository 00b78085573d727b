//! Provider `ssh`: a machine of one's own behind OpenSSH's server, its home apart from the client's.

use std::time::Duration;

use rustix::process::Signal;

use crate::agents::{answers, says, sh};
use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::process::{alive, kill, run};
use crate::common::proxy::{Proxy, Way};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::USUAL;

/// A laptop, a machine of one's own and its sshd. Dropped in this order.
pub struct Pair {
    pub client: TestEnv,
    pub server: TestEnv,
    pub sshd: Sshd,
}

pub fn pair(options: impl FnOnce(SshdOptions) -> SshdOptions) -> Pair {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&options(SshdOptions::home(server.home())));
    client.use_sshd(&sshd, sshd.port);
    Pair {
        client,
        server,
        sshd,
    }
}

impl Pair {
    fn dispatch(&self, command: &str) -> String {
        self.client
            .dispatch(&["--provider", "ssh", "--host", "box", "--command", command])
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // While the way to them still works.
        let _ = self.client.run(&["terminate", "--all", "--yes"]);
    }
}

#[test]
fn a_session_over_ssh_uploads_once_survives_the_client_and_comes_back() {
    let pair = pair(|o| o);
    let session = pair.dispatch(&answers());
    assert!(
        pair.server
            .session_dir(&session)
            .join("endpoint.json")
            .exists()
    );
    assert!(!pair.client.session_dir(&session).exists());

    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    t.signal(Signal::KILL);
    drop(t);
    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("got one");
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);

    // The second session finds the binary there.
    let binary_times = || -> Vec<std::time::SystemTime> {
        let dir = pair.server.home().join(".local/share/remote/bin");
        let entries = std::fs::read_dir(dir).expect("the uploaded binary's directory");
        let times = entries
            .flatten()
            .filter_map(|e| e.metadata().ok()?.modified().ok());
        times.collect()
    };
    let before = binary_times();
    assert_eq!(before.len(), 1, "one binary");
    pair.dispatch(&says("second"));
    assert_eq!(binary_times(), before);

    let logs = pair
        .client
        .ok(&["logs", "--plain", &format!("{session}/1")]);
    assert!(logs.stdout.contains("got one"), "{}", logs.all());
    let ended = pair.client.ok(&["terminate", "--yes", &session]);
    assert_eq!(ended.code, 0);
}

#[test]
fn dispatch_over_ssh_prints_the_output_and_passes_the_exit_status() {
    let pair = pair(|o| o);
    let command = sh("echo hello from the box; exit 5");
    let args = [
        "dispatch",
        "--provider",
        "ssh",
        "--host",
        "box",
        "--command",
        &command,
    ];
    let ran = pair.client.run(&args);
    assert_eq!(ran.code, 5, "{}", ran.all());
    assert!(ran.stdout.contains("hello from the box"), "{}", ran.all());
}

#[test]
fn killing_sshds_child_only_reconnects() {
    let pair = pair(|o| o);
    let session = pair.dispatch(&answers());
    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    assert!(pair.sshd.kill_connections() > 0);
    // Typed into the gap: it arrives once the link is back, and once only.
    t.send("two\r");
    t.wait_text("got two");
    let shown = t.text().join("\n");
    assert_eq!(shown.matches("got two").count(), 1, "{shown}");
    let agent = format!("{session}/1");
    let raw = String::from_utf8_lossy(&pair.client.raw_logs(&agent)).into_owned();
    assert_eq!(raw.matches("got two").count(), 1, "{raw}");
}

#[test]
fn a_server_that_forbids_socket_forwarding_still_serves() {
    let pair = pair(|o| {
        o.line("AllowStreamLocalForwarding no")
            .line("MaxSessions 3")
    });
    let session = pair.dispatch(&answers());
    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
}

#[test]
fn more_agents_than_max_sessions_are_all_reached() {
    let pair = pair(|o| o.line("MaxSessions 2"));
    let args = [
        "--provider",
        "ssh",
        "--host",
        "box",
        "--agents",
        "5",
        "--command",
    ];
    let command = sh("echo from agent; exit 0");
    let mut all = vec!["dispatch"];
    all.extend(args);
    all.push(&command);
    let ran = pair.client.run(&all);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(ran.stdout.matches("from agent").count(), 5, "{}", ran.all());
}

#[test]
fn a_line_that_goes_silent_is_found_dead_within_ten_seconds() {
    let pair = pair(|o| o);
    let proxy = Proxy::to(pair.sshd.port);
    pair.client.use_sshd(&pair.sshd, proxy.port);
    let session = pair.dispatch(&answers());
    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    t.settle(Duration::from_millis(200));
    let before = proxy.accepted();
    // Both ways: the connection looks alive and carries nothing.
    proxy.freeze(Way::Up);
    proxy.freeze(Way::Down);
    let begun = std::time::Instant::now();
    while proxy.accepted() == before {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the dead line was not noticed"
        );
        t.pump(Duration::from_millis(100));
    }
    proxy.thaw();
    t.send("two\r");
    t.wait_text("got two");
    drop(t);
    drop(session);
}

#[test]
fn a_half_closed_line_is_redialled() {
    let pair = pair(|o| o);
    let proxy = Proxy::to(pair.sshd.port);
    pair.client.use_sshd(&pair.sshd, proxy.port);
    let session = pair.dispatch(&answers());
    for way in [Way::Down, Way::Up] {
        let mut t = pair.client.attach(&session, USUAL);
        t.wait_text("READY");
        let before = proxy.accepted();
        proxy.half_close(way);
        t.send("back\r");
        t.wait_for("a new connection", |_| proxy.accepted() > before);
        t.wait_text("got back");
        t.send("\r~.");
        assert_eq!(t.wait_exit(), 0);
    }
}

#[test]
fn an_unknown_host_key_is_refused_without_a_terminal_and_a_changed_one_always() {
    let mut pair = pair(|o| o);
    let session = pair.dispatch(&answers());
    pair.sshd.change_host_key();
    let ran = pair.client.run(&["attach", &session]);
    assert_eq!(ran.code, 255, "{}", ran.all());
    assert!(
        ran.stderr.to_lowercase().contains("host key"),
        "{}",
        ran.all()
    );

    let known = pair.client.home().join(".ssh/known_hosts");
    std::fs::write(&known, "").expect("an empty known_hosts");
    let ran = pair.client.run(&["attach", &session]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains("SHA256:"),
        "the fingerprint:\n{}",
        ran.all()
    );

    // On a terminal it asks, and remembers the answer.
    let mut t = pair.client.attach(&session, USUAL);
    t.wait_text("SHA256:");
    t.send("yes\r");
    t.wait_text("READY");
    drop(t);
    let text = std::fs::read_to_string(&known).expect("known_hosts");
    assert!(!text.trim().is_empty(), "the key was not recorded");
    // So that the session can be ended.
    pair.client.use_sshd(&pair.sshd, pair.sshd.port);
}

#[test]
fn the_session_survives_the_hosts_sshd() {
    let pair = pair(|o| o);
    let session = pair.dispatch(&answers());
    let host = pair.server.endpoint(&session).pid;
    for pid in pair.sshd.connections() {
        kill(pid, Signal::HUP);
    }
    pair.sshd.kill_connections();
    assert!(alive(host));
    let ran = run(&mut pair.client.remote(&["status", &session]), b"", SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
}
