//! Knocking at a machine's port as ssh would, and hearing what is behind it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Knock, SshLogin};
use crate::client::dial::dial_pinned;
use crate::provision::PinnedLogin;
use crate::ssh::{Ask, Flow, SshErrorKind};

/// For a connection: what is dropped would be tried again by the kernel for minutes.
const PATIENCE: Duration = Duration::from_secs(5);
/// For its first word, which a machine that is busy takes its time over.
const WORD: Duration = Duration::from_secs(10);
/// For a handshake with a server that has spoken.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A server may say so much before its banner.
const MOST: usize = 4096;

/// Knocks, hears, and where it is SSH tries to log in; at the IPv6 address where there is no way over IPv4.
pub async fn knock(login: &PinnedLogin, ask: Arc<dyn Ask>) -> Knock {
    let first = knock_at(&login.address, login, ask.clone()).await;
    match (&first, &login.address6) {
        (Knock::NoWay(_) | Knock::TimedOut, Some(other)) => {
            match knock_at(other, login, ask).await {
                Knock::NoWay(_) | Knock::TimedOut => first,
                heard => heard,
            }
        }
        _ => first,
    }
}

async fn knock_at(address: &str, login: &PinnedLogin, ask: Arc<dyn Ask>) -> Knock {
    use std::io::ErrorKind as E;
    let to = (address, login.port);
    let stream = match timeout(PATIENCE, TcpStream::connect(to)).await {
        Err(_) => return Knock::TimedOut,
        Ok(Err(e)) => {
            return match e.kind() {
                E::TimedOut => Knock::TimedOut,
                E::ConnectionRefused => Knock::Refused,
                E::ConnectionReset | E::ConnectionAborted => Knock::Closed,
                _ => Knock::NoWay(e.to_string()),
            };
        }
        Ok(Ok(stream)) => stream,
    };
    match timeout(WORD, first_line(stream)).await {
        Err(_) => Knock::Silent,
        Ok(None) => Knock::Closed,
        Ok(Some(line)) if line.starts_with("SSH-") => Knock::Ssh {
            banner: line,
            login: log_in(login, ask).await,
        },
        Ok(Some(line)) => Knock::Foreign(line),
    }
}

/// What it says first, or, where that is other lines, its banner among them.
async fn first_line(mut stream: TcpStream) -> Option<String> {
    // Who speaks only when spoken to (HTTP) is spoken to.
    let hello = concat!("SSH-2.0-remote_", env!("CARGO_PKG_VERSION"), "\r\n");
    let _ = stream.write_all(hello.as_bytes()).await;
    let mut said = Vec::new();
    while said.len() < MOST {
        let mut part = [0; 512];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => break,
            Ok(n) => said.extend_from_slice(part.get(..n).unwrap_or_default()),
        }
        if let Some(line) = told(&said, false) {
            return Some(line);
        }
    }
    told(&said, true)
}

/// The line that says what is there: an SSH banner, which other lines may precede, or HTTP's first; at the `end`
/// any line. What follows on it (a key exchange is no text) is not waited for.
fn told(said: &[u8], end: bool) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let whole = match text.rfind('\n') {
        Some(at) if !end => text.get(..at)?,
        None if !end => return None,
        _ => &text,
    };
    let mut lines = whole.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next()?;
    let line = if first.starts_with("SSH-") || first.starts_with("HTTP/") {
        first
    } else {
        let banner = lines.find(|l| l.starts_with("SSH-"));
        banner.or(end.then_some(first))?
    };
    Some(line.chars().filter(|c| !c.is_control()).take(80).collect())
}

async fn log_in(login: &PinnedLogin, ask: Arc<dyn Ask>) -> SshLogin {
    match timeout(HANDSHAKE, dial_pinned(login, ask, Flow::Credited)).await {
        Ok(Ok(_)) => SshLogin::In,
        Ok(Err(e)) => match e.kind {
            SshErrorKind::HostKeyChanged => SshLogin::OtherKey(e.to_string()),
            SshErrorKind::Auth => SshLogin::Stranger,
            _ => SshLogin::Failed(e.to_string()),
        },
        Err(_) => SshLogin::Failed(format!("no end within {} s", HANDSHAKE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_is_found_whatever_is_around_it() {
        let so_far = |said: &[u8]| told(said, false);
        assert_eq!(so_far(b"SSH-2.0-Open"), None);
        let kex = b"SSH-2.0-OpenSSH_9.2\r\n\x00\x00\x04\x1c\xff\n\x01";
        assert_eq!(so_far(kex).as_deref(), Some("SSH-2.0-OpenSSH_9.2"));
        assert_eq!(so_far(b"Welcome\r\n"), None);
        let late = b"Welcome\r\nSSH-2.0-x\r\n";
        assert_eq!(so_far(late).as_deref(), Some("SSH-2.0-x"));
        let http = b"HTTP/1.1 400 Bad Request\r\nDate: x";
        assert_eq!(so_far(http).as_deref(), Some("HTTP/1.1 400 Bad Request"));
        assert_eq!(
            told(b"go\x1b[31m away", true).as_deref(),
            Some("go[31m away")
        );
        assert_eq!(told(b"\r\n", true), None);
    }
}
