//! Our client against our own server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::fixture::{echoes, nobody, unix_echo, unix_server};
use super::terminals::Terminals;
use crate::model::Size;
use crate::ssh::server;
use crate::ssh::{Connection, Exit, Flow, HostTrust, PtyRequest, Resolved, SshErrorKind, keys};

/// Our server on a port of its own; it ends on drop.
pub struct Local {
    pub dir: TempDir,
    pub port: u16,
    pub pin: HostTrust,
    pub host_line: String,
    stop: Option<oneshot::Sender<()>>,
    pub task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Local {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

impl Local {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let host_key = keys::generate_ed25519();
        let client = keys::generate_ed25519();
        keys::save(&dir.path().join("client"), &client).expect("save");
        keys::save(&dir.path().join("stranger"), &keys::generate_ed25519()).expect("save");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind");
        let port = listener.local_addr().expect("address").port();
        let host_line = keys::public_line(&host_key);
        let config = server::Config {
            host_key,
            authorized: vec![client.public_key().clone()],
            user: "me".into(),
            sockets: vec![dir.path().join("host.sock")],
            env: BTreeMap::from([
                ("PATH".into(), std::env::var("PATH").unwrap_or_default()),
                ("SHELL".into(), "/bin/sh".into()),
                ("MARK".into(), "here".into()),
            ]),
            cwd: dir.path().to_owned(),
            pty: Some(Arc::new(Terminals)),
            gate: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server::serve(listener, config, async {
            let _ = stopped.await;
        }));
        Self {
            dir,
            port,
            pin: HostTrust::Pinned(host_line.clone()),
            host_line,
            stop: Some(stop),
            task,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("host.sock")
    }

    pub fn resolved(&self) -> Resolved {
        Resolved::direct("127.0.0.1", self.port, "me", self.dir.path().join("client"))
    }

    pub async fn connect(&self, flow: Flow) -> Connection {
        Connection::open_with(&self.resolved(), &self.pin, nobody(), flow)
            .await
            .expect("connect")
    }
}

#[tokio::test]
async fn the_sessions_own_socket_and_no_other() {
    let local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    let path = local.socket();
    let path = path.to_str().expect("path");
    let e = connection
        .streamlocal(path)
        .await
        .expect_err("nobody listens yet");
    assert_eq!(e.kind, SshErrorKind::NotThere);
    unix_echo(&local.socket());
    let mut channel = connection.streamlocal(path).await.expect("open");
    echoes(&mut channel, "hello").await;
    channel.shutdown().await.expect("shutdown");
    assert_eq!(channel.read(&mut [0; 8]).await.expect("end"), 0);
    let other = local.dir.path().join("other.sock");
    unix_echo(&other);
    let e = connection
        .streamlocal(other.to_str().expect("path"))
        .await
        .expect_err("another socket");
    assert_eq!(e.kind, SshErrorKind::Prohibited);
    let e = connection
        .tcpip("10.0.0.1", 22)
        .await
        .expect_err("not loopback");
    assert_eq!(e.kind, SshErrorKind::Prohibited);
}

#[tokio::test]
async fn strangers_stay_out() {
    let local = Local::start().await;
    let mut r = local.resolved();
    r.user = "root".into();
    let e = Connection::open(&r, &local.pin, nobody())
        .await
        .expect_err("another user");
    assert_eq!(e.kind, SshErrorKind::Auth);
    r.user = "me".into();
    r.identity_files = vec![local.dir.path().join("stranger")];
    let e = Connection::open(&r, &local.pin, nobody())
        .await
        .expect_err("another key");
    assert_eq!(e.kind, SshErrorKind::Auth);
}

#[tokio::test]
async fn who_does_not_log_in_makes_room_for_the_owner() {
    let local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let address = ("127.0.0.1", local.port);
        let stream = tokio::net::TcpStream::connect(address).await;
        silent.push(stream.expect("accepted"));
    }
    // The owner gets in, and stays in.
    let second = local.connect(Flow::Credited).await;
    for connection in [&connection, &second] {
        let path = local.socket();
        let e = connection.streamlocal(path.to_str().expect("path")).await;
        let e = e.expect_err("nobody listens");
        assert_eq!(e.kind, SshErrorKind::NotThere);
    }
    // The oldest went first: its stream ends after the server's greeting.
    let mut rest = Vec::new();
    let mut oldest = silent.swap_remove(0);
    let read = oldest.read_to_end(&mut rest);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), read).await;
    assert!(ended.is_ok(), "the oldest is still there");
}

#[tokio::test]
async fn commands_with_pipes_and_terminals() {
    let local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    let exec = connection
        .exec("echo $MARK; pwd >&2; exit 3", None)
        .await
        .expect("exec");
    let out = exec.output(1 << 20).await.expect("output");
    assert_eq!((out.exit, out.stdout), (Exit::Code(3), b"here\n".to_vec()));
    let pwd = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    assert_eq!(
        std::fs::canonicalize(pwd).ok(),
        std::fs::canonicalize(local.dir.path()).ok()
    );
    let out = connection
        .exec("kill -9 $$", None)
        .await
        .expect("exec")
        .output(1)
        .await
        .expect("output");
    assert_eq!(out.exit, Exit::Signal("KILL".into()));
    // What the program leaves running does not hold the channel open.
    let out = connection
        .exec("sleep 60 & echo $!", None)
        .await
        .expect("exec")
        .output(99)
        .await
        .expect("output");
    assert_eq!(out.exit, Exit::Code(0));
    super::fixture::run("kill", &[String::from_utf8_lossy(&out.stdout).trim()]);

    let pty = PtyRequest {
        term: "vt100".into(),
        size: Size { cols: 66, rows: 22 },
    };
    let mut exec = connection.shell(Some(pty)).await.expect("shell");
    exec.resize(Size { cols: 55, rows: 11 })
        .await
        .expect("resize");
    exec.stdin
        .write_all(b"stty size; echo $TERM; exit 5\n")
        .await
        .expect("write");
    let mut text = String::new();
    exec.stdout.read_to_string(&mut text).await.expect("read");
    assert!(text.contains("11 55") && text.contains("vt100"), "{text}");
    assert_eq!(exec.wait().await.expect("exit"), Exit::Code(5));
}

#[tokio::test]
async fn a_closed_channel_ends_its_program() {
    let local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    let terminal = || {
        Some(PtyRequest {
            term: "xterm".into(),
            size: Size { cols: 80, rows: 24 },
        })
    };
    for pty in [None, terminal()] {
        let mut exec = connection
            .exec("echo $$; exec sleep 1000", pty)
            .await
            .expect("exec");
        let mut pid = [0; 32];
        let n = exec.stdout.read(&mut pid).await.expect("pid");
        let pid: i32 = String::from_utf8_lossy(pid.get(..n).expect("n"))
            .trim()
            .parse()
            .expect("pid");
        drop(exec);
        let pid = rustix::process::Pid::from_raw(pid).expect("pid");
        let gone = async {
            while rustix::process::test_kill_process(pid).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .expect("the program ends");
    }
}

#[tokio::test]
async fn sixty_four_mebibytes_arrive_intact_and_a_reader_holds_its_writer_back() {
    let local = Local::start().await;
    let total: usize = 64 << 20;
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = sent.clone();
    unix_server(&local.socket(), move |mut stream| {
        let count = count.clone();
        async move {
            let mut written = 0usize;
            while written < total {
                let chunk: Vec<u8> = (written..written + (64 << 10)).map(byte).collect();
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
                written += chunk.len();
                count.store(written, std::sync::atomic::Ordering::SeqCst);
            }
        }
    });
    let connection = local.connect(Flow::Bulk).await;
    let mut channel = connection
        .streamlocal(local.socket().to_str().expect("path"))
        .await
        .expect("open");
    // Read a little, then not: what was taken from the socket must stop growing, and stay small.
    channel.read_exact(&mut [0; 4096]).await.expect("begin");
    let mut held = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = sent.load(std::sync::atomic::Ordering::SeqCst);
        if now == held {
            break;
        }
        held = now;
    }
    assert!(held < 24 << 20, "{held}");
    let mut buf = vec![0; 256 << 10];
    let mut at = 4096usize;
    loop {
        let n = channel.read(&mut buf).await.expect("read");
        if n == 0 {
            break;
        }
        let good = buf
            .iter()
            .take(n)
            .enumerate()
            .all(|(i, b)| *b == byte(at + i));
        assert!(good, "damaged near {at}");
        at += n;
    }
    assert_eq!(at, total);
}

fn byte(position: usize) -> u8 {
    (position.wrapping_mul(0x9E37_79B1) >> 13) as u8
}

#[tokio::test]
async fn ports_come_here() {
    let local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    let mut forward = connection
        .remote_forward("localhost", 0)
        .await
        .expect("forward");
    let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", forward.port()))
        .await
        .expect("connect");
    let (mut inside, _) = forward.next().await.expect("one");
    outside.write_all(b"x").await.expect("write");
    assert_eq!(inside.read_u8().await.expect("read"), b'x');
    let e = connection
        .remote_forward("0.0.0.0", 0)
        .await
        .err()
        .expect("not loopback");
    assert_eq!(e.kind, SshErrorKind::Prohibited);
    connection.close().await;
    assert!(connection.is_closed());
    assert!(forward.next().await.is_none());
}

#[tokio::test]
async fn shutdown_ends_connections() {
    let mut local = Local::start().await;
    let connection = local.connect(Flow::Credited).await;
    drop(local.stop.take());
    let ended = tokio::time::timeout(Duration::from_secs(3), connection.closed()).await;
    ended.expect("the connection ends");
    (&mut local.task).await.expect("task").expect("serve");
    let e = Connection::open(&local.resolved(), &local.pin, nobody())
        .await
        .expect_err("over");
    assert_eq!(e.kind, SshErrorKind::Refused);
}
