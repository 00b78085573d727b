//! What EC2 answers of workspaces' volumes and snapshots, as plain data. What also has a session's tag is a session's,
//! whatever else it says: an instance's own disks inherit its tags.

use std::collections::BTreeMap;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{self, SnapshotState, VolumeState};

use super::super::{Name, Snapshot, State, Workspace};
use crate::model::{Millis, SessionId};
use crate::provision::ec2::Storage;
use crate::provision::ec2::calls::from_tags;
use crate::provision::ec2::tags::{
    AUTOMATIC, BLANK, HOLDER, KEEP, MADE_BY, NOTE, OWNER, SESSION, USED, USED_AT, WORKSPACE,
    from_rfc3339,
};

/// A workspace's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub id: String,
    pub name: Name,
    pub owner: String,
    pub zone: String,
    pub gib: u32,
    pub kind: String,
    pub state: State,
    /// EC2's own word: `available`, `in-use`.
    pub said: String,
    pub blank: bool,
    pub holder: Option<SessionId>,
    pub used: Option<u64>,
    pub used_at: Option<Millis>,
    pub keep: u32,
    pub note: String,
    /// Where its kind takes them.
    pub iops: Option<u32>,
    /// MiB/s, where its kind takes it.
    pub throughput: Option<u32>,
    /// What the call that made it was known by.
    pub made_by: String,
    pub created: Millis,
    /// The instance that it is attached to, and how far that has come: `attached`, `detaching`, `busy`.
    pub attached: Option<(String, String)>,
}

impl Found {
    /// `None` for what is no workspace's volume, or is on its way out.
    pub fn read(volume: &types::Volume) -> Option<Self> {
        let tags: BTreeMap<&str, &str> = from_tags(volume.tags()).collect();
        if tags.contains_key(SESSION) {
            return None;
        }
        let text = |key: &str| tags.get(key).copied().unwrap_or_default();
        let attachments = volume.attachments().iter();
        let attached = attachments
            .filter(|a| a.state().is_none_or(|s| s.as_str() != "detached"))
            .find_map(|a| {
                let state = a.state().map_or("", |s| s.as_str());
                Some((a.instance_id()?.to_owned(), state.to_owned()))
            });
        let state = match volume.state()? {
            VolumeState::Deleting | VolumeState::Deleted => return None,
            VolumeState::Creating => State::Creating,
            VolumeState::Error => State::Failed,
            _ if attached.is_some() => State::Attached,
            VolumeState::InUse => State::Attached,
            _ => State::Free,
        };
        let kind = volume.volume_type().map_or("", |t| t.as_str());
        let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        Some(Self {
            id: volume.volume_id()?.to_owned(),
            name: text(WORKSPACE).parse().ok()?,
            owner: text(OWNER).to_owned(),
            zone: volume.availability_zone().unwrap_or_default().to_owned(),
            gib: gib(volume.size()),
            kind: kind.to_owned(),
            state,
            said: volume.state()?.as_str().to_owned(),
            blank: text(BLANK) == "yes",
            holder: text(HOLDER).parse().ok(),
            used: text(USED).parse().ok(),
            used_at: from_rfc3339(text(USED_AT)),
            keep: text(KEEP).parse().unwrap_or(0),
            note: text(NOTE).to_owned(),
            // Of other kinds it is told, and cannot be asked for.
            iops: number(volume.iops()).filter(|_| ["gp3", "io1", "io2"].contains(&kind)),
            throughput: number(volume.throughput()).filter(|_| kind == "gp3"),
            made_by: text(MADE_BY).to_owned(),
            created: millis(volume.create_time()),
            attached,
        })
    }

    pub fn told(self, region: &str, storage: Storage) -> Workspace {
        // Of other kinds no price is known.
        let month = match self.kind.as_str() {
            "gp3" => storage.volume.saturating_mul(self.gib.into()),
            _ => 0,
        };
        Workspace {
            name: self.name,
            id: self.id,
            owner: self.owner,
            region: region.to_owned(),
            place: self.zone,
            gib: self.gib,
            used: self.used,
            kind: self.kind,
            state: self.state,
            blank: self.blank,
            session: self.holder,
            instance: self.attached.map(|(instance, _)| instance),
            created: self.created,
            last_used: self.used_at,
            keep: self.keep,
            microusd_per_month: month,
        }
    }
}

/// A workspace's snapshot; `None` for what is none.
pub(super) fn snapshot(of: &types::Snapshot, region: &str, storage: Storage) -> Option<Snapshot> {
    let tags: BTreeMap<&str, &str> = from_tags(of.tags()).collect();
    if tags.contains_key(SESSION) {
        return None;
    }
    let text = |key: &str| tags.get(key).copied().unwrap_or_default();
    let complete = of.state() == Some(&SnapshotState::Completed);
    let progress = of.progress().unwrap_or_default();
    let percent = progress.trim_end_matches('%').trim().parse().unwrap_or(0);
    let gib = gib(of.volume_size());
    Some(Snapshot {
        id: of.snapshot_id()?.to_owned(),
        workspace: text(WORKSPACE).parse().ok()?,
        owner: text(OWNER).to_owned(),
        region: region.to_owned(),
        gib,
        created: millis(of.start_time()),
        complete,
        percent: if complete { 100 } else { percent.min(99) },
        automatic: text(AUTOMATIC) == "yes",
        note: text(NOTE).to_owned(),
        microusd_per_month: storage.snapshot.saturating_mul(gib.into()),
    })
}

fn gib(size: Option<i32>) -> u32 {
    size.and_then(|g| u32::try_from(g).ok()).unwrap_or(0)
}

fn millis(at: Option<&DateTime>) -> Millis {
    at.and_then(|at| at.to_millis().ok())
        .and_then(|ms| u64::try_from(ms).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::ec2::calls::to_tags;

    fn volume(tags: &[(&str, String)]) -> types::Volume {
        types::Volume::builder()
            .volume_id("vol-1")
            .size(100)
            .volume_type(types::VolumeType::Gp3)
            .state(VolumeState::Available)
            .set_tags(Some(to_tags(tags)))
            .build()
    }

    #[test]
    fn what_a_session_owns_is_no_workspace() {
        let own = [(WORKSPACE, "alpha".to_owned()), (OWNER, "me".to_owned())];
        let found = Found::read(&volume(&own)).expect("a workspace");
        assert_eq!((found.name.as_str(), found.state), ("alpha", State::Free));
        // An instance's root disk has all tags that the instance has.
        let root = [
            own.clone().to_vec(),
            vec![(SESSION, "session-abc234".to_owned())],
        ]
        .concat();
        assert_eq!(Found::read(&volume(&root)), None);
        let damaged = [(WORKSPACE, "a/../b".to_owned())];
        assert_eq!(Found::read(&volume(&damaged)), None);
        assert_eq!(Found::read(&volume(&[])), None);
    }

    #[test]
    fn only_what_has_a_price_is_said_to_cost_so_much() {
        let tags = [(WORKSPACE, "alpha".to_owned())];
        let storage = Storage {
            volume: 80_000,
            snapshot: 50_000,
        };
        let found = Found::read(&volume(&tags)).expect("a workspace");
        assert_eq!(
            found.clone().told("r", storage).microusd_per_month,
            8_000_000
        );
        let io2 = Found {
            kind: "io2".to_owned(),
            ..found
        };
        assert_eq!(io2.told("r", storage).microusd_per_month, 0);
    }
}
