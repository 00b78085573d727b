//! Why a repository cannot travel, sorted by what to do about it; each becomes an error with its remedy.

use std::path::{Path, PathBuf};

use super::GitFailed;
use super::words::{more, names, size, sizes};
use crate::error::Error;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    #[error("git is not installed on this machine")]
    NoGit,
    #[error("{} is not in a git repository", .0.display())]
    NotARepository(PathBuf),
    #[error("{} is inside of a repository's own directory, not of a working tree", .0.display())]
    InsideGitDir(PathBuf),
    /// git's own guard against other people's repositories.
    #[error("the repository in {} belongs to somebody else", .dir.display())]
    Untrusted { dir: PathBuf, said: String },
    #[error("{} cannot be read{}", names(.0), more(.0.len()))]
    Unreadable(Vec<PathBuf>),
    #[error("{} untracked file{} too big to bring along: {}", .files.len(), if .files.len() == 1 { " is" } else { "s are" }, sizes(.files))]
    Huge { files: Vec<(PathBuf, u64)> },
    #[error("the untracked files come to {}, the biggest of them {}", size(*.total), sizes(.files))]
    HugeInAll {
        total: u64,
        files: Vec<(PathBuf, u64)>,
    },
    #[error("there is no commit yet, and without uncommitted files nothing to bring")]
    NothingCommitted,
    #[error("the filter of {} failed: {said}", .path.as_deref().unwrap_or("a file"))]
    Filter { path: Option<String>, said: String },
    #[error(
        "objects of this partial clone are on its remote only, and could not be had from there"
    )]
    Missing(GitFailed),
    #[error("the submodule {} is not as its parent wants it: {why}", .path.display())]
    Submodule { path: PathBuf, why: String },
    #[error(
        "a branch named `{0}` is in the way of the sessions' own, which are named `remote/SESSION/N`"
    )]
    InTheWay(String),
    #[error("there is no room left for {what}")]
    NoSpace { what: &'static str },
    #[error("what this machine has and what the workspace has conflict in {}", .0.join(", "))]
    Conflict(Vec<String>),
    #[error("what came is not what was sent: {0}")]
    Incomplete(String),
    #[error("{0} cannot be cloned from here")]
    Clone(String, #[source] GitFailed),
    #[error(transparent)]
    Git(#[from] GitFailed),
    #[error("git said something unexpected: {0}")]
    Unexpected(String),
    #[error("agent {0} of this session has a place already, with work in it")]
    Taken(u32),
    #[error("cannot {what} {}", .path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
}

impl RepoError {
    pub fn io(what: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Self::NoSpace {
                what: "the repository's objects",
            };
        }
        let path = path.as_ref().to_owned();
        Self::Io { what, path, source }
    }

    /// What to do about it, as commands.
    fn hints(&self) -> Vec<String> {
        let one = |hint: &str| vec![hint.to_owned()];
        match self {
            Self::NoGit => one(
                "install git (`apt-get install git`, `dnf install git`, `xcode-select --install`), or bring no \
                 repository: `--no-repo`",
            ),
            Self::NotARepository(_) => one(
                "bring its files with `--copy`, a repository from elsewhere with `--repo URL`, or nothing with \
                 `--no-repo`",
            ),
            Self::InsideGitDir(_) => one("change into the working tree, or say `--no-repo`"),
            Self::Untrusted { dir, .. } => vec![format!(
                "if you trust it: `git config --global --add safe.directory {}`",
                dir.display()
            )],
            Self::Unreadable(_) => one(
                "make it readable, or have git ignore it (.gitignore, .git/info/exclude), or bring only what is \
                 committed: `--no-dirty`",
            ),
            Self::Huge { .. } | Self::HugeInAll { .. } => one(
                "have git ignore what is not to travel (.gitignore, .git/info/exclude); `git add` what is, which \
                 has no limit; or bring only what is committed: `--no-dirty`",
            ),
            Self::NothingCommitted => {
                one("leave `--no-dirty` out, or `git commit` something first")
            }
            Self::Filter { .. } => one(
                "run `git add` on it to see more, or bring only what is committed: `--no-dirty`",
            ),
            Self::Missing(_) => one(
                "be online, or fetch all of it once: `git fetch --refetch --no-filter`; or have it cloned there: \
                 `--repo URL`",
            ),
            Self::Submodule { path, .. } => vec![format!(
                "run `git submodule update --init -- {}`, or leave it out: `git submodule deinit -- {0}`",
                path.display()
            )],
            Self::InTheWay(name) => vec![format!("rename it: `git branch -m {name} {name}-1`")],
            Self::NoSpace { .. } => {
                one("run `df -h` to see where; `remote prune` removes sessions that are over")
            }
            Self::Conflict(_) => one(
                "take one of the two: `--base workspace` or `--base laptop`; the other stays, and can be merged later",
            ),
            Self::Incomplete(_) => {
                one("run the same command again: what is here stays, what is missing comes")
            }
            Self::Clone(..) => one(
                "what the machine itself can reach can be cloned there: see whether `git ls-remote URL` works on it",
            ),
            Self::Taken(_) => one("somebody else has just added one: run the command again"),
            Self::Git(_) | Self::Unexpected(_) | Self::Io { .. } => Vec::new(),
        }
    }
}

impl From<RepoError> for Error {
    fn from(e: RepoError) -> Self {
        let (hints, text) = (e.hints(), e.to_string());
        let source: Option<Box<dyn std::error::Error + Send + Sync>> = match e {
            RepoError::Missing(git) | RepoError::Clone(_, git) => Some(Box::new(git)),
            RepoError::Untrusted { said, .. } => Some(said.into()),
            RepoError::Io { source, .. } => Some(Box::new(source)),
            _ => None,
        };
        let error = Self {
            source,
            ..Self::user(text)
        };
        hints.into_iter().fold(error, Self::hint)
    }
}
