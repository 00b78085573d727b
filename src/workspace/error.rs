//! What can go wrong with a workspace, and what to do about each.

use std::io;
use std::path::PathBuf;

use super::Name;
use crate::error::Error;
use crate::model::SessionId;
use crate::provision::ProvisionError;
use crate::provision::ec2::AwsError;

/// Why a workspace could not be had, made, changed or read.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("there is no workspace `{0}` here")]
    NoWorkspace(String),
    #[error("there is no snapshot `{0}` here")]
    NoSnapshot(String),
    #[error("there is a workspace `{0}` already")]
    Exists(Name),
    /// Two of one name: somebody made the second around us.
    #[error("there is more than one workspace `{name}`: {}", ids.join(", "))]
    Ambiguous { name: Name, ids: Vec<String> },
    #[error("workspace `{name}` is in use by {}", session.as_ref().map_or(instance.as_str(), SessionId::as_str))]
    InUse {
        name: Name,
        session: Option<SessionId>,
        instance: String,
    },
    /// A volume never becomes smaller: its file system could not follow.
    #[error("workspace `{name}` has {gib} GB, and cannot become smaller: {wished} GB")]
    Smaller { name: Name, gib: u32, wished: u32 },
    /// Its size was changed a short while ago.
    #[error("workspace `{name}` cannot be resized yet: {why}")]
    TooSoon { name: Name, why: String },
    #[error("{0}")]
    Refused(String),
    /// Something on it that is not as it should be; it was not written anywhere.
    #[error("{what} is damaged: {why}")]
    Damaged { what: String, why: String },
    #[error("{}: no such file or directory there", .0.display())]
    NoFile(PathBuf),
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{0}` is not done within {1} s")]
    Late(&'static str, u64),
    /// What failed, and what of it could not be taken away again.
    #[error("{error}")]
    Left {
        error: Box<WorkspaceError>,
        left: Vec<String>,
    },
    #[error(transparent)]
    Provision(#[from] ProvisionError),
}

impl From<AwsError> for WorkspaceError {
    fn from(e: AwsError) -> Self {
        Self::Provision(e.into())
    }
}

impl WorkspaceError {
    /// The same, saying what stays.
    #[must_use]
    pub(super) fn leaving(self, left: Vec<String>) -> Self {
        match left.is_empty() {
            true => self,
            false => Self::Left {
                error: Box::new(self),
                left,
            },
        }
    }

    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl From<WorkspaceError> for Error {
    fn from(e: WorkspaceError) -> Self {
        let message = e.to_string();
        match e {
            WorkspaceError::NoWorkspace(_) => Self::user(message).hint(
                "run `remote workspace list` for those there are, `remote workspace create --name NAME` for a new one",
            ),
            WorkspaceError::NoSnapshot(_) => {
                Self::user(message).hint("run `remote workspace list --snapshots` for those there are")
            }
            WorkspaceError::Exists(name) => Self::user(message).hint(format!(
                "use it (`remote dispatch --workspace {name} ...`), or name another"
            )),
            WorkspaceError::Ambiguous { ids, .. } => Self::user(message).hint(format!(
                "look at each, and delete one: `remote workspace delete {}`",
                ids.last().map_or("ID", String::as_str)
            )),
            WorkspaceError::InUse { name, session, .. } => {
                let error = Self::user(message);
                match session {
                    Some(id) => error
                        .hint(format!("add your agents to that session: `remote dispatch --into {id} ...`"))
                        .hint(format!(
                            "or work on a copy: `remote workspace create --name {name}-2 --from {name}`"
                        )),
                    None => error.hint("detach it there first"),
                }
            }
            WorkspaceError::Smaller { name, gib, .. } => {
                Self::user(message).hint(format!("name more: `remote workspace resize {name} {}gb`", gib.saturating_mul(2)))
            }
            WorkspaceError::TooSoon { name, .. } => Self::user(message)
                .hint(format!(
                    "run `remote workspace resize {name} SIZE` again later: AWS changes a volume again only once it is done \
                     with the last change, and 6 hours after it"
                ))
                .hint(format!("or restore a larger one: `remote workspace create --name {name}-2 --from {name} --size SIZE`")),
            WorkspaceError::Io { source, .. } => Self::user(message).because(source),
            WorkspaceError::Damaged { .. } => Self::user(message)
                .hint("read it from another snapshot: `remote workspace list --snapshots`"),
            WorkspaceError::Late(..) => Self::connection(message).hint("run it again in a while"),
            WorkspaceError::Left { error, left } => left.iter().fold(Self::from(*error), |error, one| {
                error.hint(format!("still there: {one}; `remote workspace list` shows it, `remote workspace delete` deletes it"))
            }),
            WorkspaceError::Provision(e) => e.into(),
            _ => Self::user(message),
        }
    }
}
