//! What every use of AWS shares: one configuration for all clients, and the question whether this machine
//! has credentials at all (never through the instance metadata service, which a laptop waits for in vain).

use std::sync::Mutex;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};

use crate::error::{Error, innermost};

/// How long credentials may take: a single sign-on or an assumed role asks a service.
const CREDENTIALS: Duration = Duration::from_secs(15);
/// The metadata service answers from the machine itself or not at all.
const METADATA: Duration = Duration::from_millis(500);
const CONNECT: Duration = Duration::from_secs(5);
/// One attempt of one call; the slowest (RunInstances) takes about 5 s.
const ATTEMPT: Duration = Duration::from_secs(60);

/// The configuration of every AWS client: credentials from the usual places (environment, profile, single
/// sign-on, role), adaptive retries, our name in the user agent, `AWS_ENDPOINT_URL` obeyed. The credentials
/// have been asked for once, so that a client's first call does not ask again.
///
/// # Errors
/// No region, no such profile, no credentials, or ones that cannot be had now: each with its remedy.
pub async fn sdk_config(profile: Option<&str>, region: Option<&str>) -> Result<SdkConfig, Error> {
    let region = match region {
        Some(name) => Region::new(name.to_owned()),
        None => environment_or_profile(profile).region().await.ok_or_else(|| {
            Error::config("no AWS region is set").hint(
                "pass `--region eu-west-1`, set `region` in config.toml or AWS_REGION, or run `remote init`",
            )
        })?,
    };
    let imds = aws_config::imds::Client::builder()
        .max_attempts(1)
        .connect_timeout(METADATA)
        .read_timeout(METADATA)
        .build();
    let mut chain = DefaultCredentialsChain::builder()
        .region(region.clone())
        .imds_client(imds);
    if let Some(name) = profile {
        chain = chain.profile_name(name);
    }
    let chain = chain.build().await;
    let first = match tokio::time::timeout(CREDENTIALS, chain.provide_credentials()).await {
        Ok(Ok(credentials)) => credentials,
        Ok(Err(e)) => return Err(no_credentials(profile, &lacking(&e))),
        Err(_) => {
            let why = format!("no answer within {} s", CREDENTIALS.as_secs());
            return Err(no_credentials(profile, &why));
        }
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(Primed {
            first: Mutex::new(Some(first)),
            chain,
        })
        .retry_config(RetryConfig::adaptive())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        );
    if let Ok(name) = AppName::new(concat!("remote-", env!("CARGO_PKG_VERSION"))) {
        loader = loader.app_name(name);
    }
    if let Some(name) = profile {
        // For what else a profile may set: `endpoint_url`, FIPS and dual-stack endpoints.
        loader = loader.profile_name(name);
    }
    Ok(loader.load().await)
}

fn no_credentials(profile: Option<&str>, why: &str) -> Error {
    let of = profile.map(|name| format!(" of the profile `{name}`"));
    let message = format!("no AWS credentials{}: {why}", of.unwrap_or_default());
    let log_in = match profile {
        Some(name) => {
            format!("run `aws sso login --profile {name}` or `aws configure --profile {name}`")
        }
        None => "run `aws sso login` or `aws configure`, or name another profile with AWS_PROFILE"
            .to_owned(),
    };
    Error::config(message)
        .hint(log_in)
        .hint("run `remote init` to check identity, permissions and network")
}

/// Hands out the credentials that were asked for at the start, and asks anew once the client wants others.
#[derive(Debug)]
struct Primed {
    first: Mutex<Option<Credentials>>,
    chain: DefaultCredentialsChain,
}

impl ProvideCredentials for Primed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().ok().and_then(|mut first| first.take());
        match first {
            Some(credentials) => future::ProvideCredentials::ready(Ok(credentials)),
            None => self.chain.provide_credentials(),
        }
    }
}

/// The region that the environment or the profile names.
pub async fn region(profile: Option<&str>) -> Option<String> {
    let region = environment_or_profile(profile).region().await;
    region.map(|r| r.to_string())
}

/// Where EC2's API of `region` is, as a client with this profile would find it: `https://ec2.…/`. Needs no
/// credentials.
pub async fn endpoint(profile: Option<&str>, region: &str) -> String {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .no_credentials();
    if let Some(name) = profile {
        loader = loader.profile_name(name);
    }
    match loader.load().await.endpoint_url() {
        Some(url) => format!("{}/", url.trim_end_matches('/')),
        None => {
            let end = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://ec2.{region}.amazonaws.com{end}/")
        }
    }
}

/// The region's places on this machine.
fn environment_or_profile(profile: Option<&str>) -> RegionProviderChain {
    let mut region = ProfileFileRegionProvider::builder();
    if let Some(name) = profile {
        region = region.profile_name(name);
    }
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(region.build())
}

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
    if let Some(name) = profile {
        credentials = credentials.profile_name(name);
    }
    let chain = CredentialsProviderChain::first_try(
        "environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("profile", credentials.build());
    let regions = environment_or_profile(profile);
    let credentials = match tokio::time::timeout(bound, chain.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => Err(lacking(&e)),
        Err(_) => Err(format!("no answer within {} s", bound.as_secs())),
    };
    let region = tokio::time::timeout(bound, regions.region()).await;
    Found {
        credentials,
        region: region.ok().flatten().map(|r| r.to_string()),
    }
}

/// The action that a refusal names as missing, as a policy would: `… is not authorized to perform:
/// SNS:CreateTopic on resource: …` gives `sns:CreateTopic`.
pub fn missing_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?.trim_end_matches(['.', ',']);
    let (service, name) = action.split_once(':')?;
    Some(format!("{}:{name}", service.to_lowercase()))
}

/// A refusal's message without the part that only AWS can read.
pub fn readable(message: &str) -> &str {
    let encoded = "Encoded authorization failure message";
    let text = message.split(encoded).next().unwrap_or(message);
    text.trim().trim_end_matches('.')
}

/// What to do about a missing action.
pub fn allow(action: &str) -> String {
    const OF_WORKSPACES: [&str; 8] = [
        "ec2:CreateVolume",
        "ec2:ModifyVolume",
        "ec2:DescribeVolumesModifications",
        "ec2:DetachVolume",
        "ebs:ListChangedBlocks",
        "ebs:StartSnapshot",
        "ebs:PutSnapshotBlock",
        "ebs:CompleteSnapshot",
    ];
    // On what a session has left, and on workspaces.
    const OF_BOTH: [&str; 4] = [
        "ec2:AttachVolume",
        "ec2:CreateSnapshot",
        "ebs:ListSnapshotBlocks",
        "ebs:GetSnapshotBlock",
    ];
    let file = match action.split_once(':') {
        Some(("sns" | "budgets", _)) => "docs/iam/alerts.json has it",
        _ if OF_WORKSPACES.contains(&action) => "docs/iam/workspaces.json has it",
        _ if OF_BOTH.contains(&action) => {
            "docs/iam/user.json has it for sessions, docs/iam/workspaces.json for workspaces"
        }
        _ => "docs/iam/user.json has it",
    };
    format!("allow `{action}` to this identity; {file}, docs/AWS.md says why")
}

/// Why there are no credentials, in a line.
fn lacking(error: &dyn std::error::Error) -> String {
    let text = innermost(error);
    if text.starts_with("no credentials found in chain") {
        return "none in the environment or the profile files".to_owned();
    }
    text.lines().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_credentials_name_what_to_run() {
        let error = no_credentials(Some("work"), "none");
        assert_eq!(
            error.message,
            "no AWS credentials of the profile `work`: none"
        );
        assert!(
            error
                .hints
                .iter()
                .any(|h| h.contains("aws sso login --profile work"))
        );
        assert!(error.hints.iter().any(|h| h.contains("remote init")));
        assert!(
            no_credentials(None, "none")
                .hints
                .iter()
                .any(|h| h.contains("AWS_PROFILE"))
        );
    }

    #[test]
    fn a_refusal_names_the_action_as_a_policy_does() {
        let sns = "User: arn:aws:iam::1:user/u is not authorized to perform: SNS:CreateTopic on resource: x";
        assert_eq!(missing_action(sns).as_deref(), Some("sns:CreateTopic"));
        assert_eq!(missing_action("You are not authorized."), None);
        let long = "No. Encoded authorization failure message: AbC-123";
        assert_eq!(readable(long), "No");
        assert!(allow("budgets:ViewBudget").contains("alerts.json"));
        assert!(allow("ec2:RunInstances").contains("user.json"));
        assert!(allow("ec2:CreateVolume").contains("workspaces.json"));
        assert!(allow("ebs:StartSnapshot").contains("workspaces.json"));
        for both in ["ec2:AttachVolume", "ebs:GetSnapshotBlock"] {
            let told = allow(both);
            assert!(told.contains("user.json") && told.contains("workspaces.json"));
        }
    }

    #[tokio::test]
    async fn what_was_asked_for_once_is_handed_out_first() -> Result<(), Error> {
        let chain = DefaultCredentialsChain::builder()
            .region(Region::new("eu-west-1"))
            .build()
            .await;
        let first = Credentials::new("AKIDFIRST", "secret", None, None, "test");
        let primed = Primed {
            first: Mutex::new(Some(first)),
            chain,
        };
        let handed = primed
            .provide_credentials()
            .await
            .map_err(|e| Error::user(e.to_string()))?;
        assert_eq!(handed.access_key_id(), "AKIDFIRST");
        assert!(primed.first.lock().is_ok_and(|f| f.is_none()));
        Ok(())
    }
}
