//! What a provider can fail at, and what to do about each.

use std::io;
use std::path::PathBuf;

use super::ec2::{AddressError, AwsClass, AwsError, NoPlan, SPOT_ROLE};
use super::user_data::UserDataError;
use crate::aws::allow;
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
    #[error("{0} has been launched before")]
    Exists(SessionId),
    #[error("the host of {0} is not running")]
    NotRunning(SessionId),
    #[error("the machine of {0} is stopped")]
    Stopped(SessionId),
    #[error("{0} is being launched by another `remote` on this device")]
    UnderWay(SessionId),
    #[error("no work volume is mounted at /work on this machine")]
    NoWork,
    #[error("{0}")]
    Unsupported(&'static str),
    #[error("{place} runs {system}, and there is no `remote` binary for it here")]
    NoBinary { place: String, system: String },
    #[error("{} is a binary for {other}, and {place} runs {system}", file.display())]
    WrongBinary {
        file: PathBuf,
        other: &'static str,
        place: String,
        system: String,
    },
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
    /// A volume decides the zone, and that has no machine.
    #[error("{zone}, where {} is, has no capacity now: {error}", workspace.as_ref().map_or("its work volume".to_owned(), |w| format!("workspace `{w}`")))]
    NoRoom {
        zone: String,
        workspace: Option<String>,
        error: Box<AwsError>,
    },
    #[error("volume {0} is attached to {1}")]
    VolumeInUse(String, String),
    #[error("there is no volume {0} in {1} any more")]
    NoVolume(String, String),
    #[error("{volume} holds nothing of {session}")]
    NotThere { session: SessionId, volume: String },
    #[error("not all could be taken away: {}", .0.join("; "))]
    Leftovers(Vec<String>),
    /// A launch that failed, and what of it could not be taken away.
    #[error("{error}")]
    Left {
        error: Box<ProvisionError>,
        left: Vec<String>,
    },
}

/// How `remote host` exits where a session is not as asked for: what it says is for people, this is for who
/// asked over SSH. No kind of error has these.
const NO_SESSION: u8 = 80;
const NOT_RUNNING: u8 = 81;
const EXISTS: u8 = 82;

impl ProvisionError {
    /// The exit status by which whoever asked over SSH knows it again.
    pub fn exit(&self) -> Option<u8> {
        match self {
            Self::NoSession(_) => Some(NO_SESSION),
            Self::NotRunning(_) => Some(NOT_RUNNING),
            Self::Exists(_) => Some(EXISTS),
            _ => None,
        }
    }

    /// What `remote host` on another machine meant by its exit status.
    pub(super) fn by_exit(status: i32, session: &SessionId) -> Option<Self> {
        let session = session.clone();
        match u8::try_from(status).ok()? {
            NO_SESSION => Some(Self::NoSession(session)),
            NOT_RUNNING => Some(Self::NotRunning(session)),
            EXISTS => Some(Self::Exists(session)),
            _ => None,
        }
    }

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
            ProvisionError::Exists(id) => Self::user(message)
                .hint(format!("run `remote status {id}` to see what it does")),
            ProvisionError::NotRunning(id) => Self::connection(message).hint(format!(
                "run `remote logs {id}` for what it said, `remote restart {id}` to start it again, `remote resume {id}` \
                 where its machine is gone, or `remote prune` to remove it"
            )),
            ProvisionError::Stopped(id) => Self::user(message).hint(format!(
                "run `remote restart {id}` to start it with its agents, or `remote terminate {id}` to end it"
            )),
            ProvisionError::UnderWay(_) => {
                Self::user(message).hint("wait for it, or end it there with Ctrl-C")
            }
            ProvisionError::NoBinary { system, .. } | ProvisionError::WrongBinary { system, .. } => Self::config(message).hint(format!(
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
                    "run `aws ec2 create-default-vpc`, or set `subnet` under `[ec2]` in config.toml",
                ),
                NoPlan::TooDear { .. } => {
                    error.hint("allow more with `--max-price USD`, or name a smaller `--instance`")
                }
            }
        }
        ProvisionError::Address(why) => {
            let error = Error::connection(message);
            match why {
                AddressError::Portal { .. } | AddressError::Redirect { .. } => error.hint(
                    "a captive portal may stand in between: log in to it with a browser, then try again",
                ),
                AddressError::NoAnswer { .. } => error.hint(
                    "set `ssh_from = \"203.0.113.7/32\"` or `address_service` under `[ec2]` in config.toml",
                ),
            }
        }
        ProvisionError::UserData(why) => why.into(),
        ProvisionError::NoRoom { workspace, .. } => {
            let error = Error::user(message)
                .hint("try another size (`--instance`, `--or-larger`), or wait a few minutes");
            match workspace {
                Some(name) => error.hint(format!(
                    "or take it elsewhere, through a snapshot: `remote workspace move {name} --az ZONE`"
                )),
                None => error,
            }
        }
        ProvisionError::VolumeInUse(..) => Error::user(message).hint(
            "run `remote workspace list` to see who has it; a machine that is ending lets go within a minute",
        ),
        ProvisionError::NoVolume(..) | ProvisionError::NotThere { .. } => {
            Error::user(message).hint("run `remote status --all` to see what there is")
        }
        ProvisionError::NoImage(_) => Error::config(message).hint(
            "use `ubuntu-24.04`, `debian-12`, `amazon-linux-2023`, `ami-...`, `resolve:ssm:...`, or \
             `admin@ami-...` where the login user is not `ec2-user`",
        ),
        ProvisionError::NoSubnet(_) => {
            Error::config(message).hint("correct `subnet` under `[ec2]` in config.toml")
        }
        ProvisionError::Unroutable { .. } => Error::config(message).hint(
            "name a public `subnet` under `[ec2]` in config.toml, or leave it out for the default ones",
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
        AwsClass::Permission { action } if action == SPOT_ROLE => Error::user(message).hint(
            "have an administrator run `aws iam create-service-linked-role --aws-service-name \
             spot.amazonaws.com`, once for the account; or leave `--spot` out",
        ),
        AwsClass::Permission { action } => Error::user(message).hint(allow(action)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_meant_is_known_by_its_exit_status() {
        let session: SessionId = "session-abc234".parse().expect("a name");
        for exit in [NO_SESSION, NOT_RUNNING, EXISTS] {
            let meant = ProvisionError::by_exit(exit.into(), &session).expect("one of them");
            assert_eq!(meant.exit(), Some(exit));
        }
        for other in [0, 1, 2, 70, 124, 126, 127, 130, 255] {
            assert!(
                ProvisionError::by_exit(other, &session).is_none(),
                "{other}"
            );
        }
    }
}
