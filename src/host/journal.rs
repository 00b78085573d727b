//! What happened in the session, for who comes back: the newest events in memory, and as lines in `events.jsonl`. Of
//! bounded length: where earlier ones are dropped a mark says so. What is at work and moves about, or does not, is
//! no news; that somebody is wanted, and what came of it, is.

use std::collections::{BTreeMap, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::fitting::clip;
use super::hub::Report;
use super::state::clean;
use crate::model::{AgentState, Check, Millis, Push, SessionEvent, Source, What, Work};
use crate::provision::{Survives, write_whole};

/// Events that are kept; all of them fit one frame.
const KEPT: usize = 1000;
/// Bytes of a text that are kept.
const LONGEST: usize = 240;

/// See the module.
#[derive(Debug, Default)]
pub struct Journal {
    events: VecDeque<SessionEvent>,
    /// So many of them, the newest, are not on the disk.
    unsaved: usize,
    /// Lines that the file has.
    lines: usize,
    /// The file is to be written anew.
    damaged: bool,
    last: BTreeMap<u32, (AgentState, Option<String>)>,
    /// Somebody was told all until then: what comes is later.
    told: Millis,
}

/// What is to be written.
#[derive(Debug)]
pub struct Batch {
    text: Vec<u8>,
    whole: bool,
}

impl Journal {
    /// Goes on with what is in the file.
    pub fn open(file: &Path) -> Self {
        let text = std::fs::read(file).unwrap_or_default();
        let events = SessionEvent::read_all(&text);
        let mut this = Self {
            lines: events.len(),
            damaged: !text.is_empty() && text.last() != Some(&b'\n'),
            ..Self::default()
        };
        for event in events {
            if let What::State {
                agent,
                state,
                message,
                ..
            } = &event.what
            {
                this.last.insert(*agent, (*state, message.clone()));
            }
            this.events.push_back(event);
        }
        this.shorten();
        this
    }

    /// An agent tells of itself.
    pub fn agent(&mut self, number: u32, before: Option<&Report>, now: &Report, at: Millis) {
        let status = &now.status;
        let message = status.evidence.message.as_deref().and_then(text);
        // What an agent at work says of it changes with each line.
        let message = message.filter(|_| !restless(status.state));
        let source = status.evidence.source;
        let known = self.last.get(&number);
        let moves_about =
            known.is_some_and(|k| restless(k.0)) && restless(status.state) && is_weak(source);
        if !moves_about && known != Some(&(status.state, message.clone())) {
            self.last.insert(number, (status.state, message.clone()));
            let state = status.state;
            self.add(
                What::State {
                    agent: number,
                    state,
                    source,
                    message,
                },
                at,
            );
        }
        if let Some(work) = status.work {
            self.work(number, work, at);
        }
        if let Some(check) = &status.check {
            self.check(number, check, at);
        }
        let warned = before.and_then(|b| b.warning.as_ref());
        if let Some(warning) = now.warning.as_ref().filter(|w| warned != Some(w)) {
            self.warning(&format!("agent {number}: {warning}"), at);
        }
        let was = before.map_or(&[][..], |b| &b.attached);
        let is = &now.attached;
        let who = |who: &str| text(who).unwrap_or_default();
        for left in was.iter().filter(|c| !is.iter().any(|o| o.who == c.who)) {
            let who = who(&left.who);
            self.add(What::Left { agent: number, who }, at);
        }
        for new in is.iter().filter(|c| !was.iter().any(|o| o.who == c.who)) {
            let who = who(&new.who);
            self.add(What::Attached { agent: number, who }, at);
        }
    }

    /// What an agent has made, if that is another than before.
    pub fn work(&mut self, agent: u32, work: Work, at: Millis) {
        self.news(What::Work { agent, work }, at);
    }

    /// An agent's check, once it is over.
    pub fn check(&mut self, agent: u32, check: &Check, at: Millis) {
        if !check.is_running() {
            let mut check = check.clone();
            check.message = check.message.as_deref().and_then(text);
            self.news(What::Check { agent, check }, at);
        }
    }

    /// A push is over.
    pub fn push(&mut self, number: u32, push: &Push, at: Millis) {
        let mut push = push.clone();
        push.message = push.message.as_deref().and_then(text);
        let agent = number;
        self.add(What::Push { agent, push }, at);
    }

    pub fn warning(&mut self, warning: &str, at: Millis) {
        if let Some(text) = text(warning) {
            self.add(What::Warning { text }, at);
        }
    }

    pub fn notice(&mut self, notice: &str, at: Millis) {
        if let Some(text) = text(notice) {
            self.add(What::Notice { text }, at);
        }
    }

    pub fn ended(&mut self, ended: &crate::model::Ended) {
        let (kind, why) = (ended.kind, text(&ended.why).unwrap_or_default());
        self.add(What::Ended { kind, why }, ended.at);
    }

    /// Adds it unless it is what was added last of its kind.
    fn news(&mut self, what: What, at: Millis) {
        let event = SessionEvent { at, what };
        let kind = std::mem::discriminant(&event.what);
        let mut earlier = self.events.iter().rev();
        let last =
            earlier.find(|e| e.agent() == event.agent() && std::mem::discriminant(&e.what) == kind);
        if last.is_none_or(|l| l.what != event.what) {
            self.add(event.what, at);
        }
    }

    fn add(&mut self, what: What, at: Millis) {
        let last = self.events.back().map_or(0, |e| e.at);
        let at = at.max(last).max(self.told.saturating_add(1));
        self.events.push_back(SessionEvent { at, what });
        self.unsaved += 1;
        self.shorten();
    }

    fn shorten(&mut self) {
        if self.events.len() <= KEPT {
            return;
        }
        let mut at = 0;
        while self.events.len() >= KEPT
            && let Some(dropped) = self.events.pop_front()
        {
            at = dropped.at;
        }
        let what = What::Cut;
        self.events.push_front(SessionEvent { at, what });
        self.unsaved = self.unsaved.min(self.events.len());
    }

    /// What happened after `since`, and from when to ask the next time.
    pub fn since(&mut self, since: Millis, now: Millis) -> (Vec<SessionEvent>, Millis) {
        let now = now.max(self.events.back().map_or(0, |e| e.at));
        self.told = self.told.max(now);
        let new = self.events.iter().filter(|e| e.at > since);
        (new.cloned().collect(), self.told)
    }

    /// What is not on the disk yet, which counts as being there from now on.
    pub fn take(&mut self) -> Option<Batch> {
        if self.unsaved == 0 && !self.damaged {
            return None;
        }
        let whole = self.damaged || self.lines.saturating_add(self.unsaved) > 2 * KEPT;
        let from = match whole {
            true => 0,
            false => self.events.len().saturating_sub(self.unsaved),
        };
        let mut batch = Vec::new();
        for event in self.events.iter().skip(from) {
            // Plain data: it can always be written.
            batch.extend(serde_json::to_vec(event).unwrap_or_default());
            batch.push(b'\n');
        }
        self.lines = self.events.len().saturating_sub(from) + if whole { 0 } else { self.lines };
        self.unsaved = 0;
        self.damaged = false;
        Some(Batch { text: batch, whole })
    }

    /// A batch could not be written.
    pub fn failed(&mut self) {
        self.damaged = true;
    }
}

impl Batch {
    /// # Errors
    /// The file system's; then part of it may be there.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if self.whole {
            return write_whole(file, &self.text, Survives::Crash);
        }
        let mut open = OpenOptions::new();
        open.append(true).create(true).mode(0o600);
        open.open(file)?.write_all(&self.text)
    }
}

fn text(said: &str) -> Option<String> {
    clean(said).map(|t| clip(&t, LONGEST))
}

/// Neither over, nor at its end, nor in need of anybody.
fn restless(state: AgentState) -> bool {
    use AgentState::{Idle, Starting, Unknown, Working};
    matches!(state, Starting | Working | Idle | Unknown)
}

fn is_weak(source: Source) -> bool {
    matches!(source, Source::Process | Source::Activity | Source::None)
}

#[cfg(test)]
mod tests;
