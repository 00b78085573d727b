//! What changes of a session while it runs: its deadline, its name, and what becomes of its volume.

use super::Ec2;
use super::found::{Of, foremost};
use super::tags::{DEADLINE, NAME, clean, rfc3339};
use crate::model::{Millis, SessionId};
use crate::provision::{MachineState, ProvisionError};

impl Ec2 {
    /// Moves the deadline that the tags tell; the machine's own is moved by its host.
    ///
    /// # Errors
    /// No such session, or what AWS says.
    pub async fn extend(
        &self,
        session: &SessionId,
        deadline: Millis,
    ) -> Result<(), ProvisionError> {
        self.retag(session, DEADLINE, rfc3339(deadline)).await
    }

    /// Gives a session another name.
    ///
    /// # Errors
    /// No such session, or what AWS says.
    pub async fn rename(&self, session: &SessionId, name: &str) -> Result<(), ProvisionError> {
        self.retag(session, NAME, clean(name)).await
    }

    async fn retag(
        &self,
        session: &SessionId,
        key: &str,
        value: String,
    ) -> Result<(), ProvisionError> {
        let (instances, volumes) = tokio::try_join!(
            self.calls.instances(Of::Session(session)),
            self.calls.volumes(Of::Session(session))
        )?;
        let alive = instances
            .into_iter()
            .filter(|i| i.state != MachineState::Gone);
        let mut ids: Vec<String> = alive.map(|i| i.id).collect();
        ids.extend(volumes.into_iter().filter(|v| !v.is_root()).map(|v| v.id));
        if ids.is_empty() {
            return Err(ProvisionError::NoSession(session.clone()));
        }
        Ok(self.calls.tag(&ids, &[(key, value)]).await?)
    }

    /// Whether a session's work volume goes when its machine ends: only once its results are safe. A workspace never
    /// does: false where there is no volume of the session's own.
    ///
    /// # Errors
    /// Its machine has ended, or what AWS says.
    pub async fn let_go(&self, session: &SessionId, go: bool) -> Result<bool, ProvisionError> {
        let (instances, volumes) = tokio::try_join!(
            self.calls.instances(Of::Session(session)),
            self.calls.volumes(Of::Session(session))
        )?;
        let found = foremost(instances)
            .filter(|i| i.state != MachineState::Gone)
            .ok_or_else(|| ProvisionError::NotRunning(session.clone()))?;
        let own = volumes.into_iter().filter(|v| !v.is_root());
        let Some(volume) = own
            .into_iter()
            .find(|v| v.attached.as_ref() == Some(&found.id))
        else {
            return Ok(false);
        };
        // What was read may be old; that it stays is worth a call.
        if volume.goes_with_it != go || !go {
            self.calls
                .set_delete_on_termination(&found.id, &volume.device, go)
                .await?;
        }
        Ok(true)
    }
}
