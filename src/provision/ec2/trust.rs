//! Getting in to the right machine: its key is known before the first connection, and the one-time key that it
//! was born with is changed by whoever comes first.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use super::Ec2;
use super::boot::{died, root};
use super::errors::{AwsClass, AwsError};
use super::found::{FoundInstance, Of};
use super::journal::Begun;
use super::tags::{HOST_KEY, HostKey, clean};
use crate::provision::{MachineState, PinnedLogin, ProvisionError, Remote};

/// Until a machine's sshd lets us in.
const LOGIN: Duration = Duration::from_secs(300);
/// Between two knocks at port 22.
const KNOCK: Duration = Duration::from_millis(200);
/// While knocking, whether the instance is still there is asked so often.
const STILL_THERE: Duration = Duration::from_secs(10);
/// How long a machine that this device made may not know it yet, as its users are made while sshd answers.
const ACQUAINTANCE: Duration = Duration::from_secs(20);

/// A machine whose key is its own, and the way to it.
pub(super) struct Trusted {
    pub login: PinnedLogin,
    pub remote: Arc<dyn Remote>,
    /// The key is new, and its tag does not say it yet.
    untold: bool,
}

impl Ec2 {
    /// A connection to a machine whose key is its own, as its tag says.
    pub(super) async fn trusted(
        &self,
        found: &FoundInstance,
        begun: Option<&mut Begun>,
    ) -> Result<Trusted, ProvisionError> {
        let trusted = self.acquainted(found, begun).await?;
        self.publish(found, &trusted).await?;
        Ok(trusted)
    }

    /// Writes a new key to the tag.
    pub(super) async fn publish(
        &self,
        found: &FoundInstance,
        trusted: &Trusted,
    ) -> Result<(), ProvisionError> {
        if !trusted.untold {
            return Ok(());
        }
        let ids = std::slice::from_ref(&found.id);
        let key = HostKey::Own(trusted.login.host_key.clone());
        let tag = [(HOST_KEY, key.to_tag())];
        Ok(self.insist(|| self.calls.tag(ids, &tag)).await?)
    }

    /// As [`Ec2::trusted`], with the tag still to be written ([`Ec2::publish`]): the one-time key is changed by who
    /// comes first.
    pub(super) async fn acquainted(
        &self,
        found: &FoundInstance,
        begun: Option<&mut Begun>,
    ) -> Result<Trusted, ProvisionError> {
        let known = begun.as_ref().and_then(|b| b.host_key.clone());
        let mut login = self.login(found)?;
        if let HostKey::Own(_) = found.facts.host_key {
            let remote = self.knock(found, &login).await?;
            return Ok(Trusted {
                login,
                remote,
                untold: false,
            });
        }
        let key = match known {
            // Changed before, and the tag was never written.
            Some(key) => key,
            None => match self.knock(found, &login).await {
                Ok(first) => rotate(first.as_ref()).await?,
                // Whoever came first may have been cut off before the answer, which is in the console too.
                Err(e @ ProvisionError::NoLogin { .. }) => {
                    match self.console_key(&found.id).await {
                        Ok(Some(key)) if key != login.host_key => key,
                        Err(why) if matches!(why.class, AwsClass::Permission { .. }) => {
                            return Err(why.into());
                        }
                        _ => return Err(e),
                    }
                }
                Err(e) => return Err(e),
            },
        };
        if let Some(begun) = begun {
            begun.host_key = Some(key.clone());
            self.journal.write(begun)?;
        }
        login.host_key = key;
        let remote = self.knock(found, &login).await?;
        Ok(Trusted {
            login,
            remote,
            untold: true,
        })
    }

    /// The host key that a machine has told its console, which AWS passes on.
    async fn console_key(&self, instance: &str) -> Result<Option<String>, AwsError> {
        let call = self.calls.ec2.get_console_output().instance_id(instance);
        let returned = call.latest(true).send().await;
        let output = self.calls.told("ec2:GetConsoleOutput", returned).await?;
        let text = STANDARD.decode(output.output().unwrap_or_default());
        let text = text.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let said = |l: &str| host_key(l.split_once("remote: host key ")?.1);
        Ok(text.lines().rev().find_map(said))
    }

    /// How to log in to an instance, as its tags say.
    pub(super) fn login(&self, found: &FoundInstance) -> Result<PinnedLogin, ProvisionError> {
        let damaged = |why: &str| ProvisionError::NoLogin {
            instance: found.id.clone(),
            why: why.to_owned(),
        };
        let key = found.facts.host_key.line();
        Ok(PinnedLogin {
            address: found
                .address()
                .ok_or_else(|| damaged("it has no public address"))?
                .to_owned(),
            address6: found.address6.clone().filter(|_| found.address4.is_some()),
            port: 22,
            user: Some(found.facts.login.clone())
                .filter(|u| !u.is_empty())
                .ok_or_else(|| damaged("its tag remote:login is gone"))?,
            host_key: key
                .ok_or_else(|| damaged("its tag remote:hostkey holds no key"))?
                .to_owned(),
            identity: self.settings.device.identity.clone(),
        })
    }

    /// Connects, again and again until its sshd is up; a machine that another device made is shown this
    /// device's key through EC2 Instance Connect, and then keeps it.
    pub(super) async fn knock(
        &self,
        found: &FoundInstance,
        login: &PinnedLogin,
    ) -> Result<Arc<dyn Remote>, ProvisionError> {
        let begun = Instant::now();
        let mut look = begun + STILL_THERE;
        let made_here = found.facts.device == clean(&self.settings.device.name);
        let mut shown = false;
        loop {
            let error = match self.reach.reach(login).await {
                Ok(remote) => {
                    if shown {
                        self.enrol(remote.as_ref()).await?;
                    }
                    return Ok(remote);
                }
                Err(e) => e,
            };
            let passed = begun.elapsed();
            let patience = ACQUAINTANCE * (u32::from(made_here) + u32::from(shown));
            let soon = error.stranger && passed < patience;
            if error.stranger && !soon && !shown {
                self.show_key(&found.id, &login.user).await?;
                shown = true;
                continue;
            }
            if !(error.wait || soon) || passed >= LOGIN {
                return Err(ProvisionError::NoLogin {
                    instance: found.id.clone(),
                    why: error.message,
                });
            }
            if Instant::now() >= look {
                look = Instant::now() + STILL_THERE;
                let now = self
                    .calls
                    .instances(Of::Session(&found.facts.session))
                    .await?;
                if let Some(now) = now.iter().find(|n| n.id == found.id)
                    && now.state == MachineState::Gone
                {
                    return Err(died(now));
                }
            }
            tokio::time::sleep(KNOCK).await;
        }
    }
}

/// Has a machine make a host key of its own.
async fn rotate(remote: &dyn Remote) -> Result<String, ProvisionError> {
    let what = "changing its host key";
    let ran = root(remote, what, "rotate", Vec::new()).await?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let key = said.lines().rev().find_map(host_key);
    key.ok_or_else(|| ProvisionError::Answer {
        place: remote.destination().to_owned(),
        what,
        answer: said.trim().to_owned(),
    })
}

/// A public key line, without its comment.
fn host_key(line: &str) -> Option<String> {
    let key = russh::keys::PublicKey::from_openssh(line.trim()).ok()?;
    let mut words = line.split_whitespace();
    let line = format!("{} {}", words.next()?, words.next()?);
    (key.algorithm() == russh::keys::Algorithm::Ed25519).then_some(line)
}
