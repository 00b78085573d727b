//! What lies between this device and port 22 of its machines, as the network and AWS tell of it: for whoever
//! asks why he does not get in. Looks, and changes nothing.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::address::addresses;
use super::found::{Of, foremost};
use super::http::{Family, HttpError, get};
use super::rules::Rule;
use super::{Ec2, SshFrom};
use crate::model::SessionId;
use crate::provision::ProvisionError;

/// How long the API may take to say anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the API's own server answers, credentials aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Api {
    /// It does; so many seconds is this device's clock ahead of its own.
    Answers {
        ahead: Option<i64>,
    },
    /// Something else answers in its place.
    Impostor(String),
    /// Its name leads nowhere.
    NoName(String),
    Silent(String),
}

/// Asks the API at `url` for nothing.
pub async fn api(url: &str) -> Api {
    // Where EC2's own endpoints say how they are; any answer will do.
    let ping = format!("{}/ping", url.trim_end_matches('/'));
    match get(&ping, Family::Any, PATIENCE).await {
        Ok(answer) => Api::Answers {
            ahead: answer.date.map(|date| ahead(SystemTime::now(), date)),
        },
        Err(HttpError::Impostor(why)) => Api::Impostor(why),
        Err(HttpError::NoName(why)) => Api::NoName(why),
        Err(e) => Api::Silent(e.to_string()),
    }
}

fn ahead(here: SystemTime, there: SystemTime) -> i64 {
    let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    match here.duration_since(there) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

impl Ec2 {
    /// The name by which machines and rules know this device.
    pub fn device(&self) -> &str {
        &self.settings.device.name
    }

    /// The public addresses of this device, as the configured service sees them; none where it is not asked.
    ///
    /// # Errors
    /// It does not answer, or not with an address.
    pub async fn addresses(&self) -> Result<Vec<IpAddr>, ProvisionError> {
        match self.settings.ssh_from {
            SshFrom::Auto => Ok(addresses(&self.settings.address_service).await?),
            SshFrom::Only(_) => Ok(Vec::new()),
        }
    }

    /// Who may knock at port 22, as it is configured.
    pub fn ssh_from(&self) -> &SshFrom {
        &self.settings.ssh_from
    }

    /// The rules for port 22 of a session's machine, or of all groups of ours in this region; `None` where there
    /// is no such group.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn rules(
        &self,
        session: Option<&SessionId>,
    ) -> Result<Option<Vec<Rule>>, ProvisionError> {
        let (groups, instance) = tokio::try_join!(self.calls.groups(), async {
            match session {
                Some(id) => Ok(foremost(self.calls.instances(Of::Session(id)).await?)),
                None => Ok(None),
            }
        })?;
        let of_it = |id: &String| instance.as_ref().is_none_or(|i| i.groups.contains(id));
        let mut ours = groups.into_iter().filter(|g| of_it(&g.id)).peekable();
        Ok(ours
            .peek()
            .is_some()
            .then(|| ours.flat_map(|g| g.rules).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_or_behind() {
        let there = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(ahead(there + Duration::from_secs(420), there), 420);
        assert_eq!(ahead(there - Duration::from_secs(420), there), -420);
        assert_eq!(ahead(there, there), 0);
    }

    #[tokio::test]
    async fn nothing_at_all_is_no_answer() {
        assert!(matches!(api("http://127.0.0.1:1/").await, Api::Silent(_)));
    }
}
