//! Tabs: a list of trees, one of which is shown.

use serde::{Deserialize, Serialize};

use super::{PaneId, Tree};

/// One tree and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tab {
    /// As a person named it; else it is called by its panes.
    #[serde(default)]
    pub name: Option<String>,
    pub tree: Tree,
}

/// All tabs. There may be none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tabs {
    all: Vec<Tab>,
    current: usize,
    #[serde(default)]
    last: Option<usize>,
}

impl Tabs {
    pub fn all(&self) -> &[Tab] {
        &self.all
    }

    /// Whether they are such as could have been made here: they may come from a file, or from elsewhere.
    pub fn is_sound(&self) -> bool {
        let mut panes = self.panes();
        let all = panes.len();
        panes.sort_unstable();
        panes.dedup();
        panes.len() == all
            && self.all.iter().all(|tab| tab.tree.is_sound())
            && (self.all.is_empty() || self.current < self.all.len())
            && self.last.is_none_or(|last| last < self.all.len())
    }

    /// Gives all panes numbers that are higher by so many, so that they are nobody else's.
    pub fn raise(&mut self, by: PaneId) {
        self.all.iter_mut().for_each(|tab| tab.tree.raise(by));
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn current(&self) -> usize {
        self.current
    }

    pub fn shown(&self) -> Option<&Tab> {
        self.all.get(self.current)
    }

    pub fn shown_mut(&mut self) -> Option<&mut Tab> {
        self.all.get_mut(self.current)
    }

    /// A new tab with one pane, behind all others, and shown.
    pub fn open(&mut self, pane: PaneId) {
        self.all.push(Tab {
            name: None,
            tree: Tree::new(pane),
        });
        self.show(self.all.len() - 1);
    }

    /// Shows a tab; false where there is none of that number.
    pub fn show(&mut self, tab: usize) -> bool {
        if tab >= self.all.len() {
            return false;
        }
        if tab != self.current {
            self.last = Some(self.current).filter(|last| *last < self.all.len());
            self.current = tab;
        }
        true
    }

    /// The next tab, or the one before.
    pub fn cycle(&mut self, forward: bool) {
        let n = self.all.len();
        if n > 0 {
            let step = if forward { 1 } else { n - 1 };
            self.show((self.current + step) % n);
        }
    }

    pub fn show_last(&mut self) {
        if let Some(last) = self.last {
            self.show(last);
        }
    }

    /// The tab that a pane is in.
    pub fn tab_of(&self, pane: PaneId) -> Option<usize> {
        self.all.iter().position(|tab| tab.tree.contains(pane))
    }

    /// Shows a pane and gives it the keys.
    pub fn focus(&mut self, pane: PaneId) {
        if let Some(tab) = self.tab_of(pane) {
            self.show(tab);
            if let Some(tab) = self.shown_mut() {
                tab.tree.set_focus(pane);
            }
        }
    }

    /// Takes a pane away, and its tab with the last one.
    pub fn remove(&mut self, pane: PaneId) {
        let Some(at) = self.tab_of(pane) else {
            return;
        };
        if self
            .all
            .get_mut(at)
            .is_some_and(|tab| tab.tree.remove(pane))
        {
            return;
        }
        self.all.remove(at);
        self.last = match self.last {
            Some(last) if last == at => None,
            Some(last) if last > at => Some(last - 1),
            last => last,
        };
        if self.current > at || self.current >= self.all.len() {
            self.current = self.current.saturating_sub(1);
        }
    }

    /// The pane with the keys becomes a tab of its own; nothing where it is one already.
    pub fn break_out(&mut self) {
        let Some(tab) = self.shown_mut() else {
            return;
        };
        let pane = tab.tree.focus();
        if tab.tree.panes().len() > 1 && tab.tree.remove(pane) {
            self.open(pane);
        }
    }

    /// All panes of all tabs.
    pub fn panes(&self) -> Vec<PaneId> {
        self.all.iter().flat_map(|tab| tab.tree.panes()).collect()
    }
}
