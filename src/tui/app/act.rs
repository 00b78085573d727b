//! What each command does.

use std::time::Instant;

use super::super::line::Line;
use super::super::pane::Life;
use super::{App, Mode, REPEAT, View, Wanted};
use crate::config::Action;
use crate::model::SessionId;
use crate::mux::layout::{Axis, Direction, Tree};

impl App {
    pub(super) fn act(&mut self, action: Action) {
        if let Some(tab) = action.tab() {
            return self.show_tab(tab);
        }
        match action {
            Action::SplitRight => self.split(Axis::Across),
            Action::SplitDown => self.split(Axis::Down),
            Action::NewTab => self.new_tab(),
            Action::NextTab => self.with_tabs(|tabs| tabs.cycle(true)),
            Action::PreviousTab => self.with_tabs(|tabs| tabs.cycle(false)),
            Action::LastTab => self.with_tabs(super::Tabs::show_last),
            Action::CloseTab => {
                if let Some(tab) = self.tabs.shown().filter(|_| self.view == View::Tabs) {
                    let panes = tab.tree.panes();
                    self.want_closed(panes);
                }
            }
            Action::RenameTab => {
                let name = self
                    .tabs
                    .shown()
                    .map(|tab| tab.name.clone().unwrap_or_default());
                if let Some(name) = name.filter(|_| self.view == View::Tabs) {
                    self.mode = Mode::Prompt(Wanted::TabName, Line::new(&name));
                }
            }
            Action::Left => self.go(Direction::Left),
            Action::Right => self.go(Direction::Right),
            Action::Up => self.go(Direction::Up),
            Action::Down => self.go(Direction::Down),
            Action::NextPane => self.with_tree(|tree| tree.cycle(true)),
            Action::LastPane => self.with_tree(Tree::focus_last),
            Action::Zoom => self.with_tree(Tree::zoom),
            Action::ClosePane => {
                if let Some(pane) = self.focus().filter(|_| self.view == View::Tabs) {
                    self.want_closed(vec![pane]);
                }
            }
            Action::BreakPane => self.with_tabs(super::Tabs::break_out),
            Action::SwapNext => self.with_tree(|tree| tree.swap(true)),
            Action::SwapPrevious => self.with_tree(|tree| tree.swap(false)),
            Action::Rotate => self.with_tree(|tree| tree.rotate(true)),
            Action::NextLayout => self.with_tree(Tree::next_preset),
            Action::GrowLeft => self.grow(Direction::Left, 1),
            Action::GrowRight => self.grow(Direction::Right, 1),
            Action::GrowUp => self.grow(Direction::Up, 1),
            Action::GrowDown => self.grow(Direction::Down, 1),
            Action::GrowLeft5 => self.grow(Direction::Left, 5),
            Action::GrowRight5 => self.grow(Direction::Right, 5),
            Action::GrowUp5 => self.grow(Direction::Up, 5),
            Action::GrowDown5 => self.grow(Direction::Down, 5),
            Action::Copy => self.look_back(false),
            Action::Search => self.look_back(true),
            Action::SearchAll => self.mode = Mode::Find,
            Action::Paste => self.paste(),
            Action::List => self.show_list(),
            Action::Palette => self.mode = Mode::Palette(Line::default(), 0),
            Action::Help => self.mode = Mode::Help,
            Action::Messages => self.mode = Mode::Messages,
            Action::Detach => self.ending = Some(self.left()),
            Action::Resume => self.resume(),
            Action::Answer => self.about_agent("answer", true),
            Action::Pull => self.about_agent("pull", true),
            Action::Terminate => self.about_agent("terminate", false),
            Action::Extend => match self.agent() {
                Some((session, _)) => {
                    self.mode = Mode::Prompt(Wanted::Extend(session), Line::new("1h"));
                }
                None => self.no_agent(),
            },
            // Shown above by their numbers.
            _ => {}
        }
        if action.repeats() && self.mode == Mode::Normal {
            self.mode = Mode::Repeat(Instant::now() + REPEAT);
        }
    }

    fn show_tab(&mut self, tab: usize) {
        if self.tabs.show(tab) {
            self.drop_preview();
            self.view = View::Tabs;
        } else {
            self.say(format!("there is no tab {tab}"));
        }
    }

    /// Back to the list, the agent chosen whose pane had the keys.
    fn show_list(&mut self) {
        if self.view == View::Home {
            if !self.tabs.is_empty() {
                self.drop_preview();
                self.view = View::Tabs;
            }
            return;
        }
        let agent = self.agent();
        self.view = View::Home;
        if let Some(agent) = agent {
            self.home.choose(agent);
        }
    }

    fn with_tabs(&mut self, change: impl FnOnce(&mut super::Tabs)) {
        if self.tabs.is_empty() {
            return self.say("there are no tabs yet");
        }
        if self.view == View::Home {
            self.drop_preview();
            self.view = View::Tabs;
        } else {
            change(&mut self.tabs);
        }
    }

    fn with_tree(&mut self, change: impl FnOnce(&mut Tree)) {
        if let Some(tab) = self.tabs.shown_mut().filter(|_| self.view == View::Tabs) {
            change(&mut tab.tree);
        }
    }

    fn go(&mut self, direction: Direction) {
        if self.view == View::Home {
            return match direction {
                Direction::Up => self.home.go(-1),
                Direction::Down => self.home.go(1),
                Direction::Left | Direction::Right => {}
            };
        }
        let area = self.area();
        self.with_tree(|tree| {
            if let Some(pane) = tree.neighbour(direction, area) {
                tree.set_focus(pane);
            }
        });
    }

    fn grow(&mut self, direction: Direction, cells: u16) {
        let area = self.area();
        self.with_tree(|tree| tree.resize(direction, cells, area));
    }

    /// An ended agent runs again; what could not be reached is tried again.
    fn resume(&mut self) {
        let focus = match self.view {
            View::Tabs => self.tabs.shown().map(|tab| tab.tree.focus()),
            View::Home => None,
        };
        let pane = focus.and_then(|id| Some((id, self.panes.get(&id)?)));
        let Some((id, pane)) = pane else {
            return match self.agent() {
                Some((session, agent)) => self.restart(&session, agent, None),
                None => self.no_agent(),
            };
        };
        let life = pane.shown().life.clone();
        let agent = pane.source.of_agent().map(|(s, n)| (s.clone(), n));
        match (life, agent) {
            (Life::Ended { .. }, Some((session, agent))) => self.restart(&session, agent, Some(id)),
            // There is nothing to be reached any more.
            (Life::Failed(_), Some((session, agent))) if self.is_over(&session) => {
                self.restart(&session, agent, Some(id));
            }
            (Life::Failed(_), _) | (Life::Ended { .. }, None) => self.reopen(id),
            _ => self.say("it still runs"),
        }
    }

    fn is_over(&self, session: &SessionId) -> bool {
        self.registry.get(session).is_some_and(|known| !known.live)
    }

    pub(super) fn no_agent(&mut self) {
        self.say("no agent is chosen");
    }
}
