//! A workspace or a snapshot by what a person typed, and a snapshot that is complete.

use std::time::Duration;

use tokio::time::Instant;

use super::{Name, Snapshot, State, Volumes, Workspace, WorkspaceError};
use crate::provision::Steps;

/// How often an unfinished snapshot is looked at.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a snapshot may take: a full volume of a terabyte takes hours.
const COMPLETE: Duration = Duration::from_secs(12 * 3600);

/// The workspace of this name or id.
///
/// # Errors
/// There is none, or more than one of the name; or they cannot be listed.
pub async fn find(volumes: &dyn Volumes, typed: &str) -> Result<Workspace, WorkspaceError> {
    one(volumes.list().await?, typed)
}

fn one(all: Vec<Workspace>, typed: &str) -> Result<Workspace, WorkspaceError> {
    let mut found: Vec<Workspace> = all
        .into_iter()
        .filter(|w| w.name.as_str() == typed || w.id == typed)
        .collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let ids = found.into_iter().map(|w| w.id);
            Err(WorkspaceError::Ambiguous {
                name: last.name,
                ids: ids.chain([last.id]).collect(),
            })
        }
        (None, _) => Err(WorkspaceError::NoWorkspace(typed.to_owned())),
    }
}

/// The snapshot of this id.
///
/// # Errors
/// There is none; or they cannot be listed.
pub async fn find_snapshot(volumes: &dyn Volumes, id: &str) -> Result<Snapshot, WorkspaceError> {
    let all = volumes.snapshots().await?;
    all.into_iter()
        .find(|s| s.id == id)
        .ok_or_else(|| WorkspaceError::NoSnapshot(id.to_owned()))
}

/// The newest snapshot of a workspace that can be read. `all` is as [`Volumes::snapshots`] has it.
pub fn newest<'a>(all: &'a [Snapshot], workspace: &Name) -> Option<&'a Snapshot> {
    all.iter()
        .filter(|s| s.workspace == *workspace && s.complete)
        .max_by_key(|s| (s.created, s.id.as_str()))
}

/// The newest snapshot, where the workspace is still as it was then. Of a directory nobody knows when it was last
/// written to, and a snapshot that is older than the workspace is of another of that name.
pub fn as_it_is<'a>(workspace: &Workspace, all: &'a [Snapshot]) -> Option<&'a Snapshot> {
    let known = workspace.state == State::Free && workspace.kind != "directory";
    newest(all, &workspace.name).filter(|s| {
        known
            && s.created >= workspace.created
            && workspace.last_used.is_none_or(|used| used < s.created)
    })
}

/// Waits until a snapshot can be read.
///
/// # Errors
/// It is gone meanwhile; it takes too long; or it cannot be looked at.
pub async fn wait_complete(
    volumes: &dyn Volumes,
    snapshot: &Snapshot,
    steps: Steps<'_>,
) -> Result<Snapshot, WorkspaceError> {
    let end = Instant::now() + COMPLETE;
    let mut now = snapshot.clone();
    let mut told = None;
    while !now.complete {
        if told != Some(now.percent) {
            steps(&format!("snapshot {} {}%", now.id, now.percent));
            told = Some(now.percent);
        }
        if Instant::now() >= end {
            return Err(WorkspaceError::Late("snapshot", COMPLETE.as_secs()));
        }
        tokio::time::sleep(PAUSE).await;
        now = find_snapshot(volumes, &snapshot.id).await?;
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(name: &str, id: &str) -> Workspace {
        Workspace {
            name: name.parse().expect("a name"),
            id: id.to_owned(),
            owner: "me".to_owned(),
            region: "us-east-1".to_owned(),
            place: "us-east-1a".to_owned(),
            gib: 8,
            used: None,
            kind: "gp3".to_owned(),
            state: State::Free,
            blank: false,
            session: None,
            instance: None,
            created: 0,
            last_used: None,
            keep: 0,
            microusd_per_month: 0,
        }
    }

    #[test]
    fn two_of_a_name_are_told_apart_by_their_ids() {
        let all = || {
            vec![
                workspace("a", "vol-1"),
                workspace("a", "vol-2"),
                workspace("b", "vol-3"),
            ]
        };
        assert_eq!(one(all(), "b").expect("one").id, "vol-3");
        assert_eq!(one(all(), "vol-1").expect("one").id, "vol-1");
        let Err(WorkspaceError::Ambiguous { ids, .. }) = one(all(), "a") else {
            panic!("there are two");
        };
        assert_eq!(ids, ["vol-1", "vol-2"]);
        assert!(matches!(
            one(all(), "c"),
            Err(WorkspaceError::NoWorkspace(_))
        ));
    }

    #[test]
    fn a_snapshot_is_as_it_is_only_where_that_is_known() {
        let snapshot = |created, complete| Snapshot {
            id: format!("snap-{created}"),
            workspace: "a".parse().expect("a name"),
            owner: "me".to_owned(),
            region: "us-east-1".to_owned(),
            gib: 8,
            created,
            complete,
            percent: 100,
            automatic: false,
            note: String::new(),
            microusd_per_month: 0,
        };
        let all = [snapshot(20, true), snapshot(10, true), snapshot(30, false)];
        let used = |last_used| Workspace {
            last_used,
            ..workspace("a", "vol-1")
        };
        let found = |w: &Workspace| as_it_is(w, &all).map(|s| s.created);
        assert_eq!(found(&used(None)), Some(20));
        assert_eq!(found(&used(Some(19))), Some(20));
        assert_eq!(found(&used(Some(20))), None);
        // Of an earlier one of that name.
        let created = 21;
        assert_eq!(
            found(&Workspace {
                created,
                ..used(None)
            }),
            None
        );
        let state = State::Attached;
        assert_eq!(
            found(&Workspace {
                state,
                ..used(None)
            }),
            None
        );
        let kind = "directory".to_owned();
        assert_eq!(found(&Workspace { kind, ..used(None) }), None);
    }
}
