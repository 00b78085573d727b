//! Pseudo-terminals without a thread each: portable-pty opens and spawns (session, controlling terminal,
//! default signals), tokio's AsyncFd reads and writes the master. The only room with `unsafe`: taking over
//! descriptors by number, after an in-place upgrade or from whoever started us.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::io::unix::AsyncFd;

use crate::model::Size;

/// What is started in a PTY.
#[derive(Debug, Clone, Copy)]
pub struct SpawnRequest<'a> {
    pub argv: &'a [String],
    /// The whole environment: nothing is inherited.
    pub env: &'a BTreeMap<String, String>,
    pub cwd: &'a Path,
    pub size: Size,
}

/// Why a program could not be started or a PTY not be had.
#[derive(Debug, thiserror::Error)]
pub enum PtyError {
    #[error("nothing to run: the command is empty")]
    Empty,
    #[error("the directory {0} does not exist on this machine")]
    NoDirectory(PathBuf),
    #[error("`{program}` cannot be started: {why}")]
    Spawn { program: String, why: String },
    #[error("no pseudo-terminal could be opened: {0}")]
    Open(String),
    #[error("descriptor {0} is not an open pseudo-terminal")]
    NotAPty(i32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<PtyError> for crate::error::Error {
    fn from(e: PtyError) -> Self {
        Self::user(e.to_string())
    }
}

/// The master side of a PTY and the process that was started in it.
#[derive(Debug)]
pub struct Pty {
    master: AsyncFd<OwnedFd>,
    pid: u32,
}

impl Pty {
    /// Starts a program in a new session on a new PTY.
    ///
    /// # Errors
    /// An empty command, a missing directory, a program that is not there, no PTY left.
    pub fn spawn(request: &SpawnRequest<'_>) -> Result<Self, PtyError> {
        let Some(program) = request.argv.first() else {
            return Err(PtyError::Empty);
        };
        if !request.cwd.is_dir() {
            return Err(PtyError::NoDirectory(request.cwd.to_owned()));
        }
        let size = request.size.clamped();
        let pair = native_pty_system()
            .openpty(PtySize {
                rows: size.rows,
                cols: size.cols,
                pixel_width: 0,
                pixel_height: 0,
            })
            .map_err(|e| PtyError::Open(e.to_string()))?;
        let mut command = CommandBuilder::from_argv(request.argv.iter().map(Into::into).collect());
        command.env_clear();
        for (name, value) in request.env {
            command.env(name, value);
        }
        command.cwd(request.cwd);
        let child = pair
            .slave
            .spawn_command(command)
            .map_err(|e| PtyError::Spawn {
                program: program.clone(),
                why: format!("{e:#}"),
            })?;
        let pid = child.process_id().ok_or_else(|| PtyError::Spawn {
            program: program.clone(),
            why: "it has no process id".to_owned(),
        })?;
        let raw = pair.master.as_raw_fd().ok_or(PtyError::NotAPty(-1))?;
        // SAFETY: `pair.master` owns `raw` and lives until the end of this function.
        let master = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()?;
        Self::over(master, pid)
    }

    /// Takes over a PTY that the process before an upgrade left open under this number.
    ///
    /// # Errors
    /// Where `fd` is no open PTY.
    pub fn adopt(fd: RawFd, pid: u32) -> Result<Self, PtyError> {
        let master = adopt_descriptor(fd)?;
        if !rustix::termios::isatty(&master) {
            return Err(PtyError::NotAPty(fd));
        }
        Self::over(master, pid)
    }

    fn over(master: OwnedFd, pid: u32) -> Result<Self, PtyError> {
        let flags = fcntl_getfl(&master).map_err(io::Error::from)?;
        fcntl_setfl(&master, flags | OFlags::NONBLOCK).map_err(io::Error::from)?;
        // SAFETY: `AsyncFd` owns `master`, whose AsFd gives the same open descriptor as long as it lives.
        let master = unsafe { AsyncFd::register(master) }.map_err(io::Error::from)?;
        Ok(Self { master, pid })
    }

    /// The first process's id, which is also its session's and its process group's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Reads what the program wrote. 0 means that no process has the terminal open any more. Cancel-safe.
    ///
    /// # Errors
    /// The descriptor's own, which do not happen in practice.
    pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.master.readable().await?;
            match guard.try_io(|fd| read(fd.get_ref().as_fd(), buf)) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Reads if there is something now: `None` if not.
    ///
    /// # Errors
    /// As [`Pty::read`].
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match read(self.master.get_ref().as_fd(), buf) {
            Ok(n) => Ok(Some(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Types into the program, as much as its queue takes (at least one byte). Cancel-safe.
    ///
    /// # Errors
    /// The descriptor's own: EIO once nobody has the terminal open.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.master.writable().await?;
            match guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Types as much as the queue takes now: `None` if nothing.
    ///
    /// # Errors
    /// As [`Pty::write`].
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match rustix::io::write(self.master.get_ref(), bytes) {
            Ok(n) => Ok(Some(n)),
            Err(Errno::AGAIN) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Sets the size; the program gets SIGWINCH where it changed.
    ///
    /// # Errors
    /// The descriptor's own.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let size = size.clamped();
        let winsize = rustix::termios::Winsize {
            ws_row: size.rows,
            ws_col: size.cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(
            self.master.get_ref(),
            winsize,
        )?)
    }

    /// Signals the program's process group, and the foreground one where a shell made another.
    /// Groups that are gone already are no error.
    ///
    /// # Errors
    /// Where the kernel refuses (a set-uid program).
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        for group in [Some(self.pid), self.foreground().filter(|g| *g != self.pid)] {
            let Some(pid) = group.and_then(to_pid) else {
                continue;
            };
            match kill_process_group(pid, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The process group that reads the terminal now.
    pub fn foreground(&self) -> Option<u32> {
        let pid = rustix::termios::tcgetpgrp(self.master.get_ref()).ok()?;
        u32::try_from(pid.as_raw_nonzero().get()).ok()
    }

    /// How many typed bytes the program has not read; `None` where that cannot be told.
    #[cfg(target_os = "linux")]
    pub fn unread(&self) -> Option<u64> {
        use rustix::pty::OpenptFlags;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let other = rustix::pty::ioctl_tiocgptpeer(self.master.get_ref(), flags).ok()?;
        rustix::io::ioctl_fionread(other).ok()
    }

    /// How many typed bytes the program has not read; `None` where that cannot be told.
    #[cfg(not(target_os = "linux"))]
    pub fn unread(&self) -> Option<u64> {
        None
    }

    /// The master's number, for [`Pty::adopt`] after an exec of this process; see [`set_inherited`].
    pub fn number(&self) -> RawFd {
        self.master.get_ref().as_raw_fd()
    }
}

/// Lets a descriptor of this process survive an exec, or again not. Everything that is started while it may
/// gets it too.
///
/// # Errors
/// Nothing is open under that number, or it is one of the three standard ones.
pub fn set_inherited(fd: RawFd, inherited: bool) -> io::Result<()> {
    if fd < 3 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: only borrowed for two calls that change no ownership; one that is closed gives EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut flags = fcntl_getfd(fd)?;
    flags.set(FdFlags::CLOEXEC, !inherited);
    Ok(fcntl_setfd(fd, flags)?)
}

/// Makes a write to nobody an error again and not this process's end: the standard library's `exec` undoes
/// that first, and leaves it so where the exec then fails.
pub fn ignore_broken_pipes() {
    // SAFETY: sets a disposition of the kernel's own; no handler of ours runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(fd, buf) {
        Ok(n) => Ok(n),
        // Linux says EIO where others say 0: the last process has closed the terminal.
        Err(Errno::IO) => Ok(0),
        Err(e) => Err(e.into()),
    }
}

fn to_pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// The exit code of a child of this process that has ended (128 + signal where one killed it); `None`
/// while it runs. Each child is reaped once; one that is not ours (any more) counts as ended with 255.
pub fn reap(pid: u32) -> Option<i32> {
    let Some(pid) = to_pid(pid) else {
        return Some(255);
    };
    loop {
        return match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) => None,
            Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Some(code),
                (None, Some(signal)) => Some(signal.saturating_add(128)),
                (None, None) => None,
            },
            Err(Errno::INTR) => continue,
            Err(_) => Some(255),
        };
    }
}

/// Owns a descriptor that was left open for this process under a known number, close-on-exec from now on.
///
/// # Errors
/// Where nothing is open under that number, or it is one of the three standard ones.
pub fn adopt_descriptor(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 3 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: only borrowed for the two calls that check and mark it; EBADF is an error, not undefined.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let flags = fcntl_getfd(borrowed)?;
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC)?;
    // SAFETY: it is open (checked above), and by the contract of an upgrade nobody else owns it: the
    // process that did was replaced by this one.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Marks every descriptor from 3 up close-on-exec, so that what we start holds nothing of whoever started
/// us (a shell's lock, a pipe somebody waits on).
pub fn close_inherited() {
    let dir = if cfg!(target_os = "linux") {
        "/proc/self/fd"
    } else {
        "/dev/fd"
    };
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    let open: Vec<RawFd> = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // SAFETY: only borrowed for two calls that change no ownership; one closed meanwhile gives EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        if let Ok(flags) = fcntl_getfd(fd) {
            let _ = fcntl_setfd(fd, flags | FdFlags::CLOEXEC);
        }
    }
}

#[cfg(test)]
mod tests;
