//! One plain request to a service that may not be what it should: a bound on time and on bytes, no redirect
//! followed, and the status, date and place it names kept, for they tell a portal from the service itself.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::error::innermost;

/// No more of an answer is read.
const MOST: usize = 4096;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The other side's clock.
    pub date: Option<SystemTime>,
    /// The beginning of the body.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the name cannot be resolved ({0})")]
    NoName(String),
    /// TLS, and the other side is not who the URL names.
    #[error("what answers is not who it should be ({0})")]
    Impostor(String),
    #[error("{0}")]
    Failed(String),
}

/// Asks `url`, by addresses of `family` alone.
pub(super) async fn get(
    url: &str,
    family: Family,
    patience: Duration,
) -> Result<Answer, HttpError> {
    let asked = tokio::time::timeout(patience, fetch(url, family)).await;
    asked.map_err(|_| HttpError::Late(patience))?
}

async fn fetch(url: &str, family: Family) -> Result<Answer, HttpError> {
    let request = HttpRequest::get(url).map_err(|e| HttpError::Failed(e.to_string()))?;
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_with_resolver(family);
    let response = connector
        .call(request)
        .await
        .map_err(|e| sorted(innermost(&e)))?;
    let header = |name| response.headers().get(name).map(str::to_owned);
    let date = header("date").and_then(|d| DateTime::from_str(&d, Format::HttpDate).ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        location: header("location"),
        date: date.and_then(|d| SystemTime::try_from(d).ok()),
        text: String::new(),
    };
    let mut body = ByteStream::new(response.into_body());
    let mut bytes = Vec::new();
    while bytes.len() < MOST {
        match body.next().await {
            Some(Ok(part)) => bytes.extend_from_slice(&part),
            Some(Err(e)) => return Err(HttpError::Failed(innermost(&e))),
            None => break,
        }
    }
    bytes.truncate(MOST);
    answer.text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(answer)
}

/// The connector says what failed in words alone.
fn sorted(why: String) -> HttpError {
    let lower = why.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if says(&[
        "certificate",
        "unknownissuer",
        "corrupt message",
        "handshake",
    ]) {
        HttpError::Impostor(why)
    } else if says(&["lookup", "resolve", "name or service", "name resolution"]) {
        HttpError::NoName(why)
    } else {
        HttpError::Failed(why)
    }
}

/// Resolves names to addresses of one family, so that a service sees the address of that family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
    Any,
}

impl ResolveDns for Family {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            // An address in brackets is a name to the resolver.
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            let found = tokio::net::lookup_host((bare, 0))
                .await
                .map_err(ResolveDnsError::new)?;
            let of_family = |a: &IpAddr| match self {
                Self::V4 => a.is_ipv4(),
                Self::V6 => a.is_ipv6(),
                Self::Any => true,
            };
            Ok(found.map(|a| a.ip()).filter(of_family).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_sorted_by_the_connectors_words() {
        let sort = |why: &str| sorted(why.to_owned());
        assert!(matches!(
            sort("invalid peer certificate: UnknownIssuer"),
            HttpError::Impostor(_)
        ));
        let name = "failed to lookup address information: Name or service not known";
        assert!(matches!(sort(name), HttpError::NoName(_)));
        assert!(matches!(sort("connection refused"), HttpError::Failed(_)));
    }
}
