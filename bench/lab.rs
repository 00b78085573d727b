//! The client's machine, the server's, and the peers: how each of them runs a command on the server and
//! shows it on a terminal here.

use std::process::Command;
use std::time::{Duration, Instant};

use remote_compute::model::Size;
use rustix::process::Signal;

use crate::common::env::TestEnv;
use crate::common::find_program;
use crate::common::process::{Ran, kill, run};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::Terminal;

/// Every terminal of the benchmarks.
pub const SIZE: Size = Size {
    cols: 120,
    rows: 40,
};

/// A way to reach a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Direct,
    Ssh,
    SshTmux,
    SshDtach,
    SshShpool,
    Mosh,
    RemoteLocal,
    RemoteSsh,
}

impl Peer {
    pub const ALL: [Self; 8] = [
        Self::Direct,
        Self::Ssh,
        Self::SshTmux,
        Self::SshDtach,
        Self::SshShpool,
        Self::Mosh,
        Self::RemoteLocal,
        Self::RemoteSsh,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Ssh => "ssh",
            Self::SshTmux => "ssh + tmux",
            Self::SshDtach => "ssh + dtach",
            Self::SshShpool => "ssh + shpool",
            Self::Mosh => "mosh",
            Self::RemoteLocal => "remote, local",
            Self::RemoteSsh => "remote, ssh",
        }
    }

    pub fn is_remote(self) -> bool {
        matches!(self, Self::RemoteLocal | Self::RemoteSsh)
    }

    /// The program this peer needs and does not have; `None` when all is there.
    pub fn missing(self) -> Option<&'static str> {
        let program = match self {
            Self::SshTmux => "tmux",
            Self::SshDtach => "dtach",
            Self::SshShpool => "shpool",
            Self::Mosh => "mosh",
            _ => return None,
        };
        find_shipped(program).is_none().then_some("not installed")
    }
}

/// A program in PATH, or where `cargo install` puts it.
pub fn find_shipped(program: &str) -> Option<std::path::PathBuf> {
    find_program(program).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(std::path::Path::new(&home).join(".cargo/bin").join(program)).filter(|p| p.is_file())
    })
}

/// Both machines.
pub struct Lab {
    pub client: TestEnv,
    pub server: TestEnv,
    pub sshd: Sshd,
}

impl Lab {
    pub fn new() -> Self {
        let client = TestEnv::new();
        let server = TestEnv::new();
        let mut options = SshdOptions::home(server.home());
        // A server's usual environment; tmux and mosh want a UTF-8 locale and a place for their sockets.
        for (name, value) in server.variables() {
            if ["LANG", "LC_ALL", "PATH", "TMPDIR"].contains(&name.as_str()) {
                options.environment.push((name, value));
            }
        }
        let tmp = server.bin().with_file_name("tmp");
        let tmp = tmp.to_string_lossy().into_owned();
        options
            .environment
            .push(("TMUX_TMPDIR".to_owned(), tmp.clone()));
        options
            .environment
            .push(("XDG_RUNTIME_DIR".to_owned(), tmp));
        let sshd = Sshd::start(&options);
        client.use_sshd(&sshd, sshd.port);
        Self {
            client,
            server,
            sshd,
        }
    }

    /// `remote` runs nothing yet in a build that has no verbs: then its rows are left out.
    pub fn remote_works(&self) -> bool {
        let ran = run(
            &mut self.client.remote(&["--version"]),
            b"",
            Duration::from_secs(10),
        );
        ran.code == 0 && ran.stdout.contains("remote")
    }

    /// The peers that can run here, and the names of those that cannot, with the reason.
    pub fn peers(&self, wanted: &[Peer]) -> (Vec<Peer>, Vec<(Peer, String)>) {
        let works = self.remote_works();
        let mut there = Vec::new();
        let mut missing = Vec::new();
        // For work on one of them: REMOTE_BENCH_PEERS=remote,ssh takes those with such a word in their name.
        let only = std::env::var("REMOTE_BENCH_PEERS").unwrap_or_default();
        let asked = |p: &&Peer| only.is_empty() || only.split(',').any(|o| p.name().contains(o));
        for peer in wanted.iter().filter(asked) {
            match peer.missing() {
                Some(why) => missing.push((*peer, why.to_owned())),
                None if peer.is_remote() && !works => {
                    missing.push((*peer, "does not run in this build".to_owned()));
                }
                None => there.push(*peer),
            }
        }
        (there, missing)
    }

    /// OpenSSH's client without the test's wrapper, which would cost a process.
    pub fn ssh(&self, options: &[&str], command: &str) -> Command {
        let ssh = find_program("ssh").expect("ssh");
        let mut c = self.client.command(ssh);
        c.arg("-F").arg(self.client.home().join(".ssh/config"));
        c.args(options).arg("box").arg(command);
        c
    }

    /// What a user would type to see `script` (for sh) run through this peer, and for `remote` the session.
    /// `name` is unique for each use.
    pub fn open(&self, peer: Peer, name: &str, script: &str) -> Opened {
        let quoted = shell_words::quote(script).into_owned();
        let command = match peer {
            Peer::Direct => {
                let mut c = self.client.command("sh");
                c.args(["-c", script]);
                c
            }
            Peer::Ssh => self.ssh(&["-tt"], script),
            Peer::SshTmux => self.ssh(
                &["-tt"],
                &format!("tmux -L {name} -f /dev/null new-session -s {name} {quoted}"),
            ),
            Peer::SshDtach => self.ssh(
                &["-tt"],
                &format!("dtach -A $TMUX_TMPDIR/{name} -E -r none sh -c {quoted}"),
            ),
            Peer::SshShpool => {
                let shpool = find_shipped("shpool").expect("shpool");
                let inner = shell_words::quote(&format!("sh -c {quoted}")).into_owned();
                self.ssh(
                    &["-tt"],
                    &format!("{} attach --cmd {inner} {name}", shpool.display()),
                )
            }
            Peer::Mosh => {
                let mut c = self.client.command("mosh");
                c.args(["--predict=never", "box", "--", "sh", "-c", script]);
                c
            }
            Peer::RemoteLocal | Peer::RemoteSsh => {
                let session = self.dispatch(peer, 1, script);
                let command = self.client.remote(&["attach", session.as_str()]);
                return Opened {
                    terminal: Terminal::spawn_bare(command, SIZE),
                    session: Some(session),
                };
            }
        };
        Opened {
            terminal: Terminal::spawn_bare(command, SIZE),
            session: None,
        }
    }

    /// A detached session of `agents` agents that run `script`; its name.
    pub fn dispatch(&self, peer: Peer, agents: usize, script: &str) -> String {
        let agents = agents.to_string();
        let command = format!("sh -c {}", shell_words::quote(script));
        let mut args = vec!["--agents", agents.as_str(), "--command", command.as_str()];
        if peer == Peer::RemoteSsh {
            args.extend(["--provider", "ssh", "--host", "box"]);
        }
        self.client.dispatch(&args)
    }

    /// Ends a session that [`Lab::open`] or [`Lab::dispatch`] began.
    pub fn terminate(&self, session: &str) -> Ran {
        self.client.run(&["terminate", "--yes", session])
    }

    /// Ends what the peers have left running on the server.
    pub fn end(&self) {
        let _ = self.client.run(&["terminate", "--all", "--yes"]);
        self.sweep();
    }

    /// Kills the peers' own servers (tmux, dtach, shpool, mosh), which outlive their clients by design.
    pub fn sweep(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(5) {
            let mut left = self.server.processes();
            left.retain(|p| !p.command.contains("host run"));
            if left.is_empty() {
                return;
            }
            for p in left {
                kill(p.pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A command shown through a peer.
pub struct Opened {
    pub terminal: Terminal,
    pub session: Option<String>,
}

impl Opened {
    /// Ends it, on the server too.
    pub fn close(self, lab: &Lab) {
        drop(self.terminal);
        if let Some(session) = &self.session {
            lab.terminate(session);
        }
        lab.sweep();
    }
}

/// The value below which `part` (0 to 1) of the samples lie.
pub fn percentile(samples: &mut [Duration], part: f64) -> Duration {
    samples.sort_unstable();
    let last = samples.len().saturating_sub(1);
    let index = (last as f64 * part).round() as usize;
    samples.get(index).copied().unwrap_or_default()
}

/// The middle one.
pub fn median(mut samples: Vec<Duration>) -> Duration {
    percentile(&mut samples, 0.5)
}

/// Milliseconds with fractions.
pub fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1000.0
}
