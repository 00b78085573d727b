//! Names of sessions and agents: `session-abc123`, `session-abc123/2`, and the short forms people type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const PREFIX: &str = "session-";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const LEN: usize = 6;

/// A session's whole name: `session-` and 6 characters of `[a-z2-7]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// What was typed is no session or agent name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("`{0}` is not a session name (expected `session-` and 6 characters of a-z and 2-7)")]
    Session(String),
    #[error("`{0}` is not an agent number (expected a number from 1)")]
    Agent(String),
}

impl SessionId {
    /// A new random name. 30 bits: a collision within one owner's live sessions is detected at creation.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0u8; LEN];
        getrandom::fill(&mut bytes)?;
        let tail: String = bytes
            .iter()
            .map(|b| char::from(ALPHABET[usize::from(b & 31)]))
            .collect();
        Ok(Self(format!("{PREFIX}{tail}")))
    }

    /// The whole name, `session-abc123`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The six characters alone, `abc123`.
    pub fn short(&self) -> &str {
        &self.0[PREFIX.len()..]
    }

    /// Whether `typed` (with or without `session-`) is a prefix of this name.
    pub fn matches(&self, typed: &str) -> bool {
        let tail = typed.strip_prefix(PREFIX).unwrap_or(typed);
        self.short().starts_with(tail) || self.0.starts_with(typed)
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        let tail = s.strip_prefix(PREFIX).unwrap_or(s);
        let ok = tail.len() == LEN && tail.bytes().all(|b| ALPHABET.contains(&b));
        if ok {
            Ok(Self(format!("{PREFIX}{tail}")))
        } else {
            Err(IdError::Session(s.to_owned()))
        }
    }
}

impl TryFrom<String> for SessionId {
    type Error = IdError;
    fn try_from(s: String) -> Result<Self, IdError> {
        s.parse()
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person types to name a session or one of its agents: `abc`, `session-abc123`, `abc/2`.
/// The session part is any unique prefix of the name, or the name given with `--name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRef {
    pub session: String,
    pub agent: Option<u32>,
}

impl FromStr for AgentRef {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        let (session, agent) = match s.rsplit_once('/') {
            Some((session, number)) => {
                let n: u32 = number
                    .parse()
                    .ok()
                    .filter(|n| *n > 0)
                    .ok_or_else(|| IdError::Agent(number.to_owned()))?;
                (session, Some(n))
            }
            None => (s, None),
        };
        if session.is_empty() {
            return Err(IdError::Session(s.to_owned()));
        }
        Ok(Self {
            session: session.to_owned(),
            agent,
        })
    }
}

impl fmt::Display for AgentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.agent {
            Some(n) => write!(f, "{}/{n}", self.session),
            None => f.write_str(&self.session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_parse_and_match_by_prefix() -> Result<(), Box<dyn std::error::Error>> {
        let id = SessionId::generate().map_err(|e| e.to_string())?;
        assert_eq!(id.as_str().parse::<SessionId>()?, id);
        assert!(id.matches(&id.short()[..2]) && id.matches("session-") && id.matches(id.as_str()));
        assert!(!id.matches("0"));
        Ok(())
    }

    #[test]
    fn agents_are_named_from_one() {
        assert!("abc/0".parse::<AgentRef>().is_err());
        assert!("abc/x".parse::<AgentRef>().is_err());
        assert!("/1".parse::<AgentRef>().is_err());
        let r: AgentRef = "session-abc123/12".parse().expect("a good name");
        assert_eq!((r.session.as_str(), r.agent), ("session-abc123", Some(12)));
    }
}
