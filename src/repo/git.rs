//! `git` as a program that can surprise nobody: it never asks, pages, edits or signs, speaks English, runs no hook
//! and no file-system monitor, and sees nothing of the variables by which a hook or an alias that we are run from
//! would lead it to another repository.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Oid, RepoError};

/// Variables of git's that are a person's own settings; all others that begin with `GIT_` are taken away.
const THEIRS: &[&str] = &[
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_LFS_",
];

/// On every call, before the verb.
const ALWAYS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    // A second index would be split too, with its other half in the person's repository.
    "core.splitIndex=false",
    "core.safecrlf=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "push.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "i18n.commitEncoding=UTF-8",
    "color.ui=false",
];

/// What is kept of what git said.
const SAID: usize = 8 * 1024;

/// A git that failed: which verb, how, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("git {verb} failed{}: {}", self.code.map(|c| format!(" ({c})")).unwrap_or_default(), self.said.trim())]
pub struct GitFailed {
    pub verb: String,
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub said: String,
}

/// Calls of git in one directory. Plain data: clones go on with more settings.
#[derive(Debug, Clone)]
pub struct Git {
    dir: PathBuf,
    env: Vec<(OsString, OsString)>,
    config: Vec<String>,
}

impl Git {
    /// In `dir`, which decides the repository.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            env: Vec::new(),
            config: Vec::new(),
        }
    }

    /// In a repository of ours, by its own directory (a bare one): nothing is searched for.
    pub fn bare(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self::at(dir.clone()).env("GIT_DIR", dir)
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// One more setting, `name=value`; it wins over files.
    #[must_use]
    pub fn config(mut self, setting: impl Into<String>) -> Self {
        self.config.push(setting.into());
        self
    }

    /// Without the files of the person's and the system's configuration: for carrying objects, where a rewritten
    /// address or a default of theirs can only do harm. Whose the repository is has been asked before.
    #[must_use]
    pub fn without_their_config(self) -> Self {
        self.env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .config("safe.directory=*")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The command, its streams not yet chosen.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GIT_") && !THEIRS.iter().any(|t| text.starts_with(t)) {
                command.env_remove(&name);
            }
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_EDITOR", "true")
            .env("GIT_PAGER", "cat")
            .env("LC_ALL", "C")
            .env("LANGUAGE", "C")
            .envs(self.env.iter().map(|(n, v)| (n, v)))
            .arg("-C")
            .arg(&self.dir);
        for setting in ALWAYS {
            command.args(["-c", setting]);
        }
        for setting in &self.config {
            command.args(["-c", setting]);
        }
        command.args(args).kill_on_drop(true);
        command
    }

    /// Runs to the end; what it wrote to stdout.
    ///
    /// # Errors
    /// git is not there, or failed.
    pub async fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, RepoError> {
        self.with_input(args, &[]).await
    }

    /// As [`Git::run`], with `input` on stdin.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Result<Vec<u8>, RepoError> {
        let args: Vec<OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = self.output(&args, input).await?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(failed(&args, output.status.code(), &output.stderr).into())
    }

    /// As [`Git::with_input`], with what it said on stderr though it succeeded.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn both<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Result<(Vec<u8>, String), RepoError> {
        let args: Vec<OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = self.output(&args, input).await?;
        if !output.status.success() {
            return Err(failed(&args, output.status.code(), &output.stderr).into());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.stdout, said))
    }

    /// As [`Git::run`]; `None` where git answers 1, which with most of its questions means no.
    ///
    /// # Errors
    /// As [`Git::run`], for any other status.
    pub async fn ask<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Option<String>, RepoError> {
        let args: Vec<OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = self.output(&args, &[]).await?;
        match output.status.code() {
            Some(0) => Ok(Some(line(output.stdout))),
            Some(1) => Ok(None),
            code => Err(failed(&args, code, &output.stderr).into()),
        }
    }

    /// What it wrote to stdout, whatever its status.
    ///
    /// # Errors
    /// git is not there.
    pub async fn any<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, RepoError> {
        let args: Vec<OsString> = args.into_iter().map(|a| a.as_ref().to_owned()).collect();
        Ok(line(self.output(&args, &[]).await?.stdout))
    }

    /// As [`Git::run`]; the one line it says.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn text<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<String, RepoError> {
        Ok(line(self.run(args).await?))
    }

    /// As [`Git::text`]; the object it names.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn oid<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Oid, RepoError> {
        let text = self.text(args).await?;
        Oid::try_from(text).map_err(RepoError::Unexpected)
    }

    /// The object that a ref or another name stands for, where there is one.
    ///
    /// # Errors
    /// git is not there, or cannot read the repository.
    pub async fn resolve(&self, name: &str) -> Result<Option<Oid>, RepoError> {
        let name = format!("{name}^{{commit}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &name,
        ];
        let found = self.ask(args).await?;
        Ok(found.and_then(|text| Oid::try_from(text).ok()))
    }

    async fn output(
        &self,
        args: &[OsString],
        input: &[u8],
    ) -> Result<std::process::Output, RepoError> {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(match input.is_empty() {
            true => Stdio::null(),
            false => Stdio::piped(),
        });
        let mut child = command.spawn().map_err(|e| self.not_started(e))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // One that fails early does not read it all; its status says more than the broken pipe.
                let _ = stdin.write_all(input).await;
            }
        };
        let (output, ()) = tokio::join!(child.wait_with_output(), feed);
        output.map_err(|e| RepoError::io("wait for git in", &self.dir, e))
    }

    pub(super) fn not_started(&self, e: std::io::Error) -> RepoError {
        if e.kind() == ErrorKind::NotFound && self.dir.is_dir() {
            return RepoError::NoGit;
        }
        RepoError::io("start git in", &self.dir, e)
    }
}

pub(super) fn failed(args: &[OsString], code: Option<i32>, stderr: &[u8]) -> GitFailed {
    let verb = args.iter().find(|a| !a.to_string_lossy().starts_with('-'));
    let from = stderr.len().saturating_sub(SAID);
    GitFailed {
        verb: verb.map_or_else(String::new, |v| v.to_string_lossy().into_owned()),
        code,
        said: String::from_utf8_lossy(stderr.get(from..).unwrap_or_default()).into_owned(),
    }
}

fn line(bytes: Vec<u8>) -> String {
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\n').to_owned()
}
