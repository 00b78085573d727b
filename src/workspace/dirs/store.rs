//! Workspaces as directories of one machine: `NAME/{workspace.json,files/}`, their snapshots in `.snapshots/`. What is
//! being made or removed has a name with a dot until it is whole or gone; what a killed process left of that is
//! removed by the next. Blocks: call it where waiting is allowed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::making::{Making, exclusive, locked, make_dir, names, shared};
use super::tree;
use crate::config::{Account, Paths, SessionDir};
use crate::model::{Millis, SessionId, SessionStatus, now_ms};
use crate::provision::{Survives, live_endpoint, write_whole};
use crate::workspace::token;
use crate::workspace::{
    Name, NewSnapshot, NewWorkspace, Snapshot, State, Workspace, WorkspaceError,
};

pub type Result<T, E = WorkspaceError> = std::result::Result<T, E>;

const SNAPSHOTS: &str = ".snapshots";
/// A session that has just taken it may not have begun yet.
const BEGINNING: Millis = 120_000;
/// More files are not counted for a list.
const COUNTED: usize = 100_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Where sessions of this machine lie, which tell whether who has a workspace is alive.
    sessions: PathBuf,
}

/// `workspace.json`
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    name: Name,
    gib: u32,
    created: Millis,
    #[serde(default)]
    keep: u32,
    /// The session that has it, or had it last.
    #[serde(default)]
    session: Option<SessionId>,
    /// Since when that has it; absent once it was released.
    #[serde(default)]
    held: Option<Millis>,
    #[serde(default)]
    last_used: Option<Millis>,
    #[serde(default)]
    used: Option<u64>,
}

impl Store {
    pub fn new(paths: &Paths) -> Self {
        Self {
            root: paths.workspaces(),
            sessions: paths.sessions(),
        }
    }

    fn dir(&self, name: &Name) -> PathBuf {
        self.root.join(name.as_str())
    }

    /// Where a workspace's files lie.
    pub fn files(&self, name: &Name) -> PathBuf {
        self.dir(name).join("files")
    }

    /// Where a snapshot's files lie.
    ///
    /// # Errors
    /// There is no such snapshot.
    pub fn snapshot_files(&self, id: &str) -> Result<PathBuf> {
        self.snapshot_of(id)
            .map(|_| self.shelf().join(id).join("files"))
    }

    fn shelf(&self) -> PathBuf {
        self.root.join(SNAPSHOTS)
    }

    fn read(&self, name: &Name) -> Result<Record> {
        let path = self.dir(name).join("workspace.json");
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => WorkspaceError::NoWorkspace(name.to_string()),
            _ => WorkspaceError::io("read", &path)(e),
        })?;
        let damaged = |why: String| WorkspaceError::Damaged {
            what: path.display().to_string(),
            why,
        };
        let record: Record = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        match record.name == *name {
            true => Ok(record),
            false => Err(damaged(format!("it names `{}`", record.name))),
        }
    }

    fn write(dir: &Path, file: &str, value: &impl Serialize) -> Result<()> {
        let path = dir.join(file);
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|e| WorkspaceError::io("write", &path)(e.into()))?;
        write_whole(&path, &bytes, Survives::PowerCut).map_err(WorkspaceError::io("write", &path))
    }

    /// Whether the session that has it lives, or may yet.
    fn is_held(&self, record: &Record) -> bool {
        let (Some(session), Some(since)) = (&record.session, record.held) else {
            return false;
        };
        let dir = SessionDir::new(self.sessions.join(session.as_str()));
        let beginning = now_ms().saturating_sub(since) < BEGINNING && !is_over(&dir);
        live_endpoint(&dir).is_some() || beginning
    }

    fn told(&self, record: Record) -> Workspace {
        let dir = self.dir(&record.name);
        let held = self.is_held(&record);
        let used = match held {
            true => None,
            false => tree::measure(&dir.join("files"), COUNTED),
        };
        Workspace {
            id: dir.display().to_string(),
            owner: owner(&dir),
            region: String::new(),
            place: String::new(),
            gib: record.gib,
            used: used.or(record.used),
            kind: "directory".to_owned(),
            state: if held { State::Attached } else { State::Free },
            blank: false,
            session: record.session,
            instance: None,
            created: record.created,
            last_used: record.last_used,
            keep: record.keep,
            microusd_per_month: 0,
            name: record.name,
        }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// The file system's. One that is damaged is left out of no list: it is the error.
    pub fn list(&self) -> Result<Vec<Workspace>> {
        let mut all = Vec::new();
        for name in names(&self.root)? {
            if let Ok(name) = name.parse::<Name>() {
                match self.read(&name) {
                    Ok(record) => all.push(self.told(record)),
                    // It was removed just now.
                    Err(WorkspaceError::NoWorkspace(_)) => {}
                    Err(e) => return Err(e),
                }
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Makes one, blank or of a snapshot.
    ///
    /// # Errors
    /// There is one; what only volumes have was asked for; or the file system's.
    pub fn create(&self, new: &NewWorkspace) -> Result<Workspace> {
        let only_volumes = [
            ("--type", new.kind.is_some()),
            ("--iops", new.iops.is_some()),
            ("--throughput", new.throughput.is_some()),
            ("--az", new.zone.is_some()),
        ];
        if let Some((word, _)) = only_volumes.iter().find(|(_, given)| *given) {
            return Err(WorkspaceError::Refused(format!(
                "`{word}` is for volumes of EC2, and this workspace is a directory: leave it out"
            )));
        }
        if self.dir(&new.name).exists() {
            return Err(WorkspaceError::Exists(new.name.clone()));
        }
        let making = self.making(&self.root)?;
        let files = making.path.join("files");
        make_dir(&files)?;
        if let Some(from) = &new.from {
            let snapshot = self.snapshot_of(from)?;
            if new.gib < snapshot.gib {
                return Err(WorkspaceError::Refused(format!(
                    "{from} has {} GB, and {} GB cannot hold them",
                    snapshot.gib, new.gib
                )));
            }
            tree::copy(&self.snapshot_files(from)?, &files)?;
        }
        let record = Record {
            name: new.name.clone(),
            gib: new.gib,
            created: now_ms(),
            keep: new.keep,
            session: None,
            held: None,
            last_used: None,
            used: None,
        };
        Self::write(&making.path, "workspace.json", &record)?;
        let _alone = self.lock()?;
        let dir = self.dir(&new.name);
        if dir.exists() {
            return Err(WorkspaceError::Exists(new.name.clone()));
        }
        making.becomes(&dir)?;
        Ok(self.told(record))
    }

    /// Writes down another size; nothing enforces it.
    ///
    /// # Errors
    /// There is none; it would be smaller; or the file system's.
    pub fn resize(&self, name: &Name, gib: u32) -> Result<Workspace> {
        let _alone = self.lock()?;
        let mut record = self.read(name)?;
        if gib < record.gib {
            return Err(WorkspaceError::Smaller {
                name: name.clone(),
                gib: record.gib,
                wished: gib,
            });
        }
        record.gib = gib;
        Self::write(&self.dir(name), "workspace.json", &record)?;
        Ok(self.told(record))
    }

    /// Deletes one; its snapshots stay.
    ///
    /// # Errors
    /// There is none; a live session has it; a snapshot of it is being made; or the file system's, with what is left.
    pub fn delete(&self, name: &Name, id: &str) -> Result<()> {
        let gone = {
            let _alone = self.lock()?;
            let record = self.read(name)?;
            let dir = self.dir(name);
            if dir != Path::new(id) {
                return Err(WorkspaceError::NoWorkspace(format!("{name} ({id})")));
            }
            if self.is_held(&record) {
                return Err(in_use(record));
            }
            let _idle = exclusive(&dir.join("lock"), name)?;
            let gone = self.root.join(format!(".gone-{}", token()?));
            fs::rename(&dir, &gone).map_err(WorkspaceError::io("remove", &dir))?;
            gone
        };
        tree::remove(&gone).map_err(|e| {
            WorkspaceError::Refused(format!(
                "{name} is deleted, and some of its files are left: {e}"
            ))
        })
    }

    /// Copies it as it is now.
    ///
    /// # Errors
    /// There is none; or the file system's.
    pub fn snapshot(&self, name: &Name, new: &NewSnapshot) -> Result<Snapshot> {
        let mut record = self.read(name)?;
        let dir = self.dir(name);
        // Nobody removes it meanwhile.
        let _kept = shared(&dir.join("lock"))?;
        let shelf = self.shelf();
        let making = self.making(&shelf)?;
        let id = format!("snap-{}", token()?.get(..17).unwrap_or_default());
        let snapshot = Snapshot {
            id: id.clone(),
            workspace: name.clone(),
            owner: owner(&dir),
            region: String::new(),
            gib: record.gib,
            // What is written while it is copied is newer.
            created: now_ms(),
            complete: true,
            percent: 100,
            automatic: new.automatic,
            note: new.note.clone(),
            microusd_per_month: 0,
        };
        let files = making.path.join("files");
        make_dir(&files)?;
        tree::copy(&dir.join("files"), &files)?;
        Self::write(&making.path, "snapshot.json", &snapshot)?;
        let measured = tree::measure(&files, usize::MAX);
        let _alone = self.lock()?;
        making.becomes(&shelf.join(&id))?;
        // It may have been taken or resized meanwhile.
        if let (Ok(now), Some(used)) = (self.read(name), measured) {
            record = now;
            record.used = Some(used);
            Self::write(&dir, "workspace.json", &record)?;
        }
        Ok(snapshot)
    }

    fn snapshot_of(&self, id: &str) -> Result<Snapshot> {
        let none = || WorkspaceError::NoSnapshot(id.to_owned());
        // An id is a file's name here.
        if !id.starts_with("snap-") || id.contains('/') {
            return Err(none());
        }
        let path = self.shelf().join(id).join("snapshot.json");
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => none(),
            _ => WorkspaceError::io("read", &path)(e),
        })?;
        serde_json::from_slice(&bytes).map_err(|e| WorkspaceError::Damaged {
            what: path.display().to_string(),
            why: e.to_string(),
        })
    }

    /// All snapshots, the newest first.
    ///
    /// # Errors
    /// The file system's.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let mut all = Vec::new();
        for id in names(&self.shelf())? {
            match self.snapshot_of(&id) {
                Ok(snapshot) => all.push(snapshot),
                Err(WorkspaceError::NoSnapshot(_)) => {}
                Err(e) => return Err(e),
            }
        }
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(all)
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// There is none of this workspace; or the file system's.
    pub fn delete_snapshot(&self, id: &str, workspace: &Name) -> Result<()> {
        if self.snapshot_of(id)?.workspace != *workspace {
            return Err(WorkspaceError::NoSnapshot(id.to_owned()));
        }
        let dir = self.shelf().join(id);
        let gone = self.shelf().join(format!(".gone-{}", token()?));
        fs::rename(&dir, &gone).map_err(WorkspaceError::io("remove", &dir))?;
        tree::remove(&gone)
    }

    /// Gives it to a session; returns where its files lie.
    ///
    /// # Errors
    /// There is none; another live session has it; or the file system's.
    pub fn hold(&self, name: &Name, session: &SessionId) -> Result<PathBuf> {
        let _alone = self.lock()?;
        let mut record = self.read(name)?;
        if record.session.as_ref() != Some(session) && self.is_held(&record) {
            return Err(in_use(record));
        }
        let now = now_ms();
        record.session = Some(session.clone());
        record.held = Some(now);
        record.last_used = Some(now);
        Self::write(&self.dir(name), "workspace.json", &record)?;
        Ok(self.files(name))
    }

    /// The session is done with it; that of another session is no error, and changes nothing.
    ///
    /// # Errors
    /// There is none; or the file system's.
    pub fn release(&self, name: &Name, session: &SessionId) -> Result<Workspace> {
        let _alone = self.lock()?;
        let mut record = self.read(name)?;
        if record.session.as_ref() == Some(session) && record.held.is_some() {
            record.held = None;
            record.last_used = Some(now_ms());
            record.used = tree::measure(&self.files(name), COUNTED).or(record.used);
            Self::write(&self.dir(name), "workspace.json", &record)?;
        }
        Ok(self.told(record))
    }

    /// Held while names are given and taken.
    fn lock(&self) -> Result<File> {
        locked(&self.root)
    }

    /// A place to make something in, which nobody sees until it is whole.
    fn making(&self, parent: &Path) -> Result<Making> {
        let _alone = self.lock()?;
        Making::begin(parent)
    }
}

/// Whether its host has written down that it ended.
fn is_over(dir: &SessionDir) -> bool {
    let last = fs::read(dir.last()).ok();
    let last = last.and_then(|b| serde_json::from_slice::<SessionStatus>(&b).ok());
    last.is_some_and(|l| l.ended.is_some())
}

fn in_use(record: Record) -> WorkspaceError {
    WorkspaceError::InUse {
        name: record.name,
        session: record.session,
        instance: String::new(),
    }
}

fn owner(dir: &Path) -> String {
    let uid = fs::metadata(dir).map_or_else(|_| rustix::process::getuid().as_raw(), |m| m.uid());
    Account::of(uid).map_or_else(|| uid.to_string(), |a| a.name)
}
