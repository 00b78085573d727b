//! When the layout is kept: once it has not changed for a moment, so that it outlives a device that is switched off,
//! and when one leaves.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::saved::Saved;
use super::App;
use crate::model::SessionId;

/// Hosts are not waited for longer when we leave.
const LEAVE: Duration = Duration::from_secs(1);

/// What was kept last, and what is seen since.
pub(super) struct Kept {
    last: Saved,
    seen: Option<Saved>,
}

impl Kept {
    pub(super) fn new(last: Saved) -> Self {
        Self { last, seen: None }
    }

    /// As it has just become, by itself.
    pub(super) fn is(&mut self, app: &App) {
        (self.last, self.seen) = (app.saved(), None);
    }

    /// Whether nothing was changed by hand since.
    pub(super) fn is_untouched(&self, app: &App) -> bool {
        same(&app.saved(), &self.last)
    }

    /// Called each second: what is as it was a second ago, and new, is kept.
    pub(super) fn look(&mut self, app: &App) {
        let now = app.saved();
        if same(&now, &self.last) {
            self.seen = None;
        } else if self.seen.as_ref().is_some_and(|seen| same(&now, seen)) {
            tokio::spawn(self.keep(app, now));
        } else {
            self.seen = Some(now);
        }
    }

    /// Keeps it where it has changed. What is returned ends once the hosts have it.
    pub(super) fn leave(&mut self, app: &App) -> impl Future<Output = ()> + Send + use<> {
        let now = app.saved();
        let told = (!same(&now, &self.last)).then(|| self.keep(app, now));
        async {
            if let Some(told) = told {
                let _ = tokio::time::timeout(LEAVE, told).await;
            }
        }
    }

    fn keep(&mut self, app: &App, now: Saved) -> impl Future<Output = ()> + Send + use<> {
        now.store(&app.paths);
        let layout = now.for_hosts();
        // Those that had one and are in it no more are told so.
        let panes = now.panes.values().chain(self.last.panes.values());
        let agents = panes.filter_map(|source| source.of_agent());
        let sessions: BTreeSet<SessionId> = agents.map(|(session, _)| session.clone()).collect();
        (self.last, self.seen) = (now, None);
        let ways = app.wires.ways.clone();
        async move {
            if let Some(layout) = layout {
                ways.keep_layout(sessions, &layout).await;
            }
        }
    }
}

/// But for when.
fn same(a: &Saved, b: &Saved) -> bool {
    (&a.tabs, &a.panes) == (&b.tabs, &b.panes)
}
