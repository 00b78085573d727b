//! What programs' screens and titles tell of their state, as data: one file per agent in `host/rules/`, made
//! from recordings of the versions that it names. A screen that no rule knows says nothing.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde::Deserialize;

use crate::model::BlockedOn;

/// The files, in the order in which they are tried; the last one is for every program.
const FILES: [&str; 4] = [
    include_str!("../rules/claude.toml"),
    include_str!("../rules/codex.toml"),
    include_str!("../rules/aider.toml"),
    include_str!("../rules/any.toml"),
];
/// The version of the files' form.
const VERSION: u32 = 1;
/// Words of a command line among which the program is looked for: a shell's setup stands before it.
const WORDS: usize = 8;
/// A question's part of the screen, where nothing marks its beginning.
const PART: usize = 12;

static ALL: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let read = |text: &&str| match toml::from_str::<Rules>(text) {
        Ok(rules) if rules.version == VERSION => Some(rules),
        _ => None,
    };
    FILES.iter().filter_map(read).collect()
});

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    version: u32,
    /// The agent's name or its program's; `*` for every one.
    agent: String,
    /// The program's versions at which its screens were recorded.
    #[serde(default)]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "it is for who changes the rules")
    )]
    recorded: Vec<String>,
    #[serde(default)]
    rule: Vec<Rule>,
}

/// What a rule says; at rest is done after work and idle before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Working,
    Blocked,
    Rest,
    Error,
}

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// The last `lines` lines that are not blank.
    Bottom,
    /// The cursor's line up to the cursor, which stands at its end.
    Cursor,
    Title,
}

/// One rule: it holds where every pattern of `all` matches a line of its place and none of `none` does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    state: Word,
    #[serde(default)]
    on: Option<BlockedOn>,
    #[serde(rename = "in", default = "bottom")]
    place: Place,
    #[serde(default = "many")]
    lines: usize,
    all: Vec<Pattern>,
    #[serde(default)]
    none: Vec<Pattern>,
    /// Its first group, on the last line that matches, is what is asked or said.
    #[serde(default)]
    text: Option<Pattern>,
    /// The question begins at the last line that matches.
    #[serde(default)]
    from: Option<Pattern>,
    /// The answer is a key, which takes effect at once: no Enter behind it, which would answer what comes next.
    #[serde(default)]
    key: bool,
    /// The program drops keys that come soon after it has drawn this, or after it was held up; and when it takes
    /// one, it shows that at once. What it has dropped may be typed again.
    #[serde(default)]
    drops: bool,
}

fn bottom() -> Place {
    Place::Bottom
}

fn many() -> usize {
    20
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex_lite::Error;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct View {
    /// The visible lines, right-trimmed.
    pub lines: Vec<String>,
    /// The cursor's row and column, from 0.
    pub cursor: (u16, u16),
    pub title: String,
}

/// What a rule read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub state: Word,
    pub on: Option<BlockedOn>,
    pub message: Option<String>,
    pub rule: &'static str,
}

/// A question on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub lines: Vec<String>,
    pub key: bool,
    pub drops: bool,
}

/// The files that are for an agent: its own, and the one for all.
#[derive(Debug, Clone, Default)]
pub struct Book(Vec<&'static Rules>);

impl Book {
    /// By the agent's name or a program in its command line.
    pub fn of(name: &str, argv: &[String]) -> Self {
        let words: Vec<&str> = argv
            .iter()
            .take(WORDS)
            .filter_map(|w| w.rsplit('/').next())
            .chain([name])
            .collect();
        let own = |r: &&Rules| r.agent == "*" || words.contains(&r.agent.as_str());
        Self(ALL.iter().filter(own).collect())
    }

    /// What the screen says, and what the title says.
    pub fn read(&self, view: &View) -> (Option<Seen>, Option<Seen>) {
        let first = |title: bool| {
            let mut rules = self.0.iter().flat_map(|r| &r.rule);
            rules.find_map(|rule| {
                let wanted = (rule.place == Place::Title) == title;
                wanted.then(|| rule.read(view)).flatten()
            })
        };
        (first(false), first(true))
    }

    /// The part of the screen that asks: as the rule says that knows it, else the last lines.
    pub fn part(&self, view: &View) -> Part {
        let rule = self.0.iter().flat_map(|r| &r.rule).find(|rule| {
            rule.state == Word::Blocked && rule.place != Place::Title && rule.read(view).is_some()
        });
        let last = |lines: usize| tail(&view.lines, lines);
        let Some(rule) = rule else {
            return Part {
                lines: owned(last(PART)),
                key: false,
                drops: false,
            };
        };
        let lines = match rule.place {
            Place::Cursor => last(1),
            _ => last(rule.lines),
        };
        let from = rule
            .from
            .as_ref()
            .and_then(|from| lines.iter().rposition(|l| from.0.is_match(l)));
        Part {
            lines: owned(lines.get(from.unwrap_or(0)..).unwrap_or_default().to_vec()),
            key: rule.key,
            drops: rule.drops,
        }
    }
}

impl Rule {
    fn read(&'static self, view: &View) -> Option<Seen> {
        let cursor;
        let lines: Vec<&str> = match self.place {
            Place::Bottom => tail(&view.lines, self.lines),
            Place::Title => vec![view.title.as_str()],
            Place::Cursor => {
                cursor = before_cursor(view)?;
                vec![cursor.as_str()]
            }
        };
        let any = |p: &Pattern| lines.iter().any(|l| p.0.is_match(l));
        if !self.all.iter().all(any) || self.none.iter().any(any) {
            return None;
        }
        let message = self.text.as_ref().and_then(|text| {
            let found = lines.iter().rev().find_map(|l| text.0.captures(l))?;
            let group = found.get(1).or(found.get(0))?;
            Some(group.as_str().trim().to_owned())
        });
        Some(Seen {
            state: self.state,
            on: self.on,
            message,
            rule: &self.name,
        })
    }
}

/// The last lines that are not blank.
fn tail(lines: &[String], most: usize) -> Vec<&str> {
    let written: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|l| !l.trim().is_empty())
        .collect();
    let from = written.len().saturating_sub(most);
    written.get(from..).unwrap_or_default().to_vec()
}

fn owned(lines: Vec<&str>) -> Vec<String> {
    lines.into_iter().map(str::to_owned).collect()
}

/// The cursor's line, where nothing is behind the cursor and nothing below it.
fn before_cursor(view: &View) -> Option<String> {
    let (row, col) = (usize::from(view.cursor.0), usize::from(view.cursor.1));
    let line = view.lines.get(row)?;
    let below = view.lines.get(row + 1..).unwrap_or_default();
    let written: usize = line
        .chars()
        .map(|c| unicode_width::UnicodeWidthChar::width(c).unwrap_or(0))
        .sum();
    (written <= col && !line.is_empty() && below.iter().all(String::is_empty)).then(|| line.clone())
}

#[cfg(test)]
mod tests;
