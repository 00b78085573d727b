//! The address that this device has to the world, as one service on the network sees it: it decides who may
//! knock at port 22.

use std::net::IpAddr;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// The most that an answer may hold: an address, not a portal's page.
const LONGEST: usize = 64;

/// Why the address is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("{url} does not say which address this device has: {why}")]
    NoAnswer { url: String, why: String },
    #[error("{url} answers something that is no address: {said:?}")]
    Portal { url: String, said: String },
}

/// The public addresses of this device: its IPv4 address, its IPv6 address, or both; at least one.
///
/// # Errors
/// The service does not answer, or not with an address.
pub async fn addresses(url: &str) -> Result<Vec<IpAddr>, AddressError> {
    let (v4, v6) = tokio::join!(ask(url, Family::V4), ask(url, Family::V6));
    match (v4, v6) {
        (Ok(v4), Ok(v6)) if v4 != v6 => Ok(vec![v4, v6]),
        (Ok(one), _) | (Err(_), Ok(one)) => Ok(vec![one]),
        (Err(e @ AddressError::Portal { .. }), _) | (_, Err(e @ AddressError::Portal { .. })) => {
            Err(e)
        }
        (Err(e), _) => Err(e),
    }
}

async fn ask(url: &str, family: Family) -> Result<IpAddr, AddressError> {
    let failed = |why: String| AddressError::NoAnswer {
        url: url.to_owned(),
        why,
    };
    let said = tokio::time::timeout(PATIENCE, fetch(url, family))
        .await
        .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
        .map_err(failed)?;
    said.trim().parse().map_err(|_| AddressError::Portal {
        url: url.to_owned(),
        said: said.trim().chars().take(LONGEST).collect(),
    })
}

async fn fetch(url: &str, family: Family) -> Result<String, String> {
    let request = HttpRequest::get(url).map_err(|e| e.to_string())?;
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_with_resolver(family);
    let response = connector.call(request).await.map_err(|e| innermost(&e))?;
    if !response.status().is_success() {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let body = ByteStream::new(response.into_body());
    let bytes = body
        .collect()
        .await
        .map_err(|e| innermost(&e))?
        .into_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Resolves names to addresses of one family, so that the service sees the address of that family.
#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl ResolveDns for Family {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0))
                .await
                .map_err(ResolveDnsError::new)?;
            let of_family = |a: &IpAddr| match self {
                Self::V4 => a.is_ipv4(),
                Self::V6 => a.is_ipv6(),
            };
            Ok(found.map(|a| a.ip()).filter(of_family).collect())
        })
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A service that answers every request with `body`; its URL.
    async fn service(status: &'static str, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://127.0.0.1:{port}/")
    }

    #[tokio::test]
    async fn the_service_says_the_address() {
        let url = service("200 OK", "203.0.113.7\n").await;
        let found = addresses(&url).await;
        assert_eq!(found, Ok(vec!["203.0.113.7".parse().expect("an address")]));
    }

    #[tokio::test]
    async fn a_portal_is_not_taken_for_an_address() {
        let url = service("200 OK", "<html>Welcome to our hotel").await;
        let refused = addresses(&url).await.expect_err("no address");
        assert!(matches!(refused, AddressError::Portal { .. }), "{refused}");
        let url = service("503 Busy", "").await;
        let refused = addresses(&url).await.expect_err("no address").to_string();
        assert!(refused.contains("status 503"), "{refused}");
        let refused = addresses("http://127.0.0.1:1/")
            .await
            .expect_err("no address");
        assert!(
            matches!(refused, AddressError::NoAnswer { .. }),
            "{refused}"
        );
    }
}
