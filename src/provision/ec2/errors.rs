//! What AWS answers, put into classes: what to try elsewhere, what to wait for, and what only a person can
//! mend. The class comes from the error's code; the message is AWS's own.

use std::fmt;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::aws::{missing_action, readable};
use crate::error::innermost;

/// What the first spot instance of an account needs, once.
pub(in crate::provision) const SPOT_ROLE: &str = "iam:CreateServiceLinkedRole";

/// What kind of failure it is, and so what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsClass {
    /// Not to be had there now: another zone, size or market may have it.
    Capacity,
    /// Asked too often; the SDK has retried already.
    Throttling,
    /// The identity may not do this: the action that it lacks.
    Permission {
        action: String,
    },
    /// The account may not have so much: the quota's code, where it is known.
    Quota {
        code: Option<&'static str>,
    },
    /// A value that AWS does not take; its message names it.
    Parameter,
    /// What was named is not there.
    Missing,
    /// What was to be made is there already.
    Exists,
    /// No credentials, or none that are valid now.
    Credentials,
    /// No answer.
    Network,
    Other,
}

/// One call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// `ec2:RunInstances`
    pub call: &'static str,
    pub class: AwsClass,
    /// `InsufficientInstanceCapacity`; empty where there was no answer.
    pub code: String,
    /// In AWS's words, or the network's.
    pub message: String,
    pub region: String,
}

impl AwsError {
    /// Whether it may hide that the call took effect.
    pub fn is_uncertain(&self) -> bool {
        matches!(
            self.class,
            AwsClass::Network | AwsClass::Other | AwsClass::Throttling
        )
    }

    /// From what the SDK returned for `call`.
    pub(super) fn new<E, R>(call: &'static str, region: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: fmt::Debug,
    {
        let of = |class, code: &str, message: String| Self {
            call,
            class,
            code: code.to_owned(),
            message,
            region: region.to_owned(),
        };
        match error {
            SdkError::ServiceError(answer) => {
                let meta = answer.err().meta();
                let code = meta.code().unwrap_or_default();
                let message = meta.message().unwrap_or_default();
                of(classify(call, code, message), code, message.to_owned())
            }
            other => {
                let message = innermost(other);
                let class = if message.contains("credential") {
                    AwsClass::Credentials
                } else {
                    AwsClass::Network
                };
                of(class, "", message)
            }
        }
    }

    /// The same, of a request for machines whose vCPUs count against the quota `code`.
    pub(super) fn counted_against(mut self, code: &'static str) -> Self {
        if let AwsClass::Quota {
            code: named @ Some(_),
        } = &mut self.class
        {
            *named = Some(code);
        }
        self
    }

    /// The message of a permission error that only `sts:DecodeAuthorizationMessage` can read.
    pub(super) fn encoded(&self) -> Option<&str> {
        let (_, encoded) = self
            .message
            .split_once("Encoded authorization failure message: ")?;
        encoded.split_whitespace().next()
    }

    /// The same with what the decoded message (JSON) says.
    pub(super) fn decoded(mut self, json: &str) -> Self {
        let decoded: Option<serde_json::Value> = serde_json::from_str(json).ok();
        let text = |path: &str| {
            let found = decoded.as_ref().and_then(|d| d.pointer(path));
            found.and_then(|v| v.as_str()).unwrap_or_default()
        };
        let (action, resource) = (text("/context/action"), text("/context/resource"));
        if !action.is_empty() {
            self.class = AwsClass::Permission {
                action: action.to_owned(),
            };
            self.message = format!("not authorized to perform {action} on {resource}");
        }
        self
    }

    /// Where quotas are raised.
    pub fn quota_link(&self) -> Option<String> {
        let AwsClass::Quota { code: Some(code) } = self.class else {
            return None;
        };
        Some(quota_link(&self.region, code))
    }
}

/// Where a quota of EC2 is shown and raised.
pub(super) fn quota_link(region: &str, code: &str) -> String {
    format!("https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/{code}")
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            call,
            code,
            message,
            region,
            ..
        } = self;
        // Not the hundreds of characters that nobody can read.
        let message = readable(message);
        match (&self.class, code.as_str()) {
            (AwsClass::Network, _) => write!(f, "no answer to {call} in {region}: {message}"),
            (AwsClass::Permission { action }, _) => {
                write!(f, "AWS does not permit {action}: {message}")
            }
            (_, "") => write!(f, "{call} failed in {region}: {message}"),
            (_, code) => write!(f, "{call} failed in {region}: {message} ({code})"),
        }
    }
}

impl std::error::Error for AwsError {}

fn classify(call: &str, code: &str, message: &str) -> AwsClass {
    match code {
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientCapacity"
        | "InsufficientReservedInstanceCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "SpotMaxPriceTooLow"
        | "UnfulfillableCapacity" => AwsClass::Capacity,
        // A type that this zone does not have at all.
        "Unsupported" if message.contains("Availability Zone") => AwsClass::Capacity,
        "VcpuLimitExceeded" => AwsClass::Quota {
            code: Some("L-1216C47A"),
        },
        "MaxSpotInstanceCountExceeded" => AwsClass::Quota {
            code: Some("L-34B43A08"),
        },
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottledException"
        | "TooManyRequestsException" => AwsClass::Throttling,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "OptInRequired" => {
            AwsClass::Permission {
                action: missing_action(message).unwrap_or_else(|| call.to_owned()),
            }
        }
        // The first spot instance of an account, by somebody who may not make the role for it.
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted" => AwsClass::Permission {
            action: SPOT_ROLE.to_owned(),
        },
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature" => AwsClass::Credentials,
        _ if code.ends_with(".Duplicate") => AwsClass::Exists,
        _ if code.contains("NotFound") || code.ends_with(".Unknown") => AwsClass::Missing,
        _ if code.ends_with("LimitExceeded")
            || code.ends_with("LimitExceededException")
            || code == "ServiceQuotaExceededException" =>
        {
            AwsClass::Quota { code: None }
        }
        _ if code.starts_with("Invalid")
            || code.starts_with("MissingParameter")
            || code.ends_with(".Malformed")
            || code == "Unsupported"
            || code == "UnsupportedOperation"
            || code == "IdempotentParameterMismatch"
            || code == "ValidationError"
            || code == "ValidationException" =>
        {
            AwsClass::Parameter
        }
        _ => AwsClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> AwsError {
        AwsError {
            call: "ec2:RunInstances",
            class: classify("ec2:RunInstances", code, message),
            code: code.to_owned(),
            message: message.to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    #[test]
    fn only_capacity_is_tried_elsewhere() {
        let class = |code, message| error(code, message).class;
        for code in ["InsufficientInstanceCapacity", "SpotMaxPriceTooLow"] {
            assert_eq!(class(code, ""), AwsClass::Capacity, "{code}");
        }
        let zone = "Your requested instance type (m7g.large) is not supported in your requested \
                    Availability Zone (us-east-1e).";
        assert_eq!(class("Unsupported", zone), AwsClass::Capacity);
        assert_eq!(class("Unsupported", "no such thing"), AwsClass::Parameter);
        assert_eq!(class("InvalidParameterValue", ""), AwsClass::Parameter);
        assert_eq!(class("InvalidVolume.NotFound", ""), AwsClass::Missing);
        assert_eq!(class("InvalidPermission.Duplicate", ""), AwsClass::Exists);
        assert_eq!(class("RequestLimitExceeded", ""), AwsClass::Throttling);
        // EBS direct's own words.
        assert_eq!(class("RequestThrottledException", ""), AwsClass::Throttling);
        assert_eq!(class("ResourceNotFoundException", ""), AwsClass::Missing);
        assert_eq!(class("ValidationException", ""), AwsClass::Parameter);
        let many = AwsClass::Quota { code: None };
        assert_eq!(class("ConcurrentLimitExceededException", ""), many);
        assert_eq!(class("InternalError", ""), AwsClass::Other);
        assert_eq!(class("ExpiredToken", ""), AwsClass::Credentials);
    }

    #[test]
    fn a_quota_error_knows_where_it_is_raised() {
        let quota = error("VcpuLimitExceeded", "You have requested more vCPU capacity");
        let link = quota.quota_link().expect("a link");
        assert!(link.contains("eu-west-1") && link.ends_with("/L-1216C47A"));
        let of_its_family = quota.counted_against("L-DB2E81BA").quota_link();
        assert!(of_its_family.expect("a link").ends_with("/L-DB2E81BA"));
        let unnamed = error("VolumeLimitExceeded", "").counted_against("L-DB2E81BA");
        assert_eq!(unnamed.class, AwsClass::Quota { code: None });
        assert_eq!(unnamed.quota_link(), None);
    }

    #[test]
    fn a_permission_error_names_the_action() {
        let named = error(
            "UnauthorizedOperation",
            "User: arn:aws:iam::1:user/u is not authorized to perform: ec2:CreateTags on resource: x",
        );
        let lacks = |action: &str| AwsClass::Permission {
            action: action.to_owned(),
        };
        assert_eq!(named.class, lacks("ec2:CreateTags"));
        let role = "AuthFailure.ServiceLinkedRoleCreationNotPermitted";
        assert_eq!(error(role, "").class, lacks(SPOT_ROLE));
        let encoded = error(
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. Encoded authorization failure message: AbC-123",
        );
        assert_eq!(encoded.class, lacks("ec2:RunInstances"));
        assert_eq!(encoded.encoded(), Some("AbC-123"));
        assert!(!encoded.to_string().contains("AbC"));
        let json = r#"{"allowed":false,"context":{"action":"ec2:CreateTags","resource":"arn:x"}}"#;
        let decoded = encoded.clone().decoded(json);
        assert_eq!(decoded.class, lacks("ec2:CreateTags"));
        assert_eq!(encoded.clone().decoded("rubbish"), encoded);
    }
}
