//! A secret's value, which no debug output shows; and what an agent's specification says of secrets: their names.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// In an agent's environment: the names of the secrets it is given, apart from each other by spaces.
pub const GIVEN: &str = "REMOTE_GIVEN_SECRETS";
/// In an agent's environment: which of them git is given for which host: `github.com=GITHUB_TOKEN gitlab.com=…`.
pub const GIT_CREDENTIALS: &str = "REMOTE_GIT_CREDENTIALS";

/// A secret's value. It travels only inside SSH and is held only in memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(String);

impl SecretValue {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself: for whom it is meant, and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// The names of the secrets that an agent with this environment is given.
pub fn given(env: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    env.get(GIVEN)
        .into_iter()
        .flat_map(|l| l.split_whitespace())
}

/// Which secret git is given for `host`, of those that the agent is given.
pub fn git_secret<'a>(env: &'a BTreeMap<String, String>, host: &str) -> Option<&'a str> {
    let pairs = env.get(GIT_CREDENTIALS)?.split_whitespace();
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, name) = pairs.find(|(known, _)| known.eq_ignore_ascii_case(host))?;
    given(env).find(|given| *given == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_gets_only_what_the_agent_was_given() {
        let mut env = BTreeMap::from([
            (GIVEN.to_owned(), "A GITHUB_TOKEN".to_owned()),
            (
                GIT_CREDENTIALS.to_owned(),
                "github.com=GITHUB_TOKEN git.example.com:8080=B".to_owned(),
            ),
        ]);
        assert_eq!(git_secret(&env, "GitHub.com"), Some("GITHUB_TOKEN"));
        assert_eq!(git_secret(&env, "git.example.com:8080"), None);
        assert_eq!(git_secret(&env, "example.com"), None);
        env.remove(GIVEN);
        assert_eq!(git_secret(&env, "github.com"), None);
    }

    #[test]
    fn no_debug_output_has_the_value() {
        let value = SecretValue::new("hunter2");
        assert_eq!(format!("{value:?}"), "SecretValue(..)");
        assert_eq!(serde_json::to_string(&value).expect("json"), "\"hunter2\"");
    }
}
