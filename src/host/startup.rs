//! From a started process to a daemon: no terminal, no inherited descriptors, signals in hand, and a place
//! for the sockets that nobody else can have prepared.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::files;
use super::hub::Hub;
use crate::config::SessionDir;
use crate::error::{Context, Error, Result};
use crate::mux::close_inherited;

/// Leaves the terminal and session of whoever started us. Fine where that was done already.
pub fn detach() {
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    close_inherited();
    let _ = rustix::process::chdir("/");
}

/// Lets go of standard input and output, so that nobody waits for them.
pub fn silence() {
    let null = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null");
    if let Ok(null) = null {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// The signals a host cares for. SIGHUP does nothing to it.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals in hand; children that end are told to the hub.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(hub: &Arc<Hub>) -> io::Result<Self> {
        let mut child = signal(SignalKind::child())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let hub = hub.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = child.recv() => hub.child_ended(),
                    Some(()) = hangup.recv() => tracing::info!("SIGHUP ignored"),
                    else => return,
                }
            }
        });
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves when this process is asked to end, with the signal's name.
    pub async fn asked_to_end(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The two sockets' paths, in a directory that is ours alone.
///
/// # Errors
/// The directory cannot be made, or somebody else made it.
pub fn sockets(dir: &SessionDir) -> Result<(PathBuf, PathBuf)> {
    let uid = rustix::process::getuid().as_raw();
    let place = dir.socket_dir(uid);
    if place != dir.path() {
        // In /tmp, where anybody may have made a directory of that name first.
        for level in [place.parent(), Some(place.as_path())]
            .into_iter()
            .flatten()
        {
            files::make_private_dir(level)
                .context(format!("{} cannot be made", level.display()))?;
            own(level, uid)?;
        }
    }
    Ok((place.join("host.sock"), place.join("agent.sock")))
}

fn own(dir: &Path, uid: u32) -> Result<()> {
    let meta = fs::symlink_metadata(dir).context(format!("{} cannot be read", dir.display()))?;
    if meta.is_dir() && meta.uid() == uid && meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::user(format!(
        "{} is not a directory of yours alone",
        dir.display()
    ))
    .hint(format!("remove it: `rm -r {}`", dir.display())))
}

/// What ends user processes at logout on this machine, if anything does: the host cannot help it, but say so.
pub fn logout_danger() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut text = read("/etc/systemd/logind.conf");
    for dir in [
        "/usr/lib/systemd/logind.conf.d",
        "/etc/systemd/logind.conf.d",
    ] {
        let Ok(entries) = fs::read_dir(dir) else {
            continue;
        };
        for entry in entries.flatten() {
            text.push('\n');
            text.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
    let user = std::env::var("USER").unwrap_or_default();
    let lingers = Path::new("/var/lib/systemd/linger").join(&user).exists();
    (kills_user_processes(&text) && (user.is_empty() || !lingers)).then(|| {
        format!(
            "this machine ends users' processes at logout (KillUserProcesses=yes): `loginctl enable-linger {user}` \
             lets the session survive it"
        )
    })
}

/// The last setting counts.
fn kills_user_processes(conf: &str) -> bool {
    conf.lines()
        .filter_map(|l| l.trim().strip_prefix("KillUserProcesses="))
        .next_back()
        .is_some_and(|v| matches!(v.trim(), "yes" | "true" | "1" | "on"))
}

#[cfg(test)]
mod tests;
