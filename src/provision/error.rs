//! What a provider can fail at, and what to do about each.

use std::io;
use std::path::PathBuf;

use crate::error::Error;
use crate::model::SessionId;

/// Why a provider could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("agent `{agent}` needs the program `{program}`, which is not on PATH on {place}")]
    NoProgram {
        agent: String,
        program: String,
        place: String,
    },
    #[error("agent `{agent}` is to run in {}, which is not a directory on {place}", cwd.display())]
    NoDirectory {
        agent: String,
        cwd: PathBuf,
        place: String,
    },
    #[error("the session's host did not start: {why}")]
    Start { why: String, log: String },
    #[error("there is no session {0} here")]
    NoSession(SessionId),
    #[error("the host of {0} is not running")]
    NotRunning(SessionId),
    #[error("no work volume is mounted at /work on this machine")]
    NoWork,
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("{place} runs {system}, and there is no `remote` binary for it here")]
    NoBinary { place: String, system: String },
    #[error("cannot run commands on {place}")]
    Unreachable {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("{place}: {what} failed ({status})")]
    Remote {
        place: String,
        what: &'static str,
        status: String,
        stderr: String,
    },
    #[error("{place}: {what} gave an answer that cannot be read: {answer}")]
    Answer {
        place: String,
        what: &'static str,
        answer: String,
    },
}

impl ProvisionError {
    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl From<ProvisionError> for Error {
    fn from(e: ProvisionError) -> Self {
        let message = e.to_string();
        match e {
            ProvisionError::Io { source, .. } => Self::user(message).because(source),
            ProvisionError::NoProgram { program, .. } => Self::user(message).hint(format!(
                "install `{program}` there, or name another command: `remote dispatch --command '...'`"
            )),
            ProvisionError::NoDirectory { .. } => {
                Self::user(message).hint("name another directory with `--cwd DIR`")
            }
            ProvisionError::Start { log, .. } if !log.is_empty() => {
                Self::user(message).because(log)
            }
            ProvisionError::Start { .. } | ProvisionError::Unsupported(_) => Self::user(message),
            ProvisionError::NoWork => Self::user(message).hint(
                "mount it there: `sudo remote-root mount VOLUME-ID`, with `--new` if it is blank",
            ),
            ProvisionError::NoSession(_) => {
                Self::user(message).hint("run `remote status --all` to see what there is")
            }
            ProvisionError::NotRunning(id) => Self::connection(message).hint(format!(
                "run `remote logs {id}` for what it said, `remote restart {id}` to start it again, or \
                 `remote prune` to remove it"
            )),
            ProvisionError::NoBinary { system, .. } => Self::config(message).hint(format!(
                "give a static build with `--host-binary FILE`, or set `{system} = \"FILE\"` under \
                 `[host.binaries]` in config.toml"
            )),
            ProvisionError::Unreachable { place, source } => Self::connection(message)
                .because(source)
                .hint(format!("run `ssh {place} true` to see whether ssh itself gets in")),
            ProvisionError::Remote { stderr, .. } => {
                let error = Self::user(message);
                let said = stderr.trim().to_owned();
                if said.is_empty() {
                    error
                } else {
                    error.because(said)
                }
            }
            ProvisionError::Answer { .. } => Self::connection(message)
                .hint("look whether a shell profile there prints to non-interactive logins"),
        }
    }
}
