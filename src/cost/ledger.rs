//! What this device has seen of machines that cost: one JSON object a line, appended whenever something was
//! learnt of a session; its last line counts. A record, not a truth: a damaged line, or one that another
//! version wrote, is passed over and counted, and never stops what it is a record of.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::spend::{Rate, Span, Spend, spend};
use crate::config::Paths;
use crate::error::{Context, Result};
use crate::model::{Certainty, Millis, Money, SessionId};

/// Not rewritten below this many lines, and then only when most of them are superseded.
const COMPACT: usize = 512;

/// One session's machine, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub session: SessionId,
    /// The owner's ARN.
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub task: String,
    #[serde(default)]
    pub repository: Option<String>,
    #[serde(default)]
    pub workspace: Option<String>,
    /// `m6i.large`
    pub instance_type: String,
    pub region: String,
    #[serde(default)]
    pub zone: String,
    #[serde(default)]
    pub spot: bool,
    /// What the same machine costs on demand, an hour; for what spot saved.
    #[serde(default)]
    pub on_demand: Option<Money>,
    pub rate: Rate,
    pub launched: Millis,
    /// When its machine was seen to have ended.
    #[serde(default)]
    pub ended: Option<Millis>,
    /// It ends by itself no later than this; where nobody saw its end, this bounds what it cost.
    #[serde(default)]
    pub deadline: Option<Millis>,
    /// Earlier runs of the same session's machine: stopped, or replaced.
    #[serde(default)]
    pub runs: Vec<Span>,
    /// Its volume was kept when the machine ended, and costs on.
    #[serde(default)]
    pub kept: bool,
    /// What a month of that costs; all its volumes where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_month: Option<Money>,
    /// When its kept volume was deleted.
    #[serde(default)]
    pub gone: Option<Millis>,
    /// When this was seen.
    pub seen: Millis,
}

impl Record {
    /// Whether nothing of it can cost any more.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() && (!self.kept || self.gone.is_some())
    }

    /// Until when its machine is reckoned to have run, and whether that was seen. One that was seen running
    /// within the last minutes is taken to run still.
    pub fn until(&self, now: Millis) -> (Millis, bool) {
        const FRESH: Millis = 10 * 60_000;
        match (self.ended, self.deadline) {
            (Some(ended), _) => (ended, true),
            (None, Some(deadline)) if deadline < now => (deadline, false),
            (None, _) => (now, now.saturating_sub(self.seen) <= FRESH),
        }
    }

    /// All runs of its machine.
    pub fn launches(&self, now: Millis) -> Vec<Span> {
        let (to, _) = self.until(now);
        let mut all = self.runs.clone();
        all.push(Span {
            from: self.launched,
            to: to.max(self.launched),
        });
        all
    }

    /// How long its volumes were there, or are.
    pub fn volumes(&self, now: Millis) -> Span {
        let from = self
            .runs
            .iter()
            .map(|r| r.from)
            .fold(self.launched, Millis::min);
        let to = match (self.kept, self.gone) {
            (_, Some(gone)) => gone,
            (true, None) => now,
            (false, None) => self.until(now).0,
        };
        Span {
            from,
            to: to.max(from),
        }
    }

    /// How long all its volumes were there, and after that the one that is kept.
    fn storage(&self, now: Millis) -> (Span, Span) {
        let Span { from, to } = self.volumes(now);
        let end = self.until(now).0.clamp(from, to);
        (Span { from, to: end }, Span { from: end, to })
    }

    fn kept_rate(&self) -> Rate {
        Rate {
            volumes_month: self.kept_month.unwrap_or(self.rate.volumes_month),
            ..self.rate
        }
    }

    /// What its volumes cost within `from..to`, as known at `now`.
    pub fn stored(&self, from: Millis, to: Millis, now: Millis) -> Money {
        let (all, kept) = self.storage(now);
        let all = self.rate.volumes(all.within(from, to).ms());
        all.plus(self.kept_rate().volumes(kept.within(from, to).ms()))
    }

    /// What it has cost by `now`; at most that, where its end was not seen.
    pub fn spend(&self, now: Millis) -> Spend {
        let (all, kept) = self.storage(now);
        let mut spent = spend(&self.rate, &self.launches(now), Some(all));
        spent.volumes = spent.volumes.plus(self.kept_rate().volumes(kept.ms()));
        if !self.until(now).1 {
            spent.certainty = Certainty::AtMost;
        }
        spent
    }
}

/// The file.
#[derive(Debug, Clone)]
pub struct Ledger {
    file: PathBuf,
}

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// By launch, oldest first.
    pub records: Vec<Record>,
    /// Lines that could not be read.
    pub damaged: usize,
}

impl Ledger {
    pub fn new(paths: &Paths) -> Self {
        Self {
            file: paths.state.join("spend.jsonl"),
        }
    }

    /// Everything that can be read; nothing where there is no file yet.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn all(&self) -> Result<Recorded> {
        let text = match std::fs::read(&self.file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Recorded::default()),
            Err(e) => return Err(e).context(format!("{} cannot be read", self.file.display())),
        };
        let (latest, _, damaged) = latest(&text);
        let mut records: Vec<_> = latest.into_values().collect();
        records.sort_by(|a, b| (a.launched, &a.session).cmp(&(b.launched, &b.session)));
        Ok(Recorded { records, damaged })
    }

    /// Writes down what was seen.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn saw(&self, record: &Record) -> Result<()> {
        self.append(record)
            .context(format!("{} cannot be written", self.file.display()))
    }

    fn append(&self, record: &Record) -> std::io::Result<()> {
        if let Some(dir) = self.file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        // The lock is a file of its own: compaction replaces the ledger's.
        let lock = open(&self.file.with_extension("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let mut file = open(&self.file)?;
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if ends_torn(&mut file)? {
            // A line that was cut off (a full disk, a power cut) stays the only one that is lost.
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        self.compact(&mut file)
    }

    /// Keeps each session's last line once most are superseded. Lines of another version stay as they are.
    fn compact(&self, file: &mut File) -> std::io::Result<()> {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut text)?;
        let lines = text.iter().filter(|b| **b == b'\n').count();
        if lines < COMPACT {
            return Ok(());
        }
        let (latest, foreign, _) = latest(&text);
        if lines < 2 * (latest.len() + foreign.len()) {
            return Ok(());
        }
        let mut whole = Vec::new();
        for line in foreign {
            whole.extend_from_slice(line);
            whole.push(b'\n');
        }
        for record in latest.values() {
            serde_json::to_writer(&mut whole, record)?;
            whole.push(b'\n');
        }
        super::cache::replace(&self.file, &whole)
    }
}

fn open(path: &std::path::Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn ends_torn(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// The newest record of each session, the lines that are JSON of another shape, and how many lines are not
/// to be read at all or not by us.
fn latest(text: &[u8]) -> (BTreeMap<SessionId, Record>, Vec<&[u8]>, usize) {
    let mut latest: BTreeMap<SessionId, Record> = BTreeMap::new();
    let (mut foreign, mut damaged) = (Vec::new(), 0);
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => {
                // Two commands may have written in another order than they saw.
                let newer = latest
                    .get(&record.session)
                    .is_none_or(|known| known.seen <= record.seen);
                if newer {
                    latest.insert(record.session.clone(), record);
                }
            }
            Err(_) => {
                damaged += 1;
                if serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok() {
                    foreign.push(line);
                }
            }
        }
    }
    (latest, foreign, damaged)
}

/// Records from the ledger and from elsewhere (tags), the newer of each session; what only this device knew
/// (the repository, the end it saw) is not lost to a newer one that does not know it.
pub fn merge(ours: Vec<Record>, others: Vec<Record>) -> Vec<Record> {
    let mut all: BTreeMap<SessionId, Record> = BTreeMap::new();
    for record in ours.into_iter().chain(others) {
        let merged = match all.remove(&record.session) {
            Some(known) if known.seen > record.seen => fill(known, record),
            Some(known) => fill(record, known),
            None => record,
        };
        all.insert(merged.session.clone(), merged);
    }
    all.into_values().collect()
}

fn fill(mut newer: Record, older: Record) -> Record {
    newer.repository = newer.repository.or(older.repository);
    newer.workspace = newer.workspace.or(older.workspace);
    newer.on_demand = newer.on_demand.or(older.on_demand);
    newer.ended = newer.ended.or(older.ended);
    newer.gone = newer.gone.or(older.gone);
    newer.kept_month = newer.kept_month.or(older.kept_month);
    newer.deadline = newer.deadline.or(older.deadline);
    if newer.runs.is_empty() {
        newer.runs = older.runs;
    }
    if newer.rate == Rate::default() {
        newer.rate = older.rate;
    }
    newer
}

#[cfg(test)]
pub(super) mod tests;
