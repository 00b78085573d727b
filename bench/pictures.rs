//! The pictures of the documentation: what a terminal shows of real sessions, drawn for light and for dark. Names
//! of sessions are chance: in the pictures they are always the same.

use std::path::Path;
use std::time::{Duration, Instant};

use remote_compute::model::Size;

use crate::common::env::TestEnv;
use crate::common::terminal::Terminal;
use crate::suites::outer::{Outer, Seen};
use crate::svg::{PALETTES, draw};

const SIZE: Size = Size {
    cols: 100,
    rows: 30,
};
const LIMIT: Duration = Duration::from_secs(60);
const NAMES: [&str; 3] = ["k3x7qd", "p2m4ab", "t6c5wn"];

/// What agents print, and say of their state.
const CLAUDE: &str = r#"#!/bin/sh
say() { printf '\033]7501;%s:app=claude-code\033\\' "$1"; }
printf '\033[2J\033[H\033[1;35m✻\033[m \033[1mClaude Code\033[m\r\n\r\n'
if [ "$REMOTE_AGENT" = 1 ]; then
    printf '\033[2m> fix the flaky login test\033[m\r\n\r\n'
    printf '\033[32m●\033[m The test waits for a timer that the mock\r\n  no longer starts. It needs \033[1mmock-clock 3\033[m.\r\n\r\n'
    printf '\033[33m●\033[m \033[1mBash\033[m(npm install mock-clock@3)\r\n\r\n'
    printf '  Do you want to proceed?\r\n\033[36m❯ 1. Yes\033[m\r\n  2. Yes, and do not ask again\r\n  3. No, and say what to do instead\r\n'
    say "state=blocked:kind=permission:msg=$(printf 'Allow npm install?' | base64 -w0)"
else
    printf '\033[2m> split auth.rs, it has 900 lines\033[m\r\n\r\n'
    printf '\033[32m●\033[m \033[1mRead\033[m(src/auth.rs)\r\n  \033[2m└  912 lines\033[m\r\n'
    printf '\033[32m●\033[m \033[1mWrite\033[m(src/auth/token.rs)\r\n  \033[2m└  Wrote 210 lines\033[m\r\n'
    printf '\033[32m●\033[m \033[1mBash\033[m(cargo check)\r\n  \033[2m└  Running…\033[m\r\n\r\n\033[35m✽ Refactoring…\033[m \033[2m(3m 12s)\033[m\r\n'
    say "state=working:progress=64"
fi
exec sleep 600
"#;
const CODEX: &str = r#"#!/bin/sh
printf '\033[2J\033[H\033[1mOpenAI Codex\033[m\r\n\r\n\033[36m›\033[m write the manual of the importer\r\n\r\n'
for f in formats.md mapping.md errors.md dates.md; do
    printf '\033[32m•\033[m \033[1mEdited\033[m docs/%s \033[32m(+48)\033[m \033[31m(-3)\033[m\r\n' $f
done
printf '\r\n\033[2m• Working (2m 40s)\033[m\r\n'
printf '\033]7501;state=working:progress=40:app=codex\033\\'
exec sleep 600
"#;
const BENCH: &str = r#"#!/bin/sh
printf '\033[2J\033[H'
for t in parse_small parse_large render_page render_table cold_start warm_start; do
    printf 'test %-14s ... \033[32mok\033[m\r\n' $t
done
printf '\r\ntest result: \033[32mok\033[m. 6 passed; 0 failed; in 41.3s\r\n'
printf '\033]7501;state=done\033\\'
exec sleep 600
"#;

/// Real sessions of this machine, and their names in the pictures.
struct Stage {
    env: TestEnv,
    names: Vec<(String, &'static str)>,
}

pub fn all() {
    let stage = Stage::new();
    let short: Vec<String> = stage.names.iter().map(|(name, _)| name.clone()).collect();

    let mut list = stage.open(&[], SIZE);
    stage.wait(
        &mut list,
        &["sessions", "auth", "importer", "bench", "type a task"],
    );
    // Those that wait for a person come first.
    list.terminal.send("\x1b[A\x1b[A\x1b[A\x1b[A");
    stage.wait(&mut list, &["Do you want to proceed?"]);
    list.terminal
        .send("see why the nightly import is slow, and mend it");
    stage.wait(&mut list, &["and mend it"]);
    stage.picture(&mut list, "list");
    drop(list);

    let mut args = vec!["mux"];
    args.extend(short.iter().map(String::as_str));
    let mut panes = stage.open(&args, SIZE);
    stage.wait(
        &mut panes,
        &[
            "Do you want to proceed?",
            "Refactoring",
            "OpenAI Codex",
            "6 passed",
        ],
    );
    stage.picture(&mut panes, "panes");
    panes.terminal.send("\x02");
    stage.wait(&mut panes, &["zoom"]);
    stage.picture(&mut panes, "keys");
    panes.terminal.send("\x1b");
    drop(panes);

    let mut search = stage.open(&["mux", &short[2]], SIZE);
    stage.wait(&mut search, &["6 passed"]);
    search.terminal.send("\x02/render_");
    stage.wait(&mut search, &["render_"]);
    search.settle(Duration::from_millis(500));
    stage.picture(&mut search, "search");
    drop(search);

    let size = Size { rows: 6, ..SIZE };
    let mut status = stage.open(&["status"], size);
    while status.pump(Duration::from_millis(500)) {}
    stage.picture(&mut status, "status");
}

impl Stage {
    fn new() -> Self {
        let mut env = TestEnv::new();
        env.set("PS1", "$ ");
        env.script("claude", CLAUDE);
        env.script("codex", CODEX);
        env.script("suite", BENCH);
        let sessions: [&[&str]; 3] = [
            &["--name", "auth", "--agents", "2", "--command", "claude"],
            &["--name", "importer", "--command", "codex"],
            &["--name", "bench", "--command", "suite"],
        ];
        let mut names = Vec::new();
        for (args, name) in sessions.into_iter().zip(NAMES) {
            let session = env.dispatch(&[&["--no-repo"], args].concat());
            let short = session.trim_start_matches("session-").to_owned();
            names.push((short, name));
        }
        Self { env, names }
    }

    fn open(&self, args: &[&str], size: Size) -> Outer {
        let mut command = self.env.remote(args);
        command.env("COLORTERM", "truecolor");
        Outer::new(Terminal::spawn_bare(command, size))
    }

    fn wait(&self, outer: &mut Outer, words: &[&str]) {
        let begun = Instant::now();
        let there = |outer: &Outer| {
            let lines = outer.lines().join("\n");
            words.iter().all(|w| lines.contains(w))
        };
        while !there(outer) {
            let lines = outer.lines();
            assert!(begun.elapsed() < LIMIT, "waiting for {words:?}: {lines:#?}");
            outer.pump(Duration::from_millis(20));
        }
        outer.settle(Duration::from_millis(300));
    }

    fn picture(&self, outer: &mut Outer, name: &str) {
        let size = outer.terminal.size();
        let rows: Vec<Vec<Seen>> = (0..usize::from(size.rows))
            .map(|y| {
                self.row(
                    (0..usize::from(size.cols))
                        .map(|x| outer.cell(y, x))
                        .collect(),
                )
            })
            .collect();
        let cursor = outer.shows_cursor().then(|| outer.cursor());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
        std::fs::create_dir_all(&folder).expect("docs/pictures");
        for palette in &PALETTES {
            let path = folder.join(format!("{name}-{}.svg", palette.name));
            let svg = draw(&rows, cursor, palette);
            assert!(
                svg.len() < 60_000,
                "{}: {} bytes",
                path.display(),
                svg.len()
            );
            std::fs::write(&path, svg).expect("a picture");
        }
        println!("{name}:\n{}", outer.lines().join("\n"));
    }

    /// The sessions' names in the pictures in the place of those they have.
    fn row(&self, mut row: Vec<Seen>) -> Vec<Seen> {
        for (name, instead) in &self.names {
            let letters: Vec<String> = name.chars().map(String::from).collect();
            let len = letters.len();
            for at in 0..row.len().saturating_sub(len - 1) {
                if row[at..at + len].iter().map(|c| &c.text).eq(&letters) {
                    for (cell, letter) in row[at..].iter_mut().zip(instead.chars()) {
                        cell.text = letter.to_string();
                    }
                }
            }
        }
        row
    }
}
