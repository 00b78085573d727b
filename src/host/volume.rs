//! The work volume of a rented machine, as the host sees it: how full it is, and whether it is still there. One that
//! was pulled out, or that the kernel has made read-only after an error, ends the session in order: nothing of what
//! agents would do from then on is kept. A volume that only does not answer is waited for, and told of.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::hub::Hub;
use crate::model::VolumeUse;

const PAUSE: Duration = Duration::from_secs(10);
/// Before what a look has found is believed.
const AGAIN: Duration = Duration::from_secs(1);
/// A look that takes longer is told of.
const SILENT: Duration = Duration::from_secs(30);
/// An end waits no longer for what the file system holds back.
const SYNC: Duration = Duration::from_secs(10);

/// Looks at the volume now and then; says why, once it is gone. Where the machine is not a rented one, never.
pub fn watch(hub: &Arc<Hub>) -> mpsc::Receiver<String> {
    let (tell, lost) = mpsc::channel(1);
    if hub.rented.is_some() {
        let hub = hub.clone();
        tokio::spawn(async move {
            read_ahead().await;
            let why = until_it_is_gone(&hub).await;
            let _ = tell.send(why).await;
        });
    }
    lost
}

/// Our own binary is on the volume: what is not in memory when that goes cannot be run any more.
async fn read_ahead() {
    let read = || {
        let mut binary = File::open("/proc/self/exe")?;
        io::copy(&mut binary, &mut io::sink())
    };
    let _ = tokio::task::spawn_blocking(read).await;
}

async fn until_it_is_gone(hub: &Hub) -> String {
    let mut before = None;
    loop {
        let error = match patiently(hub, look_later(hub.dir.path().to_owned())).await {
            Ok(used) => {
                before = None;
                hub.set_volume(used);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(e) => e,
        };
        match gone(&error) {
            Some(why) if before == Some(why) => {
                return format!(
                    "its work volume is gone ({why}): what was written last is not on it"
                );
            }
            now => before = now,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A thread of its own: one that hangs on a device holds up nobody else.
fn look_later(dir: PathBuf) -> JoinHandle<io::Result<VolumeUse>> {
    tokio::task::spawn_blocking(move || look(&dir))
}

/// Waits for a look however long it takes, and says if that is long.
async fn patiently(
    hub: &Hub,
    mut look: JoinHandle<io::Result<VolumeUse>>,
) -> io::Result<VolumeUse> {
    let seen = match tokio::time::timeout(SILENT, &mut look).await {
        Ok(seen) => seen,
        Err(_) => {
            hub.warn(format!(
                "the work volume does not answer: nothing was heard of it for {} s",
                SILENT.as_secs()
            ));
            look.await
        }
    };
    seen.map_err(io::Error::other)?
}

/// How full the file system of `dir` is. A file is made there and taken away: kernels that say of a file system
/// which they have given up that it is as it was (6.1) do not take a new name into it.
fn look(dir: &Path) -> io::Result<VolumeUse> {
    let probe = dir.join("alive");
    match std::fs::remove_file(&probe) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    match File::create_new(&probe) {
        // Full is not gone.
        Err(e) if gone(&e).is_some() => return Err(e),
        _ => {}
    }
    let told = rustix::fs::statvfs(dir)?;
    let _ = std::fs::remove_file(&probe);
    let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
    Ok(VolumeUse {
        size: bytes(told.f_blocks),
        used: bytes(told.f_blocks.saturating_sub(told.f_bfree)),
    })
}

/// Whether an error means that nothing is written any more, in words.
fn gone(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_io_error(error)? {
        Errno::ROFS => "it became read-only after an error",
        Errno::IO => "input/output error",
        Errno::NODEV | Errno::NXIO => "its device is no longer there",
        #[cfg(target_os = "linux")]
        Errno::UCLEAN => "its file system is damaged",
        Errno::NOENT | Errno::STALE => "it is no longer mounted",
        _ => return None,
    })
}

/// Writes all that the file system holds back, as far as that can be waited for, and says if it is not all.
pub async fn settle(hub: &Hub) {
    if hub.rented.is_none() {
        return;
    }
    let dir = hub.dir.path().to_owned();
    let sync = tokio::task::spawn_blocking(move || whole(&File::open(dir)?));
    let why = match tokio::time::timeout(SYNC, sync).await {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(e))) => e.to_string(),
        Ok(Err(e)) => e.to_string(),
        Err(_) => format!("it takes longer than {} s", SYNC.as_secs()),
    };
    hub.warn(format!("not all is written to the work volume: {why}"));
}

#[cfg(target_os = "linux")]
fn whole(dir: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(dir)?)
}

/// No rented machine is one of these.
#[cfg(not(target_os = "linux"))]
fn whole(dir: &File) -> io::Result<()> {
    dir.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_tells_how_full_it_is_and_what_is_no_end_of_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let none = look(&dir.path().join("none")).expect_err("not there");
        assert_eq!(gone(&none), Some("it is no longer mounted"));
        // A look that was cut off has left its file.
        std::fs::write(dir.path().join("alive"), "").expect("written");
        let used = look(dir.path()).expect("a look");
        let left = std::fs::read_dir(dir.path()).expect("the directory");
        assert_eq!(left.count(), 0);
        assert!(used.size > 0 && used.used <= used.size, "{used:?}");
        for error in [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::ACCESS] {
            assert_eq!(gone(&error.into()), None, "{error}");
        }
        assert!(gone(&Errno::ROFS.into()).is_some());
        assert_eq!(gone(&io::Error::other("a thread's end")), None);
    }
}
