//! From evidence to an agent's state, without a clock of its own: the best evidence that still holds decides,
//! and where none does the state is `unknown`, never a guess. What programs say is shown, never obeyed.

use crate::model::{AgentState, Evidence, Millis, Source};

/// Output or CPU use is taken for work this long.
const ACTIVE_MS: Millis = 3_000;
/// CPU is sampled less often than that.
const CPU_ACTIVE_MS: Millis = 8_000;
/// Output this soon after typing is its echo.
const ECHO_MS: Millis = 1_000;
const MESSAGE_MAX: usize = 200;

/// A program's text, made fit to be shown on one line.
pub fn clean(text: &str) -> Option<String> {
    let mut out = String::new();
    for c in text.chars() {
        // Format characters turn text around or hide it; they are as unwelcome as controls.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        let c = if hidden { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() + c.len_utf8() > MESSAGE_MAX {
            break;
        }
        out.push(c);
    }
    let out = out.trim_end();
    (!out.is_empty()).then(|| out.to_owned())
}

/// What one source said last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Said {
    pub state: AgentState,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub progress: Option<u8>,
    pub at: Millis,
}

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
    bell: Option<Millis>,
    output: Option<Millis>,
    cpu: Option<Millis>,
    typed: Option<Millis>,
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
        let since = match self.shown {
            Some((shown, since)) if shown == state => since,
            _ => {
                let since = match evidence.source {
                    Source::Activity | Source::None => now,
                    _ => evidence.at,
                };
                self.shown = Some((state, since));
                since
            }
        };
        (state, since, evidence)
    }

    fn best(&self, now: Millis) -> (AgentState, Evidence) {
        let say = |said: &Said, source| {
            (
                said.state,
                Evidence {
                    source,
                    at: said.at,
                    message: said.message.clone(),
                    progress: said.progress,
                },
            )
        };
        if let Some(said) = &self.over {
            return say(said, Source::Process);
        }
        if let Some(said) = &self.report {
            return say(said, Source::Report);
        }
        if let Some(said) = &self.hook {
            return say(said, Source::Hook);
        }
        if let Some(said) = &self.progress {
            return say(said, Source::Notification);
        }
        let plain = |state, source, at| {
            (
                state,
                Evidence {
                    source,
                    at,
                    message: None,
                    progress: None,
                },
            )
        };
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
        if self.over.is_some() || self.report.is_some() || self.hook.is_some() {
            return None;
        }
        [
            self.output.map(|t| t.saturating_add(ACTIVE_MS)),
            self.cpu.map(|t| t.saturating_add(CPU_ACTIVE_MS)),
            Some(self.spawned.saturating_add(ACTIVE_MS)),
        ]
        .into_iter()
        .flatten()
        .filter(|t| *t > now)
        .min()
    }
}

#[cfg(test)]
mod tests;
