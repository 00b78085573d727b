//! A local session is reached with the stock OpenSSH client too: no lock-in at the door.

use std::process::Command;

use crate::agents::answers;
use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::terminal::{Terminal, USUAL};

/// `ssh` to the session's own server, its host key pinned as `remote` itself pins it.
fn ssh(env: &TestEnv, session: &str, options: &[&str], command: &[&str]) -> Command {
    let endpoint = env.endpoint(session);
    let port = endpoint.port.expect("a local session listens");
    let known = env.work().join("known");
    let key = endpoint.host_key.expect("its host key");
    std::fs::write(&known, format!("[127.0.0.1]:{port} {key}\n")).expect("known_hosts");
    let client_key = env.session_dir(session).join("keys/client_ed25519");
    let mut ssh = env.command(env.bin().join("ssh"));
    ssh.args(["-p", &port.to_string(), "-i"]).arg(client_key);
    ssh.args([
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
    ]);
    ssh.arg(format!("UserKnownHostsFile={}", known.display()));
    ssh.args(options);
    let user = endpoint.user.unwrap_or_else(crate::common::env::user);
    ssh.arg(format!("{user}@127.0.0.1")).args(command);
    ssh
}

#[test]
fn runs_a_command_with_its_streams_and_status() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let command = ["cat; echo err >&2; exit 9"];
    let ran = run(
        &mut ssh(&env, &session, &[], &command),
        b"through stdin",
        SOON,
    );
    assert_eq!(ran.code, 9, "{}", ran.all());
    assert_eq!(ran.stdout, "through stdin");
    assert!(ran.stderr.contains("err"), "{}", ran.all());
}

#[test]
fn attaches_on_a_terminal() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let attach = format!("{} attach {session}", env.bin().join("remote").display());
    let mut t = Terminal::spawn(ssh(&env, &session, &["-tt"], &[&attach]), USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
    drop(t);
    // And without `remote` on the way in: a shell on the session's machine.
    let mut t = Terminal::spawn(
        ssh(&env, &session, &["-tt"], &["stty size; echo SIZED; cat"]),
        USUAL,
    );
    t.wait_text("24 80");
    t.wait_text("SIZED");
}

#[test]
fn refuses_other_keys_and_passwords() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let other = env.work().join("other");
    crate::common::sshd::generate_key(&other);
    let mut ssh = ssh(&env, &session, &["-o", "BatchMode=yes"], &["true"]);
    // The first -i is the right key: take it away by putting another in its place.
    let args: Vec<_> = ssh.get_args().map(ToOwned::to_owned).collect();
    let mut wrong = env.command(env.bin().join("ssh"));
    let mut replace = false;
    for arg in args {
        if replace {
            wrong.arg(&other);
        } else {
            wrong.arg(&arg);
        }
        replace = arg == "-i";
    }
    let ran = run(&mut wrong, b"", SOON);
    assert_eq!(ran.code, 255, "{}", ran.all());
    assert_eq!(run(&mut ssh, b"", SOON).code, 0);
}
