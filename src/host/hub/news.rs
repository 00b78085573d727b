//! The hub's side of the news: where states become some, and what is to be done about it.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

use super::Hub;
use super::inner::Inner;
use crate::config::check_url;
use crate::cost::budget::Meter;
use crate::model::{AgentStatus, HostRule, HostWay, Millis, Money, News, NewsKind, now_ms};
use crate::mux::adopt_descriptor;
use crate::proto::{ErrorCode, WireError};

/// They must fit into a pipe when the host's binary is replaced.
const MOST_RULES: usize = 16;
const MOST_BYTES: usize = 16 * 1024;

impl Inner {
    /// An agent tells of itself. What the wrap-up does to it is no news.
    pub fn saw(&mut self, agent: &AgentStatus) {
        if !self.ending {
            self.desk.saw(agent, now_ms());
        }
    }
}

impl Hub {
    /// What the host before this one told is told already.
    pub fn go_on(&self, news: &[News]) {
        self.lock().desk.go_on(news);
    }

    /// The last number that it told.
    pub fn told_before(&self) -> u64 {
        self.lock().desk.before()
    }

    /// Something about the session as a whole: with its total, at its end.
    pub fn say(&self, event: NewsKind, message: &str) {
        let now = now_ms();
        {
            let mut inner = self.lock();
            let hour = Money::micros(inner.spec.price_microusd_per_hour);
            let meter = Meter::new(inner.spec.created, hour);
            let total =
                (event == NewsKind::Ended && !hour.is_zero()).then(|| meter.spent(now).as_micros());
            inner.desk.say(event, message, total, now);
        }
        self.touch();
    }

    /// Makes news of what has held for long enough; the newest number there is, and when to look again.
    pub fn look_for_news(&self, now: Millis) -> (u64, Option<Millis>) {
        let mut inner = self.lock();
        let new = !inner.ending && inner.desk.look(now);
        let next = inner.desk.next().filter(|_| !inner.ending);
        let newest = inner.desk.newest();
        drop(inner);
        if new {
            self.touch();
        }
        (newest, next)
    }

    /// What to do about news from here on.
    ///
    /// # Errors
    /// Too many rules, one that cannot be followed, or the host is being replaced.
    pub fn set_rules(&self, rules: Vec<HostRule>) -> Result<(), WireError> {
        let refused = |why: String| Err(WireError::new(ErrorCode::BadRequest, why));
        let bytes: usize = rules.iter().map(size).sum();
        if rules.len() > MOST_RULES || bytes > MOST_BYTES {
            return refused(format!(
                "a host takes {MOST_RULES} rules for notices, of {} KiB in all",
                MOST_BYTES / 1024
            ));
        }
        for rule in &rules {
            match &rule.way {
                HostWay::Webhook { url } => {
                    if let Err(why) = check_url(url) {
                        return refused(format!("a webhook's URL {why}"));
                    }
                }
                HostWay::Command { .. } => {}
                HostWay::Unknown => {
                    return refused("this host does not know that way to tell".to_owned());
                }
            }
        }
        {
            let mut inner = self.lock();
            // The next binary has been handed the old ones already.
            if inner.frozen {
                return Err(WireError::new(
                    ErrorCode::Upgrading,
                    format!("{} is being upgraded", self.id),
                )
                .hint("do it again in a moment"));
            }
            inner.rules = (inner.rules.0 + 1, rules.into());
        }
        self.touch();
        Ok(())
    }

    /// The rules, and a number that changes with them.
    pub fn rules(&self) -> (u64, Arc<[HostRule]>) {
        self.lock().rules.clone()
    }

    /// A pipe that holds them, for the binary that replaces this one: they are on no disk.
    pub fn hand_rules(&self) -> Option<OwnedFd> {
        let (_, rules) = self.rules();
        if rules.is_empty() {
            return None;
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let text = serde_json::to_vec(&rules[..]).ok()?;
        std::fs::File::from(write).write_all(&text).ok()?;
        Some(read)
    }

    /// Takes them over.
    pub fn take_rules(&self, fd: i32) {
        let read = || {
            let pipe = adopt_descriptor(fd)?;
            let mut text = Vec::new();
            std::fs::File::from(pipe).read_to_end(&mut text)?;
            Ok::<_, std::io::Error>(serde_json::from_slice(&text)?)
        };
        match read() {
            Ok(rules) => {
                let _ = self.set_rules(rules);
            }
            Err(e) => self.warn(format!(
                "nobody is told of news any more: the rules were lost in an upgrade ({e})"
            )),
        }
    }
}

fn size(rule: &HostRule) -> usize {
    match &rule.way {
        HostWay::Webhook { url } => url.len(),
        HostWay::Command { command } => command.len(),
        HostWay::Unknown => 0,
    }
}
