//! A webhook's request: bounded in time and bytes, no redirect followed. Errors never show more of the URL than its
//! host, for what follows is often a secret.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::error::innermost;

const PATIENCE: Duration = Duration::from_secs(10);
/// Of a refusal so much is told.
const MOST: usize = 200;

/// Why it did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Not now: worth another try.
    #[error("{0}")]
    Passing(String),
    /// It will not be taken the next time either.
    #[error("{0}")]
    Refused(String),
}

/// Sends `json` to `url`, once.
///
/// # Errors
/// It did not arrive, or was not taken.
pub async fn post(url: &str, json: String) -> Result<(), PostError> {
    let sent = tokio::time::timeout(PATIENCE, send(url, json)).await;
    sent.unwrap_or_else(|_| {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        Err(PostError::Passing(why))
    })
}

async fn send(url: &str, json: String) -> Result<(), PostError> {
    let refused = |e: &dyn std::fmt::Display| PostError::Refused(e.to_string());
    let mut request = HttpRequest::new(SdkBody::from(json));
    request.set_uri(url).map_err(|e| refused(&e))?;
    request.set_method("POST").map_err(|e| refused(&e))?;
    let agent = concat!("remote/", env!("CARGO_PKG_VERSION"));
    request
        .headers_mut()
        .insert("content-type", "application/json");
    request.headers_mut().insert("user-agent", agent);
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build();
    let response = connector
        .call(request)
        .await
        .map_err(|e| PostError::Passing(innermost(&e)))?;
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(());
    }
    let mut body = ByteStream::new(response.into_body());
    let mut said = Vec::new();
    while said.len() < MOST {
        match body.next().await {
            Some(Ok(part)) => said.extend_from_slice(&part),
            _ => break,
        }
    }
    said.truncate(MOST);
    let said: String = String::from_utf8_lossy(&said)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let why = match said.trim() {
        "" => format!("the answer is {status}"),
        said => format!("the answer is {status}: {said}"),
    };
    Err(match status {
        408 | 425 | 429 | 500..=599 => PostError::Passing(why),
        _ => PostError::Refused(why),
    })
}
