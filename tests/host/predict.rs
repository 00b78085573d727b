//! Predictive echo over a real sshd and a slow line: what is typed shows while nothing of the host's can, what is not
//! echoed never does, and in the end the terminal shows what the program's own bytes make of it.

use std::time::Duration;

use crate::common::emulator::Emulator;
use crate::common::env::TestEnv;
use crate::common::proxy::{Proxy, Way};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL, find};
use crate::common::{SOON, await_true};

/// Each way.
const DELAY: Duration = Duration::from_millis(75);

/// A program far away, and a terminal attached to it.
struct Far {
    client: TestEnv,
    // The session's files; dropped after the client, which ends the session.
    _server: TestEnv,
    _sshd: Sshd,
    proxy: Proxy,
    session: String,
    terminal: Terminal,
}

impl Far {
    /// `command` behind a slow line, attached to with `predict`.
    fn begin(command: &str, predict: &str) -> Self {
        let (mut client, server) = (TestEnv::new(), TestEnv::new());
        let sshd = Sshd::start(&SshdOptions::home(server.home()));
        let proxy = Proxy::to(sshd.port);
        client.use_sshd(&sshd, proxy.port);
        let session =
            client.dispatch(&["--provider", "ssh", "--host", "box", "--command", command]);
        client.set("REMOTE_ATTACH_STATS", stats(&client).to_string_lossy());
        proxy.delay(DELAY);
        let terminal = client.terminal(&["attach", &session, "--predict", predict], USUAL);
        Self {
            client,
            _server: server,
            _sshd: sshd,
            proxy,
            session,
            terminal,
        }
    }

    /// Types `text` key by key, each when the one before it is on the terminal behind `before`.
    fn type_slowly(&mut self, before: &str, text: &str) {
        for to in 1..=text.len() {
            self.terminal.send(&text[to - 1..to]);
            // Lines are shown without the blanks at their end.
            let all = format!("{before}{}", &text[..to]);
            self.terminal.wait_text(all.trim_end());
        }
    }

    /// With nothing coming from the host, `text` typed behind `before` shows all the same.
    fn shows_at_once(&mut self, before: &str, text: &str) {
        self.proxy.freeze(Way::Down);
        self.type_slowly(before, text);
        self.proxy.thaw();
    }

    /// Waits until the terminal shows what the program's own bytes make of one.
    fn settles(&mut self) {
        let raw = || {
            let mut alone = Emulator::new(USUAL);
            alone.feed(&self.client.raw_logs(&format!("{}/1", self.session)));
            alone.snapshot()
        };
        let mut alone = raw();
        let mut differences = Vec::new();
        await_true("the program's own screen", SOON, || {
            self.terminal.settle(Duration::from_millis(300));
            alone = raw();
            differences = self.terminal.snapshot().differences(&alone);
            if !differences.is_empty() {
                eprintln!("{}", differences.join("\n"));
            }
            differences.is_empty()
        });
    }

    /// Leaves, and tells how many guesses were shown and how many of them were wrong.
    fn leave(mut self) -> (u64, u64) {
        self.terminal.send("\r~.");
        assert_eq!(self.terminal.wait_exit(), 0);
        let path = stats(&self.client);
        await_true("attach's statistics", SOON, || path.exists());
        let text = std::fs::read_to_string(&path).expect("statistics");
        let stats: serde_json::Value = serde_json::from_str(&text).expect("statistics");
        let number = |name: &str| stats[name].as_u64().expect("a number");
        let counts = (number("guesses_shown"), number("guesses_wrong"));
        // The line is fast again for the session's end.
        self.proxy.delay(Duration::ZERO);
        self.client.ok(&["terminate", "--yes", &self.session]);
        counts
    }
}

fn stats(client: &TestEnv) -> std::path::PathBuf {
    client.work().join("stats.json")
}

fn bash() -> &'static str {
    "env PS1='ready$ ' bash --norc --noprofile -i"
}

#[test]
fn keys_show_at_once_at_a_shells_prompt_and_a_password_never() {
    let mut far = Far::begin(bash(), "adaptive");
    far.terminal.wait_text("ready$");
    // The first ones are the host's: an epoch is hidden until one of its guesses was right.
    far.type_slowly("ready$ ", "echo");
    let from = far.terminal.raw().len();
    far.shows_at_once("ready$ echo", " hello");
    let marked = find(&far.terminal.raw()[from..], b"\x1b[0;4m");
    assert!(marked.is_some(), "guesses are underlined");
    far.settles();

    far.terminal.send("\r");
    far.terminal.send("read -s -p 'Sec''ret: ' x\r");
    far.terminal.wait_text("Secret:");
    far.terminal.take_raw();
    far.proxy.freeze(Way::Down);
    for key in ["Q", "V", "W", "Q", "V", "W"] {
        far.terminal.send(key);
    }
    far.proxy.thaw();
    far.terminal.send("\r");
    far.terminal.wait_text("Secret: ready$");
    let shown = far.terminal.take_raw();
    assert!(
        !shown.iter().any(|b| b"QVW".contains(b)),
        "{}",
        String::from_utf8_lossy(&shown)
    );
    far.terminal.send("echo \"<$x>\"\r");
    far.terminal.wait_text("<QVWQVW>");
    far.settles();

    // A key that does something else than it says: what was shown for it goes away.
    far.terminal.send("clear; bind '\"q\": \"five\"'\r");
    far.terminal
        .wait_for("a clear screen", |t| t.text()[0].starts_with("ready$"));
    far.settles();
    far.type_slowly("ready$ ", "abc");
    far.shows_at_once("ready$ abc", "q");
    far.terminal.wait_text("ready$ abcfive");
    far.settles();
    far.terminal.send("\x15");
    let (shown, wrong) = far.leave();
    assert!(shown > 6, "{shown} shown");
    assert!(wrong >= 1, "the wrong one is counted");
}

#[test]
fn keys_show_at_once_in_vim() {
    let mut far = Far::begin("vim -u NONE -N -i NONE -n", "adaptive");
    // Not its greeting: that goes with the first resize, sometimes before it is seen.
    far.terminal.wait_for("vim", |t| {
        [1, 22].iter().all(|y| t.text()[*y].starts_with('~'))
    });
    far.settles();
    far.terminal.send("i");
    far.terminal.wait_text("-- INSERT --");
    far.type_slowly("", "one");
    far.shows_at_once("one", " two three");
    far.settles();
    // In the middle of a line the rest moves on.
    far.terminal.send("\x1bOD\x1bOD");
    far.settles();
    far.type_slowly("one two thr", "a");
    far.terminal.wait_text("one two thraee");
    far.settles();
    far.shows_at_once("one two thra", "bcd");
    assert!(far.terminal.shows("one two thrabcdee"));
    far.settles();
    far.terminal.send("\x1b");
    far.terminal
        .wait_for("no INSERT", |t| !t.shows("-- INSERT --"));
    far.terminal.send("dd");
    far.settles();
    far.terminal.send(":q!\r");
    assert_eq!(far.terminal.wait_exit(), 0);
}

#[test]
fn nothing_shows_before_the_host_says_so_with_never() {
    let mut far = Far::begin(bash(), "never");
    far.terminal.wait_text("ready$");
    far.type_slowly("ready$ ", "echo");
    far.settles();
    far.terminal.take_raw();
    far.proxy.freeze(Way::Down);
    far.terminal.send("Q");
    // The key has gone up and its echo waits: had anything been drawn, it would be there.
    assert!(far.proxy.wait_held(Way::Down, 1, SOON));
    far.terminal.settle(Duration::from_millis(50));
    assert_eq!(far.terminal.raw(), b"");
    far.proxy.thaw();
    far.terminal.wait_text("ready$ echoQ");
    far.terminal.send("\x15");
    assert_eq!(far.leave(), (0, 0));
}
