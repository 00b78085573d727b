//! Which sessions there are: directories on this machine, and the ledger's entries for others. Nothing is
//! asked over a network here.

use std::path::PathBuf;

use crate::config::{Paths, SessionDir};
use crate::error::{Context, Error, Result};
use crate::model::{Millis, SessionId, SessionSpec, SessionStatus};
use crate::provision::{Rented, Survives, live_endpoint, write_whole};

use super::ledger::{Entry, Ledger, SshPlace};

/// More names than this are not listed in an error.
const LISTED: usize = 8;

/// A session that this machine knows of.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: SessionId,
    pub name: Option<String>,
    pub provider: String,
    /// Its directory, where it is on this machine.
    pub dir: Option<SessionDir>,
    /// Where it is, where that is another machine.
    pub ssh: Option<SshPlace>,
    /// The rented machine, as its provider last told of it.
    pub rented: Option<Rented>,
    /// What its host said last.
    pub last: Option<SessionStatus>,
    /// When that was.
    pub last_seen: Millis,
    pub created: Millis,
    /// Its host runs; for another machine: its end was not seen.
    pub live: bool,
}

/// The sessions this machine knows of.
#[derive(Debug, Clone)]
pub struct Registry {
    sessions: PathBuf,
    ledger: Ledger,
}

impl Registry {
    /// # Errors
    /// None today: directories are made when something is written.
    pub fn open(paths: &Paths) -> Result<Self> {
        Ok(Self {
            sessions: paths.sessions(),
            ledger: Ledger::new(paths),
        })
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The live sessions, or with `ended` all, oldest first.
    ///
    /// # Errors
    /// The sessions' directory is there and cannot be read.
    pub fn all(&self, ended: bool) -> Result<Vec<Known>> {
        // A session on a machine that shares this home is in both: the entry says how to get there.
        let mut all: Vec<Known> = self.ledger.all().into_iter().map(Known::from).collect();
        for local in self.local()? {
            if !all.iter().any(|k| k.id == local.id) {
                all.push(local);
            }
        }
        all.retain(|k| ended || k.live);
        all.sort_by(|a, b| a.created.cmp(&b.created).then(a.id.cmp(&b.id)));
        Ok(all)
    }

    fn local(&self) -> Result<Vec<Known>> {
        let entries = match std::fs::read_dir(&self.sessions) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                return Err(
                    Error::user(format!("cannot read {}", self.sessions.display())).because(e),
                );
            }
        };
        Ok(entries
            .flatten()
            .filter_map(|e| {
                let id: SessionId = e.file_name().to_str()?.parse().ok()?;
                from_dir(id, SessionDir::new(e.path()))
            })
            .collect())
    }

    /// One session by its identity. Nothing of the others is read.
    pub fn get(&self, id: &SessionId) -> Option<Known> {
        let here = || from_dir(id.clone(), SessionDir::new(self.sessions.join(id.as_str())));
        self.ledger.get(id).map(Known::from).or_else(here)
    }

    /// As [`Registry::get`], of one that was there a moment ago.
    ///
    /// # Errors
    /// It was removed meanwhile.
    pub fn known(&self, id: &SessionId) -> Result<Known> {
        self.get(id).ok_or_else(|| {
            Error::user(format!("{id} is not there any more"))
                .hint("run `remote status --all` to see what is")
        })
    }

    /// The session that `typed` names: its name, its `--name`, or any unique beginning of one of them, live
    /// sessions first.
    ///
    /// # Errors
    /// Nothing or more than one answers to it; the error lists what there is.
    pub fn resolve(&self, typed: &str) -> Result<Known> {
        let mut all = self.all(true)?;
        let index = pick(typed, &all)?;
        Ok(all.swap_remove(index))
    }

    /// [`Registry::resolve`] for each of many, all read once.
    ///
    /// # Errors
    /// As for one.
    pub fn resolve_all<'a>(&self, typed: impl Iterator<Item = &'a str>) -> Result<Vec<Known>> {
        let all = self.all(true)?;
        typed
            .map(|typed| {
                let index = pick(typed, &all)?;
                all.get(index).cloned().ok_or_else(none_at_all)
            })
            .collect()
    }

    /// The session that was made last: a live one, else an ended one.
    ///
    /// # Errors
    /// There is none.
    pub fn latest(&self) -> Result<Known> {
        let all = self.all(true)?;
        let live = all.iter().rposition(|k| k.live);
        live.or(all.len().checked_sub(1))
            .and_then(|index| all.into_iter().nth(index))
            .ok_or_else(none_at_all)
    }

    /// [`Registry::resolve`] or, with nothing typed, [`Registry::latest`].
    ///
    /// # Errors
    /// Those of both.
    pub fn named(&self, typed: Option<&str>) -> Result<Known> {
        match typed {
            Some(typed) => self.resolve(typed),
            None => self.latest(),
        }
    }

    /// Writes a session's new name into what this machine has of it, so that it is found by it at once: a
    /// host writes its own files a little later, a dead one never.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn renamed(&self, known: &Known, name: &str) -> Result<()> {
        let name = (!name.is_empty()).then(|| name.to_owned());
        if let (Some(dir), Some(mut spec)) = (&known.dir, known.spec()) {
            spec.name.clone_from(&name);
            let text = serde_json::to_vec_pretty(&spec)
                .map_err(|e| Error::internal("a session cannot be written as JSON").because(e))?;
            write_whole(&dir.spec(), &text, Survives::PowerCut)
                .context(format!("cannot write {}", dir.spec().display()))?;
        }
        if let Some(mut entry) = self.ledger.get(&known.id) {
            entry.name.clone_from(&name);
            self.ledger.put(&entry)?;
        }
        Ok(())
    }

    /// Whether the name is taken already.
    ///
    /// # Errors
    /// As for [`Registry::all`].
    pub fn contains(&self, id: &SessionId) -> Result<bool> {
        Ok(self.all(true)?.iter().any(|k| k.id == *id))
    }
}

impl Known {
    /// `session-abc123 (auth)`.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.to_string(),
        }
    }

    /// As it was asked for, as far as that can be read here.
    pub fn spec(&self) -> Option<SessionSpec> {
        let last = || self.last.as_ref().map(|l| l.spec.clone());
        let read = |dir: &SessionDir| serde_json::from_slice(&std::fs::read(dir.spec()).ok()?).ok();
        self.dir.as_ref().and_then(read).or_else(last)
    }

    /// The agents it has, as far as is known without asking its host.
    pub fn agents(&self) -> Vec<u32> {
        let told = self.last.as_ref();
        let told = told.into_iter().flat_map(|l| l.agents.iter());
        let mut numbers: Vec<u32> = told.map(|a| a.number).collect();
        if numbers.is_empty() {
            let spec = self.spec();
            numbers.extend(spec.iter().flat_map(|s| s.agents.iter().map(|a| a.number)));
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Fails where its host is not running.
    ///
    /// # Errors
    /// Names what can still be done with it.
    pub fn must_live(&self) -> Result<&Self> {
        if self.live {
            return Ok(self);
        }
        let id = &self.id;
        let why = match self.last.as_ref().and_then(|l| l.ended.as_ref()) {
            Some(ended) => format!("{} has ended: {}", self.label(), ended.why),
            None => format!("the host of {} has died", self.label()),
        };
        Err(Error::connection(why).hint(format!(
            "run `remote logs {id}` for its output, `remote restart {id}` to start its agents again, or \
             `remote prune` to remove what is over"
        )))
    }
}

fn none_at_all() -> Error {
    Error::user("there is no session")
        .hint("start one: `remote dispatch \"fix the flaky test\"`, or `remote dispatch --command 'make test'`")
}

fn from_dir(id: SessionId, dir: SessionDir) -> Option<Known> {
    let spec: SessionSpec = serde_json::from_slice(&std::fs::read(dir.spec()).ok()?).ok()?;
    let last: Option<SessionStatus> = std::fs::read(dir.last())
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Some(Known {
        id,
        name: spec.name,
        provider: spec.provider,
        created: spec.created,
        last_seen: last.as_ref().map_or(spec.created, |l| l.now),
        // A host that has written its end down only waits for its last streams.
        live: live_endpoint(&dir).is_some() && last.as_ref().is_none_or(|l| l.ended.is_none()),
        last,
        dir: Some(dir),
        ssh: None,
        rented: None,
    })
}

impl From<Entry> for Known {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            name: entry.name,
            provider: entry.provider,
            dir: None,
            ssh: Some(entry.ssh),
            rented: entry.rented,
            created: entry
                .last
                .as_ref()
                .map_or(entry.last_seen, |l| l.spec.created),
            live: !entry.lost && entry.last.as_ref().is_none_or(|l| l.ended.is_none()),
            last: entry.last,
            last_seen: entry.last_seen,
        }
    }
}

/// Which one `typed` means. Each rule is tried in turn, first among the live ones, and the first that finds
/// anything decides.
fn pick(typed: &str, all: &[Known]) -> Result<usize> {
    if all.is_empty() {
        return Err(none_at_all());
    }
    let tail = typed.strip_prefix("session-").unwrap_or(typed);
    let rules: [&dyn Fn(&Known) -> bool; 4] = [
        &|k| k.id.short() == tail || k.name.as_deref() == Some(typed),
        &|k| k.id.short().starts_with(tail),
        &|k| k.name.as_deref().is_some_and(|n| n.starts_with(typed)),
        &|k| k.id.as_str().starts_with(typed),
    ];
    for rule in rules {
        for live in [true, false] {
            let found: Vec<usize> = (0..all.len())
                .filter(|i| all.get(*i).is_some_and(|k| k.live == live && rule(k)))
                .collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(*one),
                // Ended sessions of one name: the last one is meant.
                many if same_name(many, typed, all) => {
                    let last = many.iter().max_by_key(|i| all.get(**i).map(|k| k.created));
                    return Ok(last.copied().unwrap_or_default());
                }
                many => {
                    let names = many.iter().filter_map(|i| all.get(*i));
                    return Err(
                        Error::user(format!("`{typed}` is the beginning of several"))
                            .hint(format!("type more of it: {}", list(names))),
                    );
                }
            }
        }
    }
    let (live, ended): (Vec<&Known>, Vec<&Known>) = all.iter().partition(|k| k.live);
    let there = if live.is_empty() { ended } else { live };
    Err(Error::user(format!("there is no session `{typed}`"))
        .hint(format!("there is: {}", list(there.into_iter().rev())))
        .hint("run `remote status --all` to see all"))
}

fn same_name(found: &[usize], typed: &str, all: &[Known]) -> bool {
    found
        .iter()
        .filter_map(|i| all.get(*i))
        .all(|k| !k.live && k.name.as_deref() == Some(typed))
}

fn list<'a>(known: impl Iterator<Item = &'a Known>) -> String {
    let mut names: Vec<String> = known.map(Known::label).collect();
    if names.len() > LISTED {
        let more = names.len() - LISTED;
        names.truncate(LISTED);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests;
