//! How a session's machine is asked for what only it can do with a repository: `remote host repo …`, over the
//! connection there is. A session of this machine that is over has no server any more: then the same verbs run here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::client::connect::connect_bulk;
use crate::client::registry::Known;
use crate::error::{Context, Error, Result};
use crate::provision::quote;
use crate::ssh::{Ask, Connection, ExecControl};

/// An answer is a few kilobytes for each agent.
const ANSWER: u64 = 16 << 20;
/// What is kept of what a machine says.
const SAID: u64 = 16 << 10;

/// See the module.
#[derive(Clone)]
pub enum Way {
    Ssh {
        connection: Connection,
        /// `remote` there.
        binary: String,
        /// What people call the machine, where it is another one.
        machine: Option<String>,
    },
    Here,
    /// A copy here of a work volume that no machine has.
    Copy(Arc<Path>),
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// A command that runs there.
pub(super) struct Running {
    /// To be dropped at its end: a pipe's is nothing else.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    pub stdout: Reader,
    pub stderr: Reader,
    end: End,
}

enum End {
    Ssh(ExecControl),
    Here(Child),
}

impl Running {
    /// Its exit status.
    pub async fn wait(&mut self) -> Result<i32> {
        Ok(match &mut self.end {
            End::Ssh(control) => control.wait().await?.code(),
            End::Here(child) => child.wait().await?.code().unwrap_or(255),
        })
    }
}

impl Way {
    /// To a known session's machine, its host alive or not. On this machine its server may be gone, or go at any
    /// moment, and is not needed.
    ///
    /// # Errors
    /// The machine cannot be reached.
    pub async fn open(known: &Known, ask: Arc<dyn Ask>) -> Result<Self> {
        match known.ssh {
            Some(_) => Ok(Self::over(known, connect_bulk(known, ask).await?)),
            None => Ok(Self::Here),
        }
    }

    /// Over a connection that is open already.
    pub fn over(known: &Known, connection: Connection) -> Self {
        let (binary, machine) = match &known.ssh {
            Some(place) => (place.binary.clone(), Some(place.destination.clone())),
            None => (this_program().display().to_string(), None),
        };
        Self::Ssh {
            connection,
            binary,
            machine,
        }
    }

    pub(super) async fn start(&self, words: &[&str]) -> Result<Running> {
        let of: Vec<&str> = match self {
            Self::Copy(top) => {
                let top = top.to_str();
                let top = top.ok_or_else(|| Error::internal("a copy's path is not UTF-8"))?;
                vec!["host", "repo", "--copy", top]
            }
            Self::Ssh { .. } | Self::Here => vec!["host", "repo"],
        };
        let words = of.iter().chain(words);
        match self {
            Self::Ssh {
                connection, binary, ..
            } => {
                let line: Vec<String> = words.map(|w| quote(w)).collect();
                let line = format!("{} {}", quote(binary), line.join(" "));
                let exec = connection.exec(&line, None).await?;
                Ok(Running {
                    stdin: Some(Box::new(exec.stdin)),
                    stdout: Box::new(exec.stdout),
                    stderr: Box::new(exec.stderr),
                    end: End::Ssh(exec.control),
                })
            }
            Self::Here | Self::Copy(_) => {
                let mut child = Command::new(this_program())
                    .args(words)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .context("this program cannot be started again")?;
                let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
                let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
                    return Err(Error::internal("a child without pipes"));
                };
                Ok(Running {
                    stdin: Some(Box::new(stdin)),
                    stdout: Box::new(stdout),
                    stderr: Box::new(stderr),
                    end: End::Here(child),
                })
            }
        }
    }

    /// Asks, and reads the answer: the last line that is JSON, since what comes before it is the shell's.
    ///
    /// # Errors
    /// The connection is lost, or the machine's own error, in its words.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        words: &[&str],
        request: &impl Serialize,
    ) -> Result<T> {
        let request = serde_json::to_vec(request).map_err(|e| {
            Error::user("a path here is not UTF-8, and cannot be told to another machine")
                .because(e)
        })?;
        let mut running = self.start(words).await?;
        let (mut answer, mut said) = (Vec::new(), Vec::new());
        {
            let stdin = running.stdin.take();
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // One that fails early does not read it all.
                    let _ = stdin.write_all(&request).await;
                    let _ = stdin.shutdown().await;
                }
            };
            let mut out = (&mut running.stdout).take(ANSWER);
            let mut err = (&mut running.stderr).take(SAID);
            let ((), out, err) = tokio::join!(
                feed,
                out.read_to_end(&mut answer),
                err.read_to_end(&mut said)
            );
            out?;
            err?;
        }
        let status = running.wait().await?;
        if status != 0 {
            let mut error = failed(status, &String::from_utf8_lossy(&said));
            if let Self::Ssh {
                machine: Some(machine),
                ..
            } = self
            {
                error.message = format!("{machine}: {}", error.message);
            }
            return Err(error);
        }
        let text = String::from_utf8_lossy(&answer);
        let read = |line: &str| serde_json::from_str(line).ok();
        text.lines().rev().find_map(read).ok_or_else(|| {
            Error::connection(
                "the session's machine gave an answer that this version does not understand",
            )
            .hint("`remote host upgrade SESSION` brings this version there")
        })
    }
}

/// The other side's report, of what it is that failed there, as our own error again.
pub fn failed(status: i32, said: &str) -> Error {
    let mut message = String::new();
    let mut hints = Vec::new();
    let mut cause = String::new();
    for line in said.lines() {
        if let Some(text) = line.strip_prefix("Error: ") {
            text.clone_into(&mut message);
        } else if let Some(hint) = line.strip_prefix("Hint: ") {
            hints.push(hint.to_owned());
        } else if let Some(text) = line.strip_prefix("Caused by: ") {
            text.clone_into(&mut cause);
        } else if message.is_empty() && !line.trim().is_empty() {
            line.clone_into(&mut message);
        }
    }
    if message.is_empty() {
        message = format!("the session's machine failed with status {status}");
    }
    let error = hints.into_iter().fold(Error::user(message), Error::hint);
    match cause.is_empty() {
        true => error,
        false => error.because(cause),
    }
}

/// A replaced binary still runs: /proc/self/exe names it where the path no longer does.
pub(super) fn this_program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .filter(|p| p.exists())
        .unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_sides_error_is_told_as_ones_own() {
        let said = "motd\nError: no room\nCaused by: full\nHint: run `df`\nHint: or not\n";
        let error = failed(1, said);
        assert_eq!((error.message.as_str(), error.hints.len()), ("no room", 2));
        assert!(error.source.is_some());
        assert!(failed(127, "").message.contains("127"));
    }
}
