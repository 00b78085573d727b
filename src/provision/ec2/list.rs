//! What machines there are: from the tags of instances, and of volumes that have outlived theirs.

use std::collections::BTreeMap;

use super::Ec2;
use super::found::{FoundInstance, FoundVolume, Of, foremost};
use super::tags::HostKey;
use crate::model::SessionId;
use crate::provision::{Machine, MachineState, ProvisionError, Rented};

impl Ec2 {
    /// All sessions' machines in this region, the caller's own or everyone's, the oldest first; of those that
    /// have ended what EC2 still tells, which after an hour is their volumes alone.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn machines(&self, everyone: bool) -> Result<Vec<Machine>, ProvisionError> {
        let of = match everyone {
            true => Of::Everyone,
            false => Of::Owner(self.owner().await?),
        };
        self.collect(of).await
    }

    pub(super) async fn machine(&self, session: &SessionId) -> Result<Machine, ProvisionError> {
        let machines = self.collect(Of::Session(session)).await?;
        let found = machines.into_iter().find(|m| m.session == *session);
        found.ok_or_else(|| ProvisionError::NoSession(session.clone()))
    }

    async fn collect(&self, of: Of<'_>) -> Result<Vec<Machine>, ProvisionError> {
        let (instances, volumes) =
            tokio::try_join!(self.calls.instances(of), self.calls.volumes(of))?;
        let mut sessions: BTreeMap<SessionId, (Vec<FoundInstance>, Vec<FoundVolume>)> =
            BTreeMap::new();
        for instance in instances {
            let session = instance.facts.session.clone();
            sessions.entry(session).or_default().0.push(instance);
        }
        for volume in volumes.into_iter().filter(|v| !v.is_root()) {
            let session = volume.facts.session.clone();
            sessions.entry(session).or_default().1.push(volume);
        }
        let mut machines: Vec<Machine> = sessions
            .into_iter()
            .filter_map(|(session, (instances, volumes))| {
                self.combine(session, foremost(instances), &volumes)
            })
            .collect();
        machines.sort_by_key(|m| m.launched);
        Ok(machines)
    }

    /// What is known of a machine that this device has just made.
    pub(super) fn rented(&self, found: FoundInstance, volume_gib: u32) -> Option<Rented> {
        let (session, volume) = (found.facts.session.clone(), found.volume.clone());
        let made = self.combine(session, Some(found), &[])?.rented?;
        Some(Rented {
            volume,
            volume_gib,
            ..made
        })
    }

    fn combine(
        &self,
        session: SessionId,
        instance: Option<FoundInstance>,
        volumes: &[FoundVolume],
    ) -> Option<Machine> {
        // The instance's own; or what one that has ended left behind.
        let volume = match &instance {
            Some(i) if i.volume.is_some() => {
                volumes.iter().find(|v| Some(&v.id) == i.volume.as_ref())
            }
            Some(i) if i.state == MachineState::Gone => volumes.first(),
            _ => volumes.iter().find(|v| v.attached.is_none()),
        };
        let facts = match (&instance, volume) {
            (Some(i), _) => i.facts.clone(),
            (None, Some(v)) => v.facts.clone(),
            (None, None) => return None,
        };
        let state = instance.as_ref().map_or(MachineState::Gone, |i| i.state);
        let login = instance
            .as_ref()
            .filter(|i| i.state == MachineState::Running)
            .and_then(|i| self.login(i).ok());
        let launched = facts.launched.or(instance.as_ref().map(|i| i.launched));
        let text = |of: fn(&FoundInstance) -> &String| {
            instance
                .as_ref()
                .map_or_else(String::new, |i| of(i).clone())
        };
        let zone = instance
            .as_ref()
            .map(|i| &i.zone)
            .or(volume.map(|v| &v.zone));
        Some(Machine {
            session,
            state,
            launched: launched.or(volume.map(|v| v.created)).unwrap_or(0),
            rented: Some(Rented {
                instance: text(|i| &i.id),
                instance_type: text(|i| &i.instance_type),
                region: self.settings.region.clone(),
                zone: zone.cloned().unwrap_or_default(),
                spot: instance.as_ref().is_some_and(|i| i.spot),
                // A volume's tag is of the launch, and is not written again; nor does what a resume that failed has left
                // say anything of the work.
                provisional: instance.is_some()
                    && matches!(facts.host_key, HostKey::Once(_))
                    && !(state == MachineState::Gone && volume.is_some()),
                stopped: state == MachineState::Stopped,
                device: facts.device,
                name: facts.name,
                task: facts.task,
                owner: facts.owner,
                deadline: facts.deadline,
                microusd_per_hour: facts.microusd_per_hour,
                // A workspace is no session's own, and not among them.
                volume: volume.map(|v| v.id.clone()).or(facts
                    .volume
                    .filter(|_| state != MachineState::Gone || facts.workspace.is_some())),
                volume_gib: volume.map_or(0, |v| v.gib),
                workspace: facts.workspace,
                let_go: volume.is_some_and(|v| v.goes_with_it),
                login,
                ended: instance.and_then(|i| i.ended),
            }),
        })
    }
}
