//! Results of a session whose machine is gone: its volume is read through a snapshot, only the blocks that hold its
//! repository and its working trees, and what is copied here answers in the same words as the machine did.

use std::ops::ControlFlow;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::handover::place_of;
use super::place::Provider;
use super::registry::Known;
use super::repo::Way;
use super::repo::bring::Tell;
use crate::config::{Paths, WORK};
use crate::error::{Context, Error, Result};
use crate::model::SessionId;
use crate::provision::ec2::{Ec2, Hold};
use crate::provision::{MachineState, ProvisionError};
use crate::repo::moved;
use crate::ssh::Ask;
use crate::workspace::direct::{forget, open};
use crate::workspace::export::{export, walk};
use crate::workspace::{FileKind, Files, WorkspaceError};

/// How long an ending machine may hold on to its volume.
const ENDING: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);
/// No pull takes longer.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A copy of what a session has left; gone with its value.
pub struct Copied {
    top: TempDir,
    /// What could not be read.
    pub warnings: Vec<String>,
}

impl Copied {
    /// The way to what it holds.
    pub fn way(&self) -> Way {
        Way::Copy(Arc::from(self.top.path()))
    }
}

/// Copies a session's repository and working trees from its volume; `None` where it had none. `cut` ends it early; the
/// snapshot is deleted in any case.
///
/// # Errors
/// Its volume is gone, or cannot be read; what is damaged is named.
pub async fn copy(
    paths: &Paths,
    known: &Known,
    ask: Arc<dyn Ask>,
    cut: Arc<AtomicBool>,
    tell: &dyn Tell,
) -> Result<Option<Copied>> {
    let (provider, _) = place_of(paths, known)?.open(paths, ask, &|_| {}).await?;
    let Provider::Ec2(ec2) = &provider else {
        return Err(Error::internal("only a rented machine leaves a volume"));
    };
    let volume = volume_of(ec2, known).await?;
    freed(ec2, known, &volume, &cut, tell).await?;
    tell.step("snapshot");
    let is_cut = || cut.load(Ordering::Relaxed);
    let snapshot = ec2.photograph(&known.id, &volume, is_cut).await?;
    let read = async {
        let waits = |text: &str| tell.waits(text.trim_start_matches("snapshot "));
        ec2.developed(&snapshot, is_cut, &waits).await?;
        tell.step(&format!("read {volume}"));
        let cache = paths.cache.join("blocks");
        let files = open(ec2, &snapshot, &cache, &|text| tell.waits(text)).await?;
        let mut copied = Copied {
            top: room(&paths.cache.join("volumes"), &known.id)?,
            warnings: Vec::new(),
        };
        let top = copied.top.path().to_owned();
        let (id, cut) = (known.id.clone(), cut.clone());
        let (say, mut heard) = tokio::sync::mpsc::unbounded_channel::<String>();
        let task = tokio::task::spawn_blocking(move || bring(files, &id, &top, &cut, &say));
        while let Some(text) = heard.recv().await {
            tell.waits(&text);
        }
        let brought = task
            .await
            .map_err(|e| Error::internal("reading the volume was given up").because(e))?;
        forget(&cache, &snapshot)?;
        let brought = brought?;
        Ok::<_, Error>(brought.map(|warnings| {
            copied.warnings = warnings;
            copied
        }))
    };
    let read = read.await;
    let deleted = ec2.delete_snapshot(&snapshot).await;
    let read = read?;
    deleted.map_err(ProvisionError::from)?;
    let Some(mut copied) = read else {
        return Ok(None);
    };
    let moved = moved(copied.top.path(), Path::new(WORK), &known.id).await?;
    Ok(moved.map(|moved| {
        copied.warnings.extend(moved.warnings);
        copied
    }))
}

/// A directory of this copy's own: two may be made at once. Those of processes that were killed long ago go.
fn room(volumes: &Path, session: &SessionId) -> Result<TempDir> {
    std::fs::create_dir_all(volumes).context(format!("cannot make {}", volumes.display()))?;
    for old in std::fs::read_dir(volumes).into_iter().flatten().flatten() {
        let made = old.metadata().and_then(|m| m.modified());
        if matches!(made.map(|t| t.elapsed()), Ok(Ok(age)) if age > FORGOTTEN) {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    let mut room = tempfile::Builder::new();
    let room = room.prefix(&format!("{session}-")).tempdir_in(volumes);
    room.context(format!("cannot make a directory in {}", volumes.display()))
}

/// The volume that a session's machine has left.
async fn volume_of(ec2: &Ec2, known: &Known) -> Result<String> {
    use crate::provision::Compute;
    let told = match ec2.describe(&known.id).await {
        Ok(machine) => match machine.state {
            MachineState::Gone => machine.rented.and_then(|r| r.volume),
            state => return Err(is_there(known, state)),
        },
        // Of a session on a workspace nothing of its own is left.
        Err(ProvisionError::NoSession(_)) => None,
        Err(e) => return Err(e.into()),
    };
    let seen = || known.rented.as_ref().and_then(|r| r.volume.clone());
    told.or_else(seen).ok_or_else(|| is_lost(known))
}

fn is_there(known: &Known, state: MachineState) -> Error {
    let does = match state {
        MachineState::Pending => "is starting",
        MachineState::Running => "runs",
        MachineState::Stopped => "is stopped, and can be started again",
        MachineState::Gone => "is gone",
    };
    let (label, id) = (known.label(), &known.id);
    Error::user(format!(
        "{label} has a machine, which {does}: nothing is read from its volume behind its back"
    ))
    .hint(format!(
        "run `remote attach {id}` to go on there, or `remote status {id}` to see how it is, then try again"
    ))
}

fn is_lost(known: &Known) -> Error {
    Error::user(format!(
        "{} has ended, and its work volume is gone",
        known.label()
    ))
    .hint("what was pulled before is on its branches: `git branch --list 'remote/*'`")
}

/// Until no machine has the volume: one that still shuts down may write to it.
async fn freed(
    ec2: &Ec2,
    known: &Known,
    volume: &str,
    cut: &AtomicBool,
    tell: &dyn Tell,
) -> Result<()> {
    let until = Instant::now() + ENDING;
    let mut told = false;
    loop {
        let instance = match ec2.hold(volume).await {
            Ok(Hold::Free) => return Ok(()),
            Ok(Hold::Ending(instance)) => instance,
            Ok(Hold::Alive(instance)) => {
                return Err(Error::user(format!(
                    "{volume}, where {} worked, is in use by another machine, {instance}",
                    known.label()
                ))
                .hint("run `remote status` and `remote workspace list` to see whose it is")
                .hint("try again once that session has ended: it has what is on the volume"));
            }
            Err(ProvisionError::NoVolume(..)) => return Err(is_lost(known)),
            Err(e) => return Err(e.into()),
        };
        if cut.load(Ordering::Relaxed) {
            return Err(Error::user("interrupted"));
        }
        if Instant::now() >= until {
            return Err(Error::user(format!(
                "{instance}, the machine of {}, has not let go of {volume} within {} s",
                known.label(),
                ENDING.as_secs()
            ))
            .hint("try again in a few minutes"));
        }
        if !told {
            tell.step("its machine ends");
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Blocking: the store that has the session, and its working trees. `None` where no store has it; else what could not
/// be read.
fn bring(
    mut files: Box<dyn Files>,
    session: &SessionId,
    top: &Path,
    cut: &AtomicBool,
    say: &tokio::sync::mpsc::UnboundedSender<String>,
) -> Result<Option<Vec<String>>> {
    let Some(store) = store_of(files.as_mut(), session)? else {
        return Ok(None);
    };
    let mut warnings = Vec::new();
    let trees = Path::new("/tree").join(session.as_str());
    for (from, is_store) in [(store, true), (trees, false)] {
        let tree = match walk(files.as_mut(), &from, &mut |_| {}) {
            Err(WorkspaceError::NoFile(_)) if !is_store => continue,
            tree => tree?,
        };
        let to = top.join(from.strip_prefix("/").unwrap_or(&from));
        if let Some(above) = to.parent() {
            std::fs::create_dir_all(above).context(format!("cannot make {}", above.display()))?;
        }
        let done = export(
            files.as_mut(),
            &tree,
            &to,
            session.as_str(),
            &mut |progress| {
                let mb = |bytes: u64| bytes as f64 / 1e6;
                let line = format!("{:.1} of {:.1} MB", mb(progress.bytes), mb(progress.of));
                let _ = say.send(line);
                match cut.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            },
        )?;
        if rustix::process::geteuid().is_root() {
            own(&to).context(format!("cannot take {}", to.display()))?;
        }
        for (path, why) in done.failed {
            if is_store {
                let what = path.display().to_string();
                return Err(WorkspaceError::Damaged { what, why }.into());
            }
            warnings.push(format!("{} could not be read: {why}", path.display()));
        }
    }
    Ok(Some(warnings))
}

/// Whoever is root gets files with the owners that they had there, and git works in nobody else's repository.
fn own(dir: &Path) -> std::io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let mine = |path: &Path| lchown(path, Some(uid.as_raw()), Some(gid.as_raw()));
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        mine(&dir)?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => dirs.push(entry.path()),
                false => mine(&entry.path())?,
            }
        }
    }
    Ok(())
}

fn store_of(files: &mut dyn Files, session: &SessionId) -> Result<Option<PathBuf>> {
    let stores = match files.list(Path::new("/repo")) {
        Err(WorkspaceError::NoFile(_)) => return Ok(None),
        stores => stores?,
    };
    for store in stores.iter().filter(|e| e.kind == FileKind::Directory) {
        let record = store.path.join("remote").join(format!("{session}.json"));
        match files.entry(&record) {
            Ok(_) => return Ok(Some(store.path.clone())),
            Err(WorkspaceError::NoFile(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(None)
}
