//! Streams, commands and forwards, against a real sshd.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Sshd, echoes, nobody, unix_echo, unix_server};
use crate::model::Size;
use crate::ssh::{Connection, Exit, Flow, HostTrust, PtyRequest, SshErrorKind};

async fn connect(sshd: &Sshd, flow: Flow) -> Connection {
    Connection::open_with(&sshd.resolved(), &HostTrust::KnownHosts, nobody(), flow)
        .await
        .expect("connect")
}

#[tokio::test]
async fn twenty_five_sockets_side_by_side() {
    let sshd = Sshd::start();
    let socket = sshd.path("echo.sock");
    unix_echo(&socket);
    let connection = connect(&sshd, Flow::Credited).await;
    let path = socket.to_str().expect("path");
    let mut channels = Vec::new();
    for _ in 0..25 {
        channels.push(connection.streamlocal(path).await.expect("open"));
    }
    for (i, channel) in channels.iter_mut().enumerate() {
        echoes(channel, &format!("hello {i}")).await;
    }
    // Half-close: the end of our input comes back as the end of theirs.
    let mut last = channels.pop().expect("one");
    last.shutdown().await.expect("shutdown");
    assert_eq!(last.read(&mut [0; 8]).await.expect("end"), 0);
    assert!(last.write(b"x").await.is_err());
    // A channel outlives the handle of its connection.
    drop(connection);
    echoes(channels.first_mut().expect("one"), "still here").await;
}

#[tokio::test]
async fn what_is_not_there_and_what_is_forbidden() {
    let sshd = Sshd::start();
    let connection = connect(&sshd, Flow::Credited).await;
    let missing = sshd.path("missing.sock");
    let e = connection
        .streamlocal(missing.to_str().expect("path"))
        .await
        .expect_err("missing");
    assert!(e.message.contains("missing.sock"), "{e}");
    assert_eq!(e.kind, SshErrorKind::NotThere);
    let closed = Sshd::with(
        "AllowStreamLocalForwarding no\nAllowTcpForwarding no",
        |_| {},
    );
    let connection = connect(&closed, Flow::Credited).await;
    // sshd gives the same answer for a socket that is forbidden and for one that is missing.
    let e = connection.streamlocal("/x").await.expect_err("forbidden");
    assert_eq!(e.kind, SshErrorKind::NotThere);
    let e = connection
        .tcpip("127.0.0.1", 1)
        .await
        .expect_err("forbidden");
    assert_eq!(e.kind, SshErrorKind::Prohibited);
    let e = connection
        .remote_forward("127.0.0.1", 0)
        .await
        .err()
        .expect("forbidden");
    assert_eq!(e.kind, SshErrorKind::Prohibited);
}

#[tokio::test]
async fn commands_their_streams_and_ends() {
    let sshd = Sshd::start();
    let connection = connect(&sshd, Flow::Credited).await;
    let exec = connection
        .exec("cat; echo err >&2; exit 7", None)
        .await
        .expect("exec");
    let (mut stdin, control) = (exec.stdin, exec.control);
    let (mut out, mut err) = (exec.stdout, exec.stderr);
    stdin.write_all(b"through").await.expect("write");
    drop(stdin);
    let (mut text, mut errors) = (String::new(), String::new());
    out.read_to_string(&mut text).await.expect("stdout");
    err.read_to_string(&mut errors).await.expect("stderr");
    assert_eq!((text.as_str(), errors.as_str()), ("through", "err\n"));
    assert_eq!(control.clone().wait().await.expect("exit"), Exit::Code(7));

    let mut exec = connection.exec("kill -TERM $$", None).await.expect("exec");
    assert_eq!(
        exec.wait().await.expect("exit"),
        Exit::Signal("TERM".into())
    );
    assert_eq!(exec.wait().await.expect("again").code(), 143);

    let size = Size { cols: 77, rows: 33 };
    let pty = PtyRequest {
        term: "xterm-256color".into(),
        size,
    };
    let mut exec = connection
        .exec("read x; stty size; echo $TERM", Some(pty))
        .await
        .expect("pty");
    exec.resize(Size { cols: 50, rows: 20 })
        .await
        .expect("resize");
    exec.stdin.write_all(b"go\n").await.expect("write");
    let mut text = String::new();
    exec.stdout.read_to_string(&mut text).await.expect("read");
    assert!(
        text.contains("20 50") && text.contains("xterm-256color"),
        "{text}"
    );
    assert!(exec.wait().await.expect("exit").success());
}

#[tokio::test]
async fn tcp_both_ways() {
    let sshd = Sshd::start();
    let connection = connect(&sshd, Flow::Credited).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let (mut r, mut w) = stream.split();
        tokio::io::copy(&mut r, &mut w).await.expect("echo");
    });
    let mut channel = connection.tcpip("127.0.0.1", port).await.expect("tcpip");
    echoes(&mut channel, "over tcp").await;

    let mut forward = connection
        .remote_forward("127.0.0.1", 0)
        .await
        .expect("forward");
    let port = forward.port();
    assert!(port > 0);
    let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("connect");
    let (mut inside, from) = forward.next().await.expect("one came");
    assert!(from.starts_with("127.0.0.1:"), "{from}");
    outside.write_all(b"ping").await.expect("write");
    let mut got = [0; 4];
    inside.read_exact(&mut got).await.expect("read");
    inside.write_all(b"pong").await.expect("write");
    inside.shutdown().await.expect("shutdown");
    let mut back = String::new();
    outside.read_to_string(&mut back).await.expect("read");
    assert_eq!((&got, back.as_str()), (b"ping", "pong"));
    drop(forward);
    // The server stops listening once the cancellation is through.
    let gone = async {
        while tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {}
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .expect("cancelled");
}

/// A socket that writes without end.
fn flood(path: &std::path::Path) {
    unix_server(path, |mut stream| async move {
        let chunk = vec![b'x'; 64 << 10];
        while stream.write_all(&chunk).await.is_ok() {}
    });
}

#[tokio::test]
async fn an_unread_channel_fails_alone() {
    let sshd = Sshd::start();
    let (echo, endless) = (sshd.path("echo.sock"), sshd.path("flood.sock"));
    unix_echo(&echo);
    flood(&endless);
    let connection = connect(&sshd, Flow::Credited).await;
    let mut flooded = connection
        .streamlocal(endless.to_str().expect("path"))
        .await
        .expect("open");
    let mut other = connection
        .streamlocal(echo.to_str().expect("path"))
        .await
        .expect("open");
    for i in 0..50 {
        echoes(&mut other, &format!("beside the flood {i}")).await;
    }
    // Write to it until it is closed under us: then it holds its 64 MiB.
    while flooded.write_all(b"x").await.is_ok() {
        tokio::task::yield_now().await;
    }
    let mut sum = 0usize;
    let mut buf = vec![0; 1 << 20];
    let e = loop {
        match flooded.read(&mut buf).await {
            Ok(n) => {
                assert!(n > 0, "an end of file after {sum}");
                sum += n;
            }
            Err(e) => break e,
        }
    };
    assert!(e.to_string().contains("64 MiB"), "{e}");
    assert!((60 << 20..70 << 20).contains(&sum), "{sum}");
    echoes(&mut other, "and after it").await;
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn a_bulk_connection_holds_its_sender_back() {
    let sshd = Sshd::start();
    let socket = sshd.path("count.sock");
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (count, stuck) = (
        sent.clone(),
        std::sync::Arc::new(tokio::sync::Notify::new()),
    );
    let tell = stuck.clone();
    unix_server(&socket, move |mut stream| {
        let (count, tell) = (count.clone(), tell.clone());
        async move {
            let chunk = vec![b'y'; 64 << 10];
            loop {
                match tokio::time::timeout(Duration::from_millis(500), stream.write_all(&chunk))
                    .await
                {
                    Ok(Ok(())) => count.fetch_add(chunk.len(), std::sync::atomic::Ordering::SeqCst),
                    Ok(Err(_)) => return,
                    Err(_) => break tell.notify_one(),
                };
            }
            std::future::pending::<()>().await;
        }
    });
    let connection = connect(&sshd, Flow::Bulk).await;
    let channel = connection
        .streamlocal(socket.to_str().expect("path"))
        .await
        .expect("open");
    stuck.notified().await;
    let held = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(
        held < 24 << 20,
        "{held} bytes were taken from a sender that nobody reads"
    );
    drop(channel);
}

#[tokio::test]
async fn a_transfer_arrives_whole() {
    let sshd = Sshd::start();
    let connection = connect(&sshd, Flow::Credited).await;
    let bulk = connection.bulk(nobody()).await.expect("bulk");
    let exec = bulk.exec("cat", None).await.expect("exec");
    let (mut stdin, mut stdout) = (exec.stdin, exec.stdout);
    let data: Vec<u8> = (0..16u32 << 20)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let expected = data.clone();
    let writer = tokio::spawn(async move {
        stdin.write_all(&data).await.expect("write");
        stdin.shutdown().await.expect("shutdown");
    });
    let mut got = Vec::new();
    stdout.read_to_end(&mut got).await.expect("read");
    writer.await.expect("writer");
    assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
}

#[tokio::test]
async fn a_lost_connection_is_not_an_end_of_file() {
    let sshd = Sshd::start();
    let socket = sshd.path("echo.sock");
    unix_echo(&socket);
    let connection = connect(&sshd, Flow::Credited).await;
    let mut channel = connection
        .streamlocal(socket.to_str().expect("path"))
        .await
        .expect("open");
    echoes(&mut channel, "alive").await;
    let mut exec = connection
        .exec("echo $PPID; cat", None)
        .await
        .expect("exec");
    let mut pid = [0; 32];
    let n = exec.stdout.read(&mut pid).await.expect("pid");
    let pid: i32 = String::from_utf8_lossy(pid.get(..n).expect("n"))
        .trim()
        .parse()
        .expect("pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
    let e = channel.read(&mut [0; 8]).await.expect_err("lost");
    assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(channel.write_all(&[0; 1 << 20]).await.is_err());
    assert_eq!(
        exec.wait().await.expect_err("lost").kind,
        SshErrorKind::Lost
    );
    assert!(!connection.closed().await.is_empty());
    assert!(connection.is_closed());
    assert_eq!(
        connection.streamlocal("/x").await.expect_err("lost").kind,
        SshErrorKind::Lost
    );
}

#[tokio::test]
async fn an_unread_command_fails_alone_and_a_dropped_one_is_closed() {
    let sshd = Sshd::start();
    let connection = connect(&sshd, Flow::Credited).await;
    let mut exec = connection
        .exec("exec cat /dev/zero", None)
        .await
        .expect("exec");
    let e = exec.wait().await.expect_err("unread");
    assert!(e.message.contains("64 MiB"), "{e}");
    let mut sum = 0usize;
    let mut buf = vec![0; 1 << 20];
    while let Ok(n) = exec.stdout.read(&mut buf).await {
        assert!(n > 0, "an end of file after {sum}");
        sum += n;
    }
    assert!((60 << 20..70 << 20).contains(&sum), "{sum}");
    drop(exec);
    // More than sshd's MaxSessions of 10: each drop closes its channel, and the end of its input ends it.
    let many = async {
        let mut opened = 0;
        while opened < 30 {
            match connection.exec("cat", None).await {
                Ok(_) => opened += 1,
                // sshd frees a session only once it has seen its program's end.
                Err(e) => assert_eq!(e.kind, SshErrorKind::NotThere, "{opened}: {e:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), many)
        .await
        .expect("sessions are freed");
}
