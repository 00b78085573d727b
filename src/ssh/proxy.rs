//! The byte stream an SSH connection runs over: TCP, a ProxyCommand's pipes, or a channel of the
//! connection to a jump host.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;

use super::channel::Flow;
use super::connect::Connection;
use super::error::{SshError, SshErrorKind};
use super::prompt_ack::PromptAck;
use super::resolve::{Family, Overrides, Resolved, resolve};
use super::trust::HostTrust;
use super::{Ask, BoxFuture};

/// Any byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream, and what its failing during the handshake would mean.
pub struct Dialled {
    pub stream: Box<dyn Stream>,
    pub loopback: bool,
    /// `through …`, for messages; empty for TCP.
    pub through: String,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one of several addresses may take before the next is tried.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
const JUMPS_MAX: usize = 8;

/// The time a server has to answer: what the configuration says, or a default.
pub fn time_limit(r: &Resolved) -> Duration {
    r.connect_timeout.unwrap_or(CONNECT_TIMEOUT)
}

/// Opens the stream that leads to the host's SSH port. Jump hosts are judged by known_hosts.
pub fn dial<'a>(
    r: &'a Resolved,
    ask: &'a Arc<dyn Ask>,
) -> BoxFuture<'a, Result<Dialled, SshError>> {
    Box::pin(async move {
        match (&r.proxy_command, r.proxy_jump.as_slice()) {
            (_, [rest @ .., last]) => jump(r, rest, last, ask).await,
            (Some(command), []) => Ok(Dialled {
                stream: command_stream(command, ask)?,
                loopback: false,
                through: format!(" through `{command}`"),
            }),
            (None, []) => tcp(r).await,
        }
    })
}

async fn jump(
    r: &Resolved,
    rest: &[String],
    last: &str,
    ask: &Arc<dyn Ask>,
) -> Result<Dialled, SshError> {
    if rest.len() >= JUMPS_MAX {
        return Err(SshError::config(format!(
            "more than {JUMPS_MAX} jump hosts lead to {}",
            r.place()
        )));
    }
    let mut overrides = Overrides {
        config_file: r.overrides.config_file.clone(),
        without_ssh: r.overrides.without_ssh,
        home: r.overrides.home.clone(),
        ..Overrides::default()
    };
    if !rest.is_empty() {
        overrides.options.push(("ProxyJump".into(), rest.join(",")));
    }
    let mut hop = resolve(last, &overrides).await?;
    if rest.is_empty() && hop.proxy_jump.len() == 1 && hop.proxy_jump.iter().any(|j| j == last) {
        // `Host *` with a ProxyJump names the jump host itself: as in OpenSSH, it is not its own jump.
        hop.proxy_jump.clear();
    }
    let connection =
        Connection::open_with(&hop, &HostTrust::KnownHosts, Arc::clone(ask), Flow::Bulk).await?;
    let channel = connection.tcpip(&r.host, r.port).await?;
    Ok(Dialled {
        stream: Box::new(channel),
        loopback: false,
        through: format!(" through {}", hop.place()),
    })
}

/// Runs the command in a shell; its lines on stderr are told to the person.
fn command_stream(command: &str, ask: &Arc<dyn Ask>) -> Result<Box<dyn Stream>, SshError> {
    let fail = |e: std::io::Error| {
        SshError::config(format!("the ProxyCommand `{command}` does not start")).because(e)
    };
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut child = tokio::process::Command::new(shell)
        .arg("-c")
        .arg(format!("exec {command}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(fail)?;
    let missing = || fail(std::io::Error::other("it has no pipes"));
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    if let Some(stderr) = child.stderr.take() {
        let ask = Arc::clone(ask);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                ask.tell(&line);
            }
        });
    }
    Ok(Box::new(Piped {
        pipes: tokio::io::join(stdout, stdin),
        _child: child,
    }))
}

/// A child's two pipes as one stream; the child goes with it.
struct Piped {
    pipes: tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>,
    _child: tokio::process::Child,
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.pipes).poll_read(cx, buf)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.pipes).poll_write(cx, buf)
    }
    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.pipes).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.pipes).poll_shutdown(cx)
    }
}

async fn tcp(r: &Resolved) -> Result<Dialled, SshError> {
    let place = r.place();
    let limit = time_limit(r);
    let late = || {
        SshError::new(
            SshErrorKind::Timeout,
            format!("{place} does not answer within {limit:?}"),
        )
    };
    let deadline = tokio::time::Instant::now() + limit;
    let found =
        tokio::time::timeout_at(deadline, tokio::net::lookup_host((r.host.as_str(), r.port)));
    let addresses: Vec<_> = match found.await {
        Err(_) => return Err(late()),
        Ok(Err(e)) => {
            let what = format!("the name {} cannot be resolved", r.host);
            return Err(SshError::new(SshErrorKind::Unreachable, what).because(e));
        }
        Ok(Ok(found)) => found
            .filter(|a| match r.family {
                Family::Any => true,
                Family::V4 => a.is_ipv4(),
                Family::V6 => a.is_ipv6(),
            })
            .collect(),
    };
    let mut failure = SshError::new(
        SshErrorKind::Unreachable,
        format!("{} has no address of the kind that is asked for", r.host),
    );
    let mut left = addresses.len();
    for address in addresses {
        left = left.saturating_sub(1);
        let mut until = deadline;
        let more = (left > 0).then_some(ADDRESS_TIMEOUT);
        if let Some(limit) = more.into_iter().chain(r.tcp_timeout).min() {
            until = until.min(tokio::time::Instant::now() + limit);
        }
        match tokio::time::timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(Dialled {
                    stream: Box::new(PromptAck(stream)),
                    loopback: address.ip().is_loopback(),
                    through: String::new(),
                });
            }
            Ok(Err(e)) => failure = SshError::dial(&place, e),
            Err(_) => failure = late(),
        }
    }
    Err(failure)
}
