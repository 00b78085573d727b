//! Ending machines: by name, or because their time is long up and nothing else has ended them.

use super::Ec2;
use super::found::{FoundInstance, Of, WORK_DEVICE};
use super::tags::HostKey;
use super::undo::DETACHED;
use crate::model::{Millis, SessionId};
use crate::provision::{Machine, MachineState, ProvisionError};

/// How far past its deadline a machine may be before whoever lists it ends it.
const GRACE: Millis = 600_000;

/// What is left of a session whose machine was ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The work volume, and its size.
    pub volume: Option<(String, u32)>,
}

impl Ec2 {
    /// Ends a session's machine. Its work volume stays, unless `discard` says otherwise or nothing was ever put
    /// on it.
    ///
    /// # Errors
    /// No such session; or what AWS says, with what stays.
    pub async fn terminate_machine(
        &self,
        session: &SessionId,
        discard: bool,
    ) -> Result<Kept, ProvisionError> {
        let (instances, volumes) = tokio::try_join!(
            self.calls.instances(Of::Session(session)),
            self.calls.volumes(Of::Session(session))
        )?;
        let work: Vec<_> = volumes.iter().filter(|v| !v.is_root()).collect();
        if instances.is_empty() && work.is_empty() {
            return Err(ProvisionError::NoSession(session.clone()));
        }
        let alive: Vec<&FoundInstance> = instances
            .iter()
            .filter(|i| i.state != MachineState::Gone)
            .collect();
        // One that was given a volume which was there before is blank, and its volume is not.
        let blank = |i: &&FoundInstance| {
            matches!(i.facts.host_key, HostKey::Once(_)) && i.facts.volume.is_none()
        };
        let discard = discard || (!alive.is_empty() && alive.iter().all(blank));
        let mut goes_along = true;
        for instance in &alive {
            // Never of a workspace: it has another device's name.
            if discard && instance.facts.volume.is_none() {
                let goes = || {
                    self.calls
                        .set_delete_on_termination(&instance.id, WORK_DEVICE, true)
                };
                goes_along &= self.insist(goes).await.is_ok();
            } else if discard {
                goes_along = false;
            }
            let id = std::slice::from_ref(&instance.id);
            self.insist(|| self.calls.terminate_instances(id)).await?;
        }
        if discard {
            let attached = work.iter().all(|v| v.attached.is_some());
            if !(goes_along && attached) {
                let left = self.delete_volumes(session, DETACHED).await;
                if !left.is_empty() {
                    return Err(ProvisionError::Leftovers(left));
                }
            }
        }
        self.journal.remove(session);
        let kept = work.first().filter(|_| !discard);
        Ok(Kept {
            volume: kept.map(|v| (v.id.clone(), v.gib)),
        })
    }

    /// Ends those of `machines` (the caller's own, as just listed) that are past their deadline by ten minutes:
    /// the last of the layers that hold a machine to its time. Their volumes stay. Returns which were ended.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn sweep(
        &self,
        machines: &[Machine],
        now: Millis,
    ) -> Result<Vec<SessionId>, ProvisionError> {
        let owner = self.owner().await?;
        let mut ended = Vec::new();
        for (machine, instance) in overdue(machines, owner, now) {
            let id = [instance.to_owned()];
            self.insist(|| self.calls.terminate_instances(&id)).await?;
            ended.push(machine.session.clone());
        }
        Ok(ended)
    }
}

/// The machines whose time is up, each with its instance.
fn overdue<'a>(
    machines: &'a [Machine],
    owner: &'a str,
    now: Millis,
) -> impl Iterator<Item = (&'a Machine, &'a str)> {
    machines.iter().filter_map(move |machine| {
        let rented = machine.rented.as_ref()?;
        let deadline = rented.deadline?.saturating_add(GRACE);
        let due = machine.state != MachineState::Gone && rented.owner == owner && deadline < now;
        due.then_some((machine, rented.instance.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::Rented;

    fn machine(state: MachineState, owner: &str, deadline: Option<Millis>) -> Machine {
        Machine {
            session: "session-abc234".parse().expect("a name"),
            state,
            launched: 0,
            rented: Some(Rented {
                owner: owner.to_owned(),
                deadline,
                ..Rented::sample()
            }),
        }
    }

    #[test]
    fn only_own_machines_whose_time_is_long_up_are_swept() {
        let due = |state, owner, deadline, now| {
            overdue(&[machine(state, owner, deadline)], "me", now).count() == 1
        };
        use MachineState::{Gone, Running, Stopped};
        assert!(due(Running, "me", Some(1000), 1001 + GRACE));
        assert!(due(Stopped, "me", Some(1000), 1001 + GRACE));
        assert!(!due(Running, "me", Some(1000), 1000 + GRACE));
        assert!(!due(Gone, "me", Some(1000), 1001 + GRACE));
        assert!(!due(Running, "you", Some(1000), 1001 + GRACE));
        assert!(!due(Running, "me", None, u64::MAX));
    }
}
