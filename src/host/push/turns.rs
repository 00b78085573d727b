//! When an agent's branch is pushed, without a clock of its own: once it is done or over, anew when it has worked
//! since, and one push at a time.

use crate::model::{AgentState, AgentStatus, Millis, Push, PushState};

/// A turn that is over may be followed at once by the next one, from a queue.
const SETTLE: Millis = 1000;

/// One agent's.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    /// It is wanted at all.
    wanted: bool,
    /// It was pushed since it worked last.
    pushed: bool,
    due: Option<Millis>,
    running: bool,
    last: Option<Push>,
}

impl Turns {
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// What an earlier host, or an earlier binary of this one, has left; what was under way then is done again where
    /// the agent lives on.
    pub fn recall(&mut self, before: &AgentStatus, now: Millis) {
        use AgentState::{Blocked, Starting, Working};
        let running = |p: &Push| p.state == PushState::Running;
        let at_work = matches!(before.state, Starting | Working | Blocked { .. });
        self.pushed = match &before.push {
            // One of an earlier turn says nothing of what came after it.
            Some(push) => !running(push) && !at_work && push.at >= before.since,
            None => before.state.is_over(),
        };
        self.last = before.push.clone().map(|p| match running(&p) {
            true => Push {
                state: PushState::Failed,
                at: now,
                message: Some("its host ended before it was through".to_owned()),
                ..p
            },
            false => p,
        });
    }

    /// What the agent is, and since when.
    pub fn saw(&mut self, state: AgentState, since: Millis) {
        if !self.wanted {
            return;
        }
        let at = match state {
            AgentState::Starting | AgentState::Working | AgentState::Blocked { .. } => {
                (self.pushed, self.due) = (false, None);
                return;
            }
            AgentState::Done => since.saturating_add(SETTLE),
            AgentState::Exited { .. } | AgentState::Error => since,
            // It may be at work, or ran under a host that died.
            AgentState::Idle | AgentState::Unknown | AgentState::Lost => {
                self.due = None;
                return;
            }
        };
        if !self.pushed {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
    }

    /// Whether to begin now, which counts as begun; and the commit that was pushed last.
    pub fn start(&mut self, now: Millis) -> Option<Option<String>> {
        self.due.filter(|at| *at <= now && !self.running)?;
        self.due = None;
        (self.pushed, self.running) = (true, true);
        let commit = self.last.as_ref().and_then(|p| p.commit.clone());
        self.last = Some(Push {
            state: PushState::Running,
            at: now,
            commit: commit.clone(),
            message: None,
        });
        Some(commit)
    }

    /// When to ask [`Turns::start`] again, if nothing happens before.
    pub fn next(&self) -> Option<Millis> {
        self.due.filter(|_| !self.running)
    }

    /// It is through; `cut`: the session's end came first.
    pub fn over(&mut self, push: Push, cut: bool) {
        self.running = false;
        self.pushed &= !cut;
        self.last = Some(push);
    }

    /// As [`Turns::start`], for what is left to push when the session ends.
    pub fn start_last(&mut self, now: Millis) -> Option<Option<String>> {
        (self.wanted && !self.pushed && !self.running).then_some(())?;
        self.due = Some(now);
        self.start(now)
    }

    /// One is under way or about to be: the work is not over.
    pub fn is_busy(&self) -> bool {
        self.running || self.due.is_some()
    }

    /// Its end would not be the end of the work.
    pub fn would_push(&self) -> bool {
        self.is_busy() || (self.wanted && !self.pushed)
    }

    pub fn last(&self) -> Option<&Push> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, Source};
    use AgentState::{Done, Exited, Unknown, Working};

    fn pushed(at: Millis) -> Push {
        Push {
            state: PushState::Pushed,
            at,
            commit: Some("0123".into()),
            message: None,
        }
    }

    #[test]
    fn it_is_pushed_once_after_each_turn_and_at_its_end() {
        let mut turns = Turns::new(true);
        turns.saw(Working, 1);
        assert!(turns.would_push() && !turns.is_busy());
        turns.saw(Done, 1000);
        assert_eq!((turns.next(), turns.start(1999)), (Some(2000), None));
        assert_eq!(turns.start(2000), Some(None));
        assert!(turns.is_busy() && turns.start(9000).is_none());
        turns.over(pushed(2500), false);
        turns.saw(Done, 1000);
        assert!(!turns.is_busy() && turns.next().is_none());
        // Nothing new: it ends at rest.
        turns.saw(Exited { code: 0 }, 3000);
        assert!(!turns.is_busy() && !turns.would_push());
        turns.saw(Working, 4000);
        turns.saw(Unknown, 5000);
        turns.saw(Exited { code: 1 }, 6000);
        assert_eq!(turns.start(6000), Some(Some("0123".into())));
    }

    #[test]
    fn who_works_on_while_it_is_pushed_is_pushed_again() {
        let mut turns = Turns::new(true);
        turns.saw(Done, 0);
        assert!(turns.start(SETTLE).is_some());
        turns.saw(Working, 2000);
        turns.saw(Done, 3000);
        assert!(turns.start(9000).is_none(), "one at a time");
        turns.over(pushed(9000), true);
        assert_eq!(turns.start_last(9001), Some(Some("0123".into())));
        assert_eq!(turns.start_last(9002), None);
        let mut never = Turns::new(false);
        never.saw(Done, 0);
        assert!(never.start_last(1).is_none());
        assert!(!never.would_push() && never.next().is_none());
    }

    fn was(state: AgentState, since: Millis, push: Option<Push>) -> AgentStatus {
        AgentStatus {
            since,
            push,
            evidence: Evidence {
                source: Source::Hook,
                at: since,
                message: None,
                progress: None,
            },
            ..AgentStatus::sample(1, state)
        }
    }

    #[test]
    fn a_push_of_an_earlier_turn_does_not_count_for_the_newest() {
        let is_pushed = |before: AgentStatus| {
            let mut turns = Turns::new(true);
            turns.recall(&before, 9000);
            !turns.would_push()
        };
        assert!(is_pushed(was(Done, 1000, Some(pushed(2500)))));
        assert!(!is_pushed(was(Done, 3000, Some(pushed(2500)))));
        assert!(!is_pushed(was(Working, 1000, Some(pushed(2500)))));
        assert!(is_pushed(was(Exited { code: 0 }, 1000, None)));
        assert!(!is_pushed(was(Done, 1000, None)));
    }
}
