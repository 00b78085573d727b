//! What one source claims of an agent, and whether two claims can both be true.

use crate::model::{AgentState, BlockedOn, Millis, Source};

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

/// States that exclude each other are of different classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Busy,
    Waits,
    Rests,
}

fn class(state: AgentState) -> Option<Class> {
    match state {
        AgentState::Working | AgentState::Starting => Some(Class::Busy),
        AgentState::Blocked { .. } => Some(Class::Waits),
        // One that failed is at rest too.
        AgentState::Done | AgentState::Idle | AgentState::Error => Some(Class::Rests),
        _ => None,
    }
}

/// A source and what it claims.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub source: Source,
    pub said: &'a Said,
}

impl Claim<'_> {
    /// It is looked at again and again, so it holds now; others hold since they were made, and no longer.
    fn is_seen_now(self) -> bool {
        matches!(self.source, Source::Screen | Source::Title)
    }

    /// Its turn is over with a question in its last words, which only its hook tells: to its screen and its own
    /// reports it is at rest.
    pub fn asks_at_rest(self) -> bool {
        let question = AgentState::Blocked {
            on: BlockedOn::Question,
        };
        self.source == Source::Hook && self.said.state == question
    }

    /// Since when the worse claim `other` has contradicted this one, if it does. What is older than this one
    /// was overtaken by it.
    pub fn contradicted_by(self, other: Claim<'_>) -> Option<Millis> {
        let (mine, theirs) = (class(self.said.state)?, class(other.said.state)?);
        if self.asks_at_rest() || other.asks_at_rest() {
            let at_rest = |c: Class| c != Class::Busy;
            if at_rest(mine) && at_rest(theirs) {
                return None;
            }
        }
        let holds = other.is_seen_now() || other.said.at > self.said.at;
        (mine != theirs && holds).then(|| self.said.at.max(other.said.at))
    }

    /// `other` says the same and knows more: the text, or what is waited for.
    pub fn completed_by(self, other: Claim<'_>) -> bool {
        class(self.said.state).is_some() && class(self.said.state) == class(other.said.state)
    }
}

/// What it waits for, where only one of the two knows.
pub fn better_known(state: AgentState, other: AgentState) -> AgentState {
    match (state, other) {
        (
            AgentState::Blocked {
                on: BlockedOn::Unknown,
            },
            AgentState::Blocked { on },
        ) => AgentState::Blocked { on },
        _ => state,
    }
}

/// For people: `its report says working, its screen says blocked`.
pub fn conflict(one: Claim<'_>, other: Claim<'_>) -> String {
    format!(
        "its {} says {}, its {} says {}",
        one.source.word(),
        one.said.state.word(),
        other.source.word(),
        other.said.state.word()
    )
}
