//! Delete and discard only ever delete what they named: over random fleets of workspaces, sessions' volumes, others'
//! and foreign ones, after each of the calls that delete, exactly what was meant is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification, VolumeType};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use remote_compute::model::{SessionId, now_ms};
use remote_compute::provision::ec2::LeftoverKind;
use remote_compute::workspace::ebs::Ebs;
use remote_compute::workspace::{Snapshot, Volumes, Workspace, WorkspaceError, keep_snapshots};

use crate::ec2_world::World;
use crate::harness::REGION;
use crate::person::soak_time;

/// How long it goes on.
const CHECK: Duration = Duration::from_secs(25);

const OTHER: &str = "arn:aws:iam::123456789012:user/somebody-else";
const NAMES: [&str; 3] = ["alpha", "beta", "alpha.moving"];
const SESSIONS: [&str; 2] = ["session-abc234", "session-def567"];

/// The tags of a thing, as somebody may have set them.
#[derive(Debug, Clone)]
struct Thing {
    workspace: Option<usize>,
    /// `true`: this caller's.
    owner: Option<bool>,
    session: Option<usize>,
    automatic: bool,
    note: bool,
}

impl Thing {
    fn is_workspaces(&self) -> bool {
        self.workspace.is_some() && self.owner == Some(true) && self.session.is_none()
    }

    fn is_of_session(&self, which: usize) -> bool {
        self.session == Some(which)
    }

    fn tags(&self, me: &str) -> Vec<(&'static str, String)> {
        let mut tags = Vec::new();
        if let Some(n) = self.workspace {
            tags.push(("remote:workspace", NAMES[n].to_owned()));
        }
        if let Some(own) = self.owner {
            tags.push(("remote:owner", if own { me } else { OTHER }.to_owned()));
        }
        if let Some(n) = self.session {
            tags.push(("remote:session", SESSIONS[n].to_owned()));
        }
        if self.automatic {
            tags.push(("remote:automatic", "yes".to_owned()));
        }
        if self.note {
            tags.push(("Name", "remote workspace alpha".to_owned()));
        }
        tags
    }
}

/// What is done.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Delete(usize),
    /// One that claims to be another: a name of one's own, and any volume's id.
    DeleteAs(usize),
    DeleteSnapshot(usize),
    DeleteSnapshotAs(usize),
    Keep(usize, u32),
    Collect {
        disks: bool,
    },
    Discard(usize),
    Terminate(usize),
}

fn thing() -> impl Strategy<Value = Thing> {
    let maybe = |n: usize| proptest::option::weighted(0.6, 0..n);
    (
        maybe(NAMES.len()),
        proptest::option::weighted(0.8, proptest::bool::weighted(0.7)),
        proptest::option::weighted(0.3, 0..SESSIONS.len()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(workspace, owner, session, automatic, note)| Thing {
            workspace,
            owner,
            session,
            automatic,
            note,
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (0usize..16).prop_map(Deed::Delete),
        2 => (0usize..16).prop_map(Deed::DeleteAs),
        2 => (0usize..16).prop_map(Deed::DeleteSnapshot),
        2 => (0usize..16).prop_map(Deed::DeleteSnapshotAs),
        3 => (0usize..16, 1u32..4).prop_map(|(n, keep)| Deed::Keep(n, keep)),
        1 => any::<bool>().prop_map(|disks| Deed::Collect { disks }),
        1 => (0..SESSIONS.len()).prop_map(Deed::Discard),
        1 => (0..SESSIONS.len()).prop_map(Deed::Terminate),
    ]
}

/// What is there, by id.
type Fleet = Vec<(String, Thing)>;

struct Ground {
    _world: World,
    ec2: Client,
    ebs: Ebs,
    me: String,
    /// What snapshots are made of.
    source: String,
    /// Snapshots that were there before: those of images.
    before: BTreeSet<String>,
}

impl Ground {
    async fn new() -> Self {
        let world = World::new().await;
        let ec2 = world.lab.ec2(REGION);
        let provider = world.ec2();
        let me = provider.owner().await.expect("an owner").to_owned();
        let ebs = Ebs::new(Arc::new(provider));
        let source = volume(&ec2, Vec::new()).await;
        let mut ground = Self {
            _world: world,
            ec2,
            ebs,
            me,
            source,
            before: BTreeSet::new(),
        };
        ground.before = ground.there().await;
        ground
    }

    async fn there(&self) -> BTreeSet<String> {
        let volumes = self.ec2.describe_volumes().send().await.expect("volumes");
        let call = self.ec2.describe_snapshots().owner_ids("self");
        let snapshots = call.send().await.expect("snapshots");
        let ids = volumes.volumes().iter().filter_map(|v| v.volume_id());
        let more = snapshots.snapshots().iter().filter_map(|s| s.snapshot_id());
        let all = ids.chain(more).map(str::to_owned);
        all.filter(|id| !self.before.contains(id)).collect()
    }

    async fn fleet(&self, volumes: &[Thing], snapshots: &[Thing]) -> (Fleet, Fleet) {
        let (mut some, mut more) = (Vec::new(), Vec::new());
        for thing in volumes {
            some.push((volume(&self.ec2, thing.tags(&self.me)).await, thing.clone()));
        }
        for thing in snapshots {
            let call = self.ec2.create_snapshot().volume_id(&self.source);
            let call =
                call.set_tag_specifications(tags(ResourceType::Snapshot, thing.tags(&self.me)));
            let made = call.send().await.expect("a snapshot");
            more.push((made.snapshot_id().expect("an id").to_owned(), thing.clone()));
        }
        (some, more)
    }

    async fn clear(&self) {
        for id in self.there().await {
            if id.starts_with("vol-") {
                let call = self.ec2.delete_volume().volume_id(&id);
                call.send().await.expect("deleted");
            } else {
                let call = self.ec2.delete_snapshot().snapshot_id(&id);
                call.send().await.expect("deleted");
            }
        }
    }

    /// Does it; returns what is to be gone, and how many new snapshots are to be there.
    async fn deed(
        &self,
        deed: Deed,
        volumes: &Fleet,
        snapshots: &Fleet,
    ) -> (BTreeSet<String>, usize) {
        let own: Vec<&(String, Thing)> =
            volumes.iter().filter(|(_, t)| t.is_workspaces()).collect();
        let own_snapshots: Vec<_> = snapshots
            .iter()
            .filter(|(_, t)| t.is_workspaces())
            .collect();
        let pick =
            |all: &[&(String, Thing)], n: usize| all.get(n % all.len().max(1)).map(|t| t.0.clone());
        let mut gone = BTreeSet::new();
        match deed {
            Deed::Delete(n) => {
                if let Some(workspace) = pick(&own, n) {
                    self.ebs
                        .delete(&self.workspace(&workspace).await)
                        .await
                        .expect("deleted");
                    gone.insert(workspace);
                }
            }
            Deed::DeleteAs(n) => {
                let claimed = pick(&own, n);
                let other = volumes.get(n % volumes.len().max(1));
                if let (Some(claimed), Some((id, thing))) = (claimed, other) {
                    let workspace = Workspace {
                        id: id.clone(),
                        ..self.workspace(&claimed).await
                    };
                    let told = self.ebs.delete(&workspace).await;
                    let same = thing.is_workspaces()
                        && thing.workspace.map(|n| NAMES[n]) == Some(workspace.name.as_str());
                    match same {
                        true => {
                            told.expect("deleted");
                            gone.insert(id.clone());
                        }
                        false => assert!(
                            matches!(told, Err(WorkspaceError::NoWorkspace(_))),
                            "{told:?}"
                        ),
                    }
                }
            }
            Deed::DeleteSnapshot(n) => {
                if let Some(id) = pick(&own_snapshots, n) {
                    let snapshot = self.snapshot(&id).await;
                    self.ebs.delete_snapshot(&snapshot).await.expect("deleted");
                    gone.insert(id);
                }
            }
            Deed::DeleteSnapshotAs(n) => {
                let claimed = pick(&own_snapshots, n);
                let other = snapshots.get(n % snapshots.len().max(1));
                if let (Some(claimed), Some((id, thing))) = (claimed, other) {
                    let snapshot = Snapshot {
                        id: id.clone(),
                        ..self.snapshot(&claimed).await
                    };
                    let told = self.ebs.delete_snapshot(&snapshot).await;
                    let same = thing.is_workspaces()
                        && thing.workspace.map(|n| NAMES[n]) == Some(snapshot.workspace.as_str());
                    match same {
                        true => {
                            told.expect("deleted");
                            gone.insert(id.clone());
                        }
                        false => assert!(
                            matches!(told, Err(WorkspaceError::NoSnapshot(_))),
                            "{told:?}"
                        ),
                    }
                }
            }
            Deed::Keep(n, keep) => {
                if let Some(id) = pick(&own, n) {
                    let workspace = Workspace {
                        keep,
                        blank: false,
                        last_used: Some(now_ms() + 60_000),
                        ..self.workspace(&id).await
                    };
                    let of = |t: &Thing| {
                        t.is_workspaces()
                            && t.workspace.map(|n| NAMES[n]) == Some(workspace.name.as_str())
                    };
                    let automatic: Vec<&String> = snapshots
                        .iter()
                        .filter(|(_, t)| of(t) && t.automatic)
                        .map(|(id, _)| id)
                        .collect();
                    let kept = keep_snapshots(&self.ebs, &workspace).await.expect("kept");
                    assert!(kept.made.is_some() && kept.stay.is_empty(), "{kept:?}");
                    // Snapshots of one second are in no order that a fleet could tell: how many, and of which.
                    let went: BTreeSet<String> = kept.deleted.into_iter().map(|s| s.id).collect();
                    assert!(went.iter().all(|id| automatic.contains(&id)), "{went:?}");
                    let many = automatic
                        .len()
                        .saturating_sub(usize::try_from(keep).expect("few"));
                    assert_eq!(went.len(), many, "{automatic:?}");
                    return (went, 1);
                }
            }
            Deed::Collect { disks } => {
                let ec2 = self.ebs.ec2();
                let found = ec2.leftovers(false, now_ms()).await.expect("a look");
                let doomed: Vec<_> = found
                    .into_iter()
                    .filter(|l| {
                        disks || !matches!(l.kind, LeftoverKind::Volume | LeftoverKind::Snapshot)
                    })
                    .collect();
                let failed = ec2.delete(&doomed).await;
                assert!(failed.is_empty(), "{failed:?}");
                if disks {
                    let all = volumes.iter().chain(snapshots);
                    let due = all.filter(|(_, t)| t.session.is_some() && t.owner == Some(true));
                    gone.extend(due.map(|(id, _)| id.clone()));
                }
            }
            Deed::Discard(n) | Deed::Terminate(n) => {
                let discard = matches!(deed, Deed::Discard(_));
                let session: SessionId = SESSIONS[n].parse().expect("a name");
                let there = volumes.iter().filter(|(_, t)| t.is_of_session(n));
                let there: Vec<String> = there.map(|(id, _)| id.clone()).collect();
                let told = self.ebs.ec2().terminate_machine(&session, discard).await;
                assert_eq!(told.is_ok(), !there.is_empty(), "{told:?}");
                if discard {
                    gone.extend(there);
                }
            }
        }
        (gone, 0)
    }

    async fn workspace(&self, id: &str) -> Workspace {
        let all = self.ebs.list().await.expect("a list");
        all.into_iter().find(|w| w.id == id).expect("it is listed")
    }

    async fn snapshot(&self, id: &str) -> Snapshot {
        let all = self.ebs.snapshots().await.expect("a list");
        all.into_iter().find(|s| s.id == id).expect("it is listed")
    }

    async fn round(&self, volumes: &[Thing], snapshots: &[Thing], deed: Deed) {
        let (volumes, snapshots) = self.fleet(volumes, snapshots).await;
        let before = self.there().await;
        // What is listed is what is one's own, and nothing else.
        let listed = self.ebs.list().await.expect("a list");
        let own = volumes.iter().filter(|(_, t)| t.is_workspaces());
        assert_eq!(
            listed
                .iter()
                .map(|w| w.id.as_str())
                .collect::<BTreeSet<_>>(),
            own.map(|(id, _)| id.as_str()).collect()
        );
        let (gone, new) = self.deed(deed, &volumes, &snapshots).await;
        let after = self.there().await;
        let went: BTreeSet<String> = before.difference(&after).cloned().collect();
        assert_eq!(went, gone, "{deed:?}");
        assert_eq!(after.difference(&before).count(), new, "{deed:?}");
        self.clear().await;
    }
}

fn tags(kind: ResourceType, tags: Vec<(&'static str, String)>) -> Option<Vec<TagSpecification>> {
    let all = tags
        .into_iter()
        .map(|(k, v)| Tag::builder().key(k).value(v).build());
    let all: Vec<Tag> = all.collect();
    let spec = TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(all.clone()))
        .build();
    (!all.is_empty()).then(|| vec![spec])
}

async fn volume(ec2: &Client, tagged: Vec<(&'static str, String)>) -> String {
    let call = ec2
        .create_volume()
        .availability_zone("us-east-1a")
        .size(1)
        .volume_type(VolumeType::Gp3)
        .set_tag_specifications(tags(ResourceType::Volume, tagged));
    let made = call.send().await.expect("a volume");
    made.volume_id().expect("an id").to_owned()
}

#[test]
fn what_was_not_named_is_never_deleted() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ground = runtime.block_on(Ground::new());

    let (begun, limit) = (Instant::now(), soak_time().unwrap_or(CHECK));
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let fleets = (
        proptest::collection::vec(thing(), 1..10),
        proptest::collection::vec(thing(), 1..12),
        deed(),
    );
    let mut rounds = 0;
    while begun.elapsed() < limit {
        let case = fleets.new_tree(&mut runner).expect("a fleet").current();
        eprintln!("{case:?}");
        runtime.block_on(ground.round(&case.0, &case.1, case.2));
        rounds += 1;
    }
    println!("{rounds} fleets");
    assert!(rounds > 10, "only {rounds} fleets");
    runtime.block_on(async { drop(ground) });
}
