//! `[[auto.rules]]`: which instance type a task gets, by what it says.

use regex_lite::{Regex, RegexBuilder};

use super::Origin;

/// One rule: the first that matches decides.
#[derive(Debug, Clone)]
pub struct AutoRule {
    /// As it was written.
    pub pattern: String,
    /// `m6i.4xlarge`
    pub instance: String,
    pub origin: Origin,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// All of these, whole, in any order.
    Words(Vec<String>),
    Regex(Box<Regex>),
}

impl AutoRule {
    /// Letters, digits and spaces are words that must all occur; anything else is a regular expression.
    /// Neither cares about case.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str, instance: &str, origin: Origin) -> Result<Self, String> {
        let matcher = if pattern.trim().is_empty() {
            return Err("matches nothing: it is empty".to_owned());
        } else if pattern
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        {
            Matcher::Words(words(pattern).collect())
        } else {
            let regex = RegexBuilder::new(pattern).case_insensitive(true).build();
            Matcher::Regex(Box::new(
                regex.map_err(|e| format!("is no regular expression: {e}"))?,
            ))
        };
        Ok(Self {
            pattern: pattern.to_owned(),
            instance: instance.to_owned(),
            origin,
            matcher,
        })
    }

    pub fn matches(&self, task: &str) -> bool {
        match &self.matcher {
            Matcher::Words(all) => {
                let said: Vec<String> = words(task).collect();
                all.iter().all(|word| said.contains(word))
            }
            Matcher::Regex(regex) => regex.is_match(task),
        }
    }
}

/// A text's words in lower case: runs of letters, digits, `-` and `_`.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_and_anything_else_is_an_expression() -> Result<(), String> {
        let rule = |pattern| AutoRule::new(pattern, "m6i.large", Origin::BuiltIn);
        assert!(rule("Integration suite")?.matches("run the suite of INTEGRATION tests"));
        assert!(!rule("suite")?.matches("suites"));
        assert!(rule("^train|gpu")?.matches("Train a model"));
        assert!(!rule("^train")?.matches("the train"));
        assert!(rule("(").is_err() && rule(" ").is_err());
        Ok(())
    }
}
