//! Ctrl-C into a flood over a slow line: how long until the program's answer shows.

use std::time::{Duration, Instant};

use crate::common::proxy::{Proxy, Way};
use crate::flood::lines;
use crate::lab::{Lab, Peer, median, ms};
use crate::report::{Row, Section};

const ROUNDS: usize = 5;
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// 10 Mbit/s in bytes.
const RATE: u64 = 10_000_000 / 8;

/// mosh is not among them: it speaks UDP, which this line does not carry; nor is what runs on this machine.
const PEERS: [Peer; 5] = [
    Peer::Ssh,
    Peer::SshTmux,
    Peer::SshDtach,
    Peer::SshShpool,
    Peer::RemoteSsh,
];

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&PEERS);
    let mut section = Section {
        title: "Ctrl-C in a flood, 50 ms round trip, 10 Mbit/s",
        how: format!(
            "A shell that prints without end and answers SIGINT with a line; the line's buffer is 256 KiB and \
             full when the key is pressed. Median of {ROUNDS}."
        ),
        columns: vec!["ms", "KiB on the line"],
        rows: Vec::new(),
        base: Peer::SshTmux.name(),
        goals: Vec::new(),
    };
    let proxy = Proxy::to(lab.sshd.port);
    let file = lines(lab, 4);
    let script = format!(
        "stty -echo; trap 'printf STOP''PED-HERE; sleep 60' INT; printf REA''DY; read x; \
         while :; do cat {}; done",
        file.display()
    );
    lab.client.use_sshd(&lab.sshd, proxy.port);
    for peer in peers {
        let mut times = Vec::new();
        let mut queued = Vec::new();
        for round in 0..ROUNDS {
            proxy.delay(Duration::ZERO);
            proxy.rate(None);
            let mut opened = lab.open(peer, &format!("int{round}"), &script);
            let terminal = &mut opened.terminal;
            terminal.wait_raw(0, b"READY");
            terminal.settle(Duration::from_millis(200));
            proxy.delay(ROUND_TRIP / 2);
            proxy.rate(Some(RATE));
            terminal.send("\r");
            // Until every buffer on the way has filled.
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1500) {
                terminal.pump(Duration::from_millis(100));
            }
            queued.push(proxy.held(Way::Down) as f64 / 1024.0);
            let from = terminal.raw().len();
            let begun = Instant::now();
            terminal.send(b"\x03");
            terminal.wait_raw(from, b"STOPPED-HERE");
            times.push(begun.elapsed());
            proxy.delay(Duration::ZERO);
            proxy.rate(None);
            opened.close(lab);
        }
        queued.sort_by(f64::total_cmp);
        let queued = queued.get(ROUNDS / 2).copied().unwrap_or_default();
        section
            .rows
            .push(Row::new(peer.name(), &[ms(median(times)), queued]));
    }
    lab.client.use_sshd(&lab.sshd, lab.sshd.port);
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal(Peer::RemoteSsh.name(), 1.0, Peer::SshTmux.name());
    vec![section]
}
