//! `-A`: a real ssh-agent here, a real `ssh` in a session there, and a real sshd that it wants to log in to.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::env::{TestEnv, session_in, user};
use crate::common::process::{kill, run};
use crate::common::proxy::Proxy;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, size};
use crate::common::{SOON, await_true};

struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(env: &TestEnv, sshd: &Sshd) -> Self {
        let socket = env.home().join("ssh-agent");
        let mut command = env.command("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        await_true("the ssh-agent", SOON, || socket.exists());
        let this = Self { child, socket };
        let mut add = env.command("ssh-add");
        add.env("SSH_AUTH_SOCK", &this.socket)
            .arg(sshd.client_key());
        let added = run(&mut add, b"", SOON);
        assert_eq!(added.code, 0, "{}", added.all());
        this
    }

    fn keys(&self, env: &TestEnv) -> String {
        let mut list = env.command("ssh-add");
        list.env("SSH_AUTH_SOCK", &self.socket).arg("-l");
        run(&mut list, b"", SOON).stdout
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// For each line that is typed: what it sees of an agent, and whether it gets in.
fn script(port: u16) -> String {
    format!(
        "stty -echo; echo \"socket $SSH_AUTH_SOCK\"; while read x; do ssh-add -D; ssh-add -l; ssh -F /dev/null -T \
         -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p {port} {}@127.0.0.1 \
         echo in by $x; echo \"end of $x: $?\"; done",
        user()
    )
}

fn lines(env: &TestEnv) -> Vec<Value> {
    let log = env.home().join(".local/state/remote/signed.jsonl");
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn logs(env: &TestEnv, session: &str) -> String {
    String::from_utf8_lossy(&env.raw_logs(session)).into_owned()
}

/// A line was typed last.
fn leave(mut terminal: Terminal) {
    terminal.send("~.");
    assert_eq!(terminal.wait_exit(), 0);
}

/// The whole way, with sessions at `place`; `cut` breaks the connection there, if there is one to break.
fn the_whole_way(env: &mut TestEnv, sshd: &Sshd, place: &[&str], cut: Option<&dyn Fn()>) {
    let agent = Agent::start(env, sshd);
    let without = [
        &["dispatch", "-A", "--no-repo"],
        place,
        &["--command", "true"],
    ]
    .concat();
    let refused = env.run(&without);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(
        refused.stderr.contains("SSH_AUTH_SOCK is not set"),
        "{}",
        refused.all()
    );

    env.set("SSH_AUTH_SOCK", agent.socket.display().to_string());
    let script = script(sshd.port);
    let args = [
        &["dispatch", "-A", "--no-repo"],
        place,
        &["--command", &script],
    ]
    .concat();
    let mut terminal = env.terminal(&args, size(100, 40));
    terminal.wait_text("/ssh.sock");
    terminal.send("one\r");
    terminal.wait_text("end of one: 0");
    let shown = terminal.text().join("\n");
    assert!(shown.contains("in by one"), "{shown}");
    assert!(shown.contains("Failed to remove all identities"), "{shown}");
    leave(terminal);
    let status: Value = serde_json::from_str(&env.ok(&["status", "--json"]).stdout).unwrap();
    let session = status[0]["session"].as_str().unwrap().to_owned();
    assert!(session_in(&session).is_some());

    // Nobody lends one: a refusal that ssh understands, at the same path.
    env.ok(&["send", &session, "two", "--enter"]);
    await_true("a refusal", SOON, || {
        logs(env, &session).contains("end of two: 255")
    });
    let said = logs(env, &session);
    assert!(said.contains("agent refused operation"), "{said}");
    assert!(
        said.contains("Permission denied") && !said.contains("in by two"),
        "{said}"
    );
    leave(typed(env.attach(&session, size(100, 40)), "three", 255));

    let again = env.terminal(&["attach", "-A", &session], size(100, 40));
    let mut again = typed(again, "four", 0);
    if let Some(cut) = cut {
        cut();
        // It is lent again a moment after the terminal is back.
        let mut n = 0;
        await_true("the way back", SOON, || {
            n += 1;
            again.send(format!("again{n}\r"));
            again.wait_text(&format!("end of again{n}: "));
            again
                .text()
                .join("\n")
                .contains(&format!("end of again{n}: 0"))
        });
    }
    leave(again);
    assert!(
        agent.keys(env).contains("ED25519"),
        "its key is still there"
    );

    let fingerprint = agent
        .keys(env)
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    let signed = lines(env);
    assert!(signed.len() >= 2, "{signed:?}");
    for line in &signed {
        assert_eq!(line["session"], session.as_str(), "{line}");
        assert_eq!(
            (&line["agent"], &line["comment"]),
            (&1.into(), &"test".into()),
            "{line}"
        );
        assert_eq!(line["key"], fingerprint.as_str(), "{line}");
        assert_eq!(line["purpose"], format!("a login as {}", user()), "{line}");
        assert_eq!(line["outcome"], "signed", "{line}");
    }

    // Asked for each key: once no, once yes.
    env.set("REMOTE_FORWARD_AGENT", "ask");
    env.set("SSH_ASKPASS_REQUIRE", "force");
    for (answer, name, code) in [("1", "five", 255), ("0", "six", 0)] {
        let asked = env.home().join("asked");
        let text = format!(
            "#!/bin/sh\necho \"$1\" >>{}\nexit {answer}\n",
            asked.display()
        );
        let program = env.script("askpass", &text);
        env.set("SSH_ASKPASS", program.display().to_string());
        leave(typed(env.attach(&session, size(100, 40)), name, code));
        let question = std::fs::read_to_string(&asked).unwrap();
        assert!(
            question.contains(&format!("{session}/1 wants a login as {}", user())),
            "{question}"
        );
    }
    let outcomes: Vec<Value> = lines(env).iter().map(|l| l["outcome"].clone()).collect();
    assert_eq!(outcomes[signed.len()..], ["denied", "signed"]);
    env.ok(&["terminate", &session, "--yes"]);
}

fn typed(mut terminal: Terminal, name: &str, code: u32) -> Terminal {
    terminal.wait_text("end of ");
    terminal.send(format!("{name}\r"));
    terminal.wait_text(&format!("end of {name}: {code}"));
    terminal
}

#[test]
fn a_key_of_this_device_logs_in_from_a_session_while_somebody_here_is_attached() {
    let server = TestEnv::new();
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    the_whole_way(&mut TestEnv::new(), &sshd, &[], None);
}

#[test]
fn and_from_a_machine_of_ones_own_also_after_the_connection_was_cut() {
    let server = TestEnv::new();
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    let proxy = Proxy::to(sshd.port);
    let mut env = TestEnv::new();
    env.use_sshd(&sshd, proxy.port);
    the_whole_way(&mut env, &sshd, &["--host", "box"], Some(&|| proxy.cut()));
}
