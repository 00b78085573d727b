//! A stock `ssh` against our own server.

use std::process::{Output, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::fixture::unix_echo;
use super::local::Local;

fn ssh(local: &Local, key: &str, args: &[&str]) -> Command {
    let known = local.dir.path().join("known_hosts");
    let line = format!("[127.0.0.1]:{} {}\n", local.port, local.host_line);
    std::fs::write(&known, line).expect("known_hosts");
    let mut command = Command::new("ssh");
    command
        .args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
        ])
        .args([
            "-o",
            "StrictHostKeyChecking=yes",
            "-p",
            &local.port.to_string(),
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-i")
        .arg(local.dir.path().join(key))
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn output(local: &Local, key: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = ssh(local, key, args).output().await.expect("ssh");
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn commands_and_their_status() {
    let local = Local::start().await;
    let (code, out, err) = output(
        &local,
        "client",
        &["me@127.0.0.1", "echo $MARK; echo e >&2; exit 9"],
    )
    .await;
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (Some(9), "here\n", "e\n")
    );
    let (code, _, _) = output(&local, "client", &["me@127.0.0.1", "kill -TERM $$"]).await;
    assert_eq!(code, Some(255), "ssh shows a signal as 255");
    let mut cat = ssh(&local, "client", &["me@127.0.0.1", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ssh");
    let mut stdin = cat.stdin.take().expect("stdin");
    let data = vec![b'z'; 3 << 20];
    let sent = data.clone();
    tokio::spawn(async move { stdin.write_all(&sent).await.expect("write") });
    let out = cat.wait_with_output().await.expect("output");
    assert!(out.status.success() && out.stdout == data);
    let (_, out, _) = output(
        &local,
        "client",
        &[
            "-o",
            "SetEnv=LC_TEST=yes BAD=no",
            "me@127.0.0.1",
            "echo $LC_TEST$BAD",
        ],
    )
    .await;
    assert_eq!(out, "yes\n");
}

#[tokio::test]
async fn who_is_refused() {
    let local = Local::start().await;
    for (key, who) in [("stranger", "me@127.0.0.1"), ("client", "root@127.0.0.1")] {
        let (code, _, err) = output(&local, key, &[who, "true"]).await;
        assert_eq!(code, Some(255));
        assert!(err.contains("Permission denied (publickey)"), "{err}");
    }
}

#[tokio::test]
async fn a_terminal() {
    let local = Local::start().await;
    let (code, out, err) = output(
        &local,
        "client",
        &[
            "-tt",
            "me@127.0.0.1",
            "test -t 0 && test -t 1 && echo tty; exit 4",
        ],
    )
    .await;
    assert!(out.contains("tty"), "{out} {err}");
    assert_eq!(code, Some(4));
}

#[tokio::test]
async fn forwards() {
    let local = Local::start().await;
    unix_echo(&local.socket());
    let near = local.dir.path().join("near.sock");
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let tcp = probe.local_addr().expect("address").port();
    drop(probe);
    let target = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let far = target.local_addr().expect("address").port();
    tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.expect("accept");
        stream.write_all(b"from afar").await.expect("write");
    });
    let streams = format!("{}:{}", near.display(), local.socket().display());
    let ports = format!("127.0.0.1:{tcp}:localhost:{far}");
    let mut ssh = ssh(
        &local,
        "client",
        &[
            "-o",
            "ExitOnForwardFailure=yes",
            "-L",
            &streams,
            "-L",
            &ports,
            "me@127.0.0.1",
            "echo up; cat",
        ],
    )
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .expect("ssh");
    let mut up = [0; 3];
    ssh.stdout
        .as_mut()
        .expect("stdout")
        .read_exact(&mut up)
        .await
        .expect("up");
    let mut text = String::new();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", tcp))
        .await
        .expect("connect");
    stream.read_to_string(&mut text).await.expect("read");
    assert_eq!(text, "from afar");
    drop(stream);
    let mut stream = tokio::net::UnixStream::connect(&near)
        .await
        .expect("connect");
    stream.write_all(b"hi").await.expect("write");
    let mut back = [0; 2];
    stream.read_exact(&mut back).await.expect("read");
    assert_eq!(&back, b"hi");
    // ssh stays while a forwarded connection does.
    drop(stream);
    drop(ssh.stdin.take());
    assert!(ssh.wait().await.expect("ssh").success());
}
