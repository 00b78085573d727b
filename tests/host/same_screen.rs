//! The screen through `remote attach` equals the screen without it: the agent's own bytes of that very run,
//! fed to emulators which `remote` does not use, give what the attached terminal shows.

use std::time::{Duration, Instant};

use remote_compute::model::Size;

use crate::agents::sh;
use crate::common::SOON;
use crate::common::emulator::{Emulator, Grid, Snapshot};
use crate::common::env::{TestEnv, session_in};
use crate::common::terminal::{Terminal, size};

const FIRST: Size = Size { cols: 90, rows: 28 };
const SECOND: Size = Size { cols: 72, rows: 20 };
const BESIDE: Size = Size { cols: 60, rows: 16 };

/// One program under comparison.
struct Show {
    env: TestEnv,
    session: String,
    agent: String,
    /// Where in the agent's bytes which size began.
    sizes: Vec<(usize, Size)>,
    /// vt100 has no character sets: where they are used only avt can tell.
    charsets: bool,
}

impl Show {
    /// Dispatches on a terminal, which attaches.
    fn begin(env: TestEnv, command: &str) -> (Self, Terminal) {
        let mut t = env.terminal(&["dispatch", "--name", "show", "--command", command], FIRST);
        let seen =
            |_: &Terminal| std::fs::read_dir(env.sessions_dir()).is_ok_and(|d| d.count() > 0);
        t.wait_for("the session", seen);
        let name = std::fs::read_dir(env.sessions_dir())
            .expect("sessions")
            .flatten()
            .find_map(|e| session_in(&e.file_name().to_string_lossy()))
            .expect("a session");
        let show = Self {
            agent: format!("{name}/1"),
            session: name,
            env,
            sizes: vec![(0, FIRST)],
            charsets: false,
        };
        (show, t)
    }

    /// What the agent's bytes alone make of a terminal.
    fn alone(&self) -> Snapshot {
        let raw = self.env.raw_logs(&self.agent);
        let mut emulator = Emulator::new(FIRST);
        let ends = self.sizes.iter().skip(1).map(|(at, _)| *at);
        for ((from, size), to) in self.sizes.iter().zip(ends.chain([raw.len()])) {
            emulator.resize(*size);
            emulator.feed(&raw[*from..to.max(*from)]);
        }
        emulator.snapshot()
    }

    /// Waits until both are the same; a program that is still drawing gets its time.
    fn same(&self, t: &mut Terminal, when: &str) {
        let begun = Instant::now();
        loop {
            t.settle(Duration::from_millis(150));
            let (shown, alone) = (t.snapshot(), self.alone());
            let differences = if self.charsets {
                shown.avt.differences(&alone.avt, "avt")
            } else {
                shown.differences(&alone)
            };
            if differences.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(12),
                "{when}: the attached terminal differs from the program's own bytes:\n{}\nattached:\n{:?}",
                differences.join("\n"),
                t.snapshot().avt
            );
        }
    }

    /// The PTY changes its size at the next byte.
    fn sized(&mut self, size: Size) {
        let at = self.env.raw_logs(&self.agent).len();
        self.sizes.push((at, size));
    }

    fn attach(&self, size: Size) -> Terminal {
        self.env.attach(&self.session, size)
    }

    /// Leaves by the escape.
    fn leave(&self, mut t: Terminal) {
        t.send("\r~.");
        assert_eq!(t.wait_exit(), 0, "{:?}", t.text());
    }
}

/// The whole scenario: dispatch, type, leave and come back, another size, a second client beside it.
fn scenario(env: TestEnv, command: &str, ready: &str, keys: &[&str]) {
    let (mut show, mut t) = Show::begin(env, command);
    t.wait_text(ready);
    show.same(&mut t, "after the start");
    let (early, late) = keys.split_at(keys.len() / 2);
    for key in early {
        t.send(key);
        t.settle(Duration::from_millis(50));
    }
    show.same(&mut t, "after typing");

    show.leave(t);
    let mut t = show.attach(FIRST);
    show.same(&mut t, "after coming back");
    for key in late {
        t.send(key);
        t.settle(Duration::from_millis(50));
    }
    show.same(&mut t, "after typing again");

    show.sized(SECOND);
    t.resize(SECOND);
    show.same(&mut t, "at another size");

    let mut beside = show.attach(BESIDE);
    beside.wait_for("the second client's screen", |b| {
        b.text().iter().any(|l| !l.is_empty())
    });
    show.same(&mut t, "with a second client beside it");
    part_of(&mut beside, &t.snapshot().avt);
    drop(beside);
    show.same(&mut t, "after the second client left");
}

/// The smaller client shows a part of the screen.
fn part_of(beside: &mut Terminal, whole: &Grid) {
    let begun = Instant::now();
    let (rows, cols) = (usize::from(BESIDE.rows), usize::from(BESIDE.cols));
    let text = |rows: &[Vec<(String, String)>], from: usize, n: usize| -> Vec<String> {
        let line = |r: &Vec<(String, String)>| -> String {
            let cells = r.iter().skip(from).take(n).map(|(t, _)| t.as_str());
            cells.collect::<String>().trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    };
    loop {
        beside.settle(Duration::from_millis(150));
        let small = text(&beside.snapshot().avt.cells, 0, cols);
        let fits = (0..=whole.cells.len() - rows).any(|top| {
            (0..=usize::from(SECOND.cols) - cols)
                .any(|left| text(&whole.cells[top..top + rows], left, cols) == small)
        });
        if fits {
            return;
        }
        assert!(
            begun.elapsed() < SOON / 2,
            "no part of the screen is what the second client shows:\n{}\nof\n{whole:?}",
            small.join("\n")
        );
    }
}

fn page(env: &TestEnv) -> String {
    let path = env.work().join("page.c");
    let mut text = String::from("/* The first line of the page */\n#include <stdio.h>\n");
    for i in 0..200 {
        text.push_str(&format!(
            "static int function_{i:03}(int x) {{\treturn x + {i}; }} // \"string {i}\" éñ 日本語\n"
        ));
    }
    std::fs::write(&path, text).expect("a page");
    path.to_string_lossy().into_owned()
}

#[test]
fn vim() {
    let env = TestEnv::new();
    let vim = format!(
        "vim -u NONE -i NONE -N -n --cmd 'set nomore' -c 'syntax on' -c 'set number hlsearch ruler' {}",
        page(&env)
    );
    let keys = [
        "10G",
        "oinserted text\x1b",
        ":split\r",
        "\x17j",
        "/function_01\r",
        "ggvjj",
        "\x1b",
        "G",
        "\x02",
        ":set nonumber\r",
        "dd",
        "u",
    ];
    scenario(env, &vim, "The first line", &keys);
}

#[test]
fn less() {
    let env = TestEnv::new();
    let less = format!("less -R -N {}", page(&env));
    scenario(
        env,
        &less,
        "The first line",
        &[" ", "j", "/function_04\r", "n", "G", "b", "k", "g"],
    );
}

#[test]
fn htop() {
    let env = TestEnv::new();
    // Once in ten seconds, so that there is a time at which nothing moves.
    scenario(
        env,
        "htop -d 100",
        "Tasks",
        &["t", "H", "\x1b[B", "\x1b[B", "I", "\x1b[A"],
    );
}

#[test]
fn tmux_inside() {
    let mut env = TestEnv::new();
    env.set("TMUX_TMPDIR", env.work().to_string_lossy());
    env.set("PS1", "$ ");
    let mut kill = env.command("tmux");
    kill.args(["-L", "inside", "kill-server"]);
    let keys = [
        "echo one\r",
        "\x02\"",
        "echo two\r",
        "\x02%",
        "ls /\r",
        "\x02o",
        "seq 1 99\r",
        "\x02z",
        "\x02z",
        "echo three\r",
    ];
    let tmux = "tmux -L inside -f /dev/null new-session sh";
    // Its server outlives the session's end, as it should: it is not the agent's business to kill it.
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        scenario_keep(&env, tmux, "[0]", &keys);
    }));
    let _ = kill.output();
    if let Err(e) = ran {
        std::panic::resume_unwind(e);
    }
}

/// [`scenario`] with an environment that outlives it.
fn scenario_keep(env: &TestEnv, command: &str, ready: &str, keys: &[&str]) {
    let mut inner = TestEnv::new();
    for name in ["TMUX_TMPDIR", "PS1"] {
        let value = env.variables().into_iter().find(|(n, _)| n == name);
        if let Some((name, value)) = value {
            inner.set(&name, value);
        }
    }
    scenario(inner, command, ready, keys);
}

/// A page that a program prints and then stays: no redraw comes to mend anything.
fn still(script: &str, ready: &str) {
    let env = TestEnv::new();
    let (mut show, mut t) = Show::begin(env, &sh(&format!("{script}; exec cat > /dev/null")));
    show.charsets = script.contains("\\033(0");
    t.wait_text(ready);
    show.same(&mut t, "after the start");
    show.leave(t);
    let mut t = show.attach(FIRST);
    t.wait_text(ready);
    show.same(&mut t, "after coming back");
    let mut beside = show.attach(BESIDE);
    beside.wait_text(&ready[..4]);
    show.same(&mut t, "with a second client beside it");
}

#[test]
fn wide_characters() {
    still(
        "stty -echo; i=0; while [ $i -lt 60 ]; do \
         printf '%d 日本語テキスト 한국어 中文 ｆｕｌｌ 🦀🚀 é é ñ ─│┌ end\\n' $i; i=$((i+1)); done; \
         printf '\\033[5;88H語\\033[6;89H語x\\033[20;1HTAIL 語'",
        "TAIL",
    );
}

#[test]
fn true_colours_and_attributes() {
    still(
        "stty -echo; i=0; while [ $i -lt 250 ]; do \
         printf '\\033[38;2;%d;%d;100;48;2;10;%d;%dmX\\033[m' $i $((250-i)) $i $i; i=$((i+5)); done; \
         printf '\\n\\033[1mbold\\033[m \\033[2mfaint\\033[m \\033[3mitalic\\033[m \\033[4munder\\033[m \
         \\033[7minverse\\033[m \\033[9mstruck\\033[m \\033[38;5;208m256\\033[m \\033[97;104mbright\\033[m\\n'; \
         printf '\\033[44mfilled to the end\\033[K\\033[m\\n\\033[1;31mTAIL'",
        "TAIL",
    );
}

#[test]
fn margins_tabs_charsets_and_a_hidden_screen() {
    // What no emulator crate restores by itself; the main screen waits behind the alternate one.
    still(
        "stty -echo; printf 'behind\\n\\033[3g\\033[1;9H\\033H\\033[1;30H\\033H\\r\\n\\tfirst\\tsecond\\n'; \
         printf '\\033[?1049h\\033[2J\\033[5;15r\\033[5;1H'; i=0; while [ $i -lt 30 ]; do \
         printf 'scrolled %d\\r\\n' $i; i=$((i+1)); done; \
         printf '\\033(0lqqqk\\033(B\\033[?6h\\033[2;3HTAIL'",
        "TAIL",
    );
}

#[test]
fn the_size_follows_whoever_typed_last() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &sh("while read -r x; do stty size; done")]);
    let mut a = env.attach(&session, size(80, 24));
    a.send("\r");
    a.wait_text("24 80");
    let mut b = env.attach(&session, size(100, 30));
    b.send("\r");
    b.wait_text("30 100");
    a.send("\r");
    a.wait_for("its own size again", |t| {
        t.text().iter().filter(|l| l.contains("24 80")).count() >= 2
    });
    let mut reader = env.terminal(&["attach", "--read-only", &session], size(40, 10));
    reader.send("\r");
    a.send("\r");
    a.wait_for("its own size still", |t| {
        t.text().iter().filter(|l| l.contains("24 80")).count() >= 3
    });
    assert!(!a.shows("10 40"));
}
