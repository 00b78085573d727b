//! A key's way to the program and back to the screen.

use std::time::{Duration, Instant};

use crate::common::terminal::Terminal;
use crate::lab::{Lab, Peer, ms, percentile};
use crate::report::{Row, Section};

const SAMPLES: usize = 400;

/// Letters that no terminal sequence of a peer's own drawing contains.
const KEYS: &[u8] = b"yjokwzu";

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&Peer::ALL);
    let mut section = Section {
        title: "Echo of a key",
        how: format!(
            "`cat` on a raw terminal; {SAMPLES} keys, one each 3 ms and more, from the write to the terminal to its \
             appearance in the terminal's output. mosh without prediction."
        ),
        columns: vec!["p50 ms", "p99 ms"],
        rows: Vec::new(),
        base: Peer::Ssh.name(),
        goals: Vec::new(),
    };
    for peer in peers {
        let mut opened = lab.open(peer, "echo", "stty raw -echo; printf REA''DY; exec cat");
        let mut samples = keys(&mut opened.terminal);
        opened.close(lab);
        let p50 = ms(percentile(&mut samples, 0.50));
        let p99 = ms(percentile(&mut samples, 0.99));
        section.rows.push(Row::new(peer.name(), &[p50, p99]));
    }
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal(Peer::RemoteSsh.name(), 1.0, Peer::Ssh.name());
    section.goal(Peer::RemoteLocal.name(), 1.0, Peer::Ssh.name());
    vec![section]
}

/// How long each key takes to come back from a program that says it is ready.
pub fn keys(terminal: &mut Terminal) -> Vec<Duration> {
    terminal.wait_raw(0, b"READY");
    terminal.settle(Duration::from_millis(100));
    let mut samples = Vec::with_capacity(SAMPLES);
    for i in 0..SAMPLES + 20 {
        let key = [KEYS[i % KEYS.len()]];
        let from = terminal.raw().len();
        let begun = Instant::now();
        terminal.send(key);
        terminal.wait_raw(from, &key);
        if i >= 20 {
            samples.push(begun.elapsed());
        }
        // People pause between keys, which lets processors and schedulers settle as they do for people.
        terminal.settle(Duration::from_millis(3));
    }
    samples
}
