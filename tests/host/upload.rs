//! The way of `remote` itself to a machine: cut off in the middle it goes on where it was.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::agents::says;
use crate::common::SOON;
use crate::common::env::{remote_binary, session_in};
use crate::common::process::wait_child;
use crate::common::proxy::{Proxy, Way};
use crate::ssh_host::{Pair, pair};

/// How many bytes travel if nothing is cut.
fn packed() -> u64 {
    let program = std::fs::read(remote_binary()).expect("the program");
    let level = flate2::Compression::new(3);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(&program).expect("in memory");
    encoder.finish().expect("in memory").len() as u64
}

/// A laptop behind a line on which the upload takes three seconds.
fn narrow(whole: u64) -> (Pair, Proxy) {
    let pair = pair(|o| o);
    let proxy = Proxy::to(pair.sshd.port);
    pair.client.use_sshd(&pair.sshd, proxy.port);
    proxy.rate(Some(whole / 3));
    (pair, proxy)
}

fn dispatching(pair: &Pair) -> Child {
    let command = says("hello from there");
    let args = ["dispatch", "--detach", "--provider", "ssh", "--host", "box"];
    let mut dispatch: Command = pair.client.remote(&args);
    let dispatch = dispatch.args(["--command", &command]);
    let piped = dispatch.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().expect("remote")
}

/// To its end; the session's name.
fn through(mut child: Child) -> String {
    wait_child(&mut child, 2 * SOON).expect("an end");
    let out = child.wait_with_output().expect("its output");
    let said = [out.stdout, out.stderr].map(|t| String::from_utf8_lossy(&t).into_owned());
    assert!(out.status.success(), "{said:?}");
    assert!(said[1].contains("the last "), "{said:?}");
    session_in(&said[0]).expect("a session")
}

/// The binary is there, and nothing else.
fn nothing_lies_about(pair: &Pair) {
    let dir = pair.server.home().join(".local/share/remote/bin");
    let names = std::fs::read_dir(dir).expect("binaries").flatten();
    let names: Vec<_> = names.map(|e| e.file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_cut_upload_goes_on_in_the_same_command() {
    let whole = packed();
    let (pair, proxy) = narrow(whole);
    let dispatch = dispatching(&pair);
    assert!(proxy.wait_passed(Way::Up, whole * 2 / 3, SOON), "an upload");
    proxy.cut();
    let session = through(dispatch);
    let sent = proxy.passed(Way::Up);
    eprintln!("{whole} bytes, {sent} sent in all");
    assert!(sent < whole * 3 / 2, "{sent} of {whole}");
    let logs = pair.client.ok(&["logs", &session]);
    assert!(logs.stdout.contains("hello from there"), "{}", logs.all());
    nothing_lies_about(&pair);
}

#[test]
fn the_next_command_goes_on_where_a_killed_one_was() {
    let whole = packed();
    let (pair, proxy) = narrow(whole);
    let mut first = dispatching(&pair);
    assert!(proxy.wait_passed(Way::Up, whole * 2 / 3, SOON), "an upload");
    first.kill().expect("killed");
    first.wait().expect("reaped");
    let before = proxy.passed(Way::Up);
    through(dispatching(&pair));
    let rest = proxy.passed(Way::Up) - before;
    eprintln!("{whole} bytes, {before} before and {rest} after");
    assert!(rest < whole * 2 / 3, "{rest} of {whole}");
    nothing_lies_about(&pair);
}
