//! What a person who types sees over a slow line: how long each key takes to show, and what shows that never was.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::process::run;
use crate::common::proxy::Proxy;
use crate::common::terminal::Terminal;
use crate::lab::{Lab, Peer, SIZE, median, ms};
use crate::relay::Relay;
use crate::report::{Goal, Row, Section};

/// Half of the round trip.
const ONE_WAY: Duration = Duration::from_millis(75);
/// What shows sooner cannot be the host's.
const AT_ONCE: Duration = Duration::from_millis(140);
/// A key that shows nothing in this time is given up.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// Earlier states that a terminal far away may still show a cell of.
const BEHIND: usize = 16;
/// A program beside us has answered a key after this.
const ANSWERED: Duration = Duration::from_millis(60);

/// A program and the keys typed into it. After a key that is no letter, Backspace or arrow, the next waits for the host.
struct Record {
    name: &'static str,
    script: &'static str,
    ready: &'static str,
    keys: &'static str,
}

const RECORDS: [Record; 3] = [
    Record {
        name: "bash",
        script: "cd $(mktemp -d) && printf '\\033[H\\033[2J' && exec env PS1='$ ' bash --norc --noprofile -i",
        ready: "$",
        keys: "ls\rgit statsu\x7f\x7fus --short\recho done && pwd | wc -l\rfor i in 1 2 3; do echo $i; done\r\
               echo hello world\x1b[D\x1b[D\x1b[D\x1b[D\x1b[Dbig \rcat > note.txt\rthe first line\ranother \
               lnie\x7f\x7f\x7fine\r\x04cat note.txt\rgrep -n frist\x7f\x7f\x7f\x7first no\t\r\x1b[A\x7f\x7f\r",
    },
    Record {
        name: "vim",
        script: "exec vim -u NONE -N -n -i NONE --cmd 'set shortmess+=I'",
        ready: "~",
        keys: "iThe quick brown fox\rjumps over teh\x7f\x7fhe lazy dog.\r\rAnd then some more\x1bkkA, again and \
               again\x1b0wcwslow\x1bouse std::io;\x1b/lazy\rxxu:s/dog/cat/\rGonew line with mistakse\x7f\x7fes\
               \x1bggOthe top of it\x1b",
    },
    Record {
        name: "agent's prompt",
        script: concat!("perl ", env!("CARGO_MANIFEST_DIR"), "/bench/agent.pl"),
        ready: "? for help",
        keys: "fix the flaky test in the parser\ryes, go on and run teh\x7f\x7fhe whole suite, please\rwhy does it \
               take so long?\radd a test for hte\x7f\x7f\x7fthe empty input, then commit all of it\r",
    },
];

/// Pauses between keys, the same for all peers: log-normal, of the mean and deviation that 136 million keystrokes of
/// 168,000 people had (Dhakal and others, CHI 2018): 239 and 112 ms. Recordings of people typing at a terminal, with
/// their times, are in no package.
struct Pauses(u64);

impl Pauses {
    const MU: f64 = 5.377;
    const SIGMA: f64 = 0.4456;

    /// Above 0, up to 1.
    fn chance(&mut self) -> f64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 1.0) / (1u64 << 53) as f64
    }

    fn next(&mut self) -> Duration {
        let (radius, angle) = (
            self.chance().ln() * -2.0,
            self.chance() * std::f64::consts::TAU,
        );
        let normal = radius.sqrt() * angle.cos();
        let ms = (Self::MU + Self::SIGMA * normal).exp();
        Duration::from_secs_f64(ms.clamp(40.0, 900.0) / 1000.0)
    }
}

impl Record {
    /// One by one; an escape sequence is one key.
    fn keys(&self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut rest = self.keys;
        while !rest.is_empty() {
            let (key, after) = rest.split_at(if rest.starts_with("\x1b[") { 3 } else { 1 });
            keys.push(key);
            rest = after;
        }
        keys
    }
}

/// What the program shows after a key, and where that key's glyph is, if it has one.
struct Truth {
    lines: Vec<Vec<char>>,
    glyph: Option<(usize, usize, char)>,
}

fn cells(terminal: &Terminal) -> Vec<Vec<char>> {
    let text = terminal.text();
    text.iter().map(|line| line.chars().collect()).collect()
}

/// Beyond a line's end there are blanks.
fn cell(lines: &[Vec<char>], row: usize, col: usize) -> char {
    lines
        .get(row)
        .and_then(|l| l.get(col))
        .copied()
        .unwrap_or(' ')
}

fn truths(lab: &Lab, record: &Record) -> Vec<Truth> {
    let mut command = lab.server.command("sh");
    command.args(["-c", record.script]);
    let mut terminal = Terminal::spawn(command, SIZE);
    terminal.wait_text(record.ready);
    terminal.settle(4 * ANSWERED);
    let mut all = vec![Truth {
        lines: cells(&terminal),
        glyph: None,
    }];
    for key in record.keys() {
        let (row, col, _) = terminal.snapshot().avt.cursor;
        terminal.send(key);
        terminal.settle(ANSWERED);
        let lines = cells(&terminal);
        let typed = key.chars().next().filter(|c| *c > ' ' && *c != '\x7f');
        let before = all.last().map_or(' ', |t| cell(&t.lines, row, col));
        let shows = |c: &char| cell(&lines, row, col) == *c && before != *c;
        let glyph = typed.filter(shows).map(|c| (row, col, c));
        all.push(Truth { lines, glyph });
    }
    all
}

/// What was seen of one record through one peer.
#[derive(Default)]
struct Seen {
    /// From the key to its glyph.
    delays: Vec<Duration>,
    /// Keys after which something showed that the program never wrote.
    wrong: usize,
}

fn type_all(record: &Record, truths: &[Truth], terminal: &mut Terminal) -> Seen {
    terminal.wait_text(record.ready);
    until_same(terminal, &truths[0]);
    let mut seen = Seen::default();
    let mut waiting: Vec<(usize, usize, char, Instant)> = Vec::new();
    let mut pauses = Pauses(7);
    for (n, key) in record.keys().into_iter().enumerate() {
        let begun = Instant::now();
        terminal.send(key);
        if let Some((row, col, c)) = truths[n + 1].glyph {
            waiting.push((row, col, c, begun));
        }
        let known = &truths[n.saturating_sub(BEHIND)..=n + 1];
        let pause = pauses.next();
        let mut wrong = BTreeSet::new();
        while let Some(left) = pause.checked_sub(begun.elapsed()).filter(|l| !l.is_zero()) {
            if terminal.pump(left) {
                look(terminal, known, &mut waiting, &mut seen, &mut wrong);
            }
        }
        let edits = matches!(key, "\x7f" | "\x1b[D" | "\x1b[C");
        if !edits && key < " " {
            look(terminal, known, &mut waiting, &mut seen, &mut wrong);
            until_same(terminal, &truths[n + 1]);
            settle(&mut waiting, &mut seen);
        }
        if !wrong.is_empty() && std::env::var_os("REMOTE_BENCH_WRONG").is_some() {
            println!("{} key {n} {key:?}: {wrong:?}", record.name);
        }
        seen.wrong += usize::from(!wrong.is_empty());
    }
    seen
}

/// Notes what has come to be shown.
fn look(
    terminal: &Terminal,
    known: &[Truth],
    waiting: &mut Vec<(usize, usize, char, Instant)>,
    seen: &mut Seen,
    wrong: &mut BTreeSet<(usize, usize, char)>,
) {
    let shown = cells(terminal);
    waiting.retain(|&(row, col, c, since)| {
        let there = cell(&shown, row, col) == c;
        if there {
            seen.delays.push(since.elapsed());
        }
        !there
    });
    for row in 0..usize::from(SIZE.rows) {
        if known
            .last()
            .is_some_and(|t| t.lines.get(row) == shown.get(row))
        {
            continue;
        }
        for col in 0..usize::from(SIZE.cols) {
            let c = cell(&shown, row, col);
            if !known.iter().any(|t| cell(&t.lines, row, col) == c) {
                wrong.insert((row, col, c));
            }
        }
    }
}

/// Glyphs that were gone before they were looked for.
fn settle(waiting: &mut Vec<(usize, usize, char, Instant)>, seen: &mut Seen) {
    seen.delays
        .extend(waiting.drain(..).map(|(.., since)| since.elapsed()));
}

fn until_same(terminal: &mut Terminal, truth: &Truth) {
    let begun = Instant::now();
    while cells(terminal) != truth.lines && begun.elapsed() < GIVEN_UP {
        terminal.pump(Duration::from_millis(20));
    }
}

/// A terminal on `record` through a peer, and what must live as long as it does.
fn open(
    lab: &Lab,
    peer: Peer,
    record: &Record,
    proxy: &Proxy,
) -> (Terminal, Option<String>, Option<Relay>) {
    match peer {
        Peer::Mosh => {
            let (port, key) = mosh_server(lab, record.script);
            let relay = Relay::to(port, ONE_WAY);
            let mut client = lab.client.command("mosh-client");
            client.args(["127.0.0.1", &relay.port.to_string()]);
            client.env("MOSH_KEY", key);
            client.env("MOSH_PREDICTION_DISPLAY", "adaptive");
            (Terminal::spawn(client, SIZE), None, Some(relay))
        }
        Peer::RemoteSsh => {
            proxy.delay(Duration::ZERO);
            let session = lab.dispatch(peer, 1, record.script);
            proxy.delay(ONE_WAY);
            let attach = lab.client.remote(&["attach", session.as_str()]);
            (Terminal::spawn(attach, SIZE), Some(session), None)
        }
        _ => {
            proxy.delay(ONE_WAY);
            (
                Terminal::spawn(lab.ssh(&["-tt"], record.script), SIZE),
                None,
                None,
            )
        }
    }
}

/// mosh's server on loopback: its port and its key.
fn mosh_server(lab: &Lab, script: &str) -> (u16, String) {
    let mut server: Command = lab.server.command("mosh-server");
    server.args(["new", "-i", "127.0.0.1", "--", "sh", "-c", script]);
    let ran = run(&mut server, b"", Duration::from_secs(20));
    let all = ran.all();
    let line = all.lines().find_map(|l| l.strip_prefix("MOSH CONNECT "));
    let (port, key) = line
        .and_then(|l| l.split_once(' '))
        .expect("mosh-server's word");
    (port.parse().expect("a port"), key.trim().to_owned())
}

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&[Peer::Ssh, Peer::Mosh, Peer::RemoteSsh]);
    let mut section = Section {
        title: "Typing, 150 ms round trip",
        how: format!(
            "The same {} keys for all, with the pauses of people (239 ms in the mean, log-normal), into bash, vim and a prompt as \
             agents draw it; after Enter, Escape and their like the next key waits for the host. From the write of a key \
             to its glyph at its place; shown at once is what shows within {} ms; wrong, keys after which anything showed \
             that the program never wrote, of those that showed at once. mosh and remote predict by themselves (adaptive).",
            RECORDS.iter().map(|r| r.keys().len()).sum::<usize>(),
            AT_ONCE.as_millis(),
        ),
        columns: vec![
            "median ms",
            "bash",
            "vim",
            "agent's prompt",
            "% at once",
            "% wrong",
        ],
        rows: Vec::new(),
        base: Peer::Ssh.name(),
        goals: Vec::new(),
    };
    let truths: Vec<Vec<Truth>> = RECORDS.iter().map(|r| truths(lab, r)).collect();
    let proxy = Proxy::to(lab.sshd.port);
    lab.client.use_sshd(&lab.sshd, proxy.port);
    let mut share = None;
    for peer in peers {
        let (mut all, mut medians, mut wrong) = (Vec::new(), Vec::new(), 0);
        for (record, truths) in RECORDS.iter().zip(&truths) {
            let (mut terminal, session, relay) = open(lab, peer, record, &proxy);
            let seen = type_all(record, truths, &mut terminal);
            drop((terminal, relay));
            proxy.delay(Duration::ZERO);
            if let Some(session) = session {
                lab.terminate(&session);
            }
            lab.sweep();
            medians.push(ms(median(seen.delays.clone())));
            all.extend(seen.delays);
            wrong += seen.wrong;
        }
        let at_once = all.iter().filter(|d| **d < AT_ONCE).count();
        let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        // Of a peer that guesses nothing there is nothing to judge.
        let wrong = if at_once == 0 {
            0.0
        } else {
            percent(wrong, at_once.max(wrong))
        };
        if peer == Peer::RemoteSsh {
            share = Some(wrong);
        }
        let mut values = vec![ms(median(all.clone()))];
        values.extend(medians);
        values.extend([percent(at_once, all.len()), wrong]);
        section.rows.push(Row::new(peer.name(), &values));
    }
    lab.client.use_sshd(&lab.sshd, lab.sshd.port);
    for (peer, why) in missing {
        section.rows.push(Row::missing(peer.name(), why));
    }
    section.goal_below(Peer::RemoteSsh.name(), 5.0);
    section.goals.push(Goal {
        text: format!(
            "{}: under 2% of what is shown wrong",
            Peer::RemoteSsh.name()
        ),
        met: share.map(|s| s < 2.0),
    });
    vec![section]
}
