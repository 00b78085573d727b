//! What goes wrong on the way: asked too often, cut off, refused. What passes is survived, what does not is named.

use std::fs;

use remote_compute::workspace::WorkspaceError;
use serde_json::json;

use super::world::{Direct, FEATURES, assert_same, mkfs, noise};

async fn with_tree() -> (Direct, String) {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir(&tree).expect("made");
    for n in 0..20 {
        fs::write(tree.join(format!("f{n}")), noise(n, 1 << 20)).expect("written");
    }
    mkfs(&image, 1024, FEATURES, Some(&tree));
    let snapshot = direct.photographed(1, &image).await;
    (direct, snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_survived() {
    let (direct, snapshot) = with_tree().await;
    let control = &direct.world.control;
    let throttled = json!({ "action": "GetSnapshotBlock", "kind": "before", "code": "RequestThrottledException",
                            "status": 400, "skip": 3, "count": 12 });
    let cut = json!({ "action": "GetSnapshotBlock", "kind": "drop", "skip": 20, "count": 5 });
    let broken = json!({ "action": "GetSnapshotBlock", "kind": "before", "code": "InternalServerException",
                         "status": 500, "skip": 8, "count": 4 });
    let list = json!({ "action": "ListSnapshotBlocks", "kind": "drop", "count": 1 });
    for fault in [throttled, cut, broken, list] {
        control.fault(&fault);
    }
    let to = direct.path("to");
    let done = direct.export(&snapshot, "/", &to).await;
    assert_eq!(done.failed, vec![]);
    assert_same(&direct.path("tree"), &to);
    let struck = direct.calls("GetSnapshotBlock");
    assert_eq!(struck.iter().filter(|c| c.fault.is_some()).count(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_ends_it_and_it_goes_on_later() {
    let (direct, snapshot) = with_tree().await;
    let control = &direct.world.control;
    let denied = json!({ "action": "GetSnapshotBlock", "kind": "before", "code": "AccessDeniedException",
                         "status": 403, "skip": 25, "count": 0 });
    control.fault(&denied);
    let to = direct.path("to");
    let files = direct.open(&snapshot).await.expect("files");
    let refused = super::world::exported(files, "/", &to, None).await;
    let Err(WorkspaceError::Provision(why)) = refused else {
        panic!("refused by AWS: {refused:?}");
    };
    assert!(why.to_string().contains("ebs:GetSnapshotBlock"), "{why}");
    let whole = direct
        .calls("GetSnapshotBlock")
        .iter()
        .filter(|c| c.fault.is_none())
        .count();
    assert_eq!(whole, 25);
    control.post("clear", &json!({}));
    direct.export(&snapshot, "/", &to).await;
    assert_same(&direct.path("tree"), &to);
    // The 25 that had come before were not fetched again.
    let mut came: Vec<u64> = direct
        .calls("GetSnapshotBlock")
        .iter()
        .filter(|c| c.fault.is_none())
        .map(|c| c.parameters["BlockIndex"].as_u64().expect("a number"))
        .collect();
    let all = came.len();
    came.sort_unstable();
    came.dedup();
    assert_eq!(came.len(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_come_in_pages_side_by_side() {
    let (direct, snapshot) = with_tree().await;
    direct.world.control.post("set", &json!({ "page": 7 }));
    let to = direct.path("to");
    direct.export(&snapshot, "/", &to).await;
    assert_same(&direct.path("tree"), &to);
    assert!(direct.calls("ListSnapshotBlocks").len() > 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_too_old_is_an_error_and_not_a_wait() {
    let (direct, snapshot) = with_tree().await;
    direct
        .world
        .control
        .post("set", &json!({ "token_seconds": 0.0 }));
    let refused = direct
        .open(&snapshot)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(refused.contains("expired"), "{refused}");
}
