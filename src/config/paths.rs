//! Where things lie: XDG directories of the client, and the layout of a session's directory, which the
//! host, the client and the providers share.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::SessionId;

/// The longest Unix socket path that every system takes, with room to spare (sun_path is 104 to 108).
const SOCKET_MAX: usize = 100;

/// The client's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `$XDG_CONFIG_HOME/remote`
    pub config: PathBuf,
    /// `$XDG_STATE_HOME/remote`
    pub state: PathBuf,
    /// `$XDG_DATA_HOME/remote`
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME/remote`; what is lost with it can be had again.
    pub cache: PathBuf,
    /// `$HOME`
    pub home: PathBuf,
}

impl Paths {
    /// From the environment.
    ///
    /// # Errors
    /// Where neither the XDG variables nor HOME are set.
    pub fn from_env() -> Result<Self> {
        Self::new(|name| std::env::var_os(name).map(PathBuf::from))
    }

    /// From any source of variables.
    ///
    /// # Errors
    /// As [`Paths::from_env`].
    pub fn new(var: impl Fn(&str) -> Option<PathBuf>) -> Result<Self> {
        let home = var("HOME").filter(|h| h.is_absolute()).ok_or_else(|| {
            Error::config("HOME is not set to an absolute path")
                .hint("set HOME to your home directory, e.g. `export HOME=/home/me`")
        })?;
        let xdg = |name: &str, default: &str| {
            var(name)
                .filter(|p| p.is_absolute())
                .unwrap_or_else(|| home.join(default))
                .join("remote")
        };
        Ok(Self {
            config: xdg("XDG_CONFIG_HOME", ".config"),
            state: xdg("XDG_STATE_HOME", ".local/state"),
            data: xdg("XDG_DATA_HOME", ".local/share"),
            cache: xdg("XDG_CACHE_HOME", ".cache"),
            home: home.clone(),
        })
    }

    /// Where sessions' directories lie on a machine that hosts them.
    pub fn sessions(&self) -> PathBuf {
        self.state.join("sessions")
    }

    /// Where a machine that hosts sessions keeps the repositories they work on.
    pub fn repositories(&self) -> PathBuf {
        self.state.join("repo")
    }

    /// Where the workspaces of this machine lie: directories.
    pub fn workspaces(&self) -> PathBuf {
        self.data.join("workspaces")
    }

    pub fn session(&self, id: &SessionId) -> SessionDir {
        SessionDir::new(self.sessions().join(id.as_str()))
    }
}

/// A session's directory and the files in it. Creates nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDir(PathBuf);

impl SessionDir {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// [`SessionSpec`](crate::model::SessionSpec), written before the host starts.
    pub fn spec(&self) -> PathBuf {
        self.0.join("session.json")
    }

    /// [`HostEndpoint`](crate::model::HostEndpoint), written once the host listens, removed at its end.
    pub fn endpoint(&self) -> PathBuf {
        self.0.join("endpoint.json")
    }

    /// The newest [`SessionStatus`](crate::model::SessionStatus).
    pub fn last(&self) -> PathBuf {
        self.0.join("last.json")
    }

    /// What happened in it: a [`SessionEvent`](crate::model::SessionEvent) a line, the newest last.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// How its person's panes lay, as a client gave it.
    pub fn layout(&self) -> PathBuf {
        self.0.join("layout.json")
    }

    /// The path of the binary that the session's host was last run from: it is kept for as long as this is.
    pub fn binary(&self) -> PathBuf {
        self.0.join("binary")
    }

    /// Held (flock) by the running host.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Logs of the host itself.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Agents' working trees: `work/N/NAME`.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The embedded SSH server's private key.
    pub fn host_key(&self) -> PathBuf {
        self.keys().join("host_ed25519")
    }

    /// The private key that the embedded SSH server lets in (`local`).
    pub fn client_key(&self) -> PathBuf {
        self.keys().join("client_ed25519")
    }

    /// `agents/N`: history and spool.
    pub fn agent(&self, number: u32) -> PathBuf {
        self.0.join("agents").join(number.to_string())
    }

    /// What setup printed.
    pub fn setup(&self) -> PathBuf {
        self.0.join("setup")
    }

    /// `checks/N/RUN`: what a check of agent N's work printed.
    pub fn check(&self, number: u32, run: u32) -> PathBuf {
        let agent = self.0.join("checks").join(number.to_string());
        agent.join(run.to_string())
    }

    /// Where the host's sockets lie: the directory itself, or, where their paths would be too long for a
    /// Unix socket, `/tmp/remote-UID/NAME` or, where somebody else has that, a directory of a random
    /// name beside it. endpoint.json tells which.
    pub fn socket_dir(&self, uid: u32) -> PathBuf {
        let longest = self.0.join("agent.sock");
        if longest.as_os_str().len() < SOCKET_MAX {
            return self.0.clone();
        }
        let name = self.0.file_name().unwrap_or_default();
        PathBuf::from(format!("/tmp/remote-{uid}")).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_wins_over_home_and_relative_values_are_ignored() -> Result<()> {
        let paths = Paths::new(|v| match v {
            "HOME" => Some("/home/me".into()),
            "XDG_STATE_HOME" => Some("/state".into()),
            "XDG_CONFIG_HOME" => Some("relative".into()),
            _ => None,
        })?;
        assert_eq!(paths.state, Path::new("/state/remote"));
        assert_eq!(paths.config, Path::new("/home/me/.config/remote"));
        assert!(Paths::new(|_| None).is_err());
        Ok(())
    }

    #[test]
    fn long_directories_put_their_sockets_elsewhere() {
        let near = SessionDir::new("/home/me/.local/state/remote/sessions/session-abc123");
        assert_eq!(near.socket_dir(7), near.path());
        let far = SessionDir::new(format!("/{}/session-abc123", "x".repeat(90)));
        assert_eq!(far.socket_dir(7), Path::new("/tmp/remote-7/session-abc123"));
    }
}
