//! The address that this device has to the world, as one service on the network sees it: it decides who may
//! knock at port 22.

use std::net::IpAddr;
use std::time::Duration;

use super::http::{Family, get};

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much longer over IPv6, which machines are reached by only where they have no IPv4 address: many networks
/// swallow it.
const LATER: Duration = Duration::from_secs(2);
/// The most of an answer that is told: an address is shorter, a portal's page is not wanted.
const LONGEST: usize = 64;

/// Why the address is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("{url} does not say which address this device has: {why}")]
    NoAnswer { url: String, why: String },
    #[error("{url} answers something that is no address: {said:?}")]
    Portal { url: String, said: String },
    #[error("{url} sends on to {to}, where an address was asked for")]
    Redirect { url: String, to: String },
}

/// The public addresses of this device: its IPv4 address, its IPv6 address, or both; at least one.
///
/// # Errors
/// The service does not answer, or not with an address.
pub async fn addresses(url: &str) -> Result<Vec<IpAddr>, AddressError> {
    let mut v4 = std::pin::pin!(ask(url, Family::V4));
    let mut v6 = std::pin::pin!(ask(url, Family::V6));
    let (v4, v6) = tokio::select! {
        four = &mut v4 => {
            let left = if four.is_ok() { LATER } else { PATIENCE };
            let late = |_| Err(AddressError::NoAnswer {
                url: url.to_owned(),
                why: "no answer over IPv6".to_owned(),
            });
            (four, tokio::time::timeout(left, v6).await.unwrap_or_else(late))
        }
        six = &mut v6 => (v4.await, six),
    };
    match (v4, v6) {
        (Ok(v4), Ok(v6)) if v4 != v6 => Ok(vec![v4, v6]),
        (Ok(one), _) | (Err(_), Ok(one)) => Ok(vec![one]),
        // What something answered says more than that the other family is not there.
        (
            Err(AddressError::NoAnswer { .. }),
            Err(e @ (AddressError::Portal { .. } | AddressError::Redirect { .. })),
        ) => Err(e),
        (Err(e), _) => Err(e),
    }
}

async fn ask(url: &str, family: Family) -> Result<IpAddr, AddressError> {
    let failed = |why: String| AddressError::NoAnswer {
        url: url.to_owned(),
        why,
    };
    let answer = get(url, family, PATIENCE)
        .await
        .map_err(|e| failed(e.to_string()))?;
    if let (300..=399, Some(to)) = (answer.status, &answer.location) {
        return Err(AddressError::Redirect {
            url: url.to_owned(),
            to: told(to),
        });
    }
    match answer.status {
        // Network Authentication Required: a portal that says so.
        200..=299 | 511 => {}
        other => return Err(failed(format!("status {other}"))),
    }
    answer
        .text
        .trim()
        .parse()
        .map_err(|_| AddressError::Portal {
            url: url.to_owned(),
            said: told(&answer.text),
        })
}

/// The beginning of what a stranger said, on one line.
fn told(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests;
