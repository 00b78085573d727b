//! Automatic snapshots: one when a workspace was used since the newest, and no more than are to be kept. Which ones go
//! is decided without a call; one that a person has made never does.

use super::{NewSnapshot, Snapshot, Volumes, Workspace, WorkspaceError};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    pub made: Option<Snapshot>,
    pub deleted: Vec<Snapshot>,
    /// Those that should have gone, and why each is still there.
    pub stay: Vec<(Snapshot, String)>,
}

/// Makes an automatic snapshot of a workspace that was released, if it was used since the newest one, and deletes the
/// automatic ones beyond what it keeps, the oldest first. Does nothing where it keeps none.
///
/// # Errors
/// The snapshots cannot be listed, or the new one not be made; nothing is deleted then.
pub async fn keep_snapshots(
    volumes: &dyn Volumes,
    workspace: &Workspace,
) -> Result<Kept, WorkspaceError> {
    let mut kept = Kept::default();
    if workspace.keep == 0 {
        return Ok(kept);
    }
    let all = volumes.snapshots().await?;
    if is_due(workspace, &all) {
        let new = NewSnapshot {
            note: String::new(),
            automatic: true,
        };
        kept.made = Some(volumes.snapshot(workspace, &new).await?);
    }
    for old in doomed(workspace, &all).into_iter().cloned() {
        match volumes.delete_snapshot(&old).await {
            Ok(()) | Err(WorkspaceError::NoSnapshot(_)) => kept.deleted.push(old),
            Err(e) => kept.stay.push((old, e.to_string())),
        }
    }
    Ok(kept)
}

/// Whether what is on it may be newer than its newest snapshot, whoever made that.
fn is_due(workspace: &Workspace, all: &[Snapshot]) -> bool {
    let newest = of(workspace, all).map(|s| s.created).max();
    let used = workspace.last_used.filter(|_| !workspace.blank);
    match (used, newest) {
        (Some(used), Some(newest)) => used > newest,
        (used, None) => used.is_some(),
        (None, Some(_)) => false,
    }
}

/// The automatic ones that are too many, the oldest first. One that is not complete does not count yet: it may never
/// be. Nor do those of an earlier workspace of the same name go.
fn doomed<'a>(workspace: &Workspace, all: &'a [Snapshot]) -> Vec<&'a Snapshot> {
    let mut automatic: Vec<&Snapshot> = of(workspace, all)
        .filter(|s| s.automatic && s.complete && s.created >= workspace.created)
        .collect();
    automatic.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let keep = usize::try_from(workspace.keep).unwrap_or(usize::MAX);
    let many = automatic.len().saturating_sub(keep);
    automatic.truncate(many);
    automatic
}

fn of<'a>(workspace: &Workspace, all: &'a [Snapshot]) -> impl Iterator<Item = &'a Snapshot> {
    let (name, owner) = (workspace.name.clone(), workspace.owner.clone());
    all.iter()
        .filter(move |s| s.workspace == name && s.owner == owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::State;
    use proptest::prelude::*;

    fn workspace(keep: u32, created: u64, last_used: Option<u64>) -> Workspace {
        Workspace {
            name: "alpha".parse().expect("a name"),
            id: "vol-1".to_owned(),
            owner: "me".to_owned(),
            region: "r".to_owned(),
            place: "ra".to_owned(),
            gib: 8,
            used: None,
            kind: "gp3".to_owned(),
            state: State::Free,
            blank: false,
            session: None,
            instance: None,
            created,
            last_used,
            keep,
            microusd_per_month: 0,
        }
    }

    fn snapshots() -> impl Strategy<Value = Vec<Snapshot>> {
        let one = (
            0u64..50,
            any::<bool>(),
            any::<bool>(),
            prop_oneof![Just("alpha"), Just("beta")],
            prop_oneof![Just("me"), Just("you")],
        );
        proptest::collection::vec(one, 0..24).prop_map(|all| {
            let of = |(n, (created, automatic, complete, name, owner))| Snapshot {
                id: format!("snap-{n}"),
                workspace: str::parse(name).expect("a name"),
                owner: String::from(owner),
                region: "r".to_owned(),
                gib: 8,
                created,
                complete,
                percent: 0,
                automatic,
                note: String::new(),
                microusd_per_month: 0,
            };
            all.into_iter().enumerate().map(of).collect()
        })
    }

    proptest! {
        #[test]
        fn only_old_automatic_ones_of_its_own_go(all in snapshots(), keep in 0u32..5, created in 0u64..50) {
            let workspace = workspace(keep, created, Some(60));
            let doomed = doomed(&workspace, &all);
            let candidate = |s: &&Snapshot| {
                s.workspace.as_str() == "alpha" && s.owner == "me" && s.automatic && s.complete && s.created >= created
            };
            prop_assert!(doomed.iter().all(candidate));
            let stay: Vec<&Snapshot> = all.iter().filter(candidate)
                .filter(|s| !doomed.iter().any(|d| d.id == s.id)).collect();
            let candidates = all.iter().filter(candidate).count();
            prop_assert_eq!(stay.len(), candidates.min(keep as usize));
            // What stays is at least as new as what goes, which goes oldest first.
            for gone in &doomed {
                prop_assert!(stay.iter().all(|s| s.created >= gone.created));
            }
            prop_assert!(doomed.is_sorted_by_key(|s| s.created));
        }

        #[test]
        fn one_is_made_only_of_what_is_newer(all in snapshots(), used in proptest::option::of(0u64..60)) {
            let workspace = workspace(1, 0, used);
            let own = |s: &&Snapshot| s.workspace.as_str() == "alpha" && s.owner == "me";
            let newer = all.iter().filter(own).all(|s| used.is_some_and(|u| u > s.created));
            prop_assert_eq!(is_due(&workspace, &all), used.is_some() && newer);
            let blank = Workspace { blank: true, ..workspace };
            prop_assert!(!is_due(&blank, &all));
        }
    }
}
