//! This machine as a provider: a session is a detached `remote host run` and its directory. The same code
//! runs on an `ssh` machine, asked there through `remote host launch`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::{Child, Command};

use super::program::find_program;
use super::unit;
use super::{
    BoxFuture, Compute, Endpoint, Launch, Login, Machine, MachineState, PinnedLogin, Price,
    ProvisionError, Renewal, Steps, Survives, write_whole,
};
use crate::config::{Account, MachineFile, SessionDir, WORK};
use crate::error::Error;
use crate::model::{HostEndpoint, SessionId, SessionSpec};

/// How long a host may take until it listens.
const READY: Duration = Duration::from_secs(15);
/// How long a host may take to wrap up after SIGTERM.
const WRAP_UP: Duration = Duration::from_secs(20);

/// Sessions on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    sessions: PathBuf,
    binary: PathBuf,
    /// Who agents run as, on a rented machine where we are root.
    agent: Option<Account>,
}

impl Local {
    /// `sessions`: where their directories lie ([`Paths::sessions`](crate::config::Paths::sessions)).
    pub fn new(sessions: PathBuf) -> Self {
        // A replaced binary still runs: /proc/self/exe names it where the path no longer does.
        let binary = std::env::current_exe()
            .ok()
            .filter(|p| p.exists())
            .unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        Self::running(sessions, binary)
    }

    /// As [`Local::new`], with hosts that run another program than this one.
    pub fn running(sessions: PathBuf, binary: PathBuf) -> Self {
        Self {
            sessions,
            binary,
            agent: None,
        }
    }

    /// Sessions on a rented machine, asked as root there: on its work volume, and agents run as their own user.
    ///
    /// # Errors
    /// That user is not there.
    pub fn rented(machine: &MachineFile) -> Result<Self, Error> {
        Ok(Self {
            agent: Some(Account::named(&machine.agent)?),
            ..Self::new(MachineFile::sessions())
        })
    }

    fn dir(&self, session: &SessionId) -> SessionDir {
        SessionDir::new(self.sessions.join(session.as_str()))
    }

    fn known(&self, session: &SessionId) -> Result<SessionDir, ProvisionError> {
        let dir = self.dir(session);
        if dir.spec().exists() {
            Ok(dir)
        } else {
            Err(ProvisionError::NoSession(session.clone()))
        }
    }

    fn create(&self, launch: &Launch) -> Result<SessionDir, ProvisionError> {
        let dir = self.dir(&launch.spec.id);
        make_dir(&self.sessions, true)?;
        make_dir(dir.path(), false).map_err(|e| match e {
            ProvisionError::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
                ProvisionError::Exists(launch.spec.id.clone())
            }
            other => other,
        })?;
        let filled = fill(&dir, launch);
        if filled.is_err() {
            discard(&dir);
        }
        filled.map(|()| dir)
    }

    /// Starts the host of a session that was on another machine before: with a new deadline and another price.
    ///
    /// # Errors
    /// There is no such session, or its host does not start.
    pub async fn renew(&self, renewal: &Renewal) -> Result<Endpoint, ProvisionError> {
        let dir = self.known(&renewal.session)?;
        let file = dir.spec();
        let text = std::fs::read(&file).map_err(ProvisionError::io("read", &file))?;
        let damaged = |e: serde_json::Error| ProvisionError::io("read", &file)(e.into());
        let mut spec: SessionSpec = serde_json::from_slice(&text).map_err(damaged)?;
        spec.ends.deadline = renewal.deadline;
        spec.price_microusd_per_hour = renewal.microusd_per_hour;
        // A device that knows the session by its tags alone knows of none.
        spec.budget_microusd = renewal.budget_microusd.or(spec.budget_microusd);
        let text = serde_json::to_vec_pretty(&spec)
            .map_err(|e| ProvisionError::io("write", &file)(e.into()))?;
        write_whole(&file, &text, Survives::PowerCut)
            .map_err(ProvisionError::io("write", &file))?;
        self.start(&renewal.session).await
    }

    async fn run_host(&self, dir: &SessionDir) -> Result<Endpoint, ProvisionError> {
        if self.agent.is_some() && unit::has_systemd() {
            let started = unit::start(dir, &self.binary, READY).await;
            if started.is_err() {
                unit::stop(dir).await;
            }
            return started.and_then(|()| self.endpoint_of(dir));
        }
        let mut host = self.spawn_host(dir)?;
        match tokio::time::timeout(READY, ready(&mut host, dir)).await {
            Ok(true) => self.endpoint_of(dir),
            // Its agents were quicker than we: all that it has to say is in its directory.
            Ok(false) if dir.last().exists() && host.wait().await.is_ok_and(|s| s.success()) => {
                Ok(self.ended_endpoint(dir))
            }
            outcome => {
                // Whatever state it is in, it is not one that anybody will find again.
                let _ = host.kill().await;
                Err(ProvisionError::Start {
                    why: match outcome {
                        Ok(_) => "it ended before it listened".to_owned(),
                        Err(_) => format!("it did not listen within {} s", READY.as_secs()),
                    },
                    log: start_log(dir),
                })
            }
        }
    }

    fn spawn_host(&self, dir: &SessionDir) -> Result<Child, ProvisionError> {
        let log = dir.log().join("start.log");
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log)
            .map_err(ProvisionError::io("open", &log))?;
        let mut command = std::process::Command::new(&self.binary);
        command
            .arg0("remote")
            .args(["host", "run", "--dir"])
            .arg(dir.path())
            .arg("--detach")
            // What unlocks this device's secrets was for the client, and would stay in the host's environment.
            .env_remove("REMOTE_PASSPHRASE")
            .env_remove("REMOTE_PASSPHRASE_COMMAND")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Not ours any more when a Ctrl-C comes, even before its own setsid.
            .process_group(0);
        Command::from(command)
            .spawn()
            .map_err(ProvisionError::io("start", &self.binary))
    }

    fn endpoint_of(&self, dir: &SessionDir) -> Result<Endpoint, ProvisionError> {
        let path = dir.endpoint();
        let text = std::fs::read(&path).map_err(ProvisionError::io("read", &path))?;
        let host: HostEndpoint = serde_json::from_slice(&text)
            .map_err(|e| ProvisionError::io("read", &path)(e.into()))?;
        let login = match (host.port, host.host_key, host.user) {
            (Some(port), Some(host_key), Some(user)) => Login::Pinned(PinnedLogin {
                address: "127.0.0.1".to_owned(),
                address6: None,
                port,
                user,
                host_key,
                identity: dir.client_key(),
            }),
            _ => Login::Ssh {
                destination: String::new(),
            },
        };
        Ok(Endpoint {
            login,
            dir: dir.path().display().to_string(),
            socket: host.socket.display().to_string(),
            binary: self.binary.display().to_string(),
            rented: None,
        })
    }

    /// The endpoint of a session that is over already.
    fn ended_endpoint(&self, dir: &SessionDir) -> Endpoint {
        Endpoint {
            login: Login::Ssh {
                destination: String::new(),
            },
            dir: dir.path().display().to_string(),
            socket: String::new(),
            binary: self.binary.display().to_string(),
            rented: None,
        }
    }

    fn machine(&self, dir: &SessionDir, session: &SessionId) -> Option<Machine> {
        let spec: SessionSpec = serde_json::from_slice(&std::fs::read(dir.spec()).ok()?).ok()?;
        Some(Machine {
            session: session.clone(),
            state: match live_endpoint(dir) {
                Some(_) => MachineState::Running,
                None => MachineState::Gone,
            },
            launched: spec.created,
            rented: None,
        })
    }
}

impl Compute for Local {
    fn launch<'a>(
        &'a self,
        launch: &'a Launch,
        _: Steps<'a>,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(async move {
            if self.agent.is_some() && !is_mounted(Path::new(WORK)) {
                return Err(ProvisionError::NoWork);
            }
            check_agents(&launch.spec, self.agent.as_ref())?;
            let dir = self.create(launch)?;
            let started = self.run_host(&dir).await;
            if started.is_err() {
                discard(&dir);
            }
            started
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Machine>, ProvisionError>> {
        Box::pin(async move {
            let entries = match std::fs::read_dir(&self.sessions) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(e) => return Err(ProvisionError::io("read", &self.sessions)(e)),
            };
            let mut machines: Vec<Machine> = entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok()?.parse().ok())
                .filter_map(|id: SessionId| self.machine(&self.dir(&id), &id))
                .collect();
            machines.sort_by_key(|m| m.launched);
            Ok(machines)
        })
    }

    fn describe<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Machine, ProvisionError>> {
        Box::pin(async move {
            let dir = self.known(session)?;
            self.machine(&dir, session)
                .ok_or_else(|| ProvisionError::NoSession(session.clone()))
        })
    }

    fn start<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(async move {
            let dir = self.known(session)?;
            if live_endpoint(&dir).is_some() {
                return self.endpoint_of(&dir);
            }
            self.run_host(&dir).await
        })
    }

    fn stop<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(async {
            Err(ProvisionError::Unsupported(
                "this machine cannot be stopped for a session; `remote terminate` ends the session",
            ))
        })
    }

    fn terminate<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(async move {
            let dir = self.known(session)?;
            let Some(pid) = live_endpoint(&dir).and_then(|e| pid(e.pid)) else {
                return Ok(());
            };
            for signal in [Signal::TERM, Signal::KILL] {
                // Gone between the look and the signal is as good.
                let _ = kill_process(pid, signal);
                if tokio::time::timeout(WRAP_UP, released(&dir)).await.is_ok() {
                    return Ok(());
                }
            }
            Err(ProvisionError::Start {
                why: format!("process {} does not end", pid.as_raw_nonzero()),
                log: String::new(),
            })
        })
    }

    fn endpoint<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(async move {
            let dir = self.known(session)?;
            if live_endpoint(&dir).is_none() {
                return Err(ProvisionError::NotRunning(session.clone()));
            }
            self.endpoint_of(&dir)
        })
    }

    fn price<'a>(&'a self, _: &'a SessionSpec) -> BoxFuture<'a, Result<Price, ProvisionError>> {
        Box::pin(async { Ok(Price::default()) })
    }
}

/// The endpoint of the host that runs on `dir` now; `None` where none does. A host writes it while it holds
/// the lock, so the lock is only tried where a live process has written it: a starting host is never
/// disturbed.
pub fn live_endpoint(dir: &SessionDir) -> Option<HostEndpoint> {
    let text = std::fs::read(dir.endpoint()).ok()?;
    let endpoint: HostEndpoint = serde_json::from_slice(&text).ok()?;
    test_kill_process(pid(endpoint.pid)?).ok()?;
    let lock = File::open(dir.lock()).ok()?;
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Err(e) if e == rustix::io::Errno::WOULDBLOCK => Some(endpoint),
        _ => None,
    }
}

fn pid(raw: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(raw).ok()?)
}

/// Waits until no host holds the directory.
async fn released(dir: &SessionDir) {
    let lock = dir.lock();
    let wait = move || {
        if let Ok(file) = File::open(&lock) {
            let _ = flock(&file, FlockOperation::LockShared);
        }
    };
    let _ = tokio::task::spawn_blocking(wait).await;
}

/// Waits until the host closes its stdout, which it does when it listens, and when it ends: whether it
/// listens.
async fn ready(host: &mut Child, dir: &SessionDir) -> bool {
    if let Some(mut stdout) = host.stdout.take() {
        let _ = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await;
    }
    live_endpoint(dir).is_some()
}

/// A session's files are never to lie on the root disk, which ends with its machine.
fn is_mounted(dir: &Path) -> bool {
    let device = |path: &Path| path.metadata().ok().map(|m| m.dev());
    device(dir).is_some_and(|d| Some(d) != device(Path::new("/")))
}

fn check_agents(spec: &SessionSpec, agents_user: Option<&Account>) -> Result<(), ProvisionError> {
    let path = match agents_user {
        Some(user) => Some(user.path().into()),
        None => std::env::var_os("PATH"),
    };
    for agent in &spec.agents {
        if !agent.cwd.is_dir() {
            return Err(ProvisionError::NoDirectory {
                agent: agent.name.clone(),
                cwd: agent.cwd.clone(),
                place: "this machine".to_owned(),
            });
        }
        let program = agent.argv.first().map_or("", String::as_str);
        let path = agent.env.get("PATH").map(Into::into).or(path.clone());
        if find_program(program, path.as_deref(), &agent.cwd).is_none() {
            return Err(ProvisionError::NoProgram {
                agent: agent.name.clone(),
                program: program.to_owned(),
                place: "this machine".to_owned(),
            });
        }
    }
    Ok(())
}

fn fill(dir: &SessionDir, launch: &Launch) -> Result<(), ProvisionError> {
    make_dir(&dir.log(), false)?;
    make_dir(&dir.keys(), false)?;
    if let Some(keys) = &launch.keys {
        write_new(&dir.host_key(), keys.host.as_bytes())?;
        write_new(&dir.client_key(), keys.client.as_bytes())?;
    }
    let spec = serde_json::to_vec_pretty(&launch.spec)
        .map_err(|e| ProvisionError::io("write", dir.spec())(e.into()))?;
    write_whole(&dir.spec(), &spec, Survives::PowerCut)
        .map_err(ProvisionError::io("write", dir.spec()))
}

fn make_dir(path: &Path, recursive: bool) -> Result<(), ProvisionError> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(recursive)
        .create(path)
        .map_err(ProvisionError::io("create", path))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ProvisionError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut f| f.write_all(bytes))
        .map_err(ProvisionError::io("write", path))
}

/// Takes a directory away that nobody has heard of yet.
fn discard(dir: &SessionDir) {
    let _ = std::fs::remove_dir_all(dir.path());
}

/// The end of what a host said before it listened.
fn start_log(dir: &SessionDir) -> String {
    let text = std::fs::read(dir.log().join("start.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(12);
    lines.get(from..).unwrap_or_default().join("\n")
}
