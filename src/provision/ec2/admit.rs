//! A device that a machine does not know yet is let in: its key shown to it for a minute by EC2, then enrolled.

use super::Ec2;
use super::found::{Of, foremost};
use crate::config::MachineFile;
use crate::model::SessionId;
use crate::provision::{MachineState, PinnedLogin, ProvisionError};

/// Where a session's host listens on its machine: in a directory that the login user can enter.
pub fn socket(session: &SessionId) -> String {
    let dir = MachineFile::sockets().join(session.as_str());
    dir.join("host.sock").display().to_string()
}

impl Ec2 {
    /// Opens the port for this device and enrols its key, where the machine does not have it. Returns how to log
    /// in from now on.
    ///
    /// # Errors
    /// No such machine, or AWS does not permit it.
    pub async fn admit(&self, session: &SessionId) -> Result<PinnedLogin, ProvisionError> {
        let found = foremost(self.calls.instances(Of::Session(session)).await?)
            .ok_or_else(|| ProvisionError::NoSession(session.clone()))?;
        if found.state != MachineState::Running {
            return Err(ProvisionError::NotRunning(session.clone()));
        }
        self.open_port(&found).await?;
        let mut begun = self.journal.read(session);
        Ok(self.trusted(&found, begun.as_mut()).await?.login)
    }
}
