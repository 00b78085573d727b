//! SSH to a machine that is known by its name in ssh's configuration or by its address and key, and commands there.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::limits::Limits;
use crate::error::Result;
use crate::provision::{BoxFuture, PinnedLogin, Ran, Remote};
use crate::ssh::{
    Ask, Connection, Flow, HostTrust, Overrides, Resolved, SshError, SshErrorKind, resolve,
};

/// The most bytes of a command's output that are kept.
const OUTPUT: u64 = 4 << 20;

/// Opens an SSH connection to a server whose key is known beforehand; over IPv6 where there is no way over IPv4.
///
/// # Errors
/// What SSH says; another key is refused.
pub async fn dial_pinned(
    login: &PinnedLogin,
    ask: Arc<dyn Ask>,
    flow: Flow,
) -> std::result::Result<Connection, SshError> {
    dial_within(login, ask, flow, Limits::default()).await
}

/// As [`dial_pinned`], for who does not wait longer than that for an answer.
///
/// # Errors
/// As [`dial_pinned`].
pub async fn dial_within(
    login: &PinnedLogin,
    ask: Arc<dyn Ask>,
    flow: Flow,
    limits: Limits,
) -> std::result::Result<Connection, SshError> {
    let trust = HostTrust::Pinned(login.host_key.clone());
    let dial = |address: &str| {
        let identity = login.identity.clone();
        let mut resolved = Resolved::direct(address, login.port, &login.user, identity);
        limits.put(&mut resolved);
        let (trust, ask) = (trust.clone(), ask.clone());
        async move { Connection::open_with(&resolved, &trust, ask, flow).await }
    };
    match (dial(&login.address).await, &login.address6) {
        (Err(e), Some(other)) if no_way(e.kind) => {
            // What the first said is what to tell where neither works.
            dial(other)
                .await
                .map_err(|again| if no_way(again.kind) { e } else { again })
        }
        (dialled, _) => dialled,
    }
}

/// Nothing of it was reached.
fn no_way(kind: SshErrorKind) -> bool {
    matches!(kind, SshErrorKind::Unreachable | SshErrorKind::Timeout)
}

/// Opens an SSH connection as `ssh DESTINATION` would.
///
/// # Errors
/// What SSH says.
pub async fn dial(destination: &str, ask: Arc<dyn Ask>, flow: Flow) -> Result<Connection> {
    let resolved = resolve(destination, &Overrides::default()).await?;
    Ok(Connection::open_with(&resolved, &HostTrust::KnownHosts, ask, flow).await?)
}

/// Runs a command to its end, both outputs collected.
///
/// # Errors
/// The connection is lost.
pub async fn run(
    connection: &Connection,
    command: &str,
    mut stdin: impl AsyncRead + Unpin,
) -> Result<Ran> {
    let mut exec = connection.exec(command, None).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    {
        let mut input = exec.stdin;
        let feed = async {
            // A command that fails early does not read it all; its status says more than the broken pipe.
            let _ = tokio::io::copy(&mut stdin, &mut input).await;
            let _ = input.shutdown().await;
        };
        let mut out = (&mut exec.stdout).take(OUTPUT);
        let mut err = (&mut exec.stderr).take(OUTPUT);
        let (_, out, err) = tokio::join!(
            feed,
            out.read_to_end(&mut stdout),
            err.read_to_end(&mut stderr)
        );
        out?;
        err?;
    }
    Ok(Ran {
        status: exec.control.wait().await?.code(),
        stdout,
        stderr,
    })
}

/// Connects anew.
type Redial = Box<dyn Fn() -> BoxFuture<'static, Result<Connection>> + Send + Sync>;

/// A connection as providers see it; one that was lost can be had anew.
pub struct OverSsh {
    destination: String,
    connection: Mutex<Connection>,
    redial: Option<Redial>,
}

impl OverSsh {
    /// Over a connection that is another's.
    pub fn over(destination: &str, connection: Connection) -> Self {
        Self {
            destination: destination.to_owned(),
            connection: Mutex::new(connection),
            redial: None,
        }
    }

    /// As [`dial`].
    ///
    /// # Errors
    /// As [`dial`].
    pub async fn dial(destination: &str, ask: Arc<dyn Ask>) -> Result<Self> {
        let connection = dial(destination, ask.clone(), Flow::Credited).await?;
        let to = destination.to_owned();
        Ok(Self::over(destination, connection).redialled(move || {
            let (to, ask) = (to.clone(), ask.clone());
            Box::pin(async move { dial(&to, ask, Flow::Credited).await })
        }))
    }

    /// With a way to connect anew.
    #[must_use]
    pub fn redialled(
        self,
        redial: impl Fn() -> BoxFuture<'static, Result<Connection>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            redial: Some(Box::new(redial)),
            ..self
        }
    }

    /// The connection there is now.
    pub fn connection(&self) -> Connection {
        self.held().clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remote for OverSsh {
    fn run<'a>(
        &'a self,
        command: &'a str,
        stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, std::io::Result<Ran>> {
        Box::pin(async move {
            run(&self.connection(), command, stdin)
                .await
                .map_err(std::io::Error::other)
        })
    }

    fn again(&self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async move {
            let redial = self.redial.as_ref().ok_or(ErrorKind::Unsupported)?;
            let connection = redial().await.map_err(std::io::Error::other)?;
            *self.held() = connection;
            Ok(())
        })
    }

    fn destination(&self) -> &str {
        &self.destination
    }
}
