//! Others' sessions in one account: unseen until they are asked for, and untouched until one is named in full.

use aws_sdk_ec2::types::Tag;
use remote_compute::provision::Compute;
use serde_json::Value;

use crate::ec2_world::{World, launch, wish};
use crate::harness::REGION;
use crate::person::json_of;

#[tokio::test(flavor = "multi_thread")]
async fn anothers_session_is_shown_only_on_request_and_ended_only_by_its_whole_name() {
    let world = World::new().await;
    let (ec2, launch) = (world.ec2(), launch(wish()));
    ec2.launch(&launch, &|_| {}).await.expect("a host");
    let session = launch.spec.id.to_string();
    let machine = ec2.describe(&launch.spec.id).await.expect("a machine");
    let rented = machine.rented.expect("rented");
    let somebody = "arn:aws:iam::123456789012:user/somebody";
    let tag = Tag::builder().key("remote:owner").value(somebody).build();
    let ids = vec![rented.instance.clone(), rented.volume.expect("a volume")];
    let tagging = world.lab.ec2(REGION).create_tags().tags(tag);
    tagging.set_resources(Some(ids)).send().await.expect("tags");

    let env = world.lab.device();
    let own = env.ok(&["status"]);
    assert!(!own.all().contains(&session), "{}", own.all());
    let all = env.ok(&["status", "--everyone"]);
    for part in [session.as_str(), "user/somebody", "TTL in ", "OWNER"] {
        assert!(all.stdout.contains(part), "no {part:?}: {}", all.all());
    }
    let told = json_of(&env.ok(&["status", "--everyone", "--json"]));
    assert_eq!(told[0]["presence"], "foreign", "{told}");
    assert_eq!(told[0]["owner"], somebody);
    let cost = env.ok(&["cost", "--everyone"]);
    assert!(
        cost.stdout.contains(&session) && cost.stdout.contains('≤'),
        "{}",
        cost.all()
    );
    assert!(!env.ok(&["cost"]).all().contains(&session));

    let state = || {
        let id = launch.spec.id.clone();
        let ec2 = world.ec2();
        async move { ec2.describe(&id).await.expect("a machine").state }
    };
    let running = state().await;
    let short = session.trim_start_matches("session-");
    for args in [
        vec!["terminate", short, "--yes"],
        vec!["terminate", &session[..12], "--yes"],
        // Nobody is there to be asked.
        vec!["terminate", &session],
        vec!["attach", &session],
    ] {
        let refused = env.run(&args);
        assert_ne!(refused.code, 0, "{args:?}: {}", refused.all());
    }
    env.ok(&["terminate", "--all", "--yes"]);
    env.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
    assert_eq!(state().await, running, "it is as it was");

    let ended = env.ok(&["terminate", &session, "--yes", "--json"]);
    let told: Value = json_of(&ended);
    assert_eq!(told[0]["session"], session.as_str());
    assert!(ended.stderr.contains(somebody), "{}", ended.all());
    assert_ne!(state().await, running);
    let volumes = world
        .lab
        .ec2(REGION)
        .describe_volumes()
        .send()
        .await
        .expect("volumes");
    assert!(
        !volumes.volumes().is_empty(),
        "the work is not ours to delete"
    );
}
