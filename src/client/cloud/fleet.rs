//! What the tags say, written into the ledger: then every verb finds a session that another device began,
//! and its newest address.

use std::sync::Arc;
use std::time::Duration;

use crate::client::ledger::{Entry, SshPlace};
use crate::client::registry::Registry;
use crate::config::{Config, MachineFile, Paths};
use crate::error::Result;
use crate::model::{Ends, Millis, SessionSpec, SessionStatus, now_ms};
use crate::provision::ec2::socket;
use crate::provision::{Binaries, Compute, Machine, MachineState, Rented};
use crate::ssh::Ask;

/// AWS is not waited for longer by a verb that only wants to know what is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// A launch that is not through after this is not under way any more, in whatever terminal it began.
const UNFINISHED: Millis = 20 * 60_000;

/// What came of asking.
#[derive(Debug, Default)]
pub struct Fleet {
    pub machines: Vec<Machine>,
    /// Why AWS could not be asked: what is known is from before.
    pub failed: Option<String>,
}

/// Asks EC2 for this person's machines and brings the ledger up to date; asks nothing where EC2 has never
/// been used here.
///
/// # Errors
/// The ledger cannot be written. That AWS does not answer is told in the result.
pub async fn sync(
    paths: &Paths,
    config: &Config,
    registry: &Registry,
    ask: Arc<dyn Ask>,
) -> Result<Fleet> {
    let used = registry.ledger().all().iter().any(|e| e.provider == "ec2");
    if config.provider() != "ec2" && !used {
        return Ok(Fleet::default());
    }
    let asked = async {
        let ec2 = super::open(paths, config, None, &Binaries::default(), ask).await?;
        let machines = ec2.list().await?;
        // The last layer of every TTL: whoever looks ends what should have ended itself. What AWS does not
        // permit here is no reason not to tell what is there.
        if let Err(e) = ec2.sweep(&machines, now_ms()).await {
            tracing::warn!("machines past their deadline were not ended: {e}");
        }
        for begun in ec2.begun() {
            let spec = &begun.launch.spec;
            let old = now_ms().saturating_sub(spec.created) > UNFINISHED;
            // Before its host key was changed nothing is sent to a machine. Any other may hold work, whoever
            // was cut off while it was handed over: that one is for `gc`, and for a person to decide.
            if old && machines.iter().any(|m| m.session == spec.id && is_blank(m)) {
                ec2.abandon(&spec.id, &|_| {}).await;
            }
        }
        Ok::<_, crate::error::Error>(machines)
    };
    let machines = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(machines)) => machines,
        Ok(Err(e)) => return Ok(failed(e.to_string())),
        Err(_) => return Ok(failed(format!("no answer in {} s", PATIENCE.as_secs()))),
    };
    for machine in &machines {
        if let Some(entry) = merged(registry.ledger().get(&machine.session), machine, now_ms()) {
            registry.ledger().put(&entry)?;
        }
        if let Some(rented) = &machine.rented {
            super::spend::learned(paths, &machine.session, rented, now_ms())?;
        }
    }
    Ok(Fleet {
        machines,
        failed: None,
    })
}

/// Whether a machine is there and nothing was ever sent to it.
fn is_blank(machine: &Machine) -> bool {
    machine.state != MachineState::Gone && machine.rented.as_ref().is_some_and(|r| r.provisional)
}

fn failed(why: String) -> Fleet {
    Fleet {
        machines: Vec::new(),
        failed: Some(why),
    }
}

/// The entry as the tags change it; `None` where they say nothing new.
fn merged(before: Option<Entry>, machine: &Machine, now: Millis) -> Option<Entry> {
    let rented = machine.rented.as_ref()?;
    let gone = machine.state == MachineState::Gone;
    let mut entry = match before.clone() {
        Some(entry) => entry,
        // It was over before this device heard of it: its volume, if any, tells of it.
        None if gone => return None,
        None => fresh(machine, rented, now),
    };
    entry.rented = Some(rented.clone());
    if let Some(login) = &rented.login {
        entry.ssh.destination = format!("{}@{}", login.user, login.address);
        entry.ssh.login = Some(login.clone());
    }
    let over = entry.last.as_ref().is_some_and(|l| l.ended.is_some());
    entry.lost |= gone && !over;
    (before.as_ref() != Some(&entry)).then_some(entry)
}

fn fresh(machine: &Machine, rented: &Rented, now: Millis) -> Entry {
    let id = &machine.session;
    let dir = MachineFile::sessions().join(id.as_str());
    let spec = SessionSpec {
        id: id.clone(),
        name: rented.name.clone(),
        task: rented.task.clone(),
        provider: "ec2".to_owned(),
        owner: rented.owner.clone(),
        created: machine.launched,
        ends: Ends {
            deadline: rented.deadline,
            ..Ends::default()
        },
        agents: Vec::new(),
        price_microusd_per_hour: rented.microusd_per_hour,
        budget_microusd: None,
    };
    Entry {
        id: id.clone(),
        name: rented.name.clone(),
        provider: "ec2".to_owned(),
        ssh: SshPlace {
            destination: String::new(),
            socket: socket(id),
            dir: dir.display().to_string(),
            binary: String::new(),
            login: None,
        },
        last: Some(SessionStatus {
            spec,
            agents: Vec::new(),
            attached: Vec::new(),
            ends: Vec::new(),
            ended: None,
            warnings: Vec::new(),
            now: machine.launched,
            version: String::new(),
        }),
        last_seen: now,
        lost: false,
        rented: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::PinnedLogin;

    fn machine(state: MachineState, address: Option<&str>) -> Machine {
        Machine {
            session: "session-abc234".parse().expect("an id"),
            state,
            launched: 1000,
            rented: Some(Rented {
                instance: "i-0abc".into(),
                instance_type: "m6i.large".into(),
                region: "eu-west-1".into(),
                zone: "eu-west-1b".into(),
                spot: false,
                name: Some("auth".into()),
                task: "implement auth".into(),
                owner: "arn:aws:iam::1:user/me".into(),
                deadline: Some(5000),
                microusd_per_hour: 107_000,
                volume: None,
                volume_gib: 8,
                login: address.map(|a| PinnedLogin {
                    address: a.into(),
                    port: 22,
                    user: "ubuntu".into(),
                    host_key: "ssh-ed25519 AAAA".into(),
                    identity: "/k".into(),
                }),
                provisional: false,
                ended: None,
            }),
        }
    }

    #[test]
    fn only_a_machine_that_was_sent_nothing_is_blank() {
        let mut one = machine(MachineState::Running, None);
        assert!(!is_blank(&one), "its key was changed: it may hold work");
        one.rented.as_mut().expect("it").provisional = true;
        assert!(is_blank(&one));
        one.state = MachineState::Gone;
        assert!(!is_blank(&one));
    }

    #[test]
    fn a_session_of_another_device_becomes_known_and_follows_its_address() {
        let first = merged(None, &machine(MachineState::Running, Some("192.0.2.1")), 7)
            .expect("a new entry");
        assert_eq!(first.ssh.destination, "ubuntu@192.0.2.1");
        assert_eq!(first.ssh.dir, "/work/.remote/sessions/session-abc234");
        assert_eq!(first.name.as_deref(), Some("auth"));
        let same = merged(
            Some(first.clone()),
            &machine(MachineState::Running, Some("192.0.2.1")),
            9,
        );
        assert_eq!(same, None, "nothing new");
        let moved = merged(
            Some(first.clone()),
            &machine(MachineState::Running, Some("192.0.2.9")),
            9,
        )
        .expect("another address");
        assert_eq!(moved.ssh.destination, "ubuntu@192.0.2.9");
        let gone = merged(Some(first), &machine(MachineState::Gone, None), 9).expect("its end");
        assert!(gone.lost);
        assert_eq!(merged(None, &machine(MachineState::Gone, None), 9), None);
    }
}
