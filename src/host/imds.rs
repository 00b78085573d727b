//! The instance metadata service, as far as a host asks it: whether EC2 is about to take a spot instance away.
//! Version 2: a token first. Two small requests by hand: an HTTP client would be more code than this.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where it is on every instance.
pub const ADDRESS: &str = "169.254.169.254:80";
/// As AWS advises.
const INTERVAL: Duration = Duration::from_secs(5);
/// The service is on the machine's own hypervisor.
const LIMIT: Duration = Duration::from_secs(2);
const LONGEST: u64 = 64 * 1024;
const TOKEN_SECONDS: u32 = 21_600;

/// What EC2 says two minutes before it takes an instance.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// RFC 3339.
    pub time: String,
}

/// Asks an instance's metadata service, and keeps its token.
#[derive(Debug)]
pub struct Imds {
    address: String,
    token: Option<String>,
}

impl Imds {
    /// `address`: `169.254.169.254:80`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
        }
    }

    /// Resolves when EC2 has said that it takes this instance. Asks every 5 s; a service that does not answer
    /// is asked again.
    pub async fn interruption(&mut self) -> Notice {
        loop {
            match tokio::time::timeout(LIMIT, self.notice()).await {
                Ok(Ok(Some(notice))) => return notice,
                Ok(Ok(None)) => {}
                Ok(Err(e)) => tracing::debug!("the metadata service: {e}"),
                Err(_) => tracing::debug!("the metadata service does not answer"),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// The notice, if there is one now.
    async fn notice(&mut self) -> io::Result<Option<Notice>> {
        let token = match self.token.take() {
            Some(token) => token,
            None => self.fresh_token().await?,
        };
        let header = format!("X-aws-ec2-metadata-token: {token}");
        let path = "/latest/meta-data/spot/instance-action";
        let (status, body) = self.ask("GET", path, &header).await?;
        // A token that is not taken any more is not kept.
        if status != 401 {
            self.token = Some(token);
        }
        match status {
            200 => serde_json::from_slice(&body)
                .map(Some)
                .map_err(io::Error::other),
            404 => Ok(None),
            other => Err(io::Error::other(format!("status {other}"))),
        }
    }

    async fn fresh_token(&self) -> io::Result<String> {
        let header = format!("X-aws-ec2-metadata-token-ttl-seconds: {TOKEN_SECONDS}");
        let (status, body) = self.ask("PUT", "/latest/api/token", &header).await?;
        let token = String::from_utf8_lossy(&body).trim().to_owned();
        if status != 200 || token.is_empty() || !token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(io::Error::other(format!("no token: status {status}")));
        }
        Ok(token)
    }

    /// One request on a connection of its own: the status and the body.
    async fn ask(&self, method: &str, path: &str, header: &str) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let host = &self.address;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        parse(&answer).ok_or_else(|| io::Error::other("an answer that is not HTTP"))
    }
}

/// Status and body of an answer that the server ended by closing; cut to its length where it tells one.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(at)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    words.next().filter(|v| v.starts_with("HTTP/1."))?;
    let status = words.next()?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let length = name
            .eq_ignore_ascii_case("content-length")
            .then_some(value)?;
        length.trim().parse::<usize>().ok()
    });
    let body = rest.get(4..)?;
    let body = match length {
        Some(length) => body.get(..length)?,
        None => body,
    };
    Some((status, body.to_vec()))
}

#[cfg(test)]
mod tests;
