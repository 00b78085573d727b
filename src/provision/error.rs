//! What a provider can fail at, and what to do about each.

use std::io;
use std::path::PathBuf;

use super::ec2::{AddressError, AwsClass, AwsError, NoPlan};
use super::user_data::UserDataError;
use crate::error::Error;
use crate::model::SessionId;

/// Why a provider could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("agent `{agent}` needs the program `{program}`, which is not on PATH on {place}")]
    NoProgram {
        agent: String,
        program: String,
        place: String,
    },
    #[error("agent `{agent}` is to run in {}, which is not a directory on {place}", cwd.display())]
    NoDirectory {
        agent: String,
        cwd: PathBuf,
        place: String,
    },
    #[error("the session's host did not start: {why}")]
    Start { why: String, log: String },
    #[error("there is no session {0} here")]
    NoSession(SessionId),
    #[error("the host of {0} is not running")]
    NotRunning(SessionId),
    #[error("no work volume is mounted at /work on this machine")]
    NoWork,
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("{place} runs {system}, and there is no `remote` binary for it here")]
    NoBinary { place: String, system: String },
    #[error("cannot run commands on {place}")]
    Unreachable {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("{place}: {what} failed ({status})")]
    Remote {
        place: String,
        what: &'static str,
        status: String,
        stderr: String,
    },
    #[error("{place}: {what} gave an answer that cannot be read: {answer}")]
    Answer {
        place: String,
        what: &'static str,
        answer: String,
    },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error(transparent)]
    NoPlan(#[from] NoPlan),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    UserData(#[from] UserDataError),
    #[error("there is no image `{0}`")]
    NoImage(String),
    #[error("there is no subnet {0}")]
    NoSubnet(String),
    #[error("subnet {subnet} of {vpc} has no default route to an internet gateway")]
    Unroutable { subnet: String, vpc: String },
    #[error("{instance} has ended before it could be used: {why}")]
    Died { instance: String, why: String },
    #[error("{instance} {what} within {within} s")]
    Silent {
        instance: String,
        what: &'static str,
        within: u64,
    },
    #[error("cannot log in to {instance}: {why}")]
    NoLogin { instance: String, why: String },
    #[error("the launch of {session} was begun on {device} and is not finished")]
    Unfinished { session: SessionId, device: String },
    #[error("not all could be taken away: {}", .0.join("; "))]
    Leftovers(Vec<String>),
    /// A launch that failed, and what of it could not be taken away.
    #[error("{error}")]
    Left {
        error: Box<ProvisionError>,
        left: Vec<String>,
    },
}

impl ProvisionError {
    pub(super) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

impl From<ProvisionError> for Error {
    fn from(e: ProvisionError) -> Self {
        let message = e.to_string();
        match e {
            ProvisionError::Io { source, .. } => Self::user(message).because(source),
            ProvisionError::NoProgram { program, .. } => Self::user(message).hint(format!(
                "install `{program}` there, or name another command: `remote dispatch --command '...'`"
            )),
            ProvisionError::NoDirectory { .. } => {
                Self::user(message).hint("name another directory with `--cwd DIR`")
            }
            ProvisionError::Start { log, .. } if !log.is_empty() => {
                Self::user(message).because(log)
            }
            ProvisionError::Start { .. } | ProvisionError::Unsupported(_) => Self::user(message),
            ProvisionError::NoWork => Self::user(message).hint(
                "mount it there: `sudo remote-root mount VOLUME-ID`, with `--new` if it is blank",
            ),
            ProvisionError::NoSession(_) => {
                Self::user(message).hint("run `remote status --all` to see what there is")
            }
            ProvisionError::NotRunning(id) => Self::connection(message).hint(format!(
                "run `remote logs {id}` for what it said, `remote restart {id}` to start it again, or \
                 `remote prune` to remove it"
            )),
            ProvisionError::NoBinary { system, .. } => Self::config(message).hint(format!(
                "give a static build with `--host-binary FILE`, or set `{system} = \"FILE\"` under \
                 `[host.binaries]` in config.toml"
            )),
            ProvisionError::Unreachable { place, source } => Self::connection(message)
                .because(source)
                .hint(format!("run `ssh {place} true` to see whether ssh itself gets in")),
            ProvisionError::Remote { stderr, .. } => {
                let error = Self::user(message);
                let said = stderr.trim().to_owned();
                if said.is_empty() {
                    error
                } else {
                    error.because(said)
                }
            }
            ProvisionError::Answer { .. } => Self::connection(message)
                .hint("look whether a shell profile there prints to non-interactive logins"),
            ProvisionError::Left { error, left } => Self {
                message,
                ..left.iter().fold(Self::from(*error), |e, what| {
                    e.hint(format!("run `remote gc`: it was not taken away: {what}"))
                })
            },
            ec2 => of_ec2(ec2, message),
        }
    }
}

fn of_ec2(error: ProvisionError, message: String) -> Error {
    match error {
        ProvisionError::Aws(e) => of_aws(&e, message),
        ProvisionError::NoPlan(why) => {
            let error = Error::user(message);
            match why {
                NoPlan::NoType(_) => error.hint(
                    "name another with `--instance TYPE`, or let `--cpu` and `--memory` choose",
                ),
                NoPlan::NoZone(_) => error.hint("leave `--az` out, or name another zone"),
                NoPlan::NoSubnet => error.hint(
                    "run `aws ec2 create-default-vpc`, or set `subnets` under `[ec2]` in config.toml",
                ),
                NoPlan::TooDear { .. } => {
                    error.hint("allow more with `--max-price USD`, or name a smaller `--instance`")
                }
            }
        }
        ProvisionError::Address(why) => {
            let error = Error::connection(message);
            match why {
                AddressError::Portal { .. } => error.hint(
                    "a captive portal may stand in between: log in to it with a browser, then try again",
                ),
                AddressError::NoAnswer { .. } => error.hint(
                    "set `ssh_from = [\"203.0.113.7/32\"]` or `address_service` under `[ec2]` in config.toml",
                ),
            }
        }
        ProvisionError::UserData(why) => why.into(),
        ProvisionError::NoImage(_) => Error::config(message).hint(
            "use `ubuntu-24.04`, `debian-12`, `amazon-linux-2023`, `ami-...`, `resolve:ssm:...`, or \
             `admin@ami-...` where the login user is not `ec2-user`",
        ),
        ProvisionError::NoSubnet(_) => {
            Error::config(message).hint("correct `subnets` under `[ec2]` in config.toml")
        }
        ProvisionError::Unroutable { .. } => Error::config(message).hint(
            "name a public subnet under `[ec2]` in config.toml, or leave `vpc` and `subnets` out for \
             the default ones",
        ),
        ProvisionError::Unfinished { session, .. } => Error::user(message).hint(format!(
            "run a command there to finish it, or `remote terminate {session}` to end it"
        )),
        ProvisionError::NoLogin { .. } | ProvisionError::Silent { .. } => {
            Error::connection(message).hint("run `remote doctor` to see whether port 22 is reachable")
        }
        ProvisionError::Leftovers(_) => Error::user(message).hint("run `remote gc` to see what is left"),
        _ => Error::user(message),
    }
}

fn of_aws(e: &AwsError, message: String) -> Error {
    match &e.class {
        AwsClass::Capacity => Error::user(message).hint(
            "try another `--az`, another `--instance`, or without `--spot`; or wait a few minutes",
        ),
        AwsClass::Throttling => {
            Error::user(message).hint("AWS was asked too often; run it again in a minute")
        }
        AwsClass::Permission { action } => Error::user(message).hint(format!(
            "allow `{action}` to this identity; docs/AWS.md has the whole policy"
        )),
        AwsClass::Quota { .. } => Error::user(message).hint(match e.quota_link() {
            Some(link) => format!("ask for a higher quota: {link}"),
            None => "ask for a higher quota in the Service Quotas console".to_owned(),
        }),
        AwsClass::Credentials => Error::config(message)
            .hint("run `aws sso login` or set AWS_PROFILE; `aws sts get-caller-identity` shows who you are"),
        AwsClass::Network => Error::connection(message),
        AwsClass::Parameter | AwsClass::Missing | AwsClass::Exists | AwsClass::Other => {
            Error::user(message)
        }
    }
}
