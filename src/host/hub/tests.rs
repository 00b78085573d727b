//! Tests of the hub.

use super::*;
use crate::model::{AgentSpec, Ends, Size};

fn hub(dir: &std::path::Path) -> Hub {
    let spec = SessionSpec {
        id: "session-abc234".parse().expect("a name"),
        name: None,
        task: String::new(),
        provider: "ssh".to_owned(),
        owner: String::new(),
        created: 1,
        ends: Ends::default(),
        agents: Vec::new(),
        price_microusd_per_hour: 0,
        budget_microusd: None,
        workspace: None,
    };
    let (dir, socket) = (SessionDir::new(dir), dir.join("agent.sock"));
    Hub::new(spec, dir, socket, BTreeMap::new(), 1, false).0
}

fn agent() -> AgentSpec {
    AgentSpec {
        number: 0,
        name: String::new(),
        argv: vec!["true".to_owned()],
        resume: Vec::new(),
        env: BTreeMap::new(),
        cwd: "/".into(),
        size: Size { cols: 80, rows: 24 },
        task: String::new(),
        check: None,
        push: None,
        forward_agent: false,
    }
}

#[test]
fn a_busier_machine_wakes_who_watches_and_is_nothing_to_write_down() {
    let hub = hub(std::path::Path::new("/nowhere"));
    let (mut changes, mut loads) = (hub.changes(), hub.loads());
    changes.borrow_and_update();
    let load = |cpu_percent| Load {
        cpu_percent,
        memory_used: 1,
        memory: 2,
        at: 1000,
    };
    let mut told = |cpu| {
        hub.set_load(load(cpu));
        let told = loads.has_changed().expect("a hub");
        loads.borrow_and_update();
        told
    };
    assert_eq!(
        [told(3), told(5), told(8), told(9)],
        [true, false, true, false]
    );
    assert!(!changes.has_changed().expect("a hub"));
    assert_eq!(hub.status(2000).load, Some(load(9)));
    // What was a minute ago is not how it is.
    assert_eq!(hub.status(61_000).load, None);
}

#[test]
fn an_agent_that_is_starting_ends_with_the_session_too() {
    let hub = hub(std::path::Path::new("/nowhere"));
    hub.reserve(&mut agent()).expect("reserved");
    assert_eq!(hub.all_targets().len(), 1);
    hub.freeze(true);
    assert!(hub.reserve(&mut agent()).is_err());
    hub.freeze(false);
    hub.reserve(&mut agent()).expect("again");
}

#[test]
fn a_specification_that_could_not_be_written_is_written_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let inner = dir.path().join("later");
    let hub = hub(&inner);
    hub.extend(99);
    assert!(hub.save_spec().is_err());
    std::fs::create_dir(&inner).expect("made");
    hub.save_spec().expect("written");
    let saved: SessionSpec = crate::host::files::read_json(&hub.dir.spec()).expect("readable");
    assert_eq!(saved.ends.deadline, Some(99));
}
