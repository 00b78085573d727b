//! From evidence to an agent's state, without a clock of its own: the best evidence that still holds decides,
//! what contradicts it for long makes it `unknown`, and so does having none: never a guess. `done` ends
//! machines, so it needs most. What programs say is shown, never obeyed.

mod claim;
pub mod rules;
mod text;

pub use claim::Said;
pub use text::{clean, question};

use crate::model::{AgentState, BlockedOn, Evidence, Millis, Source};
use claim::{Claim, better_known, conflict};
use rules::{Seen, Word};

/// Output or CPU use is taken for work this long.
const ACTIVE_MS: Millis = 3_000;
/// CPU is sampled less often than that.
const CPU_ACTIVE_MS: Millis = 8_000;
/// Output this soon after typing is its echo.
const ECHO_MS: Millis = 1_000;
/// Two sources tell of one change at different times; for longer they contradict each other.
const SETTLE_MS: Millis = 3_000;
/// What a screen or a title shows for less than this may be half a frame, or what was before.
const HOLD_MS: Millis = 1_000;
/// What a program at rest has to tidy up takes no longer.
const TIDY_MS: Millis = 15_000;

/// All the evidence on one agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Belief {
    spawned: Millis,
    /// Exited, lost, or could not be started.
    over: Option<Said>,
    report: Option<Said>,
    hook: Option<Said>,
    /// OSC 9;4.
    progress: Option<Said>,
    /// OSC 9, 99, 777: a text, which says that somebody is wanted but not why.
    notification: Option<Said>,
    /// What the rules read from its screen and its title, for as long as they do.
    #[serde(default)]
    screen: Option<Said>,
    #[serde(default)]
    title: Option<Said>,
    bell: Option<Millis>,
    output: Option<Millis>,
    cpu: Option<Millis>,
    typed: Option<Millis>,
    /// It has worked or asked since it was spawned: at rest it is done, not idle.
    #[serde(default)]
    worked: bool,
    /// What was concluded last, and when that began.
    shown: Option<(AgentState, Millis)>,
}

impl Belief {
    /// Forgets what was: a process was started (again).
    pub fn spawned(&mut self, now: Millis) {
        *self = Self {
            spawned: now,
            ..Self::default()
        };
    }

    /// The process is over: with an exit code, or without (its host died).
    pub fn over(&mut self, state: AgentState, message: Option<&str>, now: Millis) {
        self.over = Some(Said {
            state,
            message: message.and_then(clean),
            progress: None,
            at: now,
        });
    }

    /// Its OSC 7501 records say this together; `None` once they are gone.
    pub fn report(&mut self, said: Option<Said>) {
        // It goes on: what its hook said it asks for was answered, by whatever way.
        if matches!(&said, Some(s) if s.state == AgentState::Working) {
            self.forget_question();
        }
        self.report = said.map(|mut s| {
            s.message = s.message.as_deref().and_then(clean);
            s
        });
    }

    /// A hook of its spoke. Only the host itself says that it is over.
    pub fn hook(
        &mut self,
        state: AgentState,
        message: Option<&str>,
        progress: Option<u8>,
        now: Millis,
    ) {
        if state.is_over() || matches!(state, AgentState::Unknown | AgentState::Starting) {
            return;
        }
        self.hook = Some(Said {
            state,
            message: message.and_then(clean),
            progress: progress.map(|p| p.min(100)),
            at: now,
        });
    }

    /// OSC 9;4: its state number and percentage.
    pub fn progress(&mut self, state: u8, percent: Option<u8>, now: Millis) {
        let said = match state {
            1 | 3 => AgentState::Working,
            2 => AgentState::Error,
            // Paused: by whom and for what is not said.
            4 => AgentState::Unknown,
            _ => {
                self.progress = None;
                return;
            }
        };
        self.progress = Some(Said {
            state: said,
            message: None,
            progress: percent.map(|p| p.min(100)),
            at: now,
        });
    }

    pub fn notification(&mut self, text: &str, now: Millis) {
        self.notification = Some(Said {
            state: AgentState::Unknown,
            message: clean(text),
            progress: None,
            at: now,
        });
    }

    /// What the rules read from its screen and title now.
    pub fn seen(&mut self, screen: Option<Seen>, title: Option<Seen>, now: Millis) {
        self.screen = self.said_by(self.screen.as_ref(), screen, now);
        self.title = self.said_by(self.title.as_ref(), title, now);
    }

    fn said_by(&self, before: Option<&Said>, seen: Option<Seen>, now: Millis) -> Option<Said> {
        let seen = seen?;
        let state = match seen.state {
            Word::Rest if self.worked => AgentState::Done,
            Word::Rest => AgentState::Idle,
            Word::Working => AgentState::Working,
            Word::Error => AgentState::Error,
            Word::Blocked => AgentState::Blocked {
                on: seen.on.unwrap_or(BlockedOn::Unknown),
            },
        };
        let since = before.filter(|b| b.state == state).map(|b| b.at);
        Some(Said {
            state,
            message: seen.message.as_deref().and_then(clean),
            progress: None,
            at: since.unwrap_or(now),
        })
    }

    pub fn bell(&mut self, now: Millis) {
        self.bell = Some(now);
    }

    /// It wrote something.
    pub fn output(&mut self, now: Millis) {
        let echo = self.typed.is_some_and(|t| now.saturating_sub(t) < ECHO_MS);
        if !echo {
            self.output = Some(now);
        }
    }

    /// Its processes used the CPU.
    pub fn cpu(&mut self, now: Millis) {
        self.cpu = Some(now);
    }

    /// Somebody typed to it.
    pub fn typed(&mut self, now: Millis) {
        self.typed = Some(now);
        // Whatever it wanted, it was answered.
        self.notification = None;
        self.bell = None;
        // Or is being answered: its hook will not say so, its screen does.
        self.forget_question();
    }

    fn forget_question(&mut self) {
        if matches!(&self.hook, Some(h) if matches!(h.state, AgentState::Blocked { .. })) {
            self.hook = None;
        }
    }

    pub fn last_typed(&self) -> Option<Millis> {
        self.typed
    }

    /// When anything last happened, typing included.
    pub fn activity(&self) -> Millis {
        [self.output, self.cpu, self.typed, Some(self.spawned)]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(0)
    }

    /// The state now, since when, and why we say so.
    pub fn conclude(&mut self, now: Millis) -> (AgentState, Millis, Evidence) {
        let (state, evidence) = self.best(now);
        self.worked |= matches!(state, AgentState::Working | AgentState::Blocked { .. })
            && evidence.source < Source::Activity;
        let since = match self.shown {
            Some((shown, since)) if shown == state => since,
            before => {
                let since = match evidence.source {
                    Source::Activity | Source::None => now,
                    // What was doubted in between begins anew.
                    _ if before.is_some_and(|(_, since)| since > evidence.at) => now,
                    _ => evidence.at,
                };
                self.shown = Some((state, since));
                since
            }
        };
        (state, since, evidence)
    }

    /// What each source claims, the best first.
    fn claims(&self, now: Millis) -> Vec<Claim<'_>> {
        let held = |s: &&Said| now.saturating_sub(s.at) >= HOLD_MS;
        [
            (Source::Report, self.report.as_ref()),
            (
                Source::Hook,
                self.hook.as_ref().filter(|h| !self.interrupted(h, now)),
            ),
            (Source::Notification, self.progress.as_ref()),
            (Source::Screen, self.screen.as_ref().filter(held)),
            (Source::Title, self.title.as_ref().filter(held)),
        ]
        .into_iter()
        .filter_map(|(source, said)| said.map(|said| Claim { source, said }))
        .collect()
    }

    /// No hook tells that a person has stopped it: they typed, and nothing has moved since.
    fn interrupted(&self, hook: &Said, now: Millis) -> bool {
        let still = |at: Option<Millis>, long| at.is_none_or(|t| now.saturating_sub(t) >= long);
        hook.state == AgentState::Working
            && self.typed.is_some_and(|t| t > hook.at)
            && still(self.typed, ACTIVE_MS)
            && still(self.output, ACTIVE_MS)
            && still(self.cpu, CPU_ACTIVE_MS)
    }

    fn best(&self, now: Millis) -> (AgentState, Evidence) {
        if let Some(said) = &self.over {
            return say(said, Source::Process);
        }
        let claims = self.claims(now);
        let Some((first, others)) = claims.split_first() else {
            return self.weak(now);
        };
        for other in others {
            if let Some(since) = first.contradicted_by(*other)
                && now.saturating_sub(since) >= SETTLE_MS
            {
                let why = conflict(*first, *other);
                return unknown(first.source, since, why);
            }
        }
        let mut said = first.said.clone();
        for other in others.iter().filter(|o| first.completed_by(**o)) {
            said.state = better_known(said.state, other.said.state);
            if said.message.is_none() && matches!(said.state, AgentState::Blocked { .. }) {
                said.message.clone_from(&other.said.message);
            }
        }
        if let Some(asked) = claims.iter().find(|c| c.asks_at_rest())
            && matches!(said.state, AgentState::Done | AgentState::Idle)
        {
            return say(asked.said, asked.source);
        }
        self.done_at_all(&said, first.source, now)
    }

    /// What says that it is done may still be at work behind it.
    fn done_at_all(&self, said: &Said, source: Source, now: Millis) -> (AgentState, Evidence) {
        let works = |cpu: &Millis| {
            let typing = self.typed.is_some_and(|t| cpu.saturating_sub(t) < TIDY_MS);
            cpu.saturating_sub(said.at) >= TIDY_MS
                && now.saturating_sub(*cpu) < CPU_ACTIVE_MS
                && !typing
        };
        if let Some(cpu) = self.cpu.filter(works)
            && said.state == AgentState::Done
        {
            let why = format!(
                "its {} says done, but its processes are at work",
                source.word()
            );
            return unknown(source, cpu, why);
        }
        say(said, source)
    }

    /// Nothing tells its state: whether somebody is wanted, and whether anything moves.
    fn weak(&self, now: Millis) -> (AgentState, Evidence) {
        let recent = |at: Option<Millis>, within| at.filter(|t| now.saturating_sub(*t) < within);
        let active = recent(self.output, ACTIVE_MS).max(recent(self.cpu, CPU_ACTIVE_MS));
        let newest = self.output.max(self.cpu);
        if let Some(said) = &self.notification
            && active.is_none_or(|a| a <= said.at)
        {
            return say(said, Source::Notification);
        }
        if let Some(at) = self.bell
            && active.is_none_or(|a| a <= at)
        {
            return plain(AgentState::Unknown, Source::Bell, at);
        }
        if let Some(at) = active {
            return plain(AgentState::Working, Source::Activity, at);
        }
        match newest {
            Some(at) => plain(AgentState::Unknown, Source::Activity, at),
            None if now.saturating_sub(self.spawned) < ACTIVE_MS => {
                plain(AgentState::Starting, Source::Process, self.spawned)
            }
            None => plain(AgentState::Unknown, Source::None, self.spawned),
        }
    }

    /// When the state may change by the passing of time alone.
    pub fn next_change(&self, now: Millis) -> Option<Millis> {
        if self.over.is_some() {
            return None;
        }
        let after = |said: &Option<Said>, wait: Millis| {
            said.as_ref().map(|s: &Said| s.at.saturating_add(wait))
        };
        [
            self.output.map(|t| t.saturating_add(ACTIVE_MS)),
            self.cpu.map(|t| t.saturating_add(CPU_ACTIVE_MS)),
            self.typed.map(|t| t.saturating_add(ACTIVE_MS)),
            Some(self.spawned.saturating_add(ACTIVE_MS)),
            after(&self.report, SETTLE_MS),
            after(&self.hook, SETTLE_MS),
            after(&self.progress, SETTLE_MS),
            after(&self.screen, HOLD_MS),
            after(&self.screen, SETTLE_MS),
            after(&self.title, HOLD_MS),
            after(&self.title, SETTLE_MS),
        ]
        .into_iter()
        .flatten()
        .filter(|t| *t > now)
        .min()
    }
}

fn say(said: &Said, source: Source) -> (AgentState, Evidence) {
    let evidence = Evidence {
        source,
        at: said.at,
        message: said.message.clone(),
        progress: said.progress,
    };
    (said.state, evidence)
}

fn unknown(source: Source, at: Millis, why: String) -> (AgentState, Evidence) {
    let evidence = Evidence {
        source,
        at,
        message: Some(why),
        progress: None,
    };
    (AgentState::Unknown, evidence)
}

fn plain(state: AgentState, source: Source, at: Millis) -> (AgentState, Evidence) {
    let evidence = Evidence {
        source,
        at,
        message: None,
        progress: None,
    };
    (state, evidence)
}

#[cfg(test)]
mod tests;
