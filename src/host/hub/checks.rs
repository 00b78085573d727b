//! The hub's side of the checks: what is known of each agent's work, and what is to be done about it.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::inner::Inner;
use super::{Hub, Written};
use crate::host::checks::{Job, Outcome, Turns};
use crate::model::{AgentSpec, AgentStatus, Millis, Work, now_ms};

impl Inner {
    pub fn turns(&mut self, number: u32, revived: bool) -> &mut Turns {
        let specs = &self.spec.agents;
        self.turns.entry(number).or_insert_with(|| {
            let spec = specs.iter().find(|a| a.number == number);
            Turns::new(spec.is_some_and(|a| a.check.is_some()), revived)
        })
    }

    /// An agent's status with what is known of its work.
    pub fn whole(&self, status: &AgentStatus) -> AgentStatus {
        let turns = self.turns.get(&status.number);
        AgentStatus {
            check: turns.and_then(Turns::check),
            work: turns.and_then(Turns::work),
            push: self
                .pushes
                .get(&status.number)
                .and_then(|p| p.last().cloned()),
            ..status.clone()
        }
    }
}

impl Hub {
    /// What is to be done now; it counts as begun. Nothing while the session ends.
    pub fn jobs(&self, now: Millis) -> Vec<(AgentSpec, Job)> {
        let mut inner = self.lock();
        if inner.ending || inner.frozen {
            return Vec::new();
        }
        let Inner { turns, spec, .. } = &mut *inner;
        let begun = turns.iter_mut().filter_map(|(number, turns)| {
            let spec = spec.agents.iter().find(|a| a.number == *number)?;
            Some((spec.clone(), turns.start(now)?))
        });
        begun.collect()
    }

    /// When to look for jobs again if nothing happens.
    pub fn next_job(&self) -> Option<Millis> {
        let inner = self.lock();
        let next = inner.turns.values().filter_map(Turns::next).min();
        next.filter(|_| !inner.ending)
    }

    pub fn counted(&self, work: &BTreeMap<u32, Work>) {
        {
            let mut inner = self.lock();
            for (number, work) in work {
                let before = inner.turns.get(number).and_then(Turns::work);
                inner.turns(*number, false).counted(Some(*work));
                if before != Some(*work) {
                    inner.journal.work(*number, *work, now_ms());
                }
            }
        }
        self.touch();
    }

    pub fn job_over(&self, number: u32, outcome: Option<Outcome>) {
        {
            let (mut inner, now) = (self.lock(), now_ms());
            let was_checked = outcome.is_some();
            inner.turns(number, false).over(outcome, now);
            let check = inner.turns.get(&number).and_then(Turns::check);
            if let Some(check) = check.filter(|_| was_checked) {
                inner.journal.check(number, &check, now);
            }
        }
        self.touch();
    }

    /// A check's log, for who follows it.
    pub fn check_log(&self, number: u32, run: u32, log: watch::Receiver<Written>) {
        self.lock().logs.insert(number, (run, log));
        self.touch();
    }

    /// How far a check's log has got; one of an earlier run grows no more.
    pub fn check_written(&self, number: u32, run: u32) -> watch::Receiver<Written> {
        let inner = self.lock();
        let of_now = inner.logs.get(&number).filter(|(r, _)| *r == run);
        of_now.map_or_else(
            || watch::channel(Written { end: 0, over: true }).1,
            |(_, log)| log.clone(),
        )
    }

    /// What a host that died has left of an agent.
    pub fn recall(&self, last: &AgentStatus) {
        let (check, work) = (last.check.clone(), last.work);
        let mut inner = self.lock();
        inner.turns(last.number, true).recall(check, work, now_ms());
    }

    /// For the next binary.
    pub fn hand_turns(&self) -> BTreeMap<u32, Turns> {
        self.lock().turns.clone()
    }

    /// From the last one.
    pub fn take_turns(&self, mut turns: BTreeMap<u32, Turns>) {
        let now = now_ms();
        turns.values_mut().for_each(|t| t.resume(now));
        self.lock().turns = turns;
    }

    /// The session ends: checks that run come to nothing.
    pub fn end_checks(&self) {
        let now = now_ms();
        self.lock().turns.values_mut().for_each(|t| t.end(now));
        self.touch();
    }

    /// Resolves when the session begins to end.
    pub async fn ending(&self) {
        let mut changes = self.changes();
        while !self.is_ending() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
