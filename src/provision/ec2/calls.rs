//! The clients of the AWS services used here, all of one account and region, and how their failures become
//! errors. Each call names the action that it needs, as a policy would.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{Filter, Tag};

use super::errors::{AwsClass, AwsError};

/// One attempt of a call may take so long where the configuration does not say it; a retry carries the same
/// client token.
const ATTEMPT: Duration = Duration::from_secs(60);

/// The clients.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub ec2: aws_sdk_ec2::Client,
    pub sts: aws_sdk_sts::Client,
    pub connect: aws_sdk_ec2instanceconnect::Client,
    pub quotas: aws_sdk_servicequotas::Client,
    pub ebs: aws_sdk_ebs::Client,
    pub region: String,
    /// How many answers have come.
    heard: Arc<AtomicU64>,
}

impl Calls {
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    pub fn new(config: &SdkConfig, region: &str) -> Self {
        let given = config.timeout_config();
        let attempt = given.and_then(TimeoutConfig::operation_attempt_timeout);
        let mut timeouts = given.map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        timeouts.set_operation_attempt_timeout(attempt.or(Some(ATTEMPT)));
        let config = config
            .to_builder()
            .region(aws_config::Region::new(region.to_owned()))
            .timeout_config(timeouts.build())
            .build();
        Self {
            ec2: aws_sdk_ec2::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            connect: aws_sdk_ec2instanceconnect::Client::new(&config),
            quotas: aws_sdk_servicequotas::Client::new(&config),
            ebs: aws_sdk_ebs::Client::new(&config),
            region: region.to_owned(),
            heard: Arc::default(),
        }
    }

    /// What `call` returned, its failure classed, and a message about permissions decoded where that is
    /// allowed.
    pub async fn told<T, E, R>(
        &self,
        call: &'static str,
        returned: Result<T, SdkError<E, R>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug,
    {
        self.heard.fetch_add(1, Ordering::Relaxed);
        let error = match returned {
            Ok(value) => return Ok(value),
            Err(e) => AwsError::new(call, &self.region, &e),
        };
        tracing::debug!(call, code = error.code, message = error.message, "refused");
        let Some(encoded) = error.encoded() else {
            return Err(error);
        };
        let decoding = self.sts.decode_authorization_message();
        match decoding.encoded_message(encoded).send().await {
            Ok(decoded) => Err(error.decoded(decoded.decoded_message().unwrap_or_default())),
            Err(_) => Err(error),
        }
    }

    /// The ARN behind the credentials.
    pub async fn identity(&self) -> Result<String, AwsError> {
        let returned = self.sts.get_caller_identity().send().await;
        let identity = self.told("sts:GetCallerIdentity", returned).await?;
        Ok(identity.arn().unwrap_or_default().to_owned())
    }

    /// Writes tags, over those of the same keys.
    pub async fn tag(&self, ids: &[String], tags: &[(&str, String)]) -> Result<(), AwsError> {
        let returned = self
            .ec2
            .create_tags()
            .set_resources(Some(ids.to_vec()))
            .set_tags(Some(to_tags(tags)))
            .send()
            .await;
        self.told("ec2:CreateTags", returned).await.map(drop)
    }
}

/// A filter of a Describe call.
pub(crate) fn filter(name: impl Into<String>, values: &[&str]) -> Filter {
    let values = values.iter().map(|v| (*v).to_owned()).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// A filter on a tag's value.
pub(crate) fn tagged(key: &str, value: &str) -> Filter {
    // EC2 reads `*` and `?` in a filter's value as wildcards.
    let literal: String = value.chars().fold(String::new(), |mut text, c| {
        if matches!(c, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(c);
        text
    });
    filter(format!("tag:{key}"), &[&literal])
}

pub(crate) fn to_tags(tags: &[(&str, String)]) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(*key).value(value).build())
        .collect()
}

/// Keys and values as plain text.
pub(crate) fn from_tags(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter()
        .map(|t| (t.key().unwrap_or_default(), t.value().unwrap_or_default()))
}

/// Whether nothing is wrong after all: what was to go is gone.
pub(crate) fn gone_is_good(result: Result<(), AwsError>) -> Result<(), AwsError> {
    match result {
        Err(e) if e.class == AwsClass::Missing => Ok(()),
        other => other,
    }
}
