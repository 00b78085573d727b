//! The hub's side of the session: its specification, which is kept on disk, and what is known of its end.

use super::Hub;
use crate::host::agent::Command;
use crate::host::files;
use crate::host::push;
use crate::model::{Ended, Load, Millis, SessionEvent, SessionSpec, VolumeUse, now_ms};

impl Hub {
    /// No new agents while the host's binary is replaced, or again.
    pub fn freeze(&self, frozen: bool) {
        self.lock().frozen = frozen;
    }

    /// Writes the specification if it changed; what cannot be written is written the next time.
    ///
    /// # Errors
    /// The file system's.
    pub fn save_spec(&self) -> std::io::Result<()> {
        let spec = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.spec_changed) {
                return Ok(());
            }
            inner.spec.clone()
        };
        let written = files::write_json(&self.dir.spec(), &spec);
        if written.is_err() {
            self.lock().spec_changed = true;
        }
        written
    }

    /// Writes down what happened; what cannot be written is written the next time.
    ///
    /// # Errors
    /// The file system's.
    pub fn save_events(&self) -> std::io::Result<()> {
        let batch = self.lock().journal.take();
        let written = batch.map_or(Ok(()), |b| b.write(&self.dir.events()));
        if written.is_err() {
            self.lock().journal.failed();
        }
        written
    }

    /// What happened after `since`, and from when to ask the next time.
    pub fn events(&self, since: Millis) -> (Vec<SessionEvent>, Millis) {
        self.lock().journal.since(since, now_ms())
    }

    pub fn spec(&self) -> SessionSpec {
        self.lock().spec.clone()
    }

    pub fn extend(&self, deadline: Millis) {
        {
            let mut inner = self.lock();
            inner.spec.ends.deadline = Some(deadline);
            inner.spec_changed = true;
            inner.notice = None;
        }
        self.touch();
    }

    pub fn rename(&self, name: &str) {
        {
            let mut inner = self.lock();
            inner.spec.name = (!name.is_empty()).then(|| name.to_owned());
            inner.spec_changed = true;
        }
        self.touch();
    }

    /// What is wrong but not fatal, shown by `status`.
    pub fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        tracing::warn!("{warning}");
        {
            let mut inner = self.lock();
            if !inner.warnings.contains(&warning) {
                inner.journal.warning(&warning, now_ms());
                inner.warnings.push(warning);
            }
        }
        self.touch();
    }

    /// Wakes watchers only where it is worth a look.
    pub fn set_volume(&self, now: VolumeUse) {
        let before = self.lock().volume.replace(now);
        if before.is_none_or(|b| b.percent() != now.percent() || b.size != now.size) {
            self.touch();
        }
    }

    /// Wakes who watches where it differs from what they were told.
    pub fn set_load(&self, now: Load) {
        self.lock().load = Some(now);
        self.load.send_if_modified(|told| {
            let differs = told.is_none_or(|told| told.differs(&now));
            if differs {
                *told = Some(now);
            }
            differs
        });
    }

    /// An end that nears: told to whoever is attached now, and to hooks that ask.
    pub fn notice(&self, text: &str) {
        {
            let mut inner = self.lock();
            inner.journal.notice(text, now_ms());
            inner.notice = Some(text.to_owned());
        }
        for agent in self.agents() {
            let _ = agent.try_send(Command::Notice(text.to_owned()));
        }
        self.touch();
    }

    pub fn last_notice(&self) -> Option<String> {
        self.lock().notice.clone()
    }

    /// No new agents from here on.
    pub fn set_ending(&self) {
        self.lock().ending = true;
        self.touch();
    }

    pub fn is_ending(&self) -> bool {
        self.lock().ending
    }

    pub fn set_ended(&self, ended: Ended) {
        {
            let mut inner = self.lock();
            inner.journal.ended(&ended);
            inner.ended = Some(ended);
        }
        self.touch();
    }

    /// The session ends if agent `number` does: it is the last one.
    pub fn ends_with(&self, number: u32) -> bool {
        let inner = self.lock();
        inner.ending
            || (inner.spec.provider != "ec2"
                && !inner.spec.ends.keep
                && inner.holds == 0
                && inner
                    .agents
                    .iter()
                    .all(|(n, e)| *n == number || e.report.status.state.is_over())
                && !inner.is_pushing()
                && !inner
                    .pushes
                    .get(&number)
                    .is_some_and(push::Turns::would_push)
                && !inner
                    .turns
                    .iter()
                    .any(|(n, t)| t.is_checking() || (*n == number && t.would_check())))
    }

    /// Somebody attaches or follows: they get to see what there is before a session with nothing left to do ends.
    pub fn seen(&self) {
        self.lock().seen.get_or_insert_with(now_ms);
    }
}
