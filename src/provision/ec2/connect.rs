//! Getting in from a device that a machine does not know: EC2 Instance Connect shows it this device's key for a
//! minute, and over that connection the key is enrolled for good. And the port, which has to be open from here.

use super::boot::root;
use super::found::{FoundInstance, Of, foremost};
use super::tags::clean;
use super::{Ec2, SshFrom};
use crate::model::SessionId;
use crate::provision::{ProvisionError, Remote};

impl Ec2 {
    /// Shows this device's key to a session's machine for a minute, for its login user.
    ///
    /// # Errors
    /// No such session, or AWS does not permit it.
    pub async fn connect_key(&self, session: &SessionId) -> Result<(), ProvisionError> {
        let found = foremost(self.calls.instances(Of::Session(session)).await?)
            .ok_or_else(|| ProvisionError::NoSession(session.clone()))?;
        self.show_key(&found.id, &found.facts.login).await
    }

    pub(super) async fn show_key(&self, instance: &str, user: &str) -> Result<(), ProvisionError> {
        let call = self.calls.connect.send_ssh_public_key();
        let returned = call
            .instance_id(instance)
            .instance_os_user(user)
            .ssh_public_key(&self.settings.device.public_key)
            .send()
            .await;
        let action = "ec2-instance-connect:SendSSHPublicKey";
        self.calls.told(action, returned).await?;
        Ok(())
    }

    /// Has the machine keep this device's key.
    pub(super) async fn enrol(&self, remote: &dyn Remote) -> Result<(), ProvisionError> {
        let line = format!("{}\n", self.settings.device.key_line());
        root(remote, "enrolling this device", "enrol", line.into_bytes())
            .await
            .map(drop)
    }

    /// Lets this device knock at an instance from where it is now. With fixed ranges that is so from the launch
    /// on, and nothing is asked.
    pub(super) async fn open_port(&self, found: &FoundInstance) -> Result<(), ProvisionError> {
        if let SshFrom::Only(_) = self.settings.ssh_from
            && found.facts.device == clean(&self.settings.device.name)
        {
            return Ok(());
        }
        let (sources, groups) =
            tokio::try_join!(self.sources(), async { Ok(self.calls.groups().await?) })?;
        let of_it = groups.iter().find(|g| found.groups.contains(&g.id));
        match of_it {
            Some(group) => self.let_in(group, &sources).await.map(drop),
            // Somebody has put it into another group, whose rules are theirs.
            None => Ok(()),
        }
    }

    /// Lets this device knock at whatever machines it has in this region, from where it is now. Whether it could not
    /// before.
    ///
    /// # Errors
    /// What AWS says, or this device's address cannot be had.
    pub async fn let_in_anew(&self) -> Result<bool, ProvisionError> {
        if let SshFrom::Only(_) = self.settings.ssh_from {
            return Ok(false);
        }
        let (sources, groups) =
            tokio::try_join!(self.sources(), async { Ok(self.calls.groups().await?) })?;
        let mut news = false;
        for group in &groups {
            news |= !self.let_in(group, &sources).await?.add.is_empty();
        }
        Ok(news)
    }
}
