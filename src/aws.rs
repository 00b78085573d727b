//! What every use of AWS shares. So far only the question whether this machine has credentials at all;
//! never through the instance metadata service, which a laptop would wait for in vain.

use std::time::Duration;

use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_sdk_ec2::config::ProvideCredentials;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Nothing, or why there are none.
    pub credentials: Result<(), String>,
    pub region: Option<String>,
}

/// Looks for credentials and a region in the environment and the profile files, for at most `bound`.
pub async fn find(profile: Option<&str>, bound: Duration) -> Found {
    let mut credentials = ProfileFileCredentialsProvider::builder();
    let mut region = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        credentials = credentials.profile_name(name);
        region = region.profile_name(name);
    }
    let chain = CredentialsProviderChain::first_try(
        "environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("profile", credentials.build());
    let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(region.build());
    let credentials = match tokio::time::timeout(bound, chain.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => Err(innermost(&e)),
        Err(_) => Err(format!("no answer within {} s", bound.as_secs())),
    };
    let region = tokio::time::timeout(bound, regions.region()).await;
    Found {
        credentials,
        region: region.ok().flatten().map(|r| r.to_string()),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    if text.starts_with("no credentials found in chain") {
        return "none in the environment or the profile files".to_owned();
    }
    text.lines().next().unwrap_or("unknown").to_owned()
}
