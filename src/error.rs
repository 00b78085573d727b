//! The error that reaches a person: a kind (which decides the exit code), what happened, why, and hints,
//! each naming the command to run next. Rooms below have their own typed errors and convert into this one.

use std::fmt;
use std::process::ExitCode;

/// Decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that was asked cannot be: exit 1.
    User,
    /// The configuration is wrong: exit 2, as for wrong usage.
    Config,
    /// A host cannot be reached or refused us: exit 255, as with ssh.
    Connection,
    /// `wait --timeout` and its like ran out: exit 124, as with timeout(1).
    Timeout,
    /// Ctrl-C: exit 130.
    Interrupted,
    /// Our stdout is gone: exit 0, silently.
    BrokenPipe,
    /// A bug: exit 70.
    Internal,
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, why, and what to do about it.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub source: Option<Source>,
    pub hints: Vec<String>,
}

/// The result of every verb.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            hints: Vec::new(),
        }
    }

    pub fn user(message: impl Into<String>) -> Self {
        Self::new(Kind::User, message)
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    pub fn connection(message: impl Into<String>) -> Self {
        Self::new(Kind::Connection, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Why it happened; shown as `Caused by:` lines, each source of it in turn.
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to do next, naming the command: ``run `remote status` to see what is there``.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::User => 1,
            Kind::Config => 2,
            Kind::Connection => 255,
            Kind::Timeout => 124,
            Kind::Interrupted => 130,
            Kind::BrokenPipe => 0,
            Kind::Internal => 70,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|s| s as &(dyn std::error::Error + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let kind = match e.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::BrokenPipe,
            _ => Kind::User,
        };
        Self::new(kind, e.to_string())
    }
}

/// The message of the error at the bottom of a chain: what the layers above it only repeat.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Adds what was being done to an error that says only what failed.
pub trait Context<T> {
    /// `Err(e)` becomes an error saying `what`, caused by `e`.
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Source>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|e| Error::user(what).because(e))
    }
}
