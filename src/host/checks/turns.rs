//! When an agent's work is counted and checked, without a clock of its own: once it is done or over, anew when it
//! has worked since, one at a time, and not while it may go on in the next moment.

use serde::{Deserialize, Serialize};

use crate::model::{AgentState, Check, CheckState, Millis, Work};

/// A turn that is over may be followed at once by the next one, from a queue.
const SETTLE: Millis = 1000;

/// One agent's. Handed over to the next binary: fields are only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// There is a command to check it by.
    checks: bool,
    /// It has not worked since it was counted, and since it was checked.
    counted: bool,
    checked: bool,
    /// When it is to be looked at, since when that is known, and whether to check it too.
    #[serde(default)]
    due: Option<Due>,
    /// What is being done.
    #[serde(default)]
    job: Option<Job>,
    #[serde(default)]
    runs: u32,
    #[serde(default)]
    last: Option<Check>,
    #[serde(default)]
    work: Option<Work>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    at: Millis,
    since: Millis,
    check: bool,
}

/// What is to be done about one agent now: count its work, then run its check if it is given a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub run: Option<u32>,
    pub since: Millis,
}

/// How a check's command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Exited(i32),
    /// It says nothing of the work: why.
    Broken(String),
}

impl Turns {
    /// `over`: it ran under a host that died, and is not looked at unless it is started again.
    pub fn new(checks: bool, over: bool) -> Self {
        Self {
            checks,
            counted: over,
            checked: over,
            due: None,
            job: None,
            runs: 0,
            last: None,
            work: None,
        }
    }

    /// What a host that died has left.
    pub fn recall(&mut self, check: Option<Check>, work: Option<Work>, now: Millis) {
        self.runs = check.as_ref().map_or(0, |c| c.run);
        self.last = check.map(|c| match c.is_running() {
            true => broken(c.run, c.since, "its host died", now),
            false => c,
        });
        self.work = work;
    }

    /// By another binary of this host: what the last one did has ended with it, and is done again.
    pub fn resume(&mut self, now: Millis) {
        if let Some(job) = self.job.take() {
            self.counted = false;
            let check = job.run.is_some();
            self.checked &= !check;
            let since = job.since;
            self.due.get_or_insert(Due {
                at: now,
                since,
                check,
            });
        }
    }

    /// What the agent is, and since when.
    pub fn saw(&mut self, state: AgentState, since: Millis) {
        let (at, good) = match state {
            AgentState::Starting | AgentState::Working | AgentState::Blocked { .. } => {
                (self.counted, self.checked, self.due) = (false, false, None);
                return;
            }
            AgentState::Done => (since.saturating_add(SETTLE), true),
            AgentState::Exited { code } => (since, code == 0),
            AgentState::Error | AgentState::Lost => (since, false),
            // At rest as before: nothing is new.
            AgentState::Idle => return,
            // It may be at work: what was to be done waits until that is known.
            AgentState::Unknown => {
                self.due = None;
                return;
            }
        };
        let check = self.checks && good && !self.checked;
        self.due = match (check || !self.counted, self.due) {
            (false, _) => None,
            (true, Some(due)) => Some(Due {
                at: due.at.min(at),
                check,
                ..due
            }),
            (true, None) => Some(Due { at, since, check }),
        };
    }

    /// What is to be done now, if anything: it counts as begun.
    pub fn start(&mut self, now: Millis) -> Option<Job> {
        let due = self.due.filter(|d| d.at <= now && self.job.is_none())?;
        self.due = None;
        self.counted = true;
        let mut run = None;
        if due.check {
            self.checked = true;
            self.runs = self.runs.saturating_add(1);
            run = Some(self.runs);
        }
        self.job = Some(Job { run, since: now });
        self.job
    }

    /// When to ask [`Turns::start`] again, if nothing happens before.
    pub fn next(&self) -> Option<Millis> {
        self.due.filter(|_| self.job.is_none()).map(|d| d.at)
    }

    pub fn counted(&mut self, work: Option<Work>) {
        self.work = work.or(self.work);
    }

    /// The job is done; `None` where it was to count only.
    pub fn over(&mut self, outcome: Option<Outcome>, now: Millis) {
        let Some(job) = self.job.take() else {
            return;
        };
        let (Some(run), Some(outcome)) = (job.run, outcome) else {
            return;
        };
        self.last = Some(match outcome {
            Outcome::Exited(code) => Check {
                state: match code {
                    0 => CheckState::Passed,
                    _ => CheckState::Failed,
                },
                code: Some(code),
                since: job.since,
                took_ms: Some(now.saturating_sub(job.since)),
                run,
                message: None,
            },
            Outcome::Broken(why) => broken(run, job.since, &why, now),
        });
    }

    /// The session ends: nothing more is begun, and what runs comes to nothing.
    pub fn end(&mut self, now: Millis) {
        self.due = None;
        let why = "the session ended before it was over";
        self.over(Some(Outcome::Broken(why.to_owned())), now);
    }

    /// A check runs, or is about to: the work is not over.
    pub fn is_checking(&self) -> bool {
        self.job.is_some_and(|j| j.run.is_some()) || self.due.is_some_and(|d| d.check)
    }

    /// Its end would not be the end of the work.
    pub fn would_check(&self) -> bool {
        self.is_checking() || (self.checks && !self.checked)
    }

    /// The newest check, as `status` shows it.
    pub fn check(&self) -> Option<Check> {
        let running = |run, since| Check {
            state: CheckState::Running,
            code: None,
            since,
            took_ms: None,
            run,
            message: None,
        };
        match (self.job, self.due.filter(|d| d.check)) {
            (
                Some(Job {
                    run: Some(run),
                    since,
                }),
                _,
            ) => Some(running(run, since)),
            (_, Some(due)) => Some(running(self.runs.saturating_add(1), due.since)),
            (_, None) => self.last.clone(),
        }
    }

    pub fn work(&self) -> Option<Work> {
        self.work
    }

    /// When its last check was over.
    pub fn checked_at(&self) -> Option<Millis> {
        self.last.as_ref().and_then(Check::ended)
    }
}

fn broken(run: u32, since: Millis, why: &str, now: Millis) -> Check {
    Check {
        state: CheckState::Broken,
        code: None,
        since,
        took_ms: Some(now.saturating_sub(since)),
        run,
        message: Some(why.to_owned()),
    }
}

#[cfg(test)]
mod tests;
