//! One pattern in the history of all agents: typed, searched for by their hosts, shown as it is found, the newest
//! first.

mod draw;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::work::{Work, search};
use super::line::Line;
use crate::client::Registry;
use crate::config::{Chord, Code};
use crate::model::{Found, Search, SessionId};

/// Of each agent, the last so many.
const LAST: u32 = 100;
/// Kept of all.
const MOST: usize = 2000;
/// A pattern is searched for once nothing was typed for so long.
const REST: Duration = Duration::from_millis(150);

/// A line that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub session: SessionId,
    pub agent: u32,
    pub found: Found,
}

/// What has come of a search so far.
#[derive(Debug, Default)]
struct Results {
    hits: Vec<Hit>,
    /// The place of the chosen one, which stays that while newer ones come.
    chosen: usize,
    /// Agents' histories that are still searched; none before it has begun.
    left: Option<usize>,
    /// Sessions that could not be searched, and why.
    failed: Vec<String>,
}

/// What follows from a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Stay,
    Leave,
    Open(Hit),
}

/// The pattern, and what was found.
pub struct Find {
    line: Line,
    results: Arc<Mutex<Results>>,
    under_way: Option<JoinHandle<()>>,
    work: Work,
    dirty: Arc<Notify>,
}

fn lock(results: &Mutex<Results>) -> MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Find {
    pub fn new(registry: Registry, dirty: Arc<Notify>) -> Self {
        Self {
            line: Line::default(),
            results: Arc::default(),
            under_way: None,
            work: Work::new(registry),
            dirty,
        }
    }

    pub fn key(&mut self, key: Chord) -> Next {
        match (key.code, key.ctrl) {
            (Code::Escape, _) | (Code::Char('c' | 'g'), true) => return Next::Leave,
            (Code::Enter, _) => {
                let results = lock(&self.results);
                let hit = results.hits.get(results.chosen).cloned();
                return hit.map_or(Next::Stay, Next::Open);
            }
            (Code::Up, _) | (Code::Char('p'), true) => self.go(-1),
            (Code::Down, _) | (Code::Char('n'), true) => self.go(1),
            (Code::PageUp, _) => self.go(-10),
            (Code::PageDown, _) => self.go(10),
            _ => {
                let before = self.line.text();
                self.line.key(key);
                if self.line.text() != before {
                    self.again();
                }
            }
        }
        Next::Stay
    }

    fn go(&self, by: isize) {
        let mut results = lock(&self.results);
        let last = results.hits.len().saturating_sub(1);
        results.chosen = results.chosen.saturating_add_signed(by).min(last);
    }

    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
        self.again();
    }

    /// What is typed, as a pattern; as text where it is none yet.
    pub fn pattern(&self) -> Option<regex_lite::Regex> {
        let text = self.line.text();
        let build = |text: &str| {
            regex_lite::RegexBuilder::new(text)
                .case_insensitive(Search::is_small(&self.line.text()))
                .build()
        };
        build(&text)
            .or_else(|_| build(&regex_lite::escape(&text)))
            .ok()
    }

    /// Lines of that agent like this one that were written after it.
    pub fn after(&self, hit: &Hit) -> usize {
        let like = super::copy::compared(&hit.found.text);
        let results = lock(&self.results);
        let after = results.hits.iter().filter(|other| {
            (&other.session, other.agent) == (&hit.session, hit.agent)
                && other.found.line > hit.found.line
                && super::copy::compared(&other.found.text) == like
        });
        after.count()
    }

    /// The pattern is another: what runs for the one before ends.
    fn again(&mut self) {
        self.stop();
        self.results = Arc::default();
        let pattern = self.line.text();
        if pattern.is_empty() {
            return;
        }
        let mut wanted = Search {
            ignore_case: Search::is_small(&pattern),
            last: Some(LAST),
            pattern,
            ..Search::default()
        };
        wanted.fixed = crate::mux::Seeker::new(&wanted).is_err();
        let (work, dirty) = (self.work.clone(), self.dirty.clone());
        let results = self.results.clone();
        self.under_way = Some(tokio::spawn(async move {
            tokio::time::sleep(REST).await;
            search(work, wanted, results, dirty).await;
        }));
    }

    fn stop(&mut self) {
        if let Some(task) = self.under_way.take() {
            task.abort();
        }
    }
}

impl Drop for Find {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Results {
    /// The newest first; those of one time as they were written.
    fn add(&mut self, hit: Hit) {
        let order = |h: &Hit| (h.found.at, h.found.line);
        let newer = |h: &Hit| order(h) > order(&hit);
        let at = self.hits.partition_point(newer);
        self.hits.insert(at, hit);
        self.hits.truncate(MOST);
        // The first is whichever is the newest, until another is chosen.
        if self.chosen > 0 && at <= self.chosen {
            self.chosen = (self.chosen + 1).min(MOST - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_first_and_there_is_an_end() {
        let mut results = Results::default();
        for n in 0..3000_u64 {
            let found = Found {
                line: n,
                at: n * 7 % 1000,
                ..Found::default()
            };
            results.add(Hit {
                session: "session-abc234".parse().expect("a name"),
                agent: 1,
                found,
            });
        }
        assert_eq!(results.hits.len(), MOST);
        assert!(
            results
                .hits
                .windows(2)
                .all(|w| w[0].found.at >= w[1].found.at)
        );
        assert_eq!(results.hits[0].found.at, 999);
    }
}
