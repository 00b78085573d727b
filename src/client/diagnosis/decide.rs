//! What follows from what was seen, each finding with the command that mends it. Pure.

use super::door::{door, knocked};
use super::{Finding, NoIdentity, Seen};
use crate::provision::MachineState;
use crate::provision::ec2::{AddressError, Api};

/// AWS refuses requests whose time is further off than five minutes.
const SKEW: i64 = 270;

/// The findings, those that others follow from first.
pub fn decide(seen: &Seen) -> Vec<Finding> {
    let mut findings = vec![network(seen)];
    findings.extend(clock(seen));
    findings.extend(identity(seen));
    findings.extend(seen.addresses.as_ref().map(|told| address(told, seen)));
    findings.extend(door(seen));
    findings.extend(machine(seen));
    findings.extend(knocked(seen));
    findings
}

/// Something other than the address service answered in its place.
pub(super) fn portal(seen: &Seen) -> bool {
    matches!(
        seen.addresses,
        Some(Err(
            AddressError::Portal { .. } | AddressError::Redirect { .. }
        ))
    )
}

/// Nothing at all answers.
fn offline(seen: &Seen) -> bool {
    let silent = matches!(seen.api, Api::Silent(_) | Api::NoName(_));
    silent && matches!(seen.addresses, Some(Err(AddressError::NoAnswer { .. })))
}

/// What lets a portal go.
fn log_in() -> &'static str {
    "open any http:// page in a browser, log in to this network, then run `remote doctor` again"
}

fn network(seen: &Seen) -> Finding {
    const NAME: &str = "aws region";
    let region = &seen.region;
    match &seen.api {
        Api::Answers { .. } => Finding::good(NAME, format!("EC2 in {region} answers")),
        Api::Impostor(why) => Finding::bad(
            NAME,
            true,
            format!(
                "something else answers in place of EC2 in {region}: a captive portal or a proxy ({why})"
            ),
            log_in(),
        ),
        Api::NoName(_) | Api::Silent(_) if !seen.region_is_known && !offline(seen) => Finding::bad(
            NAME,
            true,
            format!("there is no AWS region `{region}`"),
            format!(
                "run `remote init --provider ec2 --region {} --yes`, or name another",
                seen.region_nearest
            ),
        ),
        Api::NoName(why) | Api::Silent(why) if offline(seen) => Finding::bad(
            NAME,
            true,
            format!(
                "this device is offline: neither EC2 in {region} nor the address service answers ({why})"
            ),
            "connect to a network, then run `remote doctor` again",
        ),
        Api::NoName(_) | Api::Silent(_) if portal(seen) => Finding::bad(
            NAME,
            true,
            format!("EC2 in {region} does not answer: this network's portal is in between"),
            log_in(),
        ),
        Api::NoName(why) | Api::Silent(why) => Finding::bad(
            NAME,
            true,
            format!("EC2 in {region} does not answer: {why}"),
            format!(
                "try `curl -v https://ec2.{region}.amazonaws.com/ping`: a firewall here may forbid it; or try another network"
            ),
        ),
    }
}

fn clock(seen: &Seen) -> Option<Finding> {
    let ahead = match &seen.api {
        Api::Answers { ahead } => *ahead,
        _ => None,
    };
    // AWS's word counts where its clock was not heard.
    let refused = matches!(&seen.identity, Err(NoIdentity::Refused { code, message }) if of_time(code, message));
    let off = ahead.filter(|a| a.abs() > SKEW);
    if off.is_none() && !refused {
        return None;
    }
    let detail = match ahead {
        Some(s) if s != 0 => {
            let side = if s > 0 { "ahead of" } else { "behind" };
            let off = humantime::format_duration(std::time::Duration::from_secs(s.unsigned_abs()));
            format!(
                "this device's clock is {off} {side} AWS's, which refuses what is more than 5 minutes off"
            )
        }
        _ => "AWS says that this device's clock is wrong".to_owned(),
    };
    Some(Finding::bad(
        "clock",
        true,
        detail,
        "set it: `sudo timedatectl set-ntp true`, or `sudo sntp -sS time.apple.com` on a Mac",
    ))
}

/// Whether AWS refuses a request for its time.
fn of_time(code: &str, message: &str) -> bool {
    code == "RequestExpired"
        || code == "RequestTimeTooSkewed"
        || message.contains("Signature expired")
        || message.contains("Signature not yet current")
}

fn identity(seen: &Seen) -> Option<Finding> {
    const NAME: &str = "aws identity";
    let login = match &seen.profile {
        Some(name) => format!("run `aws sso login --profile {name}` or `aws configure --profile {name}`"),
        None => "run `aws sso login` or `aws configure`, or name a profile: `AWS_PROFILE=NAME remote doctor`".to_owned(),
    };
    Some(match &seen.identity {
        Ok(arn) => Finding::good(NAME, arn.clone()),
        Err(NoIdentity::NotAsked) => return None,
        Err(NoIdentity::None { why, remedy }) => {
            let remedy = if remedy.is_empty() { &login } else { remedy };
            Finding::bad(NAME, true, why.clone(), remedy.clone())
        }
        Err(NoIdentity::Refused { code, message }) if of_time(code, message) => Finding::bad(
            NAME,
            true,
            format!("AWS does not take what this device signs, for its clock is wrong ({code})"),
            "set the clock, as said above, then run `remote doctor` again",
        ),
        Err(NoIdentity::Refused { code, message }) => Finding::bad(
            NAME,
            true,
            format!("AWS does not take these credentials: {message} ({code})"),
            login,
        ),
        Err(NoIdentity::Silent(why)) => Finding::bad(
            NAME,
            true,
            format!("AWS did not say who this is: {why}"),
            "run `remote doctor` again in a minute; `aws sts get-caller-identity` asks the same",
        ),
    })
}

fn address(told: &Result<Vec<std::net::IpAddr>, AddressError>, seen: &Seen) -> Finding {
    const NAME: &str = "address";
    match told {
        Ok(addresses) => {
            let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Finding::good(NAME, format!("this device is {}", all.join(" and ")))
        }
        Err(AddressError::Portal { url, said }) => Finding::bad(
            NAME,
            true,
            format!("a captive portal answers in place of {url}: \"{said}\""),
            log_in(),
        ),
        Err(AddressError::Redirect { url, to }) => Finding::bad(
            NAME,
            true,
            format!("a captive portal answers in place of {url} and sends on to {to}"),
            format!(
                "open {to} in a browser, log in to this network, then run `remote doctor` again"
            ),
        ),
        Err(e @ AddressError::NoAnswer { .. }) if offline(seen) => Finding::bad(
            NAME,
            true,
            e.to_string(),
            "connect to a network, then run `remote doctor` again",
        ),
        Err(e @ AddressError::NoAnswer { .. }) => Finding::bad(
            NAME,
            true,
            e.to_string(),
            "name another service in config.toml, `address_service` under `[ec2]`, or fixed ranges: \
             `ssh_from = \"203.0.113.0/24\"`",
        ),
    }
}

fn machine(seen: &Seen) -> Option<Finding> {
    const NAME: &str = "machine";
    let session = seen.session.as_ref()?;
    let id = &session.id;
    let finding = match session.machine.as_ref()? {
        Err(why) => Finding::bad(
            NAME,
            true,
            format!("AWS does not tell of it: {why}"),
            format!("run `remote doctor {id}` again in a minute"),
        ),
        Ok(None) | Ok(Some((MachineState::Gone, _))) => Finding::bad(
            NAME,
            true,
            "it is no more; a work volume that it left is kept".to_owned(),
            format!("run `remote logs {id}` for what it said, and `remote gc` for what is left"),
        ),
        Ok(Some((MachineState::Stopped, _))) => Finding::bad(
            NAME,
            true,
            format!("{} is stopped", session.instance),
            format!("run `remote restart {id}`"),
        ),
        Ok(Some((MachineState::Pending, _))) => Finding::bad(
            NAME,
            false,
            format!("{} is still starting", session.instance),
            format!("run `remote doctor {id}` again in a minute"),
        ),
        Ok(Some((MachineState::Running, Some(now)))) if *now != session.address => Finding::bad(
            NAME,
            true,
            format!(
                "{} runs, and is at {now} now, not at {}",
                session.instance, session.address
            ),
            format!("run `remote attach {id}`, which asks for the new address"),
        ),
        Ok(Some((MachineState::Running, _))) => {
            Finding::good(NAME, format!("{} runs", session.instance))
        }
    };
    Some(finding)
}
