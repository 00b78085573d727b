//! From a started process to a daemon: no terminal, no inherited descriptors, signals in hand, and a place
//! for the sockets that nobody else can have prepared.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::hub::Hub;
use super::{environment, files};
use crate::config::SessionDir;
use crate::error::{Context, Error, Result};
use crate::model::HostEndpoint;
use crate::mux::close_inherited;

/// Leaves the terminal and session of whoever started us. Fine where that was done already. The umask stays
/// theirs: agents inherit it, and what is ours lies in a directory that nobody else can enter.
pub fn detach() {
    let _ = rustix::process::setsid();
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

/// Puts the link to this binary where agents' hooks look for it; without it they say nothing.
pub fn link_binary(agent_socket: &Path) -> PathBuf {
    let link = environment::binary(agent_socket);
    let made = std::env::current_exe().and_then(|binary| {
        // Over the earlier binary's at once: a hook may run at any time.
        let fresh = link.with_extension("new");
        let _ = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(binary, &fresh)?;
        std::fs::rename(&fresh, &link)
    });
    if let Err(e) = made {
        tracing::warn!("{}: {e}: agents' hooks cannot speak", link.display());
    }
    link
}

/// The two sockets' paths, in a directory that is ours alone; endpoint.json tells clients which.
///
/// # Errors
/// No such directory can be made.
pub fn sockets(dir: &SessionDir) -> Result<(PathBuf, PathBuf)> {
    let uid = rustix::process::getuid().as_raw();
    let usual = dir.socket_dir(uid);
    let place = if usual == dir.path() {
        usual
    } else {
        // An earlier host of this directory may have agents that know where it listened.
        let earlier = files::read_json::<HostEndpoint>(&dir.endpoint()).ok();
        let earlier = earlier.and_then(|e| Some(e.agent_socket.parent()?.to_owned()));
        away(&usual, earlier.as_deref(), uid)?
    };
    Ok((place.join("host.sock"), place.join("agent.sock")))
}

/// A directory in /tmp, where anybody may have made one of the usual name first: then one of a random name.
fn away(usual: &Path, earlier: Option<&Path>, uid: u32) -> Result<PathBuf> {
    if let Some(earlier) = earlier
        && own(earlier, uid).is_ok()
    {
        return Ok(earlier.to_owned());
    }
    let above = usual.parent().unwrap_or(usual);
    let ours = |level: &Path| files::make_private_dir(level).is_ok() && own(level, uid).is_ok();
    if ours(above) && ours(usual) {
        return Ok(usual.to_owned());
    }
    let mut name = above.as_os_str().to_owned();
    let random = getrandom::u64().map_err(|e| Error::internal("no random bytes").because(e))?;
    name.push(format!("-{random:016x}"));
    let place = PathBuf::from(name);
    tracing::info!(
        "{} is somebody else's: the sockets are in {}",
        above.display(),
        place.display()
    );
    // Fails where it is there already.
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&place)
        .context(format!("{} cannot be made", place.display()))?;
    Ok(place)
}

fn own(dir: &Path, uid: u32) -> Result<()> {
    let meta = fs::symlink_metadata(dir).context(format!("{} cannot be read", dir.display()))?;
    if meta.is_dir() && meta.uid() == uid && meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::user(format!(
        "{} is not a directory of yours alone",
        dir.display()
    )))
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
