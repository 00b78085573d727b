//! A real PTY with a program in it, driven by the test: types, waits for what the program shows, resizes.
//! Nothing here sleeps: every wait is a poll(2) on the PTY with a deadline.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use remote_compute::model::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::SOON;
use super::emulator::{Emulator, Snapshot};
use super::process::{exit_code, kill, wait_child};

/// A program on a terminal of its own.
pub struct Terminal {
    master: OwnedFd,
    child: Child,
    size: Size,
    raw: Vec<u8>,
    emulator: Option<Emulator>,
    ended: bool,
    limit: Duration,
}

/// The usual size of a test's terminal.
pub const USUAL: Size = Size { cols: 80, rows: 24 };

pub fn size(cols: u16, rows: u16) -> Size {
    Size { cols, rows }
}

impl Terminal {
    /// Starts `command` on a new terminal that shows what it gets and answers queries as an xterm would.
    pub fn spawn(command: Command, size: Size) -> Self {
        let mut terminal = Self::spawn_bare(command, size);
        terminal.emulator = Some(Emulator::new(size));
        terminal
    }

    /// Starts `command` on a terminal that only records bytes: for floods and for measuring.
    pub fn spawn_bare(command: Command, size: Size) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).expect("a PTY");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        set_size(&master, size);
        rustix::io::ioctl_fionbio(&master, true).expect("a PTY that never blocks");
        let slave = ioctl_tiocgptpeer(&master, flags).expect("the PTY's other side");
        let dup = || Stdio::from(slave.try_clone().expect("another descriptor of the PTY"));
        let mut wrapped = controlling(&command);
        wrapped.stdin(dup()).stdout(dup()).stderr(dup());
        let child = wrapped
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {wrapped:?}: {e}"));
        Self {
            master,
            child,
            size,
            raw: Vec::new(),
            emulator: None,
            ended: false,
            limit: SOON,
        }
    }

    /// Sets how long a wait may take; 30 s unless told.
    pub fn limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn size(&self) -> Size {
        self.size
    }

    /// All bytes the program has written so far.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Forgets the recorded bytes (not the screen) and returns them.
    pub fn take_raw(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.raw)
    }

    pub fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().expect("a terminal with a screen")
    }

    /// It answers questions as another terminal would, as [`Emulator::poses`] has it.
    pub fn poses(&mut self, answers: &[(&'static str, &'static str)]) {
        if let Some(emulator) = &mut self.emulator {
            emulator.poses(answers);
        }
    }

    pub fn snapshot(&self) -> Snapshot {
        self.emulator().snapshot()
    }

    /// The visible lines.
    pub fn text(&self) -> Vec<String> {
        match &self.emulator {
            Some(e) => e.text(),
            None => {
                let from = self.raw.len().saturating_sub(2000);
                vec![String::from_utf8_lossy(&self.raw[from..]).into_owned()]
            }
        }
    }

    pub fn shows(&self, text: &str) -> bool {
        self.text().iter().any(|l| l.contains(text))
    }

    /// Types bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        let begun = Instant::now();
        while !rest.is_empty() {
            assert!(begun.elapsed() < self.limit, "the PTY takes no input");
            if self.wait_ready(PollFlags::OUT | PollFlags::IN, self.limit) {
                // Draining while writing: a program that is stuck in its own write reads nothing.
                self.read_once();
            }
            match rustix::io::write(&self.master, &rest[..rest.len().min(1024)]) {
                Ok(n) => rest = &rest[n..],
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(e) => panic!("cannot type into the PTY: {e}"),
            }
        }
    }

    /// Reads what comes within `limit`; false when nothing came or the program's end is reached.
    pub fn pump(&mut self, limit: Duration) -> bool {
        if self.ended || !self.wait_ready(PollFlags::IN, limit) {
            return false;
        }
        self.read_once()
    }

    fn wait_ready(&self, flags: PollFlags, limit: Duration) -> bool {
        let timeout = Timespec::try_from(limit).expect("a short time");
        let mut fds = [PollFd::new(&self.master, flags)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => false,
            Ok(_) => fds[0]
                .revents()
                .intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR),
            Err(e) => panic!("poll on a PTY: {e}"),
        }
    }

    fn read_once(&mut self) -> bool {
        let mut buf = [0u8; 65536];
        match rustix::io::read(&self.master, &mut buf[..]) {
            // EIO is how a PTY says that nobody holds its other side any more.
            Ok(0) | Err(rustix::io::Errno::IO) => {
                self.ended = true;
                false
            }
            Ok(n) => {
                self.raw.extend_from_slice(&buf[..n]);
                if let Some(emulator) = &mut self.emulator {
                    emulator.feed(&buf[..n]);
                    let answers = emulator.take_answers();
                    if !answers.is_empty() {
                        let _ = rustix::io::write(&self.master, &answers);
                    }
                }
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            Err(e) => panic!("read from a PTY: {e}"),
        }
    }

    /// Waits until `seen` holds.
    ///
    /// # Panics
    /// At the deadline or the program's end, with what the terminal shows.
    pub fn wait_for(&mut self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !seen(self) {
            let left = self.limit.saturating_sub(begun.elapsed());
            if left.is_zero() || (self.ended && !seen(self)) {
                let how = if self.ended {
                    "the program ended"
                } else {
                    "time is up"
                };
                panic!(
                    "{how} waiting for {what}; shown:\n{}",
                    self.text().join("\n")
                );
            }
            self.pump(left);
        }
    }

    pub fn wait_text(&mut self, text: &str) {
        self.wait_for(&format!("`{text}` on the screen"), |t| t.shows(text));
    }

    /// Waits for bytes anywhere in what was recorded from `from` on; returns where they end.
    pub fn wait_raw(&mut self, from: usize, bytes: &[u8]) -> usize {
        let mut looked = from;
        let what = format!(
            "`{}` in the output",
            String::from_utf8_lossy(bytes).escape_debug()
        );
        let mut found = 0;
        self.wait_for(&what, |t| {
            let start = looked.min(t.raw.len());
            match find(&t.raw[start..], bytes) {
                Some(at) => {
                    found = start + at + bytes.len();
                    true
                }
                None => {
                    looked = t.raw.len().saturating_sub(bytes.len()).max(from);
                    false
                }
            }
        });
        found
    }

    /// Reads until nothing has come for `quiet`.
    pub fn settle(&mut self, quiet: Duration) {
        let begun = Instant::now();
        while self.pump(quiet) && begun.elapsed() < self.limit {}
    }

    pub fn resize(&mut self, size: Size) {
        self.size = size;
        set_size(&self.master, size);
        if let Some(e) = &mut self.emulator {
            e.resize(size);
        }
    }

    /// Reads to the program's end; its exit code as a shell tells it.
    pub fn wait_exit(&mut self) -> i32 {
        let begun = Instant::now();
        while !self.ended && begun.elapsed() < self.limit {
            // A detached child may keep the PTY open after the program's end: look at the program too.
            if !self.pump(Duration::from_millis(50))
                && let Ok(Some(status)) = self.child.try_wait()
            {
                while self.pump(Duration::ZERO) {}
                return exit_code(status);
            }
        }
        let left = self.limit.saturating_sub(begun.elapsed());
        let status = wait_child(&mut self.child, left.max(Duration::from_millis(200)));
        match status {
            Some(status) => exit_code(status),
            None => panic!(
                "the program does not end; shown:\n{}",
                self.text().join("\n")
            ),
        }
    }

    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill(self.child.id(), Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Where `needle` begins in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

fn set_size(master: &OwnedFd, size: Size) {
    let winsize = Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, winsize).expect("the PTY's size");
}

/// The same command under setsid(1), which makes its stdin the controlling terminal: doing that here would
/// need code between fork and exec. Its environment is exactly what was set on it, and PATH.
fn controlling(command: &Command) -> Command {
    let mut wrapped = Command::new("setsid");
    wrapped.arg("--ctty").arg(command.get_program());
    wrapped.args(command.get_args());
    wrapped.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    if !command.get_envs().any(|(name, _)| name == "PATH") {
        wrapped.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped
}
