//! The host as root on a rented machine: agents run as a user of their own, the owner's socket is the login
//! user's, and what only root can do goes through the machine's `remote-root`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::cgroup::Cgroups;
use super::environment;
use crate::config::{Account, MachineFile};
use crate::error::{Context, Error, Result};
use crate::model::{Millis, SessionId};
use crate::provision::find_program;

const REMOTE_ROOT: &str = "/usr/local/sbin/remote-root";
const SYSTEM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// What only root can do takes a moment at most.
const ROOT_LIMIT: Duration = Duration::from_secs(10);
/// Enters the agent's cgroup while still root, then becomes the agent, and last its program: one process
/// throughout, so that its number is the session's leader's. $0 cgroup or nothing, $1 setpriv, $2 uid, $3 gid.
const BECOME: &str = r#"umask 022; [ -z "$0" ] || echo $$ >"$0/cgroup.procs"
p=$1 u=$2 g=$3; shift 3; exec "$p" --reuid "$u" --regid "$g" --init-groups --inh-caps=-all -- "$@""#;

/// See the module.
#[derive(Debug)]
pub struct Rented {
    login: Account,
    agent: Account,
    setpriv: PathBuf,
    cgroups: Option<Cgroups>,
}

impl Rented {
    /// From the machine's file, where we are root and it is there.
    ///
    /// # Errors
    /// It is damaged, its users are not there, or `setpriv` is not.
    pub fn read(file: &Path, session: &SessionId) -> Result<Option<Self>> {
        if !rustix::process::getuid().is_root() {
            return Ok(None);
        }
        let Some(machine) = MachineFile::read(file)? else {
            return Ok(None);
        };
        let setpriv = find_program("setpriv", Some(OsStr::new(SYSTEM_PATH)), Path::new("/"))
            .ok_or_else(|| {
                Error::user("this machine has no `setpriv`, by which agents become another user")
                    .hint("install util-linux there")
            })?;
        Ok(Some(Self {
            login: Account::named(&machine.login)?,
            agent: Account::named(&machine.agent)?,
            setpriv,
            cgroups: Cgroups::make(session.as_str()),
        }))
    }

    /// What agents' environments begin with: a login's, with nothing of root's.
    pub fn env(&self) -> BTreeMap<String, String> {
        let agent = &self.agent;
        let mut env = environment::base([]);
        for (name, value) in [
            ("HOME", agent.home.display().to_string()),
            ("USER", agent.name.clone()),
            ("LOGNAME", agent.name.clone()),
            ("SHELL", agent.shell.clone()),
            ("PATH", agent.path()),
        ] {
            env.insert(name.to_owned(), value);
        }
        env
    }

    /// The command line that runs `argv` as the agents' user.
    ///
    /// # Errors
    /// The program is not there: said here, for `setpriv` would say it on the agent's screen only.
    pub fn argv(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &Path,
        number: u32,
    ) -> std::result::Result<Vec<String>, String> {
        let program = argv.first().map_or("", String::as_str);
        let path = env.get("PATH").map(OsStr::new);
        if find_program(program, path, cwd).is_none() {
            return Err(format!("`{program}` cannot be started: it is not on PATH"));
        }
        let cgroup = self.cgroups.as_ref().and_then(|c| c.agent(number));
        let cgroup = cgroup.map_or_else(String::new, |c| c.display().to_string());
        Ok(self.line(argv, &cgroup))
    }

    /// As [`Rented::argv`], in the host's own cgroup: what it runs for the person, as nobody more than agents are.
    pub fn line(&self, argv: &[String], cgroup: &str) -> Vec<String> {
        let mut line: Vec<String> = [
            "/bin/sh",
            "-c",
            BECOME,
            cgroup,
            &self.setpriv.display().to_string(),
            &self.agent.uid.to_string(),
            &self.agent.gid.to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        line.extend_from_slice(argv);
        line
    }

    pub fn cgroups(&self) -> Option<&Cgroups> {
        self.cgroups.as_ref()
    }

    /// Where the sockets are to be: both users can get there, nobody else than root can write.
    ///
    /// # Errors
    /// The file system's.
    pub fn sockets(&self, session: &SessionId) -> Result<(PathBuf, PathBuf)> {
        let run = MachineFile::sockets();
        let dir = run.join(session.as_str());
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&dir)
            .context(format!("{} cannot be made", dir.display()))?;
        for level in [&run, &dir] {
            // The umask had its say, and an earlier boot's helper made it with another.
            std::fs::set_permissions(level, std::fs::Permissions::from_mode(0o711))
                .context(format!("{} cannot be opened to its users", level.display()))?;
        }
        Ok((dir.join("host.sock"), dir.join("agent.sock")))
    }

    /// Gives each socket to its user, who alone (and root) can open it.
    ///
    /// # Errors
    /// The file system's.
    pub fn give(&self, socket: &Path, agents: [&Path; 2]) -> io::Result<()> {
        let give = |socket: &Path, to: &Account| {
            std::os::unix::fs::chown(socket, Some(to.uid), Some(to.gid))
        };
        give(socket, &self.login)?;
        agents.into_iter().try_for_each(|s| give(s, &self.agent))
    }

    /// Who may speak on host.sock, and who on agent.sock.
    pub fn users(&self) -> (u32, u32) {
        (self.login.uid, self.agent.uid)
    }

    /// Moves the machine's own deadline, before the session's.
    ///
    /// # Errors
    /// What `remote-root` said.
    pub async fn deadline(&self, deadline: Millis) -> std::result::Result<(), String> {
        self.root(&["deadline", &deadline.div_ceil(1000).to_string()])
            .await
    }

    /// From here on the session wraps up: `remote-root`, should it be the one that ends the machine, then waits for as
    /// long as that may take.
    pub fn begins_to_end(&self, session: &SessionId) {
        let mark = MachineFile::sockets().join(session.as_str()).join("ending");
        if let Err(e) = std::fs::write(&mark, "") {
            tracing::warn!("{}: {e}", mark.display());
        }
    }

    /// Ends the machine. Its session is over, its files are written.
    pub async fn off(&self) {
        if let Some(cgroups) = &self.cgroups {
            cgroups.remove();
        }
        if let Err(why) = self.root(&["off"]).await {
            // The timer ends it at its deadline.
            tracing::error!("this machine does not power off: {why}");
        }
    }

    async fn root(&self, words: &[&str]) -> std::result::Result<(), String> {
        let run = Command::new(REMOTE_ROOT)
            .args(words)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(ROOT_LIMIT, run)
            .await
            .map_err(|_| format!("{REMOTE_ROOT} does not answer"))?
            .map_err(|e| format!("{REMOTE_ROOT}: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.trim().to_owned())
    }
}
