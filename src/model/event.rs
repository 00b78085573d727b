//! What happened in a session while nobody looked: its host writes it down in `events.jsonl`, and a digest is made
//! of it. Its texts are programs' and people's own, untrusted, without control characters.

use serde::{Deserialize, Serialize};

use super::{AgentState, Check, EndKind, Millis, Push, Source, Work};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// When the host noticed it, by its clock; no later event has an earlier one.
    pub at: Millis,
    #[serde(flatten)]
    pub what: What,
}

/// See [`SessionEvent`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// An agent came to a state, or asks something else in the same one.
    State {
        agent: u32,
        #[serde(flatten)]
        state: AgentState,
        source: Source,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// An agent's work was checked.
    Check {
        agent: u32,
        check: Check,
    },
    /// What an agent has made since it began, looked at anew.
    Work {
        agent: u32,
        work: Work,
    },
    /// An agent's branch was pushed, or was to be.
    Push {
        agent: u32,
        push: Push,
    },
    /// Somebody attached to an agent.
    Attached {
        agent: u32,
        #[serde(default)]
        who: String,
    },
    Left {
        agent: u32,
        #[serde(default)]
        who: String,
    },
    Warning {
        text: String,
    },
    /// People were told that an end nears.
    Notice {
        text: String,
    },
    Ended {
        kind: EndKind,
        why: String,
    },
    /// What was before this is not kept any more.
    Cut,
    #[serde(other)]
    Unknown,
}

impl SessionEvent {
    /// The agent that it is about.
    pub fn agent(&self) -> Option<u32> {
        match &self.what {
            What::State { agent, .. }
            | What::Check { agent, .. }
            | What::Work { agent, .. }
            | What::Push { agent, .. }
            | What::Attached { agent, .. }
            | What::Left { agent, .. } => Some(*agent),
            What::Warning { .. }
            | What::Notice { .. }
            | What::Ended { .. }
            | What::Cut
            | What::Unknown => None,
        }
    }

    /// All that can be read of an `events.jsonl`, in order; what cannot be read is left out.
    pub fn read_all(text: &[u8]) -> Vec<Self> {
        let lines = text.split(|b| *b == b'\n');
        lines
            .filter_map(|l| serde_json::from_slice(l).ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BlockedOn;

    #[test]
    fn an_event_is_a_line_and_what_a_later_version_writes_is_skipped_over() {
        let event = SessionEvent {
            at: 7,
            what: What::State {
                agent: 2,
                state: AgentState::Blocked {
                    on: BlockedOn::Question,
                },
                source: Source::Screen,
                message: Some("Which?".into()),
            },
        };
        let line = serde_json::to_string(&event).expect("JSON");
        assert_eq!(
            line,
            r#"{"at":7,"what":"state","agent":2,"state":"blocked","on":"question","source":"screen","message":"Which?"}"#
        );
        let text = format!("{line}\n{{\"at\":8,\"what\":\"later\",\"x\":1}}\n\n{{\"at\":9,\"wh");
        let later = SessionEvent {
            at: 8,
            what: What::Unknown,
        };
        assert_eq!(SessionEvent::read_all(text.as_bytes()), [event, later]);
    }
}
