//! Workspaces on EC2's API: the only one of its name, made once or not at all, freed from what is gone, moved without
//! ever being nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use remote_compute::workspace::ebs::Ebs;
use remote_compute::workspace::{
    Name, NewSnapshot, NewWorkspace, State, Volumes, Workspace, WorkspaceError, find,
};
use serde_json::{Value, json};

use crate::ec2_world::World;
use crate::harness::REGION;

fn ebs(world: &World) -> Ebs {
    Ebs::new(Arc::new(world.ec2()))
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn new(text: &str) -> NewWorkspace {
    NewWorkspace {
        name: name(text),
        gib: 8,
        kind: None,
        iops: None,
        throughput: None,
        zone: None,
        from: None,
        keep: 0,
    }
}

async fn made(ebs: &Ebs, text: &str) -> Workspace {
    ebs.create(&new(text), &|_| {}).await.expect(text)
}

/// The volumes and snapshots that are there, whoever made them.
async fn there(world: &World) -> BTreeSet<String> {
    let ec2 = world.lab.ec2(REGION);
    let volumes = ec2.describe_volumes().send().await.expect("volumes");
    let call = ec2.describe_snapshots().owner_ids("self");
    let snapshots = call.send().await.expect("snapshots");
    let ids = volumes.volumes().iter().filter_map(|v| v.volume_id());
    // Those of images have no tags.
    let tagged = snapshots
        .snapshots()
        .iter()
        .filter(|s| !s.tags().is_empty());
    let more = tagged.filter_map(|s| s.snapshot_id());
    ids.chain(more).map(str::to_owned).collect()
}

/// As the host's first mount does.
async fn use_it(world: &World, workspace: &Workspace, at: &str) {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let call = world.lab.ec2(REGION).create_tags();
    let call = call
        .resources(&workspace.id)
        .tags(tag("remote:blank", "no"));
    let call = call.tags(tag("remote:used-at", at));
    call.send().await.expect("tags");
}

async fn instance(world: &World, zone: &str) -> String {
    let ec2 = world.lab.ec2(REGION);
    let tag = Tag::builder().key("remote:session").value("session-abc234");
    let tags = TagSpecification::builder()
        .resource_type(ResourceType::Instance)
        .tags(tag.build())
        .build();
    let place = aws_sdk_ec2::types::Placement::builder().availability_zone(zone);
    let call = ec2
        .run_instances()
        .image_id("resolve:ssm:/aws/service/debian/release/12/latest/amd64")
        .instance_type(InstanceType::M6iLarge)
        .placement(place.build())
        .min_count(1)
        .max_count(1)
        .tag_specifications(tags);
    let told = call.send().await.expect("an instance");
    let id = told.instances()[0].instance_id().expect("an id").to_owned();
    crate::guest::await_state(&ec2, &id, aws_sdk_ec2::types::InstanceStateName::Running).await;
    id
}

/// Each call of `work` in turn with `fault`; `after` looks at what is there then.
async fn recorded<F: Future>(world: &World, work: F) -> (F::Output, BTreeSet<String>) {
    let before = world.control.calls().len();
    let told = work.await;
    let calls = world.control.calls();
    let of_ec2 = calls[before..].iter().filter(|c| c.service == "ec2");
    (told, of_ec2.map(|c| c.action.clone()).collect())
}

fn faults() -> [Value; 5] {
    [
        json!({"kind": "before", "code": "UnauthorizedOperation", "status": 403, "count": 0}),
        json!({"kind": "before", "code": "InternalError", "status": 500, "count": 0}),
        json!({"kind": "after", "code": "InvalidParameterValue", "status": 400, "count": 1}),
        json!({"kind": "drop", "count": 1}),
        json!({"kind": "drop", "count": 0}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_at_any_call_leaves_nothing() {
    let world = World::new().await;
    let ebs = ebs(&world);
    let (first, actions) = recorded(&world, ebs.create(&new("first"), &|_| {})).await;
    let first = first.expect("made");
    assert_eq!((first.state, first.blank), (State::Free, true));
    ebs.delete(&first).await.expect("deleted");
    assert!(actions.contains("CreateVolume"), "{actions:?}");
    for (n, fault) in faults().into_iter().enumerate() {
        for action in &actions {
            let mut words = fault.clone();
            words["action"] = json!(action);
            world.control.fault(&words);
            let told = ebs.create(&new(&format!("a{n}")), &|_| {}).await;
            world.control.post("clear", &json!({}));
            eprintln!("{action} {fault}: {:?}", told.as_ref().map(|w| &w.id));
            match told {
                // What was asked again, and well.
                Ok(made) => {
                    assert_eq!(there(&world).await, BTreeSet::from([made.id.clone()]));
                    ebs.delete(&made).await.expect("deleted");
                }
                // Who cannot look for what a lost answer made says so.
                Err(WorkspaceError::Left { left, .. }) => {
                    assert_eq!(left.len(), 1, "{action} {fault}");
                    for one in ebs.list().await.expect("a list") {
                        ebs.delete(&one).await.expect("deleted");
                    }
                }
                Err(_) => {}
            }
            let left = there(&world).await;
            assert!(left.is_empty(), "{action} {fault}: {left:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_one_name_one_does() {
    let world = World::new().await;
    for round in 0..6 {
        let wished = new(&format!("race-{round}"));
        let all: Vec<Arc<Ebs>> = (0..5).map(|_| Arc::new(ebs(&world))).collect();
        // Each is let in before any of them is listed.
        world
            .control
            .fault(&json!({"action": "CreateVolume", "kind": "delay", "delay": 0.4, "count": 5}));
        let mut asked = tokio::task::JoinSet::new();
        for one in &all {
            let (one, wished) = (one.clone(), wished.clone());
            asked.spawn(async move { one.create(&wished, &|_| {}).await });
        }
        let told = asked.join_all().await;
        world.control.post("clear", &json!({}));
        let won: Vec<_> = told.iter().filter_map(|t| t.as_ref().ok()).collect();
        let lost = told
            .iter()
            .filter(|t| matches!(t, Err(WorkspaceError::Exists(_))));
        assert_eq!((won.len(), lost.count()), (1, 4), "{told:?}");
        let left = find(all[0].as_ref(), wished.name.as_str())
            .await
            .expect("one");
        assert_eq!(left.id, won[0].id);
        all[0].delete(&left).await.expect("deleted");
        assert!(there(&world).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_answer_is_lost_is_made_once() {
    let world = World::new().await;
    let ebs = ebs(&world);
    let workspace = made(&ebs, "alpha").await;
    let note = NewSnapshot {
        note: "before the upgrade".to_owned(),
        automatic: false,
    };
    for fault in [
        json!({"kind": "drop", "count": 1}),
        json!({"kind": "after", "code": "InternalError", "status": 500, "count": 1}),
        json!({"kind": "after", "code": "InvalidParameterValue", "status": 400, "count": 1}),
        json!({"kind": "before", "code": "InternalError", "status": 500, "count": 2}),
        json!({"kind": "before", "code": "RequestLimitExceeded", "status": 503, "count": 1}),
    ] {
        let mut words = fault.clone();
        words["action"] = json!("CreateSnapshot");
        world.control.fault(&words);
        let made = ebs.snapshot(&workspace, &note).await;
        world.control.post("clear", &json!({}));
        let made = made.expect("made");
        let all = ebs.snapshots().await.expect("a list");
        assert_eq!(all.len(), 1, "{fault}: {all:?}");
        assert_eq!(
            (&all[0].id, all[0].note.as_str()),
            (&made.id, "before the upgrade")
        );
        ebs.delete_snapshot(&made).await.expect("deleted");
    }
    let refused = json!({"action": "CreateSnapshot", "kind": "before", "code": "UnauthorizedOperation", "status": 403});
    world.control.fault(&refused);
    ebs.snapshot(&workspace, &note).await.expect_err("refused");
    assert!(ebs.snapshots().await.expect("a list").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_a_machine_that_is_gone_is_freed() {
    let world = World::new().await;
    let (ebs, ec2) = (ebs(&world), world.lab.ec2(REGION));
    let workspace = made(&ebs, "alpha").await;
    assert_eq!(ebs.free(&workspace).await.expect("free").state, State::Free);
    let instance = instance(&world, &workspace.place).await;
    let attach = ec2.attach_volume().volume_id(&workspace.id);
    let attach = attach.instance_id(&instance).device("/dev/sdf");
    attach.send().await.expect("attached");
    let attached = find(&ebs, "alpha").await.expect("one");
    assert_eq!(attached.state, State::Attached);
    assert_eq!(attached.instance.as_deref(), Some(instance.as_str()));
    for told in [
        ebs.free(&workspace).await.map(drop),
        ebs.delete(&workspace).await,
    ] {
        let Err(WorkspaceError::InUse { instance: by, .. }) = told else {
            panic!("{told:?}");
        };
        assert_eq!(by, instance);
    }
    let end = ec2.terminate_instances().instance_ids(&instance);
    end.send().await.expect("ended");
    crate::guest::await_state(
        &ec2,
        &instance,
        aws_sdk_ec2::types::InstanceStateName::Terminated,
    )
    .await;
    ebs.free(&workspace).await.expect("free");
    let stick = json!({ "instance": instance, "volume": workspace.id });
    world.control.post("stick", &stick);
    assert_eq!(
        find(&ebs, "alpha").await.expect("one").state,
        State::Attached
    );
    let freed = ebs.free(&workspace).await.expect("freed");
    assert_eq!((freed.state, freed.instance), (State::Free, None));
    // Also where EC2 does not know the instance any more.
    world.control.post("stick", &stick);
    ebs.delete(&workspace).await.expect("deleted");
    assert!(!there(&world).await.contains(&workspace.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_grows_and_why_it_does_not_is_said() {
    let world = World::new().await;
    let ebs = ebs(&world);
    let workspace = made(&ebs, "alpha").await;
    let smaller = ebs.resize(&workspace, 4, &|_| {}).await;
    assert!(
        matches!(smaller, Err(WorkspaceError::Smaller { gib: 8, .. })),
        "{smaller:?}"
    );
    let larger = ebs.resize(&workspace, 16, &|_| {}).await.expect("larger");
    assert_eq!(larger.gib, 16);
    for (code, said) in [
        ("VolumeModificationRateExceeded", "6 hours"),
        ("IncorrectModificationState", "optimizing"),
    ] {
        world.control.fault(
            &json!({"action": "ModifyVolume", "kind": "before", "code": code, "status": 400}),
        );
        let told = ebs.resize(&workspace, 32, &|_| {}).await.expect_err(code);
        assert!(matches!(told, WorkspaceError::TooSoon { .. }), "{told}");
        assert!(told.to_string().contains(said), "{told}");
    }
    // The first answer is lost; the second says that a change is under way.
    world
        .control
        .fault(&json!({"action": "ModifyVolume", "kind": "drop", "count": 1}));
    let again = ebs.resize(&workspace, 64, &|_| {}).await.expect("larger");
    assert_eq!(again.gib, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_cut_off_anywhere_loses_nothing_and_goes_on() {
    let world = World::new().await;
    let ebs = ebs(&world);
    let (alpha, moving) = (name("alpha"), "alpha.moving");
    let zones = ["us-east-1b", "us-east-1c"];
    let workspace = made(&ebs, "alpha").await;
    use_it(&world, &workspace, "2026-01-01T00:00:00Z").await;
    let (moved, actions) = recorded(&world, ebs.move_to(&alpha, zones[0], &|_| {})).await;
    let moved = moved.expect("moved");
    assert_eq!(moved.workspace.place, zones[0]);
    assert_eq!(moved.stays, []);
    assert_eq!(
        there(&world).await,
        BTreeSet::from([moved.workspace.id.clone()])
    );
    let expected = [
        "CreateSnapshot",
        "CreateVolume",
        "DeleteVolume",
        "CreateTags",
        "DeleteSnapshot",
    ];
    assert!(expected.iter().all(|a| actions.contains(*a)), "{actions:?}");
    let mut to = 1;
    for fault in [&faults()[0], &faults()[2], &faults()[4]] {
        for action in &actions {
            let mut words = fault.clone();
            words["action"] = json!(action);
            world.control.fault(&words);
            let told = ebs.move_to(&alpha, zones[to], &|_| {}).await;
            world.control.post("clear", &json!({}));
            let all = ebs.list().await.expect("a list");
            let named = |n: &str| all.iter().filter(|w| w.name.as_str() == n).count();
            eprintln!(
                "{action} {fault}: {:?}",
                told.as_ref()
                    .map(|m| &m.workspace.id)
                    .map_err(ToString::to_string)
            );
            assert!(named("alpha") <= 1 && named(moving) <= 1, "{all:?}");
            assert!(!all.is_empty(), "{action} {fault}: it is nowhere");
            if told.is_err() {
                let again = ebs.move_to(&alpha, zones[to], &|_| {}).await;
                match again {
                    Ok(_) => {}
                    // It had come through, and only the answer was lost.
                    Err(WorkspaceError::Refused(why)) if why.contains("already") => {}
                    Err(e) => panic!("{action} {fault}: {e}"),
                }
            }
            let all = ebs.list().await.expect("a list");
            let [only] = all.as_slice() else {
                panic!("{action} {fault}: {all:?}");
            };
            assert_eq!(
                (only.name.as_str(), only.place.as_str()),
                ("alpha", zones[to])
            );
            assert!(only.last_used.is_some() && !only.blank);
            for snapshot in ebs.snapshots().await.expect("a list") {
                ebs.delete_snapshot(&snapshot).await.expect("deleted");
            }
            to = 1 - to;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_takes_a_workspaces_place_only_where_all_of_it_is_on_it() {
    let world = World::new().await;
    let ebs = ebs(&world);
    let (alpha, zone) = (name("alpha"), "us-east-1b");
    let workspace = made(&ebs, "alpha").await;
    use_it(&world, &workspace, "2026-01-01T00:00:00Z").await;
    // A person's, with the very words of a move.
    let new = NewSnapshot {
        note: format!("move to {zone}"),
        automatic: false,
    };
    let own = ebs.snapshot(&workspace, &new).await.expect("a snapshot");
    let old = format!("VolumeId={}", workspace.id);
    let cut_off = || async {
        world.control.fault(&json!({
            "action": "DeleteVolume", "kind": "before", "code": "UnauthorizedOperation",
            "status": 403, "count": 0, "match": old,
        }));
        let told = ebs.move_to(&alpha, zone, &|_| {}).await;
        world.control.post("clear", &json!({}));
        told.expect_err("cut off");
        find(&ebs, "alpha.moving").await.expect("a copy")
    };
    let first = cut_off().await;
    assert_eq!(cut_off().await.id, first.id, "nobody used either");
    use_it(&world, &workspace, "2026-01-02T00:00:00Z").await;
    let copy = cut_off().await;
    assert_ne!(copy.id, first.id, "what was left since is not on the first");
    // Somebody worked on the copy.
    use_it(&world, &copy, "2100-01-01T00:00:00Z").await;
    let refused = ebs.move_to(&alpha, zone, &|_| {}).await;
    let refused = refused.expect_err("refused").to_string();
    for id in [&workspace.id, &copy.id] {
        assert!(refused.contains(id), "{refused}");
        assert!(there(&world).await.contains(id), "{id} is gone");
    }
    use_it(&world, &copy, "2026-01-02T00:00:00Z").await;
    let moved = ebs.move_to(&alpha, zone, &|_| {}).await.expect("moved");
    assert_eq!(moved.workspace.id, copy.id);
    assert!(moved.stays.iter().any(|(s, _)| s.id == own.id));
    let left = there(&world).await;
    assert!(left.contains(&own.id), "it is not the move's to delete");
    assert!(!left.contains(&workspace.id) && !left.contains(&first.id));
}

#[test]
fn its_machine_is_asked_to_grow_it_and_it_can_go_once_that_is_gone() {
    let lab = crate::harness::Lab::start(crate::harness::Machines::Box);
    let env = lab.device();
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "1gb"]);
    let sleep = ["--workspace", "alpha", "--command", "exec sleep 1000"];
    let session = crate::person::dispatch(&env, &sleep);
    let told = env.ok(&["workspace", "resize", "alpha", "2gb", "--yes"]);
    // The machine was asked, and its disk is larger; a box's kernel lets nobody grow what is mounted.
    let said = "cannot be grown now, but at its next mount";
    assert!(told.stderr.contains(said), "{}", told.all());
    assert!(!told.stderr.contains("bytes after 30 s"), "{}", told.all());
    let delete = ["workspace", "delete", "alpha", "--yes", "alpha"];
    let refused = env.run(&delete);
    let said = format!("is in use by {session}");
    assert!(
        refused.code == 1 && refused.stderr.contains(&said),
        "{}",
        refused.all()
    );
    let listed = env.ok(&["workspace", "list"]).stdout;
    assert!(
        listed.contains("attached") && listed.contains(&session),
        "{listed}"
    );
    env.ok(&["terminate", &session, "--yes"]);
    // It waits for the machine's end.
    let gone = crate::common::process::run(&mut env.remote(&delete), b"", 6 * crate::common::SOON);
    assert_eq!(gone.code, 0, "{}", gone.all());
}
