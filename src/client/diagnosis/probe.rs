//! Looking: the API's server, the address service, who we are, the rules, and one session's machine. Each once,
//! each bounded, what does not depend on another side by side.

use std::sync::Arc;
use std::time::Duration;

use super::knock::knock;
use super::{MachineSeen, NoIdentity, Seen, SessionSeen};
use crate::client::{Known, cloud};
use crate::config::{Config, Paths};
use crate::cost::book;
use crate::error::{Error, Result};
use crate::model::now_ms;
use crate::provision::ec2::{Api, AwsClass, AwsError, Ec2, SshFrom, addresses, api};
use crate::provision::{Compute, ProvisionError};
use crate::ssh::Ask;

/// AWS may take so long, its retries included.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sees what there is to see for a configuration, and of `known`'s machine where one is named.
///
/// # Errors
/// No region is set anywhere, or `ec2.ssh_from` cannot be.
pub async fn probe(
    paths: &Paths,
    config: &Config,
    known: Option<&Known>,
    ask: Arc<dyn Ask>,
) -> Result<Seen> {
    let profile = config.text("profile");
    let rented = known.and_then(|k| k.rented.as_ref());
    let region = match rented.map(|r| r.region.as_str()).or(config.text("region")) {
        Some(region) => region.to_owned(),
        None => crate::aws::region(profile).await.ok_or_else(|| {
            Error::config("no AWS region is set").hint("run `remote init --provider ec2`")
        })?,
    };
    let from = cloud::ssh_from(config.text("ec2.ssh_from").unwrap_or("auto"))?;
    let url = crate::aws::endpoint(profile, &region).await;
    let asked = async {
        match from {
            SshFrom::Auto => Some(addresses(cloud::address_service(config)).await),
            SshFrom::Only(_) => None,
        }
    };
    let login = known.and_then(|k| k.ssh.as_ref()?.login.clone());
    let knocked = async {
        match &login {
            Some(login) => Some(knock(login, ask.clone()).await),
            None => None,
        }
    };
    let (api, addresses, knocked) = tokio::join!(api(&url), asked, knocked);
    let nearest = nearest(&region);
    let mut seen = Seen {
        region_is_known: nearest == region,
        region_nearest: nearest,
        region,
        profile: profile.map(str::to_owned),
        api,
        identity: Err(NoIdentity::NotAsked),
        addresses,
        fixed: match from {
            SshFrom::Auto => Vec::new(),
            SshFrom::Only(ranges) => ranges,
        },
        device: String::new(),
        rules: None,
        session: known.map(|known| SessionSeen {
            id: known.id.to_string(),
            region: rented.map_or_else(String::new, |r| r.region.clone()),
            instance: rented.map_or_else(String::new, |r| r.instance.clone()),
            launched: known.created,
            now: now_ms(),
            machine: None,
            address: login
                .as_ref()
                .map_or_else(String::new, |l| l.address.clone()),
            port: login.as_ref().map_or(22, |l| l.port),
            knock: knocked,
        }),
    };
    // Nobody but AWS is shown what is signed with our credentials.
    if matches!(seen.api, Api::Answers { .. }) {
        ask_aws(paths, config, known, ask, &mut seen).await;
    }
    Ok(seen)
}

async fn ask_aws(
    paths: &Paths,
    config: &Config,
    known: Option<&Known>,
    ask: Arc<dyn Ask>,
    seen: &mut Seen,
) {
    let ec2 = match cloud::look(paths, config, Some(&seen.region), ask).await {
        Ok(ec2) => ec2,
        Err(e) => {
            seen.identity = Err(NoIdentity::None {
                why: e.message,
                remedy: e.hints.into_iter().next().unwrap_or_default(),
            });
            return;
        }
    };
    seen.device = ec2.device().to_owned();
    let identity = tokio::time::timeout(PATIENCE, ec2.owner()).await;
    seen.identity = match identity {
        Ok(Ok(owner)) => Ok(owner.to_owned()),
        Ok(Err(e)) => Err(no_identity(e)),
        Err(_) => Err(NoIdentity::Silent(late())),
    };
    if seen.identity.is_err() {
        return;
    }
    let id = known.map(|k| &k.id);
    let rules = tokio::time::timeout(PATIENCE, ec2.rules(id));
    let machine = async {
        match known {
            Some(known) => Some(machine(&ec2, known).await),
            None => None,
        }
    };
    let (rules, machine) = tokio::join!(rules, machine);
    seen.rules = Some(match rules {
        Ok(told) => told.map_err(|e| e.to_string()),
        Err(_) => Err(late()),
    });
    if let Some(session) = &mut seen.session {
        session.machine = machine;
    }
}

async fn machine(ec2: &Ec2, known: &Known) -> MachineSeen {
    match tokio::time::timeout(PATIENCE, ec2.describe(&known.id)).await {
        Ok(Ok(machine)) => {
            let login = machine.rented.and_then(|r| r.login);
            Ok(Some((machine.state, login.map(|l| l.address))))
        }
        Ok(Err(ProvisionError::NoSession(_))) => Ok(None),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err(late()),
    }
}

fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn no_identity(e: ProvisionError) -> NoIdentity {
    match e {
        ProvisionError::Aws(AwsError {
            class: AwsClass::Network,
            message,
            ..
        }) => NoIdentity::Silent(message),
        ProvisionError::Aws(e) => NoIdentity::Refused {
            code: e.code,
            message: e.message,
        },
        other => NoIdentity::Silent(other.to_string()),
    }
}

/// The region of the price book whose name is the nearest.
fn nearest(region: &str) -> &'static str {
    let all = book::regions().into_iter();
    all.min_by_key(|r| strsim::damerau_levenshtein(r, region))
        .unwrap_or(book::HOME)
}
