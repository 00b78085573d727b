//! A search through an agent's history: what is looked for, and what is found. Lines are those that `remote logs`
//! prints, counted from 1.

use serde::{Deserialize, Serialize};

use super::Millis;

/// What is looked for, and how much of it is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    pub pattern: String,
    /// The pattern is text, not a regular expression.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Lines before and after each that matches; at most 1000 are sent.
    #[serde(default)]
    pub before: u32,
    #[serde(default)]
    pub after: u32,
    /// No line is wanted, only how many match.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub count: bool,
    /// It is over after so many lines that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Only the last so many that match, without those around them; at most 1000 are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
}

/// A line that was found, or one beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub line: u64,
    /// When it was ended.
    #[serde(default)]
    pub at: Millis,
    pub text: String,
    /// From which byte of the text to which it matches; none in a line that is only beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<(u32, u32)>,
}

impl Found {
    /// Leaves so many bytes of the text at most, and what matches within.
    pub fn cut(&mut self, most: usize) {
        let end = self.text.floor_char_boundary(most);
        self.text.truncate(end);
        let within = |to: u32| usize::try_from(to).is_ok_and(|to| to <= end);
        self.matches.retain(|(_, to)| within(*to));
    }

    /// What holding it costs, in bytes and roughly: of many short lines it is not the text.
    pub fn weight(&self) -> usize {
        64 + self.text.len() + 16 * self.matches.len()
    }
}

/// What a search came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// Lines that match.
    pub matched: u64,
    /// Lines that were looked at.
    pub lines: u64,
    /// The program takes the whole screen: its lines mean little.
    #[serde(default)]
    pub full_screen: bool,
}

impl Search {
    /// Whether a pattern asks for either case by having no capital letter in it; one behind a backslash is a class.
    pub fn is_small(pattern: &str) -> bool {
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if c == '\\' {
                let class = chars.next();
                if matches!(class, Some('p' | 'P')) && chars.as_str().starts_with('{') {
                    chars.by_ref().find(|c| *c == '}');
                }
            } else if c.is_uppercase() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_letter_asks_for_its_case_and_a_class_does_not() {
        for small in ["error", r"\Serror\D", r"\p{Lu}x", "", "é", r"\\"] {
            assert!(Search::is_small(small), "{small}");
        }
        for capital in ["Error", r"\\Error", "É", r"\p{Lu}X"] {
            assert!(!Search::is_small(capital), "{capital}");
        }
    }
}
