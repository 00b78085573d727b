//! Ports carried over a session's SSH connection, both ways.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::connect::connect_bulk;
use super::registry::{Known, Registry};
use crate::error::{Error, Result};
use crate::ssh::{Ask, Connection};

/// `3000`, `8080:3000`, `8080:db:5432`, `0.0.0.0:8080:db:5432`: where to listen, and where to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    pub bind: String,
    pub port: u16,
    pub host: String,
    pub host_port: u16,
}

impl FromStr for Forward {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let bad = || {
            Error::user(format!("`{s}` is not a port to forward")).hint(
                "write it as `3000`, `8080:3000`, `8080:HOST:3000` or `ADDRESS:8080:HOST:3000`; an IPv6 \
                 address goes in brackets",
            )
        };
        let parts = split(s).ok_or_else(bad)?;
        let port = |text: &str| text.parse::<u16>().ok().filter(|p| *p > 0).ok_or_else(bad);
        let here = "127.0.0.1";
        let (bind, listen, host, to) = match parts.as_slice() {
            [p] => (here, *p, here, *p),
            [l, p] => (here, *l, here, *p),
            [l, host, p] => (here, *l, *host, *p),
            [bind, l, host, p] => (*bind, *l, *host, *p),
            _ => return Err(bad()),
        };
        if bind.is_empty() || host.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            bind: bind.to_owned(),
            port: port(listen)?,
            host: host.to_owned(),
            host_port: port(to)?,
        })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bind,
            port,
            host,
            host_port,
        } = self;
        write!(f, "{bind}:{port} -> {host}:{host_port}")
    }
}

/// At the colons that are not in brackets; brackets are taken off.
fn split(s: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = s;
    loop {
        let (part, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        parts.push(part);
        match after.strip_prefix(':') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// A session's connection that is made anew when it was lost.
pub struct Carrier {
    registry: Registry,
    known: Known,
    ask: Arc<dyn Ask>,
    connection: Mutex<Connection>,
}

impl Carrier {
    /// # Errors
    /// The session's machine cannot be reached.
    pub async fn open(registry: &Registry, known: Known, ask: Arc<dyn Ask>) -> Result<Self> {
        known.must_live()?;
        let connection = Mutex::new(connect_bulk(&known, ask.clone()).await?);
        Ok(Self {
            registry: registry.clone(),
            known,
            ask,
            connection,
        })
    }

    async fn connection(&self) -> Result<Connection> {
        let mut held = self.connection.lock().await;
        if held.is_closed() {
            let known = self.registry.known(&self.known.id)?;
            *held = connect_bulk(&known, self.ask.clone()).await?;
        }
        Ok(held.clone())
    }

    /// Listens here and goes there, for ever.
    ///
    /// # Errors
    /// The port here cannot be had.
    pub async fn local(
        self: Arc<Self>,
        forward: Forward,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<()> {
        let listener = TcpListener::bind((forward.bind.as_str(), forward.port))
            .await
            .map_err(|e| busy(&forward, e))?;
        tell(&format!("{forward} on {}", self.known.id));
        let tell = Arc::new(tell);
        loop {
            let (stream, _) = listener.accept().await?;
            let (this, to, tell) = (self.clone(), forward.clone(), tell.clone());
            tokio::spawn(async move {
                let channel = async {
                    let connection = this.connection().await?;
                    Ok::<_, Error>(connection.tcpip(&to.host, to.host_port).await?)
                };
                match channel.await {
                    Ok(channel) => carry(stream, channel).await,
                    Err(e) => tell(&format!("{to}: {e}")),
                }
            });
        }
    }

    /// Listens there and goes here, until the connection is lost.
    ///
    /// # Errors
    /// The other side does not let us listen, or the connection is lost.
    pub async fn remote(
        self: Arc<Self>,
        forward: Forward,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<()> {
        let connection = self.connection().await?;
        let mut listener = connection
            .remote_forward(&forward.bind, forward.port)
            .await?;
        tell(&format!("{}: {forward} here", self.known.id));
        let tell = Arc::new(tell);
        while let Some((channel, _)) = listener.next().await {
            let (to, tell) = (forward.clone(), tell.clone());
            tokio::spawn(async move {
                match TcpStream::connect((to.host.as_str(), to.host_port)).await {
                    Ok(stream) => carry(stream, channel).await,
                    Err(e) => tell(&format!("{to}: {e}")),
                }
            });
        }
        Err(
            Error::connection(format!("the connection to {} was lost", self.known.label()))
                .hint("run the same command again"),
        )
    }
}

fn busy(forward: &Forward, e: std::io::Error) -> Error {
    Error::user(format!(
        "cannot listen on {}:{}",
        forward.bind, forward.port
    ))
    .because(e)
    .hint(format!(
        "choose another port here: `{}:{}`",
        forward.port.wrapping_add(1).max(1024),
        forward.host_port
    ))
}

async fn carry(
    mut one: impl AsyncRead + AsyncWrite + Unpin,
    mut two: impl AsyncRead + AsyncWrite + Unpin,
) {
    // Either side may hang up at any time; there is nobody to tell.
    let _ = copy_bidirectional(&mut one, &mut two).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_ssh_reads_them() -> Result<()> {
        let shown = |s: &str| s.parse::<Forward>().map(|f| f.to_string());
        assert_eq!(shown("3000")?, "127.0.0.1:3000 -> 127.0.0.1:3000");
        assert_eq!(shown("8080:3000")?, "127.0.0.1:8080 -> 127.0.0.1:3000");
        assert_eq!(shown("8080:db:5432")?, "127.0.0.1:8080 -> db:5432");
        assert_eq!(shown("[::1]:8080:[fe80::1]:80")?, "::1:8080 -> fe80::1:80");
        for bad in [
            "",
            "x",
            "0",
            "70000",
            ":1",
            "1:",
            "1:2:3:4:5",
            "[::1:80",
            "[::1]x:80",
            "-1",
        ] {
            let error = bad.parse::<Forward>().expect_err(bad);
            assert!(error.message.contains(&format!("`{bad}`")));
        }
        Ok(())
    }
}
