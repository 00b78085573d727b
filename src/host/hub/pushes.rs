//! The hub's side of the pushes: what is known of each agent's, and which are to be begun.

use super::Hub;
use super::inner::Inner;
use crate::host::push::Turns;
use crate::model::{AgentSpec, AgentState, AgentStatus, Millis, Push, now_ms};

impl Inner {
    fn push_of(&mut self, number: u32) -> &mut Turns {
        let specs = &self.spec.agents;
        self.pushes.entry(number).or_insert_with(|| {
            let spec = specs.iter().find(|a| a.number == number);
            Turns::new(spec.is_some_and(|a| a.push.is_some()))
        })
    }

    /// In the same instant in which the agent tells of itself: a session must not end between its last agent's end and
    /// the push of its work.
    pub fn push_saw(&mut self, number: u32, state: AgentState, since: Millis) {
        self.push_of(number).saw(state, since);
    }

    fn begin(
        &mut self,
        start: impl Fn(&mut Turns) -> Option<Option<String>>,
    ) -> Vec<(AgentSpec, Option<String>)> {
        let Self { pushes, spec, .. } = self;
        let begun = pushes.iter_mut().filter_map(|(number, turns)| {
            let spec = spec.agents.iter().find(|a| a.number == *number)?;
            Some((spec.clone(), start(turns)?))
        });
        begun.collect()
    }

    /// A push is under way, or about to be.
    pub fn is_pushing(&self) -> bool {
        self.pushes.values().any(Turns::is_busy)
    }
}

impl Hub {
    /// Which to begin now, each with the commit that was pushed last. None while the session ends.
    pub fn pushes(&self, now: Millis) -> Vec<(AgentSpec, Option<String>)> {
        let begun = {
            let mut inner = self.lock();
            if inner.ending || inner.frozen {
                return Vec::new();
            }
            inner.begin(|turns| turns.start(now))
        };
        if !begun.is_empty() {
            self.touch();
        }
        begun
    }

    /// The same for the session's end.
    pub fn last_pushes(&self, now: Millis) -> Vec<(AgentSpec, Option<String>)> {
        self.lock().begin(|turns| turns.start_last(now))
    }

    /// When to look for pushes again if nothing happens.
    pub fn next_push(&self) -> Option<Millis> {
        let inner = self.lock();
        let next = inner.pushes.values().filter_map(Turns::next).min();
        next.filter(|_| !inner.ending)
    }

    /// It is through; `cut`: the session's end came first.
    pub fn pushed(&self, number: u32, push: Push, cut: bool) {
        {
            let mut inner = self.lock();
            inner.journal.push(number, &push, now_ms());
            inner.push_of(number).over(push, cut);
        }
        self.touch();
    }

    /// What an earlier host, or binary of this one, has left of an agent.
    pub fn recall_push(&self, last: &AgentStatus) {
        let mut inner = self.lock();
        inner.push_of(last.number).recall(last, now_ms());
    }
}
