//! Servers, sockets and people for the tests of this room.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::ssh::keys::{self, PrivateKey};
use crate::ssh::{Ask, BoxFuture, Channel, Resolved, Strict, lock};

/// A person who gives prepared answers; what was asked and told is kept.
#[derive(Default)]
pub struct Person {
    answers: Mutex<VecDeque<String>>,
    pub heard: Mutex<Vec<String>>,
}

impl Person {
    pub fn answering(answers: &[&str]) -> Arc<Self> {
        let answers = answers.iter().map(|a| (*a).to_owned()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            heard: Mutex::default(),
        })
    }

    pub fn heard(&self) -> String {
        lock(&self.heard).join("\n")
    }
}

impl Ask for Person {
    fn ask<'a>(&'a self, prompt: &'a str, _: bool) -> BoxFuture<'a, Option<String>> {
        lock(&self.heard).push(prompt.to_owned());
        let answer = lock(&self.answers).pop_front();
        Box::pin(std::future::ready(answer))
    }
    fn tell(&self, line: &str) {
        lock(&self.heard).push(line.to_owned());
    }
}

pub fn nobody() -> Arc<Person> {
    Person::answering(&[])
}

/// Runs a program that must succeed; its stdout.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect(program);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {err}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

pub fn user() -> String {
    run("id", &["-un"]).trim().to_owned()
}

/// OpenSSH's sshd on a port of its own, ended on drop.
pub struct Sshd {
    pub dir: TempDir,
    pub port: u16,
    pub host_key: PrivateKey,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    pub fn start() -> Self {
        Self::build("", 100, |_| {})
    }

    /// At most so many connections that have not logged in.
    pub fn limited(startups: u32) -> Self {
        Self::build("", startups, |_| {})
    }

    /// With more lines of sshd_config, `DIR` standing for the fixture's directory, which `prepare` may
    /// add files to.
    pub fn with(extra: &str, prepare: impl Fn(&Path)) -> Self {
        Self::build(extra, 100, prepare)
    }

    fn build(extra: &str, startups: u32, prepare: impl Fn(&Path)) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let path = |name: &str| dir.path().join(name);
        let host_key = keys::generate_ed25519();
        keys::save(&path("host"), &host_key).expect("host key");
        let client = keys::generate_ed25519();
        keys::save(&path("client"), &client).expect("client key");
        std::fs::write(path("authorized"), keys::public_line(&client) + "\n").expect("authorized");
        prepare(dir.path());
        if rustix::process::getuid().is_root() {
            std::fs::create_dir_all("/run/sshd").expect("/run/sshd");
        }
        for _ in 0..5 {
            let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
            let port = probe.local_addr().expect("address").port();
            drop(probe);
            let d = dir.path().display();
            let extra = extra.replace("DIR", &d.to_string());
            let config = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {d}/host\nPidFile none\nAuthorizedKeysFile {d}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPrintMotd no\nMaxStartups {startups}\n{extra}\n"
            );
            std::fs::write(path("sshd_config"), config).expect("config");
            let mut child = Command::new("/usr/sbin/sshd")
                .args(["-D", "-e", "-f"])
                .arg(path("sshd_config"))
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("sshd");
            let mut log = BufReader::new(child.stderr.take().expect("stderr"));
            let mut line = String::new();
            while log.read_line(&mut line).is_ok_and(|n| n > 0) && !line.contains("listening") {}
            if line.contains("listening") {
                // Its log must go somewhere, or it stops.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return Self {
                    port,
                    host_key,
                    child,
                    dir,
                };
            }
            let _ = child.wait();
        }
        panic!("sshd does not start");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server's key as known_hosts records it.
    pub fn known_line(&self) -> String {
        format!(
            "[127.0.0.1]:{} {}\n",
            self.port,
            keys::public_line(&self.host_key)
        )
    }

    /// How to reach it with the key it lets in and its host key recorded.
    pub fn resolved(&self) -> Resolved {
        let known = self.path("known_hosts");
        std::fs::write(&known, self.known_line()).expect("known_hosts");
        let mut r = Resolved::direct("127.0.0.1", self.port, &user(), self.path("client"));
        r.known_hosts = vec![known];
        r.strict = Strict::Ask;
        r
    }
}

/// A Unix socket whose every connection is answered by `serve`.
pub fn unix_server<F, T>(path: &Path, serve: F)
where
    F: Fn(tokio::net::UnixStream) -> T + Send + 'static,
    T: std::future::Future<Output = ()> + Send + 'static,
{
    let listener = UnixListener::bind(path).expect("bind");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
}

pub fn unix_echo(path: &Path) {
    unix_server(path, |mut stream| async move {
        let (mut r, mut w) = stream.split();
        let _ = tokio::io::copy(&mut r, &mut w).await;
    });
}

/// Writes a line and reads it back.
pub async fn echoes(channel: &mut Channel, text: &str) {
    channel.write_all(text.as_bytes()).await.expect("write");
    let mut back = vec![0; text.len()];
    channel.read_exact(&mut back).await.expect("read");
    assert_eq!(back, text.as_bytes());
}
