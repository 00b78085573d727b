//! One value: what it may be, what it is, and where it came from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::Money;

/// Longer than any session is meant to live; a slip of the finger (`10years`) is an error, not a bill.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Choice(&'static [&'static str]),
    /// `90m`, `1h 30m`: written as text.
    Duration,
    /// A whole number up to this.
    Count(u32),
    /// US dollars: `2usd`, `$2`, `0.50`.
    Money,
    /// Variables' names: a list in a file, elsewhere apart from each other by commas or spaces.
    Names,
}

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Duration(Duration),
    Count(u32),
    Money(Money),
}

/// Where a value came from, lowest layer first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    BuiltIn,
    /// A file and the line in it, from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Variable(&'static str),
    /// `--config`.
    Flag,
}

impl Shape {
    /// What belongs here, for an error.
    pub fn expected(self) -> String {
        match self {
            Self::Text => "text in quotes".to_owned(),
            Self::Choice(words) => format!("one of \"{}\"", words.join("\", \"")),
            Self::Duration => "a time such as \"90m\" or \"1h 30m\"".to_owned(),
            Self::Count(most) => format!("a whole number from 0 to {most}"),
            Self::Money => "an amount of dollars such as \"2usd\" or \"0.50\"".to_owned(),
            Self::Names => "a list of names such as [\"GITHUB_TOKEN\"]".to_owned(),
        }
    }

    /// Reads a value as it stands in a variable, a flag, or a file's quotes.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let wrong = || format!("must be {}, not \"{text}\"", self.expected());
        match self {
            Self::Text if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Choice(words) => words
                .contains(&text)
                .then(|| Value::Text(text.to_owned()))
                .ok_or_else(wrong),
            Self::Duration => parse_duration(text)
                .map(Value::Duration)
                .map_err(|why| format!("must be {}: {why}", self.expected())),
            Self::Count(most) => text
                .parse()
                .ok()
                .filter(|n| *n <= most)
                .map(Value::Count)
                .ok_or_else(wrong),
            Self::Money => text.parse().map(Value::Money).map_err(|_| wrong()),
            Self::Names => {
                let names: Vec<&str> = text
                    .split([',', ' '])
                    .filter(|name| !name.is_empty())
                    .collect();
                let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
                match names.iter().all(|name| name.chars().all(sound)) {
                    true => Ok(Value::Text(names.join(" "))),
                    false => Err(wrong()),
                }
            }
        }
    }
}

/// Reads a time as people write it: `90m`, `1h 30m`. For flags of the same meaning too.
///
/// # Errors
/// No time, none at all, or over a year.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|e| format!("\"{text}\" is no time such as 90m or 1h30m ({e})"))?;
    if time < Duration::from_secs(1) {
        return Err(format!("\"{text}\" is under a second"));
    }
    if time > LONGEST {
        return Err(format!("\"{text}\" is over a year"));
    }
    Ok(time)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Duration(time) => humantime::format_duration(*time).fmt(f),
            Self::Count(n) => n.fmt(f),
            Self::Money(amount) => amount.fmt(f),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag => f.write_str("--config"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_bounds() {
        assert_eq!(
            parse_duration("1h 30m").ok(),
            Some(Duration::from_secs(5400))
        );
        for wrong in ["0s", "10years", "soon", "", "-5m", "99999999999999999999y"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_value_is_told_with_what_belongs_there() {
        assert_eq!(
            Shape::Choice(&["a", "b"]).parse("c"),
            Err("must be one of \"a\", \"b\", not \"c\"".to_owned())
        );
        assert!(Shape::Count(10).parse("11").is_err());
        assert!(Shape::Count(10).parse("-1").is_err());
        assert!(Shape::Text.parse("").is_err());
        let names = |text: &str| Shape::Names.parse(text).map(|v| v.to_string());
        assert_eq!(names("A, B_2 C").as_deref(), Ok("A B_2 C"));
        assert!(names("A-B").is_err());
    }
}
