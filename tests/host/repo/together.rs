//! Terminals that dispatch one repository to one machine at the same moment.

use std::process::{Child, Stdio};
use std::time::Instant;

use crate::common::SOON;
use crate::common::env::session_in;
use crate::common::process::{kill, wait_child};

use super::world::World;

const ROUNDS: usize = 5;
const TERMINALS: usize = 3;

fn dispatch(w: &World, place: &[&str]) -> Child {
    let line = [
        &["dispatch", "--detach"],
        place,
        &["--command", "cat round; exec sleep 600"],
    ];
    let mut command = w.client.remote(&line.concat());
    command
        .current_dir(&w.top)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn rounds(w: &World, place: &[&str]) {
    // The binary's way there is another matter.
    let first = ["dispatch", "--detach", "--no-repo", "--command", "true"];
    w.ok(&[&first[..], place].concat());
    for round in 0..ROUNDS {
        // Branch, tags and HEAD are new each time: all of them want to move them.
        w.write("round", format!("round {round}\n"));
        w.commit(&format!("round {round}"));
        for n in 0..20 {
            w.git(&["tag", &format!("v{round}.{n}")]);
        }
        let begun = Instant::now();
        let running: Vec<Child> = (0..TERMINALS).map(|_| dispatch(w, place)).collect();
        let mut sessions = Vec::new();
        for mut child in running {
            if wait_child(&mut child, 4 * SOON).is_none() {
                kill(child.id(), rustix::process::Signal::KILL);
                panic!("a dispatch does not end");
            }
            let out = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(out.status.success(), "round {round}: {said}");
            sessions.extend(session_in(&String::from_utf8_lossy(&out.stdout)));
        }
        eprintln!("round {round}: {:.1} s", begun.elapsed().as_secs_f32());
        assert_eq!(sessions.len(), TERMINALS);
        for session in &sessions {
            let pulled = w.ok(&["pull", session]);
            assert!(pulled.stdout.contains("no commits"), "{}", pulled.all());
            let start = format!("refs/remote/{session}/1/start:round");
            assert_eq!(w.git(&["show", &start]), format!("round {round}"));
            w.ok(&["terminate", session, "--yes"]);
        }
    }
}

#[test]
fn several_that_dispatch_one_repository_at_once_all_begin() {
    rounds(&World::local(), &[]);
    rounds(&World::ssh(), &["--host", "box"]);
}
