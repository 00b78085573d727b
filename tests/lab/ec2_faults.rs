//! Each call of a launch and of an end fails, in each way; afterwards nothing is there that `gc` does not list,
//! and what it lists it can take away. Which calls there are is recorded, not written down here.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use remote_compute::error::Error;
use remote_compute::model::now_ms;
use remote_compute::provision::Compute;
use remote_compute::provision::ec2::{Ec2, Stage};
use serde_json::{Value, json};

use crate::ec2_world::{World, launch, wish};

/// A launch and its end, with no waiting worth the name between.
const LIMIT: Duration = Duration::from_secs(100);

/// The actions of a whole life, from a lab where nothing fails.
async fn recorded(world: &World) -> BTreeSet<String> {
    let before = world.control.calls().len();
    let ec2 = world.ec2();
    live(&ec2).await.expect("a life without faults");
    let actions = world.control.calls();
    let actions = actions[before..].iter().map(|c| c.action.clone()).collect();
    // The next one begins with nothing, as this one did.
    let left = ec2.leftovers(false, now_ms()).await.expect("a look");
    assert!(ec2.delete(&left).await.is_empty());
    actions
}

/// A launch and its end.
async fn live(ec2: &Ec2) -> Result<(), Error> {
    let launch = launch(wish());
    ec2.launch(&launch, &|_| {}).await?;
    ec2.terminate_machine(&launch.spec.id, true).await?;
    Ok(())
}

/// Each action in turn with this fault.
async fn each_call_with(fault: Value, may_succeed: bool) {
    let world = World::new().await;
    let actions = recorded(&world).await;
    assert!(
        actions.contains("RunInstances") && actions.len() >= 10,
        "{actions:?}"
    );
    for action in actions {
        // A new one: what was asked once is remembered.
        let ec2 = world.ec2();
        let mut words = fault.clone();
        words["action"] = json!(action);
        world.control.fault(&words);
        let begun = Instant::now();
        let ended = live(&ec2).await;
        let took = begun.elapsed();
        world.control.post("clear", &json!({}));
        let told = match &ended {
            Ok(()) => "went well".to_owned(),
            Err(e) => format!("{e} {:?}", e.hints),
        };
        eprintln!("{action}: {:.1} s, {told}", took.as_secs_f32());
        assert!(took < LIMIT, "{action} took {took:?}");
        assert!(
            may_succeed || ended.is_err() || is_spared(&action),
            "{action} {told}"
        );
        if let Err(e) = &ended {
            assert!(
                !e.message.is_empty() && e.message.len() < 400,
                "{action}: {told}"
            );
        }
        let left = ec2.leftovers(false, now_ms()).await.expect("a look");
        for there in world.there().await {
            // A root goes with its instance, and is no thing of its own.
            let listed = left
                .iter()
                .any(|l| l.id == there.id || Some(&l.id) == there.part_of.as_ref());
            assert!(listed, "{action}: {there:?} is not listed");
        }
        let failed = ec2.delete(&left).await;
        assert!(failed.is_empty(), "{action}: {failed:?}");
        assert_eq!(world.there().await, [], "{action}");
        for begun in ec2.begun() {
            let left = ec2.abandon(&begun.launch.spec.id, &|_| {}).await;
            assert_eq!(left, [""; 0], "{action}");
        }
        // A request without an answer may take effect yet, and is looked for again.
        for begun in ec2.begun() {
            assert_eq!(begun.stage, Stage::Asked, "{action}");
            assert_eq!(action, "RunInstances");
            ec2.is_through(&begun.launch.spec.id);
        }
    }
}

/// What a life can do without: there is another way.
fn is_spared(action: &str) -> bool {
    // Then the volume is deleted once its instance is gone.
    action == "ModifyInstanceAttribute"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_before_the_effect() {
    each_call_with(
        json!({"kind": "before", "code": "UnauthorizedOperation", "status": 403, "count": 0}),
        false,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_service_for_good() {
    each_call_with(
        json!({"kind": "before", "code": "InternalError", "status": 500, "count": 0}),
        false,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_the_effect_for_good() {
    each_call_with(
        json!({"kind": "after", "code": "InternalError", "status": 500, "count": 0}),
        false,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_the_effect() {
    each_call_with(
        json!({"kind": "after", "code": "InvalidParameterValue", "status": 400, "count": 1}),
        true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_once() {
    each_call_with(json!({"kind": "drop", "count": 1}), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_for_good() {
    each_call_with(json!({"kind": "drop", "count": 0}), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late() {
    // Six seconds, where five are allowed: as thirty where it is less than that.
    each_call_with(json!({"kind": "delay", "delay": 6, "count": 1}), true).await;
}
