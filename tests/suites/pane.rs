//! One pane of a multiplexer, all of its screen, with a program in it that writes what a test says.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use remote_compute::model::Size;

use super::outer::{Outer, Seen};
use crate::common::env::TestEnv;
use crate::common::terminal::Terminal;
use crate::common::{SOON, find_program};

/// What the pane is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Remote,
    Tmux,
    Zellij,
    /// None: the terminal outside itself, to see what it can show at all.
    Bare,
}

impl Peer {
    pub const ALL: [Self; 4] = [Self::Remote, Self::Tmux, Self::Zellij, Self::Bare];

    pub fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Tmux => "tmux",
            Self::Zellij => "zellij",
            Self::Bare => "no multiplexer",
        }
    }

    pub fn is_installed(self) -> bool {
        !matches!(self, Self::Tmux | Self::Zellij) || find_program(self.name()).is_some()
    }

    /// What it calls itself, with its version.
    pub fn version(self) -> String {
        let flag = match self {
            Self::Tmux => "-V",
            Self::Zellij => "--version",
            _ => return self.name().to_owned(),
        };
        let out = find_program(self.name())
            .and_then(|path| std::process::Command::new(path).arg(flag).output().ok());
        let out = out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        out.unwrap_or_else(|| self.name().to_owned())
    }

    /// The terminal's size for a pane of that size, and the pane's first row.
    fn outside(self, pane: Size) -> (Size, usize) {
        // A line of titles above and the bar below, from six lines on.
        match self {
            Self::Remote if pane.rows >= 4 => {
                let rows = pane.rows + 2;
                (Size { rows, ..pane }, 1)
            }
            _ => (pane, 0),
        }
    }
}

/// What tmux may ask of a terminal such as the one outside.
const TMUX: &str = "set -g status off\nset -g set-titles on\nset -g set-titles-string '#T'\n\
    set -s escape-time 0\nset -g default-terminal tmux-256color\nset -g allow-passthrough off\n\
    set -as terminal-features ',*:256:RGB:title:ccolour:cstyle:focus:mouse:strikethrough:overline:usstyle:sync:hyperlinks'\n";
const ZELLIJ: &str = "pane_frames false\nshow_startup_tips false\nshow_release_notes false\n\
    session_serialization false\nmouse_mode true\nsupport_kitty_keyboard_protocol true\n\
    styled_underlines true\ndefault_mode \"locked\"\n";
/// Behind a frame, the next may follow.
const QUIET: Duration = Duration::from_millis(30);
/// A multiplexer that shows no title is waited for.
const SHOWN: Duration = Duration::from_millis(600);
/// What is not right yet is looked at again. `remote` shows a title with the frame it belongs to, half frames after
/// 150 ms at the latest.
const AGAIN: Duration = Duration::from_millis(400);
const AGAIN_REMOTE: Duration = Duration::from_millis(200);

pub struct Pane {
    pub outer: Outer,
    pub size: Size,
    peer: Peer,
    top: usize,
    link: BufReader<UnixStream>,
    socket: PathBuf,
    syncs: usize,
    /// Questions in what was written that are the same as the one of a sync.
    asked: usize,
    /// Whether titles go through.
    titled: bool,
    quiet: Duration,
    again: Duration,
}

impl Pane {
    pub fn open(env: &TestEnv, peer: Peer, size: Size, number: usize) -> Self {
        let socket = env.bin().with_file_name(format!("s{number}"));
        let listener = UnixListener::bind(&socket).expect("a socket");
        listener
            .set_nonblocking(true)
            .expect("a socket that never blocks");
        let player = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suites/player.pl");
        let path = socket.to_string_lossy().into_owned();
        let tmp = env.bin().with_file_name("tmp");
        let mut command = match peer {
            Peer::Bare => env.command("perl"),
            Peer::Remote => env.remote(&["mux", "--", "perl"]),
            Peer::Tmux => {
                let file = env.work().join("tmux.conf");
                std::fs::write(&file, TMUX).expect("tmux's configuration");
                let mut c = env.command("tmux");
                c.arg("-L").arg(format!("s{number}")).arg("-f").arg(file);
                c.args(["new-session", "perl"]);
                c
            }
            Peer::Zellij => {
                let (config, layout) = (env.work().join("z.kdl"), env.work().join("l.kdl"));
                let of = format!(
                    "layout {{ pane command=\"perl\" close_on_exit=true {{ args \"{player}\" \"{path}\"; }} }}\n"
                );
                std::fs::write(&config, ZELLIJ).expect("zellij's configuration");
                std::fs::write(&layout, of).expect("zellij's layout");
                let mut c = env.command(find_program("zellij").expect("zellij"));
                c.arg("--config").arg(config);
                c.arg("--session").arg(format!("s{number}"));
                c.arg("--new-session-with-layout").arg(layout);
                c
            }
        };
        if peer != Peer::Zellij {
            command.arg(player).arg(&path);
        }
        command
            .env("TMUX_TMPDIR", &tmp)
            .env("XDG_RUNTIME_DIR", &tmp);
        command.env("ZELLIJ_SOCKET_DIR", &tmp);
        command.env("COLORTERM", "truecolor");
        let (outside, top) = peer.outside(size);
        let mut outer = Outer::new(Terminal::spawn_bare(command, outside));
        let begun = Instant::now();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => {
                    let shown = outer.lines();
                    assert!(
                        begun.elapsed() < SOON,
                        "{peer:?} starts nothing: {shown:#?}"
                    );
                    outer.pump(Duration::from_millis(5));
                }
            }
        };
        stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a read that ends");
        let own = peer == Peer::Remote;
        let mut this = Self {
            outer,
            size,
            peer,
            top,
            link: BufReader::new(stream),
            socket,
            syncs: 0,
            asked: 0,
            titled: true,
            quiet: if own { Duration::ZERO } else { QUIET },
            again: if own { AGAIN_REMOTE } else { AGAIN },
        };
        this.await_size(size);
        // Its own first drawing is over before a test begins.
        if !own {
            this.outer.settle(4 * QUIET);
        }
        this.sync();
        this
    }

    fn await_size(&mut self, size: Size) {
        let want = format!("ready {} {}", size.rows, size.cols);
        let begun = Instant::now();
        let mut told = self.line();
        while told != want {
            let shown = self.outer.lines();
            assert!(
                begun.elapsed() < SOON,
                "{:?} {told}, not {want}: {shown:#?}",
                self.peer
            );
            self.tell(&format!("size {} {}", size.rows, size.cols));
            told = self.line();
        }
    }

    fn tell(&mut self, line: &str) {
        let text = format!("{line}\n");
        let mut rest = text.as_bytes();
        let begun = Instant::now();
        self.link.get_ref().set_nonblocking(true).expect("a socket");
        while !rest.is_empty() {
            match self.link.get_mut().write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(_) => assert!(begun.elapsed() < SOON, "the player takes nothing"),
            }
            if !rest.is_empty() {
                self.outer.pump(Duration::from_millis(1));
            }
        }
        self.link
            .get_ref()
            .set_nonblocking(false)
            .expect("a socket");
    }

    /// The player's next line; the terminal shows what comes meanwhile.
    fn line(&mut self) -> String {
        let mut line = String::new();
        let begun = Instant::now();
        while !line.ends_with('\n') {
            assert!(begun.elapsed() < SOON, "the player says nothing");
            // What it read stays in `line` when its time is over.
            match self.link.read_line(&mut line) {
                Ok(0) => panic!("the player ended: {:#?}", self.outer.lines()),
                Ok(_) => {}
                Err(_) => drop(self.outer.pump(Duration::from_millis(2))),
            }
        }
        line.trim_end().to_owned()
    }

    /// Writes into the pane.
    /// Looks again for so long at what is not right yet, on a machine that has much else to do.
    pub fn patient(&mut self, again: Option<Duration>) {
        self.again = again.unwrap_or(self.again);
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.asked += bytes.windows(4).filter(|w| w == b"\x1b[5n").count();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        self.tell(&format!("write {hex}"));
    }

    /// Waits until all that was written is seen; what the program was typed meanwhile.
    pub fn sync(&mut self) -> Vec<u8> {
        self.syncs += 1;
        let number = self.syncs;
        let asked = std::mem::take(&mut self.asked);
        self.tell(&format!("sync {number} {asked}"));
        let told = self.line();
        let hex = told.strip_prefix("typed").unwrap_or_default().trim();
        let mark = format!("mark-{number}");
        let begun = Instant::now();
        while self.titled && !self.outer.title().ends_with(&mark) {
            self.outer.pump(Duration::from_millis(5));
            match self.peer {
                Peer::Remote => assert!(begun.elapsed() < SOON, "{:#?}", self.outer.lines()),
                _ => self.titled = begun.elapsed() < SHOWN,
            }
        }
        if !self.titled || !self.quiet.is_zero() {
            self.outer.settle(self.quiet.max(if self.titled {
                Duration::ZERO
            } else {
                2 * QUIET
            }));
        }
        let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        (0..hex.len()).step_by(2).filter_map(byte).collect()
    }

    /// What `look` finds wrong; looked at again for a while.
    pub fn wrong(&mut self, mut look: impl FnMut(&Self) -> Option<String>) -> Option<String> {
        let begun = Instant::now();
        loop {
            let wrong = look(self)?;
            if begun.elapsed() > self.again {
                return Some(wrong);
            }
            self.outer.pump(Duration::from_millis(20));
        }
    }

    pub fn resize(&mut self, size: Size) {
        let (outside, top) = self.peer.outside(size);
        (self.size, self.top) = (size, top);
        self.outer.resize(outside);
        self.tell(&format!("size {} {}", size.rows, size.cols));
        self.await_size(size);
    }

    pub fn cell(&self, row: usize, col: usize) -> Seen {
        self.outer.cell(row + self.top, col)
    }

    /// Row and column in the pane.
    pub fn cursor(&self) -> (usize, usize) {
        let (row, col) = self.outer.cursor();
        (row.saturating_sub(self.top), col)
    }

    /// What stands in a row from a column on up to another.
    pub fn text(&self, row: usize, from: usize, to: usize) -> String {
        (from..to).map(|col| self.cell(row, col).text).collect()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        // The player ends with its socket, and the multiplexer with the player; `remote` would show its list then.
        if self.peer == Peer::Remote && !std::thread::panicking() {
            self.outer.terminal.send("\x02d");
        }
        let _ = self.link.get_ref().shutdown(std::net::Shutdown::Both);
        let _ = std::fs::remove_file(&self.socket);
        let begun = Instant::now();
        while self.outer.terminal.running() && begun.elapsed() < Duration::from_secs(5) {
            if !std::thread::panicking() {
                self.outer.pump(Duration::from_millis(5));
            }
        }
    }
}
