//! What happened since one left: all hosts are asked side by side, and each answer becomes [`News`].

mod news;
mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use news::{AgentNews, Change, News, Visit, Window, news};
pub use seen::{Mark, Seen, SeenFile};

use super::registry::{Known, Registry};
use super::status::{PATIENCE, Presence, Report, ask_each};
use crate::model::{Millis, SessionId};
use crate::ssh::Ask;

/// Where nothing was shown yet, sessions that ended longer ago are no news.
const FIRST: Millis = 24 * 3_600_000;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub seen: Seen,
    /// From then on (this device's clock), whatever was shown.
    pub since: Option<Millis>,
    pub now: Millis,
    /// Who asks: their own visits are no news.
    pub who: String,
}

impl Wanted {
    /// Whether anything can have happened that was not shown, as far as is known without asking.
    pub fn may_have_news(&self, known: &Known) -> bool {
        let ended = known.last.as_ref().and_then(|l| l.ended.as_ref());
        let at = ended.map_or(known.last_seen, |e| e.at);
        let mark = self.seen.sessions.get(&known.id);
        known.live
            || match (self.since, mark) {
                (Some(since), _) => at > since,
                (None, Some(mark)) => !mark.over,
                (None, None) => at > self.now.saturating_sub(FIRST),
            }
    }

    /// Asks all of them.
    pub async fn ask(&self, registry: &Registry, known: &[Known], ask: &Arc<dyn Ask>) -> Vec<News> {
        let mark = |k: &Known| self.seen.sessions.get(&k.id);
        let from = |k: &Known| match self.since {
            // What had been made by then is to be known too.
            Some(_) => 0,
            None => mark(k).map_or(0, |m| m.at),
        };
        let asked = known.iter().map(|k| (k.clone(), Some(from(k))));
        let mut answers = ask_each(registry, asked, ask, PATIENCE);
        let mut reports: Vec<Option<Report>> = known.iter().map(|_| None).collect();
        while let Some((index, report)) = answers.recv().await {
            if let Some(place) = reports.get_mut(index) {
                *place = Some(report);
            }
        }
        let told = reports.into_iter().zip(known).map(|(report, known)| {
            let report = report.unwrap_or_else(|| Report::remembered(known));
            let window = match self.since {
                Some(since) => Window::Age(self.now.saturating_sub(since)),
                None => mark(known).map_or(Window::All, |m| Window::After(m.clone())),
            };
            news(report, &window, &self.who)
        });
        told.collect()
    }
}

/// Up to where this shows each session. One that did not answer was not shown.
pub fn marks(news: &[News]) -> BTreeMap<SessionId, Mark> {
    let shown = news.iter().filter(|n| n.presence != Presence::Unreachable);
    shown
        .map(|n| {
            let commits = n.agents.iter();
            let commits = commits.filter_map(|a| Some((a.agent, a.work?.commits)));
            let mark = Mark {
                at: n.now,
                commits: commits.collect(),
                over: matches!(n.presence, Presence::Ended | Presence::Lost),
            };
            (n.session.clone(), mark)
        })
        .collect()
}
