//! Telling the person at this device: what the rules want of a session's news, done by whichever client follows it,
//! and by one of them where several do.

mod claim;
mod programs;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, NotifyRule, Paths, Way};
use crate::error::{Error, Result};
use crate::model::{HostRule, Millis, News, NewsKind, SessionStatus};
use crate::notice::{Due, Wanted, body, text, title};
use crate::proto::Op;
use crate::ssh::Ask;
pub use claim::Claims;
pub use watch::{Told, follow};

use super::reach::{HostConn, reach};
use super::registry::Known;
use super::status::IN_ALL;

const BELL: &[u8] = b"\x07";

/// Tells of one session.
pub struct Teller {
    rules: Vec<NotifyRule>,
    due: Due,
    claims: Claims,
    /// There is one to ring the bell of.
    terminal: bool,
    /// Agents that this client has started.
    began: Vec<u32>,
    /// What was heard last, and when.
    last: Option<(SessionStatus, Instant)>,
}

impl Teller {
    /// `None` where there is nothing that this client could do. `terminal`: it has one.
    pub fn new(paths: &Paths, config: &Config, terminal: bool) -> Option<Self> {
        let here = |rule: &&NotifyRule| match &rule.way {
            Way::Desktop | Way::Command { on_host: false, .. } => true,
            Way::Osc9 | Way::Bell => terminal,
            Way::Webhook { .. } | Way::Command { on_host: true, .. } => false,
        };
        let rules: Vec<NotifyRule> = config.notify().iter().filter(here).cloned().collect();
        let wanted = rules.iter().map(|rule| Wanted {
            on: rule.on.clone(),
            after: u64::try_from(rule.after.as_millis()).unwrap_or(u64::MAX),
        });
        let due = Due::new(wanted.collect());
        (!rules.is_empty()).then(|| Self {
            rules,
            due,
            claims: Claims::new(paths),
            terminal,
            began: Vec::new(),
            last: None,
        })
    }

    /// This client has started these agents: nothing of theirs is old.
    #[must_use]
    pub fn began(mut self, agents: &[u32]) -> Self {
        self.began = agents.to_vec();
        self
    }

    /// Something is to be told when agents or the session end.
    pub fn tells_ends(&self) -> bool {
        let ends = [NewsKind::Done, NewsKind::Error, NewsKind::Ended];
        self.rules
            .iter()
            .any(|rule| ends.iter().any(|kind| rule.on.contains(kind)))
    }

    /// What the host says now: bytes for the terminal. What was news before this client came is old.
    pub fn see(&mut self, status: &SessionStatus) -> Vec<u8> {
        if self.last.is_none() {
            let ours = |n: &&News| n.agent.is_some_and(|agent| self.began.contains(&agent));
            match status.news.iter().find(ours) {
                Some(first) => self.due.pass_over_to(first.number.saturating_sub(1)),
                None => self.due.pass_over(status),
            }
        }
        self.last = Some((status.clone(), Instant::now()));
        self.tick()
    }

    /// What has become due by the passing of time.
    pub fn tick(&mut self) -> Vec<u8> {
        let Some((status, heard)) = self.last.take() else {
            return Vec::new();
        };
        let now = status.now.saturating_add(ms(heard.elapsed()));
        let bytes = self.tell(&status, now);
        self.last = Some((status, heard));
        bytes
    }

    /// This client leaves: what waits, and is so still, is told now.
    pub fn finish(&mut self) -> Vec<u8> {
        let Some((status, _)) = self.last.take() else {
            return Vec::new();
        };
        self.tell(&status, Millis::MAX)
    }

    /// How long until [`Teller::tick`] has something to do.
    pub fn next(&self) -> Option<Duration> {
        let (status, heard) = self.last.as_ref()?;
        let now = status.now.saturating_add(ms(heard.elapsed()));
        let at = self.due.next()?;
        Some(Duration::from_millis(at.saturating_sub(now)))
    }

    fn tell(&mut self, status: &SessionStatus, now: Millis) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (place, news) in self.due.look(status, now) {
            if let Some(rule) = self.rules.get(place)
                && self.claims.take(&status.spec.id, &news, place)
            {
                bytes.extend(self.follow(rule, status, &news));
            }
        }
        bytes
    }

    fn follow(&self, rule: &NotifyRule, status: &SessionStatus, news: &News) -> Vec<u8> {
        match &rule.way {
            Way::Bell => BELL.to_vec(),
            Way::Osc9 => osc9(&text(status, news)),
            Way::Desktop => match programs::desktop(&title(status, news), &body(news)) {
                true => Vec::new(),
                // The terminal may know how.
                false if self.terminal => osc9(&text(status, news)),
                false => Vec::new(),
            },
            Way::Command {
                command,
                on_host: false,
            } => {
                programs::command(command, status, news);
                Vec::new()
            }
            Way::Webhook { .. } | Way::Command { .. } => Vec::new(),
        }
    }
}

fn ms(time: Duration) -> Millis {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The terminal's own notification. A text of ours begins with a session's name, never with a digit and `;`, which
/// some take for something else.
fn osc9(text: &str) -> Vec<u8> {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\x1b]9;{clean}\x1b\\").into_bytes()
}

/// The rules that a session's host is to follow.
pub fn for_host(config: &Config) -> Vec<HostRule> {
    config
        .notify()
        .iter()
        .filter_map(NotifyRule::for_host)
        .collect()
}

/// Tells a session's host what it is to do about news, over `host` where that is open already; nothing where there is
/// nothing to do.
///
/// # Errors
/// It does not answer, refuses, or is too old to know how.
pub async fn hand_over(
    rules: Vec<HostRule>,
    known: &Known,
    host: Option<&HostConn>,
    ask: Arc<dyn Ask>,
) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let mut control = match host {
        Some(host) => host.control().await?,
        None => reach(known, ask).await?.control().await?,
    };
    let told = control.ask(Op::Tell { rules });
    let late = |_| Err(Error::connection("its host does not answer"));
    let told = tokio::time::timeout(IN_ALL, told).await;
    told.unwrap_or_else(late).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_but_text() {
        assert_eq!(
            osc9("auth/2 is blocked: \x1b]0;x\x07 y\n"),
            b"\x1b]9;auth/2 is blocked: ]0;x y\x1b\\"
        );
    }
}
