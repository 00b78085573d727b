//! The person's own terminal while an agent has it: raw mode and the way back from it however we end, its
//! size, the signals that concern it, and its two directions as streams.

mod signals;
mod streams;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::process::{Signal, getpgid, getpgrp, getpid, getppid, getsid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

pub use signals::outside;
pub use streams::{input, output};

use crate::client::attach::{Console, RESET_ALL};
use crate::model::Size;

/// The modes to go back to, for the panic hook too.
static COOKED: Mutex<Option<Termios>> = Mutex::new(None);
/// What panics said while the screen was the agent's. Not every one ends us: an emulator's is caught.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The terminal in raw mode; it is put back when this is dropped, a panic's unwinding included.
#[derive(Debug)]
pub struct RawGuard {
    raw: Termios,
}

impl RawGuard {
    /// # Errors
    /// Stdin is no terminal, or its modes cannot be set.
    pub fn enter() -> io::Result<Self> {
        Self::with(Termios::make_raw)
    }

    /// Not raw but nearly as from before: keys come at once and are not shown.
    ///
    /// # Errors
    /// As for [`RawGuard::enter`].
    pub fn enter_keys() -> io::Result<Self> {
        Self::with(|modes| {
            modes
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
        })
    }

    fn with(change: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        change(&mut raw);
        *lock(&COOKED) = Some(before);
        HOOK.call_once(hold_panics);
        let guard = Self { raw };
        guard.set()?;
        Ok(guard)
    }

    fn set(&self) -> io::Result<()> {
        tcsetattr(io::stdin(), OptionalActions::Now, &self.raw)?;
        Ok(())
    }
}

impl Drop for RawGuard {
    fn drop(&mut self) {
        put_back();
        if std::thread::panicking() {
            reset_screen();
        }
        *lock(&COOKED) = None;
        for said in std::mem::take(&mut *lock(&SAID)) {
            // Nobody to tell where stderr is gone.
            let _ = writeln!(io::stderr(), "{said}");
        }
    }
}

/// While raw mode is on, panics are told once it is off again. Unwinding drops the guard; where nothing
/// unwinds any more the terminal is put back here.
fn hold_panics() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if lock(&COOKED).is_none() {
            return previous(info);
        }
        let text = info.to_string();
        if text.contains("panic in a ") {
            put_back();
            reset_screen();
            return previous(info);
        }
        lock(&SAID).push(text);
    }));
}

/// Back to the modes from before.
fn put_back() {
    if let Some(modes) = &*lock(&COOKED) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
    }
}

/// For a screen of which nothing is known any more.
fn reset_screen() {
    if io::stdout().is_terminal() {
        let _ = rustix::io::write(io::stdout(), RESET_ALL);
    }
}

/// Suspends and resumes with the terminal's modes.
#[derive(Debug)]
pub struct LocalConsole {
    /// None where stdin is no terminal.
    guard: Option<RawGuard>,
}

impl LocalConsole {
    /// In raw mode, where stdin is a terminal.
    ///
    /// # Errors
    /// It is one, but its modes cannot be set.
    pub fn enter() -> io::Result<Self> {
        let guard = io::stdin().is_terminal().then(RawGuard::enter);
        Ok(Self {
            guard: guard.transpose()?,
        })
    }

    /// Whether keys come from a terminal.
    pub fn has_keyboard(&self) -> bool {
        self.guard.is_some()
    }
}

impl Console for LocalConsole {
    fn suspend(&mut self) -> bool {
        if !has_shell() {
            return false;
        }
        put_back();
        // SIGTSTP has a handler of ours; this one nobody can catch.
        kill_process(getpid(), Signal::STOP).is_ok()
    }

    fn resume(&mut self) {
        if let Some(guard) = &self.guard {
            // The terminal may be gone by now; reading it will tell.
            let _ = guard.set();
        }
    }
}

/// Whether somebody with job control started us: a process that nobody can continue must not stop.
fn has_shell() -> bool {
    let Some(parent) = getppid() else {
        return false;
    };
    let same_session = getsid(Some(parent)).ok() == getsid(None).ok();
    same_session && getpgid(Some(parent)).is_ok_and(|group| group != getpgrp())
}

/// The terminal's size in cells and, where it tells, in pixels; `None` where neither stdout nor stdin is one.
pub fn size() -> Option<(Size, Option<(u16, u16)>)> {
    let size = tcgetwinsize(io::stdout())
        .or_else(|_| tcgetwinsize(io::stdin()))
        .ok()?;
    let cells = Size {
        cols: size.ws_col,
        rows: size.ws_row,
    };
    let pixels = (size.ws_xpixel, size.ws_ypixel);
    let known = cells.cols > 0 && cells.rows > 0;
    known.then(|| (cells.clamped(), (pixels.0 > 0).then_some(pixels)))
}
