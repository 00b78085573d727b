//! A real OpenSSH server on a loopback port of its own, with its own keys and configuration.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use super::process::{descendants, kill};
use super::{SOON, installed};

/// What is unusual about this server.
#[derive(Debug, Clone, Default)]
pub struct SshdOptions {
    /// HOME of whoever logs in; the real one where absent.
    pub home: Option<PathBuf>,
    /// More lines of sshd_config.
    pub extra: Vec<String>,
    /// More variables of the sessions' environment.
    pub environment: Vec<(String, String)>,
}

impl SshdOptions {
    pub fn home(home: impl Into<PathBuf>) -> Self {
        Self {
            home: Some(home.into()),
            ..Self::default()
        }
    }

    pub fn line(mut self, line: &str) -> Self {
        self.extra.push(line.to_owned());
        self
    }
}

type Log = Arc<(Mutex<String>, Condvar)>;

/// The running server; ends with its value, its sessions too.
pub struct Sshd {
    child: Child,
    pub port: u16,
    dir: tempfile::TempDir,
    log: Log,
}

impl Sshd {
    /// # Panics
    /// Where OpenSSH's server is not installed or does not start: the check needs it.
    pub fn start(options: &SshdOptions) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("sshd")
            .tempdir_in("/tmp")
            .expect("a directory");
        for name in ["host", "client"] {
            generate_key(&dir.path().join(name));
        }
        std::fs::copy(dir.path().join("client.pub"), dir.path().join("authorized"))
            .expect("authorized keys");
        if rustix::process::getuid().is_root() {
            // Where sshd confines its unprivileged part; the package's service would have made it.
            let _ = std::fs::create_dir_all("/run/sshd");
        }
        // Between our look for a free port and sshd's bind somebody else may take it.
        for _ in 0..5 {
            let port = free_port();
            write_config(dir.path(), port, options);
            let (child, log) = spawn(dir.path());
            if await_log(&log, SOON, &["Server listening on", "Cannot bind", "fatal"])
                .contains("Server listening on")
            {
                return Self {
                    child,
                    port,
                    dir,
                    log,
                };
            }
        }
        panic!("sshd does not start in {}", dir.path().display());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The private key that it lets in.
    pub fn client_key(&self) -> PathBuf {
        self.dir.path().join("client")
    }

    /// Its public host key, as known_hosts wants it: type and base64.
    pub fn host_key(&self) -> String {
        let line = std::fs::read_to_string(self.dir.path().join("host.pub")).expect("host.pub");
        line.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// A new host key, as if the machine had been replaced; from the next connection on.
    pub fn change_host_key(&mut self) {
        let key = self.dir.path().join("host");
        for path in [key.clone(), key.with_extension("pub")] {
            std::fs::remove_file(path).expect("the old key");
        }
        generate_key(&key);
        // sshd reads its keys at start and, on SIGHUP, starts itself again.
        kill(self.child.id(), Signal::HUP);
        let seen = self.wait_log_count("Server listening on", 2);
        assert!(seen, "sshd did not start again:\n{}", self.log());
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.0.lock().expect("the log's lock").clone()
    }

    fn wait_log_count(&self, text: &str, count: usize) -> bool {
        let log = self.log.0.lock().expect("the log's lock");
        let (_guard, timeout) = self
            .log
            .1
            .wait_timeout_while(log, SOON, |l| l.matches(text).count() < count)
            .expect("the log's lock");
        !timeout.timed_out()
    }

    /// Pids of the processes that serve connections.
    pub fn connections(&self) -> Vec<u32> {
        descendants(self.child.id())
            .into_iter()
            .filter(|p| p.name.starts_with("sshd"))
            .map(|p| p.pid)
            .collect()
    }

    /// Kills every process that serves a connection, as the kernel's out-of-memory killer would. The server
    /// itself goes on.
    pub fn kill_connections(&self) -> usize {
        let pids = self.connections();
        for pid in &pids {
            kill(*pid, Signal::KILL);
        }
        pids.len()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let connections = self.connections();
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
        for pid in connections {
            kill(pid, Signal::KILL);
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(30);
            let tail: Vec<&str> = log.lines().skip(from).collect();
            eprintln!("sshd's log:\n{}", tail.join("\n"));
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port")
        .port()
}

/// A new Ed25519 key without passphrase at `path`, its public half beside it.
pub fn generate_key(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen");
    assert!(status.success(), "ssh-keygen");
}

fn write_config(dir: &Path, port: u16, options: &SshdOptions) {
    let dir_text = dir.display();
    let mut lines = vec![
        format!("Port {port}"),
        "ListenAddress 127.0.0.1".to_owned(),
        format!("HostKey {dir_text}/host"),
        format!("AuthorizedKeysFile {dir_text}/authorized"),
        "PidFile none".to_owned(),
        "StrictModes no".to_owned(),
        "UsePAM no".to_owned(),
        "PasswordAuthentication no".to_owned(),
        "KbdInteractiveAuthentication no".to_owned(),
        "PermitRootLogin yes".to_owned(),
        "PrintMotd no".to_owned(),
        "PrintLastLog no".to_owned(),
        // Many connections at once from one address are this test's business.
        "MaxStartups 1000".to_owned(),
        "LogLevel VERBOSE".to_owned(),
    ];
    let mut environment = Vec::new();
    if let Some(home) = &options.home {
        environment.push(format!("HOME={}", home.display()));
    }
    for (name, value) in &options.environment {
        environment.push(format!("{name}={value}"));
    }
    if !environment.is_empty() {
        lines.push(format!("SetEnv {}", environment.join(" ")));
    }
    // sshd takes the first of two equal words, so what is asked for here goes in front.
    let mut all = options.extra.clone();
    all.append(&mut lines);
    let text = all.join("\n") + "\n";
    std::fs::write(dir.join("config"), text).expect("sshd_config");
}

fn spawn(dir: &Path) -> (Child, Log) {
    let program = installed("sshd");
    let mut child = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(dir.join("config"))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start sshd");
    let log: Log = Arc::default();
    let writer = Arc::clone(&log);
    let stderr = child.stderr.take().expect("a pipe");
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            writer.0.lock().expect("the log's lock").push_str(&text);
            writer.1.notify_all();
            line.clear();
        }
        writer
            .0
            .lock()
            .expect("the log's lock")
            .push_str("fatal: sshd ended\n");
        writer.1.notify_all();
    });
    (child, log)
}

fn await_log(log: &Log, limit: Duration, any: &[&str]) -> String {
    let text = log.0.lock().expect("the log's lock");
    let (text, _timeout) = log
        .1
        .wait_timeout_while(text, limit, |l| !any.iter().any(|a| l.contains(a)))
        .expect("the log's lock");
    text.clone()
}
