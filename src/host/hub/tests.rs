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
