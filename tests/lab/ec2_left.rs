//! What is left when a client goes away half-way, what is another's, and what is far away.

use aws_sdk_ec2::types::Tag;
use remote_compute::model::now_ms;
use remote_compute::provision::ec2::{LeftoverKind, PriceQuery, Prices, Stage, Storage};
use remote_compute::provision::{BoxFuture, Compute};
use serde_json::json;

use crate::common::{SOON, await_true};
use crate::ec2_world::{World, launch, wish};
use crate::harness::REGION;

/// Ctrl-C, as the client sees it: the launch is dropped, and then abandoned.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_half_way_leaves_nothing() {
    let world = World::new().await;
    let ec2 = world.ec2();
    // While the answer to the request is on its way, and right behind it.
    for (action, delay) in [("RunInstances", 2), ("AuthorizeSecurityGroupIngress", 2)] {
        let launch = launch(wish());
        let fault = json!({"action": action, "kind": "delay", "delay": delay});
        world.control.fault(&fault);
        let control = world.control.clone();
        let on_its_way = tokio::task::spawn_blocking(move || {
            await_true("the call", SOON, || {
                let state = control.post("state", &json!({}));
                state["faults"][0]["struck"] == json!(1)
            });
        });
        tokio::select! {
            ended = ec2.launch(&launch, &|_| {}) => panic!("{action}: {ended:?}"),
            asked = on_its_way => asked.expect(action),
        }
        world.control.post("clear", &json!({}));
        let left = ec2.abandon(&launch.spec.id, &|_| {}).await;
        assert_eq!(left, [""; 0], "{action}");
        assert!(ec2.begun().is_empty(), "{action}");
        // What was told to end does so in its own time.
        let group = tokio::time::timeout(SOON, async {
            loop {
                let there = ec2.leftovers(false, now_ms()).await.expect("a look");
                if there.iter().all(|l| l.kind == LeftoverKind::SecurityGroup) {
                    return there;
                }
            }
        });
        let group = group.await.expect(action);
        assert!(ec2.delete(&group).await.is_empty());
        assert_eq!(world.there().await, [], "{action}");
    }
}

/// The request takes effect long after its sender has given up looking.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_comes_late_is_listed_and_ended_by_whoever_looks_next() {
    let world = World::new().await;
    let (ec2, launch) = (world.ec2(), launch(wish()));
    // Three attempts of five seconds each, and four looks a second apart.
    let late = json!({"action": "RunInstances", "kind": "drop", "delay": 30, "count": 0});
    world.control.fault(&late);
    let lost = ec2.launch(&launch, &|_| {}).await;
    lost.expect_err("no answer");
    world.control.post("clear", &json!({}));
    let begun = ec2.begun();
    assert_eq!(begun.len(), 1, "it is not forgotten");
    assert_eq!(begun[0].stage, Stage::Asked);
    let is_there = tokio::time::timeout(2 * SOON, async {
        while ec2.list().await.expect("a list").is_empty() {}
    });
    is_there.await.expect("the machine comes");
    let listed = ec2.leftovers(false, now_ms()).await.expect("a look");
    for there in world.there().await {
        let id = there.part_of.as_ref().unwrap_or(&there.id);
        assert!(
            listed.iter().any(|l| l.id == *id),
            "{there:?} of {listed:?}"
        );
    }
    let left = ec2.abandon(&launch.spec.id, &|_| {}).await;
    assert_eq!(left, [""; 0]);
    assert!(ec2.begun().is_empty());
    let left = ec2.leftovers(false, now_ms()).await.expect("a look");
    assert!(ec2.delete(&left).await.is_empty());
    assert_eq!(world.there().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_shown_only_when_asked_for_and_never_swept() {
    let world = World::new().await;
    let ec2 = world.ec2();
    let launch = launch(wish());
    ec2.launch(&launch, &|_| {}).await.expect("a host");
    let rented = ec2
        .list()
        .await
        .expect("a list")
        .remove(0)
        .rented
        .expect("rented");
    let owner = Tag::builder()
        .key("remote:owner")
        .value("arn:aws:iam::1:user/somebody");
    let tagging = world.lab.ec2(REGION).create_tags().tags(owner.build());
    let ids = [rented.instance.clone(), rented.volume.expect("a volume")];
    tagging
        .set_resources(Some(ids.to_vec()))
        .send()
        .await
        .expect("tags");

    assert!(ec2.list().await.expect("a list").is_empty());
    let everyone = ec2.machines(true).await.expect("a list");
    assert_eq!(everyone.len(), 1);
    assert!(
        ec2.sweep(&everyone, u64::MAX)
            .await
            .expect("a look")
            .is_empty()
    );
    let own = ec2.leftovers(false, u64::MAX).await.expect("a look");
    assert!(
        own.iter().all(|l| l.kind == LeftoverKind::SecurityGroup),
        "{own:?}"
    );
    // The group is in use: it stays, without being an error.
    assert!(ec2.delete(&own).await.is_empty());
    let all = ec2.leftovers(true, u64::MAX).await.expect("a look");
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(ec2.delete(&all).await.is_empty());
    assert_eq!(world.there().await, []);
}

/// Who knows prices.
struct DearAbroad;

impl Prices for DearAbroad {
    fn hour<'a>(&'a self, _: &'a PriceQuery) -> BoxFuture<'a, Option<u64>> {
        Box::pin(async { None })
    }

    fn storage<'a>(&'a self, region: &'a str) -> BoxFuture<'a, Storage> {
        let volume = if region == REGION { 80_000 } else { 88_000 };
        let snapshot = 50_000;
        Box::pin(async move { Storage { volume, snapshot } })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_found_in_every_region_and_priced() {
    let world = World::new().await;
    let here = world.ec2().with_prices(std::sync::Arc::new(DearAbroad));
    let there = here.in_region("eu-west-1");
    for ec2 in [&here, &there] {
        let launch = launch(wish());
        ec2.launch(&launch, &|_| {}).await.expect("a host");
        // The machine ends, the work stays.
        ec2.terminate_machine(&launch.spec.id, false)
            .await
            .expect("an end");
    }
    let (found, silent) = here
        .leftovers_everywhere(false, now_ms())
        .await
        .expect("a look");
    assert!(silent.is_empty(), "{silent:?}");
    let volumes: Vec<_> = found
        .iter()
        .filter(|l| l.kind == LeftoverKind::Volume)
        .collect();
    let regions: Vec<&str> = volumes.iter().map(|l| l.region.as_str()).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
    assert!(volumes.iter().all(|l| !l.in_use), "{volumes:?}");
    let prices: Vec<u64> = volumes.iter().map(|l| l.microusd_per_month).collect();
    assert_eq!(prices, [88_000, 80_000], "each its region's");
    let mut left = found.clone();
    left.retain(|l| l.region == "eu-west-1");
    assert!(there.delete(&left).await.is_empty());
    let (found, _) = here
        .leftovers_everywhere(false, now_ms())
        .await
        .expect("a look");
    assert!(found.iter().all(|l| l.region == REGION), "{found:?}");
}
