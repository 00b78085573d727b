//! `[[notify]]`: who is told of what happens in sessions, how, and from when on.

use std::time::Duration;

use super::Origin;
use crate::model::{HostRule, HostWay, NewsKind, shown_url};

/// A state that does not last so long is not worth a word, unless a rule says otherwise.
const AFTER: Duration = Duration::from_secs(3);
const LONGEST_URL: usize = 4096;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRule {
    pub on: Vec<NewsKind>,
    pub way: Way,
    /// An agent's state must have held so long.
    pub after: Duration,
    pub origin: Origin,
}

/// How somebody is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Way {
    /// The desktop's own notification.
    Desktop,
    /// The terminal's, by OSC 9.
    Osc9,
    Bell,
    /// The session's host POSTs JSON.
    Webhook {
        url: String,
    },
    /// A shell command, here or at the session's host.
    Command {
        command: String,
        on_host: bool,
    },
}

impl NotifyRule {
    pub fn new(way: Way, origin: Origin) -> Self {
        Self {
            on: NewsKind::ALL.to_vec(),
            way,
            after: AFTER,
            origin,
        }
    }

    /// What holds where nobody has said anything: a terminal that follows tells of a question.
    pub(super) fn built_in() -> Vec<Self> {
        [Way::Bell, Way::Osc9]
            .map(|way| Self {
                on: vec![NewsKind::Blocked],
                ..Self::new(way, Origin::BuiltIn)
            })
            .to_vec()
    }

    /// The rule as the session's host gets it, where it is the host that follows it.
    pub fn for_host(&self) -> Option<HostRule> {
        let way = match &self.way {
            Way::Webhook { url } => HostWay::Webhook { url: url.clone() },
            Way::Command {
                command,
                on_host: true,
            } => HostWay::Command {
                command: command.clone(),
            },
            _ => return None,
        };
        Some(HostRule {
            on: self.on.clone(),
            after_ms: u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX),
            way,
        })
    }

    /// The kinds in words: `blocked, error`.
    pub fn kinds(&self) -> String {
        let words: Vec<_> = self.on.iter().map(|k| k.word()).collect();
        words.join(", ")
    }
}

impl Way {
    /// As it may be shown: of a URL only whose it is, and no command, for both may hold secrets.
    pub fn told(&self) -> String {
        match self {
            Self::Desktop => "desktop".to_owned(),
            Self::Osc9 => "osc9".to_owned(),
            Self::Bell => "bell".to_owned(),
            Self::Webhook { url } => format!("webhook {}", shown_url(url)),
            Self::Command { on_host: true, .. } => "command at the host".to_owned(),
            Self::Command { .. } => "command".to_owned(),
        }
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told())
    }
}

/// Whether `url` is one that can be posted to.
///
/// # Errors
/// What is wrong with it, to follow its name. Never the URL itself.
pub fn check_url(url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or("must begin with https:// or http://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if url.len() > LONGEST_URL {
        return Err(format!("is over {LONGEST_URL} bytes"));
    }
    if !url.is_ascii() || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err("holds a space or what is not ASCII".to_owned());
    }
    if host.is_empty() || host.starts_with(':') {
        return Err("names no host".to_owned());
    }
    if host.contains('@') {
        return Err("holds a user name, which would not be sent".to_owned());
    }
    Ok(())
}
