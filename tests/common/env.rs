//! A home of its own for each test: nothing of the machine's user leaks in, and nothing is left behind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use remote_compute::model::{HostEndpoint, SessionStatus, Size};
use rustix::process::Signal;

use super::process::{Process, Ran, kill, run, with_environment};
use super::sshd::Sshd;
use super::terminal::Terminal;
use super::{SOON, await_some, await_true, installed};

/// The machine as one person has it: a home, a PATH, the programs of this build.
pub struct TestEnv {
    dir: tempfile::TempDir,
    home: PathBuf,
    /// More variables.
    variables: Vec<(String, String)>,
}

/// The binary under test: this build's, or the one that REMOTE_TEST_BINARY names (one that is to ship).
pub fn remote_binary() -> &'static Path {
    static BINARY: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BINARY.get_or_init(|| {
        std::env::var_os("REMOTE_TEST_BINARY")
            .map_or_else(|| env!("CARGO_BIN_EXE_remote").into(), PathBuf::from)
    })
}

impl Default for TestEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl TestEnv {
    pub fn new() -> Self {
        // Short, because Unix sockets lie below it.
        let dir = tempfile::Builder::new()
            .prefix("rt")
            .tempdir_in("/tmp")
            .expect("a directory");
        let home = dir.path().join("h");
        for sub in ["h/work", "h/.ssh", "bin", "tmp"] {
            std::fs::create_dir_all(dir.path().join(sub)).expect("the test's directories");
        }
        let this = Self {
            dir,
            home,
            variables: Vec::new(),
        };
        std::os::unix::fs::symlink(remote_binary(), this.bin().join("remote"))
            .expect("a link to remote");
        this.isolate_ssh();
        this
    }

    /// OpenSSH's client looks its home up in the password file, not in HOME. A wrapper in PATH makes it read
    /// the test's own configuration and nothing else.
    fn isolate_ssh(&self) {
        let ssh = installed("ssh");
        let config = self.home.join(".ssh/config");
        std::fs::write(&config, "").expect("an empty ssh configuration");
        let text = format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            ssh.display(),
            config.display()
        );
        self.script("ssh", &text);
    }

    /// An executable file in the test's PATH.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.bin().join(name);
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("an executable script");
        path
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where commands run.
    pub fn work(&self) -> PathBuf {
        self.home.join("work")
    }

    pub fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    /// Adds or replaces a variable of everything started from here on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.retain(|(n, _)| n != name);
        self.variables.push((name.to_owned(), value.into()));
    }

    /// The environment of every program of this test.
    pub fn variables(&self) -> Vec<(String, String)> {
        let system = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/games";
        let text = |p: &Path| p.to_string_lossy().into_owned();
        let mut all: Vec<(String, String)> = [
            ("HOME", text(&self.home)),
            ("PATH", format!("{}:{system}", text(&self.bin()))),
            ("TMPDIR", text(&self.dir.path().join("tmp"))),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
            ("USER", user()),
            ("LOGNAME", user()),
        ]
        .map(|(n, v)| (n.to_owned(), v))
        .into();
        all.retain(|(n, _)| !self.variables.iter().any(|(m, _)| m == n));
        all.extend(self.variables.iter().cloned());
        all
    }

    /// Any program with this test's environment alone.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables())
            .current_dir(self.work());
        command
    }

    /// `remote` with these arguments.
    pub fn remote<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.command(self.bin().join("remote"));
        command.args(args);
        command
    }

    /// Runs `remote` to its end, stdin empty.
    pub fn run(&self, args: &[&str]) -> Ran {
        run(&mut self.remote(args), b"", 2 * SOON)
    }

    /// As [`TestEnv::run`], for a command that must succeed.
    pub fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "remote {args:?}:\n{}", ran.all());
        ran
    }

    /// `remote dispatch --detach` with these arguments: the new session's name.
    pub fn dispatch(&self, args: &[&str]) -> String {
        let mut all = vec!["dispatch", "--detach"];
        all.extend(args);
        let ran = self.ok(&all);
        session_in(&ran.all()).unwrap_or_else(|| panic!("no session named in:\n{}", ran.all()))
    }

    /// `remote` on a terminal.
    pub fn terminal(&self, args: &[&str], size: Size) -> Terminal {
        Terminal::spawn(self.remote(args), size)
    }

    /// Attaches to a session or agent and waits for something of it to show.
    pub fn attach(&self, to: &str, size: Size) -> Terminal {
        self.terminal(&["attach", to], size)
    }

    pub fn sessions_dir(&self) -> PathBuf {
        self.home.join(".local/state/remote/sessions")
    }

    pub fn session_dir(&self, session: &str) -> PathBuf {
        self.sessions_dir().join(session)
    }

    /// Kills a session's host as the kernel would, and waits until all of it is gone: its threads go one by
    /// one, and its sockets with the last.
    pub fn kill_host(&self, session: &str) -> u32 {
        let endpoint = self.endpoint(session);
        kill(endpoint.pid, Signal::KILL);
        await_true("the host's end", SOON, || {
            std::os::unix::net::UnixStream::connect(&endpoint.socket).is_err()
        });
        endpoint.pid
    }

    /// What the session's host says how to reach it; waits until it does.
    pub fn endpoint(&self, session: &str) -> HostEndpoint {
        let path = self.session_dir(session).join("endpoint.json");
        await_some("the host's endpoint.json", SOON, || read_json(&path))
    }

    /// The newest status on disk.
    pub fn last(&self, session: &str) -> Option<SessionStatus> {
        read_json(&self.session_dir(session).join("last.json"))
    }

    /// `remote status --json SESSION`.
    pub fn status(&self, session: &str) -> serde_json::Value {
        let ran = self.ok(&["status", "--json", session]);
        serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("status --json is no JSON ({e}):\n{}", ran.all()))
    }

    /// Waits until the session's directory says what `seen` wants.
    pub fn await_status(
        &self,
        what: &str,
        session: &str,
        mut seen: impl FnMut(&SessionStatus) -> bool,
    ) -> SessionStatus {
        await_some(what, SOON, || self.last(session).filter(|s| seen(s)))
    }

    /// All the bytes an agent has written.
    pub fn raw_logs(&self, agent: &str) -> Vec<u8> {
        let out = self
            .remote(&["logs", "--raw", agent])
            .output()
            .expect("remote logs");
        assert!(
            out.status.success(),
            "remote logs --raw {agent}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        out.stdout
    }

    /// Writes the ssh configuration so that `box` is this server, through `port` (its own or a proxy's).
    pub fn use_sshd(&self, sshd: &Sshd, port: u16) {
        let ssh = self.home.join(".ssh");
        let known = ssh.join("known_hosts");
        let text = format!(
            "Host box\n  HostName 127.0.0.1\n  Port {port}\n  User {}\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n",
            user(),
            sshd.client_key().display(),
            known.display()
        );
        std::fs::write(ssh.join("config"), text).expect("the ssh configuration");
        let line = format!("[127.0.0.1]:{port} {}\n", sshd.host_key());
        std::fs::write(known, line).expect("known_hosts");
    }

    /// Processes that run with this home: hosts, agents, clients.
    pub fn processes(&self) -> Vec<Process> {
        with_environment(&format!("HOME={}", self.home.display()))
    }

    /// Waits until nothing runs with this home.
    pub fn await_no_process(&self) {
        await_true("every process of this home to end", SOON, || {
            self.processes().is_empty()
        });
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        let live = self.processes();
        if !live.is_empty() {
            // Sessions end as a user would end them; what survives that is a fault.
            let mut command = self.remote(&["terminate", "--all", "--yes"]);
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                run(&mut command, b"", SOON);
            }));
            let deadline = std::time::Instant::now() + Duration::from_secs(10);
            while !self.processes().is_empty() && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            let left = self.processes();
            for p in &left {
                kill(p.pid, Signal::KILL);
            }
            if std::thread::panicking() {
                self.print_host_logs();
            } else {
                assert!(ended.is_ok(), "`remote terminate --all --yes` does not end");
                assert!(left.is_empty(), "left behind after terminate: {left:#?}");
            }
        }
    }
}

impl TestEnv {
    /// For a failed test: what the hosts have logged.
    fn print_host_logs(&self) {
        for session in std::fs::read_dir(self.sessions_dir())
            .into_iter()
            .flatten()
            .flatten()
        {
            let logs = std::fs::read_dir(session.path().join("log"));
            for log in logs.into_iter().flatten().flatten() {
                let text = std::fs::read_to_string(log.path()).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(40).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                eprintln!("{}:\n{}", log.path().display(), tail.join("\n"));
            }
        }
    }
}

/// The first `session-xxxxxx` in a text.
pub fn session_in(text: &str) -> Option<String> {
    text.match_indices("session-").find_map(|(at, prefix)| {
        let tail = &text[at + prefix.len()..];
        let name: String = tail
            .chars()
            .take_while(|c| matches!(c, 'a'..='z' | '2'..='7'))
            .collect();
        (name.len() == 6).then(|| format!("session-{name}"))
    })
}

/// A JSON file that may not be there (yet).
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The name of the user who runs the tests.
pub fn user() -> String {
    static USER: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    USER.get_or_init(|| {
        let out = Command::new("id").arg("-un").output().expect("id -un");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    })
    .clone()
}
