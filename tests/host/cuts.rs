//! The link over a real sshd through a bad network: a numbered stream out, numbered keystrokes in, and the
//! connection cut again and again. Nothing lost, nothing twice.

use std::time::{Duration, Instant};

use crate::agents::Stream;
use crate::common::env::TestEnv;
use crate::common::proxy::{Proxy, Way};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL};
use crate::common::{SOON, await_true};
use crate::stream::Judge;

/// In a usual check; `REMOTE_TEST_CUTS` says otherwise.
const CUTS: usize = 25;
/// Half of the cuts happen while more than this is on its way to the client.
const IN_FLIGHT: usize = 64 * 1024;
const KIB_PER_SECOND: u32 = 1400;
/// More than the host keeps in memory for those who come back.
const FAR: u64 = 2 * 1024 * 1024 / crate::agents::LINE;

/// What attach writes to REMOTE_ATTACH_STATS at its end.
#[derive(Debug, serde::Deserialize)]
struct Stats {
    resumed_bytes: u64,
    resumed_repaint: u64,
    dials: u64,
}

struct Run {
    terminal: Terminal,
    judge: Judge,
    /// Everything typed.
    typed: Vec<u8>,
    keys: usize,
}

impl Run {
    /// Reads what there is, for at most `limit`.
    fn pump(&mut self, limit: Duration) {
        self.terminal.pump(limit);
        self.judge.feed(&self.terminal.take_raw());
    }

    /// Types a few numbered keystrokes.
    fn keys(&mut self, count: usize) {
        for _ in 0..count {
            self.keys += 1;
            let key = format!("k{:06} ", self.keys);
            self.terminal.send(&key);
            self.typed.extend_from_slice(key.as_bytes());
        }
        self.judge.feed(&self.terminal.take_raw());
    }

    /// Reads until `seen`.
    fn until(&mut self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !seen(self) {
            assert!(self.terminal.running(), "attach ended waiting for {what}");
            assert!(
                begun.elapsed() < SOON,
                "waited for {what}; last line {}, faults {:?}",
                self.judge.last(),
                self.judge.faults
            );
            self.pump(Duration::from_millis(20));
        }
    }
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    let cuts = std::env::var("REMOTE_TEST_CUTS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(CUTS);
    let (mut client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    let proxy = Proxy::to(sshd.port);
    client.use_sshd(&sshd, proxy.port);
    let stats = client.work().join("stats.json");
    client.set("REMOTE_ATTACH_STATS", stats.to_string_lossy());
    let stream = Stream::new(&server, KIB_PER_SECOND);
    let session = client.dispatch(&[
        "--provider",
        "ssh",
        "--host",
        "box",
        "--command",
        &stream.command,
    ]);

    let attach = client.remote(&["attach", session.as_str()]);
    let mut run = Run {
        terminal: Terminal::spawn_bare(attach, USUAL),
        judge: Judge::default(),
        typed: Vec::new(),
        keys: 0,
    };
    run.until("the stream", |r| r.judge.lines > 0);
    let mut in_flight = 0;
    for cut in 0..cuts {
        run.keys(3);
        let begun = run.judge.lines;
        run.until("some lines", |r| r.judge.lines > begun + 200);
        let accepted = proxy.accepted();
        in_flight += usize::from(break_it(&proxy, &mut run, &stream, cut));
        run.keys(3);
        run.until("a new connection", |_| proxy.accepted() > accepted);
        let seen = stream.printed();
        run.until("the stream's newest lines", |r| r.judge.last() >= seen);
    }
    run.keys(3);
    let typed = run.typed.clone();
    run.until("all keystrokes", |_| stream.recorded().len() >= typed.len());
    assert!(
        stream.recorded() == typed,
        "keystrokes differ: {}",
        first_difference(&stream.recorded(), &typed)
    );
    let judge = &run.judge;
    assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
    assert!(
        in_flight * 2 >= cuts - 1,
        "{in_flight} of {cuts} cuts with bytes in flight"
    );

    run.terminal.send("\r~.");
    assert_eq!(run.terminal.wait_exit(), 0);
    await_true("attach's statistics", SOON, || stats.exists());
    let text = std::fs::read_to_string(&stats).expect("statistics");
    let stats: Stats = serde_json::from_str(&text).expect("statistics");
    println!(
        "{cuts} cuts, {in_flight} with over {IN_FLIGHT} bytes in flight; {} lines, {} repaints, {} skipped, {} \
         touched by a banner; {stats:?}",
        judge.lines, judge.repaints, judge.skipped, judge.touched
    );
    assert!(stats.resumed_bytes > 0, "{stats:?}");
    assert!(stats.resumed_repaint > 0, "{stats:?}");
    assert!(stats.dials > cuts as u64, "{stats:?}");
    client.ok(&["terminate", "--yes", &session]);
}

/// Cuts the connection in one of four ways; whether more than [`IN_FLIGHT`] bytes were on their way.
fn break_it(proxy: &Proxy, run: &mut Run, stream: &Stream, cut: usize) -> bool {
    match cut % 4 {
        // Output on its way, and a keystroke whose acknowledgement never comes.
        0 => {
            proxy.freeze(Way::Down);
            let filled = proxy.wait_held(Way::Down, IN_FLIGHT + 1, SOON);
            run.keys(2);
            proxy.cut();
            proxy.thaw();
            filled
        }
        // In the middle of things.
        1 => {
            run.keys(1);
            proxy.cut();
            false
        }
        // Both ways full: keystrokes that never arrive, output that never arrives.
        2 => {
            proxy.freeze(Way::Up);
            proxy.freeze(Way::Down);
            run.keys(4);
            let filled = proxy.wait_held(Way::Down, IN_FLIGHT + 1, SOON);
            proxy.cut();
            proxy.thaw();
            filled
        }
        // Away for long: more is printed than is kept for those who come back.
        _ => {
            proxy.refuse(true);
            proxy.cut();
            let from = stream.printed();
            run.keys(2);
            run.until("the agent to go far ahead", |_| {
                stream.printed() > from + FAR
            });
            proxy.refuse(false);
            false
        }
    }
}

fn first_difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(x, y)| x != y);
    let at = at.unwrap_or(a.len().min(b.len()));
    let part = |s: &[u8]| {
        let end = (at + 24).min(s.len());
        String::from_utf8_lossy(&s[at.saturating_sub(24).min(end)..end]).into_owned()
    };
    format!("at byte {at}: recorded {:?}, typed {:?}", part(a), part(b))
}
