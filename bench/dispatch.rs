//! From typing `remote dispatch` to the agent's first byte; and how fast the program itself starts.

use std::time::{Duration, Instant};

use crate::common::env::session_in;
use crate::common::process::run;
use crate::common::terminal::Terminal;
use crate::lab::{Lab, Peer, SIZE, median, ms};
use crate::report::{Row, Section};

const ROUNDS: usize = 9;

pub fn measure(lab: &Lab) -> Vec<Section> {
    vec![version(lab), first_byte(lab), upload(lab)]
        .into_iter()
        .filter(|s| !s.rows.is_empty())
        .collect()
}

fn version(lab: &Lab) -> Section {
    let mut section = Section {
        title: "The program's start",
        how: "Process start to end, without a terminal. Median of 30.".to_owned(),
        columns: vec!["ms"],
        rows: Vec::new(),
        base: "ssh -V",
        goals: Vec::new(),
    };
    let limit = Duration::from_secs(10);
    let time = |program: &str, args: &[&str]| {
        let times = (0..30).map(|_| {
            let mut command = lab.client.command(program);
            command.args(args);
            let begun = Instant::now();
            let status = command
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .expect("start a program");
            assert!(status.success(), "{program} {args:?}");
            begun.elapsed()
        });
        ms(median(times.collect()))
    };
    let ssh = crate::common::find_program("ssh").expect("ssh");
    section
        .rows
        .push(Row::new("ssh -V", &[time(&ssh.to_string_lossy(), &["-V"])]));
    if lab.remote_works() {
        let remote = crate::common::env::remote_binary().to_string_lossy();
        section.rows.push(Row::new(
            "remote --version",
            &[time(&remote, &["--version"])],
        ));
        // The first start reads the binary from disk; here every page of it is in memory.
        run(&mut lab.client.remote(&["--help"]), b"", limit);
    } else {
        section.rows.push(Row::missing(
            "remote --version",
            "does not run in this build",
        ));
    }
    section.goal_below("remote --version", 5.0);
    section
}

fn first_byte(lab: &Lab) -> Section {
    let (peers, missing) = lab.peers(&[Peer::Ssh, Peer::RemoteLocal, Peer::RemoteSsh]);
    let mut section = Section {
        title: "Dispatch to first output byte",
        how: format!(
            "From the start of `remote dispatch` on a terminal to the command's first byte on it; `ssh` runs the \
             same command without a session. Median of {ROUNDS}."
        ),
        columns: vec!["ms"],
        rows: Vec::new(),
        base: Peer::Ssh.name(),
        goals: Vec::new(),
    };
    let script = "printf 'FIRST''-BYTE\\n'; sleep 60";
    for peer in peers {
        let mut times = Vec::new();
        if peer == Peer::RemoteSsh {
            // The binary's upload is measured apart.
            let session = lab.dispatch(peer, 1, "true");
            lab.terminate(&session);
        }
        for _ in 0..ROUNDS {
            let command = match peer {
                Peer::Ssh => lab.ssh(&["-tt"], script),
                Peer::RemoteSsh => lab.client.remote(&[
                    "dispatch",
                    "--provider",
                    "ssh",
                    "--host",
                    "box",
                    "--command",
                    script,
                ]),
                _ => lab.client.remote(&["dispatch", "--command", script]),
            };
            let begun = Instant::now();
            let mut terminal = Terminal::spawn_bare(command, SIZE);
            terminal.wait_raw(0, b"FIRST-BYTE");
            times.push(begun.elapsed());
            let shown = String::from_utf8_lossy(terminal.raw()).into_owned();
            drop(terminal);
            if peer.is_remote() {
                match session_in(&shown) {
                    Some(session) => lab.terminate(&session),
                    None => lab.client.run(&["terminate", "--all", "--yes"]),
                };
            }
        }
        section
            .rows
            .push(Row::new(peer.name(), &[ms(median(times))]));
    }
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal_below(Peer::RemoteLocal.name(), 150.0);
    lab.sweep();
    section
}

/// The first session on a machine of one's own carries the binary there; the next does not.
fn upload(lab: &Lab) -> Section {
    let mut section = Section {
        title: "First session on an ssh host",
        how: "`remote dispatch --detach` to a machine that has never seen this version: connect, upload, start. \
              And once more."
            .to_owned(),
        columns: vec!["ms"],
        rows: Vec::new(),
        base: "the next one",
        goals: Vec::new(),
    };
    if !lab.remote_works() {
        return section;
    }
    // A machine of its own, so that nothing is there yet.
    let fresh = Lab::new();
    for who in ["the first one", "the next one"] {
        let begun = Instant::now();
        let session = fresh.dispatch(Peer::RemoteSsh, 1, "sleep 60");
        section.rows.push(Row::new(who, &[ms(begun.elapsed())]));
        fresh.terminate(&session);
    }
    fresh.end();
    section
}
