//! A workspace's name: what a person types, and what a tag, a path and a shell take as it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const LONGEST: usize = 64;
const MOVING: &str = ".moving";

/// Letters, digits and `._-`, the first a letter or a digit; at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// See [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no workspace's name: up to {LONGEST} letters, digits and `._-`, the first a letter or a digit"
)]
pub struct BadName(String);

impl Name {
    /// What a copy is called that is to take this one's place; `None` where that is too long.
    pub(super) fn moving(&self) -> Option<Self> {
        format!("{}{MOVING}", self.0).parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        // A volume's or a snapshot's id, or a session's, names that and nothing else.
        let taken = ["vol-", "snap-", "session-"]
            .iter()
            .any(|p| text.starts_with(p));
        match first && rest && !taken && text.len() <= LONGEST {
            true => Ok(Self(text.to_owned())),
            false => Err(BadName(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_safe_everywhere_it_goes() {
        for good in ["project-alpha", "a", "2026.x_y", &"a".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            ".",
            "..",
            "a/b",
            "a b",
            "ä",
            "a\n",
            "vol-0abc",
            "snap-1",
            "session-abc234",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
