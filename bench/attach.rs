//! From typing the command that comes back to a session to its screen.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::proxy::Proxy;
use crate::common::terminal::Terminal;
use crate::lab::{Lab, Peer, SIZE, median, ms};
use crate::report::{Row, Section};

const ROUNDS: usize = 9;
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// What the session shows.
const SCRIPT: &str = "stty -echo; printf 'PAIN''TED\\n'; exec sleep 600";

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&[
        Peer::Ssh,
        Peer::SshTmux,
        Peer::SshDtach,
        Peer::RemoteLocal,
        Peer::RemoteSsh,
    ]);
    let mut section = Section {
        title: "Attach to first paint",
        how: format!(
            "From the start of the client's process to the session's text on the terminal; `ssh` alone runs \
             `printf`. Median of {ROUNDS}. Round trips: how much longer it takes where one takes {} ms.",
            ROUND_TRIP.as_millis()
        ),
        columns: vec!["ms", "round trips"],
        rows: Vec::new(),
        base: Peer::SshTmux.name(),
        goals: Vec::new(),
    };
    let proxy = Proxy::to(lab.sshd.port);
    for peer in peers {
        let (command, session) = session(lab, peer);
        let near = median((0..ROUNDS).map(|_| first_paint(command())).collect());
        let mut values = vec![ms(near)];
        if peer != Peer::RemoteLocal {
            lab.client.use_sshd(&lab.sshd, proxy.port);
            proxy.delay(ROUND_TRIP / 2);
            let far = median((0..3).map(|_| first_paint(command())).collect());
            proxy.delay(Duration::ZERO);
            lab.client.use_sshd(&lab.sshd, lab.sshd.port);
            values.push(ms(far.saturating_sub(near)) / ms(ROUND_TRIP));
        }
        section.rows.push(Row::new(peer.name(), &values));
        if let Some(session) = session {
            lab.terminate(&session);
        }
        lab.sweep();
    }
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal(Peer::RemoteSsh.name(), 0.25, Peer::SshTmux.name());
    section.goal(Peer::RemoteLocal.name(), 0.25, Peer::SshTmux.name());
    vec![section]
}

/// Begins a session and leaves it; how to come back to it.
fn session<'a>(lab: &'a Lab, peer: Peer) -> (Box<dyn Fn() -> Command + 'a>, Option<String>) {
    match peer {
        Peer::SshTmux | Peer::SshDtach => {
            let mut opened = lab.open(peer, "paint", SCRIPT);
            opened.terminal.wait_raw(0, b"PAINTED");
            drop(opened);
            let back = match peer {
                Peer::SshTmux => "tmux -L paint attach -t paint",
                // dtach keeps no screen: it can only ask the program to draw again.
                _ => "printf PAINTED; exec dtach -a $TMUX_TMPDIR/paint -E -r none",
            };
            (Box::new(move || lab.ssh(&["-tt"], back)), None)
        }
        Peer::RemoteLocal | Peer::RemoteSsh => {
            let id = lab.dispatch(peer, 1, SCRIPT);
            let again = id.clone();
            // The program has printed once somebody has seen it.
            let mut seen = Terminal::spawn_bare(lab.client.remote(&["attach", id.as_str()]), SIZE);
            seen.wait_raw(0, b"PAINTED");
            drop(seen);
            let back = move || lab.client.remote(&["attach", again.as_str()]);
            (Box::new(back), Some(id))
        }
        _ => (Box::new(|| lab.ssh(&["-tt"], "printf PAINTED")), None),
    }
}

fn first_paint(command: Command) -> Duration {
    let begun = Instant::now();
    let mut terminal = Terminal::spawn_bare(command, SIZE);
    terminal.wait_raw(0, b"PAINTED");
    begun.elapsed()
}
