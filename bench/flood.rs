//! A program that prints as fast as it can: how long until its last line shows, and what arrived of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Peer};
use crate::report::{Goal, Row, Section};

const MIB: usize = 64;

/// A file of `mib` MiB of numbered lines of 80 bytes each, the line's end included.
pub fn lines(lab: &Lab, mib: usize) -> PathBuf {
    let path = lab.server.work().join(format!("lines-{mib}"));
    if !path.exists() {
        let count = mib * 1024 * 1024 / 80;
        let mut text = String::with_capacity(count * 80);
        for i in 0..count {
            let line =
                format!("{i:09} the quick brown fox jumps over the lazy dog, again and again");
            text.push_str(&format!("{line:.<79}\n"));
        }
        std::fs::write(&path, text).expect("the file of lines");
    }
    path
}

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&Peer::ALL);
    let mut section = Section {
        title: "Flood",
        how: format!(
            "`cat` of {MIB} MiB of lines, until the line printed after them shows. Delivered: the bytes that \
             reached the terminal; a multiplexer that draws only the newest screen delivers fewer than were \
             printed."
        ),
        columns: vec!["seconds", "MiB delivered"],
        rows: Vec::new(),
        base: Peer::Ssh.name(),
        goals: Vec::new(),
    };
    let file = lines(lab, MIB);
    // Every newline becomes two bytes on a terminal.
    let printed = MIB * 1024 * 1024 / 80 * 81;
    let script = format!(
        "stty -echo; printf REA''DY; read x; cat {}; printf 'LAST''-LINE\\n'; read x",
        file.display()
    );
    for peer in peers {
        let mut opened = lab.open(peer, "flood", &script);
        let terminal = &mut opened.terminal;
        terminal.limit(Duration::from_secs(90));
        terminal.wait_raw(0, b"READY");
        terminal.settle(Duration::from_millis(200));
        let from = terminal.raw().len();
        let begun = Instant::now();
        terminal.send("\r");
        terminal.wait_raw(from, b"LAST-LINE");
        let took = begun.elapsed();
        let delivered = terminal.raw().len() - from;
        let mut row = Row::new(
            peer.name(),
            &[took.as_secs_f64(), delivered as f64 / 1024.0 / 1024.0],
        );
        if peer.is_remote() {
            let (note, goals) = remote(lab, opened.session.as_deref(), peer, delivered, printed);
            row = row.note(note);
            section.goals.extend(goals);
        }
        section.rows.push(row);
        opened.close(lab);
    }
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal(Peer::RemoteSsh.name(), 1.0, Peer::Ssh.name());
    section.goal(Peer::RemoteLocal.name(), 1.0, Peer::Ssh.name());
    vec![section]
}

/// Whether all of it reached the terminal, and whether the history has every byte of it.
fn remote(
    lab: &Lab,
    session: Option<&str>,
    peer: Peer,
    delivered: usize,
    printed: usize,
) -> (String, Vec<Goal>) {
    let Some(session) = session else {
        return (String::new(), Vec::new());
    };
    let history = lab.client.raw_logs(&format!("{session}/1"));
    // The first line comes right behind the word that says `ready`.
    let lines = history.split(|b| *b == b'\n').filter(|l| l.len() == 80);
    let count = MIB * 1024 * 1024 / 80;
    let mut next = 1;
    for line in lines {
        next += usize::from(line.starts_with(format!("{next:09} ").as_bytes()));
    }
    let whole = next == count && history.len() >= printed;
    let name = peer.name();
    let goals = vec![
        Goal {
            text: format!("{name} delivers every byte"),
            met: Some(delivered >= printed),
        },
        Goal {
            text: format!("the history of {name} is whole"),
            met: Some(whole),
        },
    ];
    let note = format!("history {:.1} MiB", history.len() as f64 / 1024.0 / 1024.0);
    (note, goals)
}
