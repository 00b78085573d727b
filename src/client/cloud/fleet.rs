//! What the tags say, written into the ledger: then every verb finds a session that another device began,
//! and its newest address.

use std::sync::Arc;
use std::time::Duration;

use super::unfinished::{self, Unfinished};
use crate::client::ledger::{Entry, SshPlace};
use crate::client::registry::Registry;
use crate::config::{Config, MachineFile, Paths};
use crate::error::{Error, Result};
use crate::model::{Ends, Millis, SessionId, SessionSpec, SessionStatus, now_ms};
use crate::provision::ec2::{BINARY, Ec2, socket};
use crate::provision::{Binaries, Compute, Machine, MachineState, Rented};
use crate::ssh::Ask;

/// AWS is not waited for longer, from one answer to the next, by a verb that only wants to know what is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of asking.
#[derive(Debug, Default)]
pub struct Fleet {
    pub machines: Vec<Machine>,
    /// What became of launches that were cut off on this device.
    pub unfinished: Vec<Unfinished>,
    /// Why AWS could not be asked: what is known is from before.
    pub failed: Option<Error>,
    /// Why machines that are long past their deadline were not ended.
    pub overdue: Option<Error>,
}

/// Asks EC2 for this person's machines and brings the ledger up to date; asks nothing where EC2 has never
/// been used here. Launches that were cut off are ended or finished.
///
/// # Errors
/// The ledger cannot be written. That AWS does not answer is told in the result.
pub async fn sync(
    paths: &Paths,
    config: &Config,
    registry: &Registry,
    ask: Arc<dyn Ask>,
) -> Result<Fleet> {
    let known = registry.ledger().all();
    let used = known.iter().any(|e| e.provider == "ec2") || paths.state.join("launches").exists();
    if config.provider() != "ec2" && !used {
        return Ok(Fleet::default());
    }
    let silent = || {
        let why = format!("no answer in {} s", PATIENCE.as_secs());
        failed(Error::connection(why))
    };
    let binaries = Binaries::default();
    let opened = super::open(paths, config, None, &binaries, ask);
    let ec2 = match tokio::time::timeout(PATIENCE, opened).await {
        Ok(Ok(ec2)) => Arc::new(ec2),
        Ok(Err(e)) => return Ok(failed(e)),
        Err(_) => return Ok(silent()),
    };
    let asked = async { everywhere(&ec2, &known).await };
    tokio::pin!(asked);
    let mut heard = ec2.heard();
    let Everywhere {
        machines,
        regions,
        overdue,
    } = loop {
        match tokio::time::timeout(PATIENCE, &mut asked).await {
            Ok(Ok(told)) => break told,
            Ok(Err(e)) => return Ok(failed(e)),
            // Many pages take long, and tell on the way.
            Err(_) if ec2.heard() > heard => heard = ec2.heard(),
            Err(_) => return Ok(silent()),
        }
    };
    let unfinished = unfinished::settle(&ec2, &machines, &regions).await;
    let ended = |id: &SessionId| unfinished.iter().any(|u| u.session == *id && u.over);
    for machine in machines.iter().filter(|m| !ended(&m.session)) {
        let before = registry.ledger().get(&machine.session);
        if was_never(before.as_ref(), machine) {
            registry.ledger().remove(&machine.session)?;
        } else if let Some(entry) = merged(before, machine, now_ms()) {
            // It comes from the tags, which can be asked again.
            registry.ledger().note(&entry)?;
        }
    }
    for entry in without_volume(registry.ledger().all(), &machines, &regions) {
        registry.ledger().note(&entry)?;
    }
    super::spend::learned(paths, &machines, now_ms())?;
    // Not waited for for long: a listing is what was asked for.
    let seen_to = super::released::see_to(&ec2, registry.ledger(), &regions);
    if let Ok(done) = tokio::time::timeout(PATIENCE, seen_to).await {
        done?;
    }
    for one in unfinished.iter().filter(|u| u.over) {
        registry.ledger().remove(&one.session)?;
    }
    // A key that was changed since the list was made is told by the next one.
    Ok(Fleet {
        machines,
        unfinished,
        failed: None,
        overdue,
    })
}

/// What all regions told.
struct Everywhere {
    machines: Vec<Machine>,
    /// Those that answered.
    regions: Vec<String>,
    /// Why machines past their deadline were not ended, where they were not.
    overdue: Option<Error>,
}

/// The machines of every region that this device has to do with: the configured one, and those of sessions
/// and launches that are not over.
async fn everywhere(ec2: &Ec2, known: &[Entry]) -> Result<Everywhere> {
    let live = known
        .iter()
        .filter(|e| !e.lost)
        .filter_map(|e| e.rented.as_ref());
    let mut regions: Vec<String> = live.map(|r| r.region.clone()).collect();
    regions.extend(ec2.begun().into_iter().map(|b| b.region));
    regions.retain(|r| r != ec2.region());
    regions.sort();
    regions.dedup();
    // Each once for all of them.
    ec2.owner().await?;
    let mut asked = tokio::task::JoinSet::new();
    for region in regions {
        let there = ec2.in_region(&region);
        asked.spawn(async move { (one_region(&there).await, region) });
    }
    let (machines, overdue) = one_region(ec2).await?;
    let mut all = Everywhere {
        machines,
        regions: vec![ec2.region().to_owned()],
        overdue,
    };
    while let Some(Ok((told, region))) = asked.join_next().await {
        match told {
            Ok((more, why)) => {
                all.machines.extend(more);
                all.regions.push(region);
                all.overdue = all.overdue.or(why);
            }
            Err(e) => tracing::warn!("{region} does not answer: {e}"),
        }
    }
    Ok(all)
}

async fn one_region(ec2: &Ec2) -> Result<(Vec<Machine>, Option<Error>)> {
    let machines = ec2.list().await?;
    // The last layer of every TTL: whoever looks ends what should have ended itself. What AWS does not
    // permit here is no reason not to tell what is there.
    let swept = ec2.sweep(&machines, now_ms()).await;
    let overdue = swept.err().map(Error::from);
    if let Err(e) = unfinished::forgotten(ec2, &machines, now_ms()).await {
        tracing::warn!("machines that nobody came to were not ended: {e}");
    }
    Ok((machines, overdue))
}

/// Sessions that have ended and of which nothing is left in a region that answered: somebody deleted their volumes.
fn without_volume(entries: Vec<Entry>, machines: &[Machine], regions: &[String]) -> Vec<Entry> {
    let told = |e: &Entry| machines.iter().any(|m| m.session == e.id);
    let gone = |e: &Entry| {
        let over = e.lost || e.last.as_ref().is_some_and(|l| l.ended.is_some());
        over && e.rented.as_ref().is_some_and(|r| {
            r.volume.is_some() && r.workspace.is_none() && regions.contains(&r.region)
        })
    };
    entries
        .into_iter()
        .filter(|e| gone(e) && !told(e))
        .map(|mut e| {
            if let Some(rented) = &mut e.rented {
                rented.volume = None;
            }
            e
        })
        .collect()
}

/// Whether a session that is gone never began: nothing is to be told of it.
fn was_never(before: Option<&Entry>, machine: &Machine) -> bool {
    let blank = |r: &Rented| r.provisional;
    machine.state == MachineState::Gone
        && before.is_some_and(|e| e.rented.as_ref().is_some_and(blank))
        && machine.rented.as_ref().is_some_and(blank)
}

fn failed(why: Error) -> Fleet {
    Fleet {
        failed: Some(why),
        ..Fleet::default()
    }
}

/// The entry as the tags change it; `None` where they say nothing new.
fn merged(before: Option<Entry>, machine: &Machine, now: Millis) -> Option<Entry> {
    let rented = machine.rented.as_ref()?;
    let gone = machine.state == MachineState::Gone;
    let mut entry = match before.clone() {
        Some(entry) => entry,
        // It was over before this device heard of it; where its work is still there, that can be had from here too.
        None if gone && rented.volume.is_none() => return None,
        None => fresh(machine, rented, now),
    };
    entry.rented = Some(rented.clone());
    if let Some(login) = &rented.login {
        entry.ssh.destination = format!("{}@{}", login.user, login.address);
        entry.ssh.login = Some(login.clone());
    }
    let other = |r: &Rented| !r.instance.is_empty() && r.instance != rented.instance;
    let resumed = before
        .as_ref()
        .and_then(|b| b.rented.as_ref())
        .is_some_and(other);
    if !gone
        && resumed
        && let Some(last) = &mut entry.last
    {
        // Another device has put it back.
        last.ended = None;
        entry.released = false;
    }
    let over = entry.last.as_ref().is_some_and(|l| l.ended.is_some());
    // A host that did not answer may have been on its way: while its machine runs it is asked again.
    entry.lost = gone && !over;
    (before.as_ref() != Some(&entry)).then_some(entry)
}

pub(super) fn fresh(machine: &Machine, rented: &Rented, now: Millis) -> Entry {
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
        workspace: None,
    };
    Entry {
        id: id.clone(),
        name: rented.name.clone(),
        provider: "ec2".to_owned(),
        ssh: SshPlace {
            destination: String::new(),
            socket: socket(id),
            dir: dir.display().to_string(),
            binary: BINARY.to_owned(),
            login: None,
        },
        last: Some(SessionStatus {
            spec,
            agents: Vec::new(),
            attached: Vec::new(),
            ends: Vec::new(),
            ended: None,
            warnings: Vec::new(),
            news: Vec::new(),
            volume: None,
            load: None,
            now: machine.launched,
            version: String::new(),
        }),
        last_seen: now,
        lost: false,
        rented: None,
        released: false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::provision::PinnedLogin;

    pub fn machine(state: MachineState, address: Option<&str>) -> Machine {
        Machine {
            session: "session-abc234".parse().expect("an id"),
            state,
            launched: 1000,
            rented: Some(Rented {
                deadline: Some(5000),
                login: address.map(|a| PinnedLogin {
                    address: a.into(),
                    address6: None,
                    port: 22,
                    user: "ubuntu".into(),
                    host_key: "ssh-ed25519 AAAA".into(),
                    identity: "/k".into(),
                }),
                stopped: state == MachineState::Stopped,
                ..Rented::sample()
            }),
        }
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
        let mut lost = first.clone();
        lost.lost = true;
        let running = machine(MachineState::Running, Some("192.0.2.1"));
        let again = merged(Some(lost), &running, 9).expect("its machine runs");
        assert!(!again.lost, "somebody looked before its host was there");
        let gone = merged(Some(first), &machine(MachineState::Gone, None), 9).expect("its end");
        assert!(gone.lost);
        assert_eq!(merged(None, &machine(MachineState::Gone, None), 9), None);
        let mut left = machine(MachineState::Gone, None);
        left.rented.as_mut().expect("it").volume = Some("vol-1".into());
        let left = merged(None, &left, 9).expect("its work is there");
        assert!(left.lost);
        // Then somebody deletes that: of this region it is known, of another one nothing is.
        let all = || vec![left.clone()];
        assert!(without_volume(all(), &[], &["eu-west-1".into()]).is_empty());
        let now = without_volume(all(), &[], &["us-east-1".into()]);
        assert_eq!(now[0].rented.as_ref().expect("it").volume, None);
    }
}
