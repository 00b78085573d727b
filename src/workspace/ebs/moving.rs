//! A workspace in another zone: a volume never leaves its own, so a copy is made there through a snapshot, and takes
//! its name once it is whole. Cut off at any step there is the old one, or both, or the copy, and doing it again goes
//! on from there.

use super::read::Found;
use super::{Ebs, Result, insist};
use crate::provision::Steps;
use crate::provision::ec2::tags::{BLANK, HOLDER, NOTE, USED, USED_AT, WORKSPACE, rfc3339};
use crate::workspace::{
    Name, NewSnapshot, NewWorkspace, Snapshot, State, Workspace, WorkspaceError, wait_complete,
};

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub workspace: Workspace,
    /// Snapshots that seem to be there for it alone, and why they stay.
    pub stays: Vec<(Snapshot, String)>,
}

impl Ebs {
    /// Moves a workspace to another zone of the region, or goes on with a move that was cut off.
    ///
    /// # Errors
    /// There is no such workspace; a machine has it, or used it meanwhile; the zone has no subnet; or what AWS says.
    /// It is where it was then, or the copy is whole, and doing it again goes on.
    pub async fn move_to(&self, name: &Name, zone: &str, steps: Steps<'_>) -> Result<Moved> {
        let moving = name.moving().ok_or_else(|| {
            WorkspaceError::Refused(format!(
                "`{name}` is too long a name to be moved; restore it under another one: \
                 `remote workspace restore {name} --name NEW --az {zone}`"
            ))
        })?;
        let all = self.found().await?;
        let of =
            |n: &Name| -> Vec<Found> { all.iter().filter(|f| f.name == *n).cloned().collect() };
        let old = only(name, of(name))?;
        let copy = only(&moving, of(&moving))?;
        let Some(old) = old else {
            return match copy.filter(|c| c.note.starts_with(COPY_OF)) {
                Some(copy) if copy.zone != zone => Err(WorkspaceError::Refused(format!(
                    "what is left of {name} is its copy {moving} ({}) in {}: \
                     `remote workspace move {name} --az {}` gives it its name back",
                    copy.id, copy.zone, copy.zone
                ))),
                Some(copy) => self.take_over(name, copy, None, steps).await,
                None => Err(WorkspaceError::NoWorkspace(name.to_string())),
            };
        };
        if old.zone == zone {
            return Err(WorkspaceError::Refused(format!(
                "{name} is in {zone} already"
            )));
        }
        let note = format!("{COPY_OF}{}", old.id);
        let told = self.told(old.clone(), Default::default());
        self.free(&told).await?;
        let copy = match copy {
            Some(copy) if copy.note != note => return Err(WorkspaceError::Exists(moving)),
            Some(copy) => match stand(&old, &copy, zone) {
                Stand::WorkedOn => {
                    return Err(WorkspaceError::Refused(format!(
                        "{name} ({}) has a copy {moving} ({}) that was worked on since: look which of them you need, \
                         and delete the other: `remote workspace delete ID`",
                        old.id, copy.id
                    )));
                }
                Stand::Unfinished => {
                    return Err(WorkspaceError::Refused(format!(
                        "the copy {moving} ({}) is being made or in use: try again in a minute",
                        copy.id
                    )));
                }
                Stand::Stale => {
                    steps(&format!("delete the earlier copy {}", copy.id));
                    self.delete_volume(&copy.id).await?;
                    None
                }
                Stand::Good => Some(copy),
            },
            None => None,
        };
        let (copy, made) = match copy {
            Some(copy) => (copy, None),
            None => {
                let (copy, made) = self.copy(&old, &moving, (zone, &note), steps).await?;
                (copy, Some(made))
            }
        };
        // Nobody was told that it is moving: who used it meanwhile keeps it as it is.
        let now = self.there(&told).await?;
        self.free(&told).await?;
        if now.used_at != old.used_at || now.holder != old.holder {
            let mut left = vec![format!("volume {} ({moving})", copy.id)];
            left.extend(made.map(|s| format!("snapshot {}", s.id)));
            let why = format!("{name} was used while it was being copied, and is where it was");
            return Err(WorkspaceError::Refused(why).leaving(left));
        }
        steps(&format!("delete {} in {}", old.id, old.zone));
        self.delete_volume(&old.id).await?;
        self.take_over(name, copy, made, steps).await
    }

    /// Makes the copy, and the snapshot that it is made of: always a new one, for nobody knows what was written since
    /// an earlier one was made. It holds only what has changed.
    async fn copy(
        &self,
        old: &Found,
        moving: &Name,
        (zone, note): (&str, &str),
        steps: Steps<'_>,
    ) -> Result<(Found, Snapshot)> {
        steps(&format!("snapshot {}", old.name));
        let told = self.told(old.clone(), Default::default());
        let new = NewSnapshot {
            note: made_for(zone),
            automatic: false,
        };
        let snapshot = self.snapshot_one(&told, &new).await?;
        match self
            .copy_of(&snapshot, old, moving, (zone, note), steps)
            .await
        {
            Ok(copy) => Ok((copy, snapshot)),
            // No later try would take it.
            Err(why) => Err(match self.delete_one_snapshot(&snapshot).await {
                Ok(()) | Err(WorkspaceError::NoSnapshot(_)) => why,
                Err(e) => why.leaving(vec![format!("snapshot {} ({e})", snapshot.id)]),
            }),
        }
    }

    async fn copy_of(
        &self,
        snapshot: &Snapshot,
        old: &Found,
        moving: &Name,
        (zone, note): (&str, &str),
        steps: Steps<'_>,
    ) -> Result<Found> {
        let snapshot = wait_complete(self, snapshot, steps).await?;
        let new = NewWorkspace {
            name: moving.clone(),
            gib: old.gib,
            kind: Some(old.kind.clone()),
            iops: old.iops,
            throughput: old.throughput,
            zone: Some(zone.to_owned()),
            from: Some(snapshot.id),
            keep: old.keep,
        };
        let mut tags = vec![(NOTE, note.to_owned())];
        tags.extend(old.used.map(|u| (USED, u.to_string())));
        tags.extend(old.used_at.map(|at| (USED_AT, rfc3339(at))));
        tags.extend(old.holder.as_ref().map(|h| (HOLDER, h.to_string())));
        if old.blank {
            tags.push((BLANK, "yes".to_owned()));
        }
        let made = self.create_one(&new, &tags, steps).await?;
        self.there(&made).await
    }

    /// What an earlier try, or a person with the same words, has made: told of, and not deleted.
    async fn of_earlier_tries(&self, copy: &Found, name: &Name) -> Vec<(Snapshot, String)> {
        let note = made_for(&copy.zone);
        let all = self.all_snapshots().await.unwrap_or_default();
        all.into_iter()
            .filter(|s| s.workspace == *name && s.note == note)
            .map(|s| (s, "an earlier try seems to have made it".to_owned()))
            .collect()
    }

    /// The copy becomes the workspace.
    async fn take_over(
        &self,
        name: &Name,
        copy: Found,
        made: Option<Snapshot>,
        steps: Steps<'_>,
    ) -> Result<Moved> {
        if copy.state != State::Free {
            return Err(WorkspaceError::InUse {
                name: copy.name,
                session: copy.holder,
                instance: copy.attached.map(|(i, _)| i).unwrap_or_default(),
            });
        }
        steps(&format!("name {} {name}", copy.id));
        let ids = [copy.id.clone()];
        let tags = [
            (WORKSPACE, name.to_string()),
            ("Name", format!("remote workspace {name}")),
            (NOTE, String::new()),
        ];
        insist(|| self.calls().tag(&ids, &tags)).await?;
        let now = Found {
            name: name.clone(),
            note: String::new(),
            ..copy
        };
        let mut stays = self.of_earlier_tries(&now, name).await;
        // Only what this very run has made goes by itself.
        if let Some(snapshot) = made {
            stays.retain(|(s, _)| s.id != snapshot.id);
            if let Err(e) = self.delete_one_snapshot(&snapshot).await {
                stays.push((snapshot, e.to_string()));
            }
        }
        Ok(Moved {
            workspace: self.told(now, self.storage().await),
            stays,
        })
    }
}

/// In the note of a copy that is to take another's place: whose.
const COPY_OF: &str = "copy of ";

fn made_for(zone: &str) -> String {
    format!("move to {zone}")
}

/// What a copy that an earlier try has made is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// All that is on the old one is on it.
    Good,
    /// The old one was used since, or it is in another zone, or could not be made.
    Stale,
    /// Somebody worked on it: neither may go by itself.
    WorkedOn,
    /// It is not to be had just now.
    Unfinished,
}

/// The copy carries the old one's tags as they were when it was made.
fn stand(old: &Found, copy: &Found, zone: &str) -> Stand {
    let same = copy.used_at == old.used_at && copy.holder == old.holder;
    if !same && copy.used_at.is_some_and(|used| used > copy.created) {
        return Stand::WorkedOn;
    }
    match copy.state {
        State::Attached | State::Creating => Stand::Unfinished,
        State::Free if same && copy.zone == zone => Stand::Good,
        State::Free | State::Failed => Stand::Stale,
    }
}

fn only(name: &Name, mut found: Vec<Found>) -> Result<Option<Found>> {
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(WorkspaceError::Ambiguous {
            name: name.clone(),
            ids: found.into_iter().map(|f| f.id).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SessionId;

    fn volume(used_at: Option<u64>, created: u64) -> Found {
        Found {
            id: "vol-1".to_owned(),
            name: "alpha".parse().expect("a name"),
            owner: "me".to_owned(),
            zone: "a".to_owned(),
            gib: 8,
            kind: "gp3".to_owned(),
            state: State::Free,
            said: "available".to_owned(),
            blank: false,
            holder: None,
            used: None,
            used_at,
            keep: 0,
            note: String::new(),
            iops: None,
            throughput: None,
            made_by: String::new(),
            created,
            attached: None,
        }
    }

    #[test]
    fn a_copy_is_taken_only_where_nobody_used_either_since() {
        let copy = volume(Some(1_000), 5_000);
        assert_eq!(stand(&volume(Some(1_000), 0), &copy, "a"), Stand::Good);
        assert_eq!(stand(&volume(Some(1_000), 0), &copy, "b"), Stand::Stale);
        // Used between the snapshot and the copy, or after both.
        for used in [4_000, 9_000] {
            assert_eq!(stand(&volume(Some(used), 0), &copy, "a"), Stand::Stale);
        }
        let session: Option<SessionId> = "session-abc234".parse().ok();
        let old = Found {
            holder: session,
            ..volume(Some(1_000), 0)
        };
        assert!(old.holder.is_some());
        assert_eq!(stand(&old, &copy, "a"), Stand::Stale);
        let worked_on = volume(Some(9_000), 5_000);
        assert_eq!(
            stand(&volume(Some(1_000), 0), &worked_on, "a"),
            Stand::WorkedOn
        );
        for (state, worth) in [
            (State::Attached, Stand::Unfinished),
            (State::Creating, Stand::Unfinished),
            (State::Failed, Stand::Stale),
        ] {
            let copy = Found {
                state,
                ..copy.clone()
            };
            assert_eq!(stand(&volume(Some(1_000), 0), &copy, "a"), worth);
        }
    }
}
