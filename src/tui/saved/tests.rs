//! What comes back from a file and from hosts, and what of it is believed.

use super::*;

#[test]
fn what_was_stored_comes_back_and_damage_is_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |_: &str| Some(dir.path().to_owned());
    let paths = Paths::new(at).expect("paths");
    assert!(Saved::load(&paths).tabs.is_empty());
    let mut saved = Saved::default();
    saved.tabs.open(3);
    saved.tabs.open(4);
    let shell = Source::Local {
        argv: vec!["sh".into()],
        cwd: None,
    };
    saved.panes.insert(3, shell);
    saved.store(&paths);
    let back = Saved::load(&paths);
    // Of pane 4 nobody knows what it was.
    assert_eq!((back.tabs.panes(), back.panes), (vec![3], saved.panes));
    std::fs::write(file(&paths), "{\"tabs\":3}").expect("damage");
    assert_eq!(Saved::load(&paths), Saved::default());
    Saved::default().store(&paths);
    assert!(Saved::load(&paths).tabs.is_empty());
}

fn session(name: &str) -> SessionId {
    name.parse().expect("a session's name")
}

/// A tab of two agents and a program.
fn three() -> Saved {
    let mut saved = Saved {
        at: 20,
        ..Saved::default()
    };
    for (id, name) in [(1, "session-aaaaaa"), (2, "session-bbbbbb")] {
        saved.tabs.open(id);
        saved.panes.insert(id, Source::agent(session(name), 1));
    }
    saved.tabs.open(3);
    let program = Source::Local {
        argv: vec!["psql".into(), "a-secret".into()],
        cwd: Some("/here".into()),
    };
    saved.panes.insert(3, program);
    saved
}

#[test]
fn hosts_hear_of_agents_alone_and_have_nothing_run() {
    let layout = three().for_hosts().expect("a layout");
    assert!(!layout.text.contains("psql") && !layout.text.contains("here"));
    let known = |s: &SessionId| *s == session("session-aaaaaa");
    // Whatever it names is not run.
    let evil = layout
        .text
        .replace("\"argv\":[]", "\"argv\":[\"rm\",\"-r\"]");
    for text in [layout.text, evil] {
        let told = Saved::told(&Layout { at: 20, text }, known, "sh").expect("panes");
        assert_eq!(told.tabs.panes(), [1, 3]);
        let shell = Source::Local {
            argv: vec!["sh".into()],
            cwd: None,
        };
        assert_eq!(told.panes.get(&3), Some(&shell));
    }
    // More than a person has, and what is not from this time, is not believed.
    let text = three().for_hosts().expect("a layout").text;
    let late = now_ms() + 2 * AHEAD;
    let long = format!("{text}{}", " ".repeat(MOST_TOLD));
    let far = text.replace("\"3\"", "\"4000000000\"");
    for (at, text) in [(late, text.clone()), (20, long), (20, far)] {
        assert_eq!(Saved::told(&Layout { at, text }, known, "sh"), None);
    }
    // That all was closed is something that is told.
    let closed = Saved {
        at: 30,
        ..Saved::default()
    };
    let layout = closed.for_hosts().expect("a layout");
    assert_eq!(Saved::told(&layout, known, "sh"), Some(closed));
    let nobody = |_: &SessionId| false;
    for text in ["", "{}", "[1]"] {
        let layout = Layout {
            at: 20,
            text: text.into(),
        };
        assert_eq!(Saved::told(&layout, nobody, "sh"), None, "{text}");
    }
}

#[test]
fn what_no_hand_could_have_made_is_nothing() {
    let sound = serde_json::to_string(&three()).expect("JSON");
    assert!(serde_json::from_str::<Saved>(&sound).is_ok_and(|s| s == s.clone().checked()));
    let pane = "{\"root\":{\"pane\":1},\"focus\":1,\"last\":null}";
    let of = |root: &str| pane.replace("{\"pane\":1}", root);
    let part = "{\"share\":1,\"node\":{\"pane\":1}}";
    let split = |parts: &str| {
        of(&format!(
            "{{\"split\":{{\"axis\":\"down\",\"parts\":[{parts}]}}}}"
        ))
    };
    let odd = [
        split(""),
        split(part),
        split(&format!("{part},{part}")),
        pane.replace("\"focus\":1", "\"focus\":2"),
    ];
    for tree in odd {
        let text = format!(
            "{{\"tabs\":{{\"all\":[{{\"tree\":{tree}}}],\"current\":0}},\"panes\":{{\"1\":{{\"local\":{{\"argv\":[]}}}}}}}}"
        );
        let saved: Saved = serde_json::from_str(&text).expect("its shape is right");
        assert_eq!(saved.checked(), Saved::default(), "{text}");
    }
}
