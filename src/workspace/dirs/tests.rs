//! One machine's directories: who has them, what a kill leaves, what is damaged.

use std::fs;
use std::path::Path;

use super::store::Store;
use super::wire::{Answer, Ask, of, open};
use super::*;
use crate::workspace::State;

fn ground() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().expect("a home");
    let var = |v: &str| (v == "HOME").then(|| home.path().to_owned());
    let store = Store::new(&Paths::new(var).expect("paths"));
    (home, store)
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

fn session(text: &str) -> SessionId {
    text.parse().expect("a name")
}

fn root(store: &Store) -> PathBuf {
    let files = store.files(&name("alpha"));
    files.ancestors().nth(2).expect("the root").to_owned()
}

#[test]
fn one_session_has_it_at_a_time() {
    let (home, store) = ground();
    store.create(&new("alpha")).expect("made");
    let (alpha, one, two) = (
        name("alpha"),
        session("session-abc234"),
        session("session-def567"),
    );
    let files = store.hold(&alpha, &one).expect("held");
    assert!(files.is_dir() && files.starts_with(home.path()));
    // Again by the same, which begins anew.
    store.hold(&alpha, &one).expect("held");
    let refused = store.hold(&alpha, &two);
    assert!(matches!(refused, Err(WorkspaceError::InUse { session: Some(by), .. }) if by == one));
    let id = store.list().expect("a list").remove(0).id;
    let refused = store.delete(&alpha, &id);
    assert!(
        matches!(refused, Err(WorkspaceError::InUse { .. })),
        "{refused:?}"
    );
    // Another's word does not free it.
    assert_eq!(
        store.release(&alpha, &two).expect("told").state,
        State::Attached
    );
    let freed = store.release(&alpha, &one).expect("released");
    assert_eq!(
        (freed.state, freed.session),
        (State::Free, Some(one.clone()))
    );
    assert!(freed.last_used.is_some() && freed.used.is_some());
    store.hold(&alpha, &two).expect("held");
    // Its host has written down that it ended, and nobody released it.
    let dir = home
        .path()
        .join(".local/state/remote/sessions/session-def567");
    fs::create_dir_all(&dir).expect("made");
    let ended = crate::model::Ended {
        kind: crate::model::EndKind::Terminated,
        at: 1,
        why: String::new(),
    };
    let status = serde_json::json!({
        "spec": {
            "id": "session-def567", "name": null, "task": "", "provider": "local", "created": 1, "ends": {}, "agents": [],
        },
        "agents": [], "attached": [], "now": 1, "version": "", "ended": ended,
    });
    fs::write(dir.join("last.json"), status.to_string()).expect("written");
    let told = serde_json::from_value::<crate::model::SessionStatus>(status);
    assert!(told.is_ok(), "{told:?}");
    store
        .hold(&alpha, &one)
        .expect("a dead session has nothing");
}

#[test]
fn what_a_killed_process_left_is_never_listed_and_goes() {
    let (_home, store) = ground();
    store.create(&new("alpha")).expect("made");
    let root = root(&store);
    let left = [".making-1", ".gone-2", ".snapshots/.making-3"].map(|n| root.join(n));
    for dir in &left {
        fs::create_dir_all(dir.join("files/deep")).expect("made");
        fs::write(dir.join("files/deep/a"), "x").expect("written");
    }
    assert_eq!(store.list().expect("a list").len(), 1);
    assert!(store.snapshots().expect("a list").is_empty());
    let alpha = name("alpha");
    let snapshot = NewSnapshot::default();
    let made = store.snapshot(&alpha, &snapshot).expect("made");
    store.create(&new("beta")).expect("made");
    assert!(left.iter().all(|dir| !dir.exists()), "they are still there");
    let of = NewWorkspace {
        from: Some(made.id.clone()),
        ..new("gamma")
    };
    store.create(&of).expect("made");
    // One that fails leaves nothing, nor does a name that is taken meanwhile.
    let none = NewWorkspace {
        from: Some("snap-none".to_owned()),
        ..new("delta")
    };
    assert!(matches!(
        store.create(&none),
        Err(WorkspaceError::NoSnapshot(_))
    ));
    assert!(matches!(store.create(&of), Err(WorkspaceError::Exists(_))));
    let names = fs::read_dir(&root).expect("a list").flatten();
    let names: Vec<_> = names
        .filter_map(|e| e.file_name().into_string().ok())
        .collect();
    assert!(!names.iter().any(|n| n.starts_with(".making")), "{names:?}");
    for bad in ["../alpha", "snap-../../alpha", "alpha", ""] {
        let told = store.delete_snapshot(bad, &alpha);
        assert!(
            matches!(told, Err(WorkspaceError::NoSnapshot(_))),
            "{bad}: {told:?}"
        );
    }
    let other = store.delete_snapshot(&made.id, &name("beta"));
    assert!(
        matches!(other, Err(WorkspaceError::NoSnapshot(_))),
        "{other:?}"
    );
    store.delete_snapshot(&made.id, &alpha).expect("deleted");
}

#[test]
fn errors_come_through_as_what_they_are() {
    let (_home, store) = ground();
    let asked = |ask: &Ask| {
        let answer = serde_json::to_vec(&of(&store, ask)).expect("written");
        let answer: Answer = serde_json::from_slice(&answer).expect("read");
        open::<serde_json::Value>(answer, "me@box")
    };
    let ask = |text: &str| serde_json::from_str::<Ask>(text).expect("a question");
    assert_eq!(asked(&Ask::List).expect("a list"), serde_json::json!([]));
    let none = asked(&ask(r#"{"resize":{"name":"alpha","gib":9}}"#));
    assert!(matches!(none, Err(WorkspaceError::NoWorkspace(n)) if n == "alpha"));
    asked(&Ask::Create(new("alpha"))).expect("made");
    let again = asked(&Ask::Create(new("alpha")));
    assert!(matches!(again, Err(WorkspaceError::Exists(_))), "{again:?}");
    let smaller = asked(&ask(r#"{"resize":{"name":"alpha","gib":7}}"#));
    assert!(matches!(
        smaller,
        Err(WorkspaceError::Smaller {
            gib: 8,
            wished: 7,
            ..
        })
    ));
    let record = root(&store).join("alpha/workspace.json");
    fs::write(&record, "{").expect("written");
    let Err(WorkspaceError::Damaged { what, .. }) = asked(&Ask::List) else {
        panic!("it is damaged");
    };
    assert_eq!(Path::new(&what), record);
}
