//! All that is on the screen and where keys go: one value, changed by one task. Panes have tasks of their own.

mod act;
mod back;
mod borders;
mod clipboard;
mod draw;
mod find;
mod input;
mod keep;
mod pointer;
mod rests;
mod run;
mod toasts;
mod verbs;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempPath;

use super::copy::Copy;
use super::find::Find;
use super::heard::Heard;
use super::home::Home;
use super::line::Line;
use super::mouse::Mouse;
use super::pane::{Life, Pane, Source, Wires};
use super::saved::Saved;
use super::theme::Theme;
use super::toasts::Toasts;
use super::{Ending, First};
use crate::client::Registry;
use crate::client::layouts::Layout;
use crate::config::{Bindings, Paths};
use crate::model::{SessionId, Size, now_ms};
use crate::mux::layout::{Axis, Border, PaneId, Places, Preset, Rect, Tabs};

pub use run::run;

/// How long the prefix is alone before its keys are shown.
const HINT: Duration = Duration::from_millis(500);
/// How long a key that repeats needs no prefix, as in tmux.
const REPEAT: Duration = Duration::from_millis(500);
/// How long a word to the person stays.
const TOAST: Duration = Duration::from_secs(4);

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Home,
    Tabs,
}

/// What a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    TabName,
    /// How much longer a session is to live.
    Extend(SessionId),
}

/// Where keys go, before any pane.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    Normal,
    /// The prefix was typed.
    Prefix(Instant),
    /// A key that repeats was typed.
    Repeat(Instant),
    Help,
    Messages,
    Palette(Line, usize),
    Prompt(Wanted, Line),
    /// All agents' history is searched.
    Find,
    /// Close these panes? Programs run in them here.
    Close(Vec<PaneId>),
}

/// What follows once a verb is through.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    Nothing,
    /// The session that it tells of is opened; where there is none, this task is typed anew.
    Open(String),
    /// That pane's agent runs again.
    Reopen(PaneId),
}

/// A verb at work, over everything.
struct Popup {
    pane: PaneId,
    title: String,
    then: Then,
    /// It is an editor or a pager that has the whole screen for this file, which goes with it.
    file: Option<TempPath>,
}

/// What the mouse finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    Home,
    Tab(usize),
    Task,
    /// The list, of which that row is the first shown.
    List(usize),
    Preview,
}

struct App {
    size: Size,
    theme: Theme,
    bindings: Bindings,
    registry: Registry,
    paths: Paths,
    exe: PathBuf,
    shell: String,
    wires: Wires,
    panes: BTreeMap<PaneId, Pane>,
    next: PaneId,
    tabs: Tabs,
    home: Home,
    view: View,
    mode: Mode,
    popup: Option<Popup>,
    toast: Option<(String, Instant)>,
    heard: Heard,
    toasts: Toasts,
    /// Where everything was drawn last.
    places: Places,
    hits: Vec<(Rect, Hit)>,
    /// Panes within a synchronized update, and since when.
    drawing: BTreeMap<PaneId, Instant>,
    /// Images that are seen.
    rests: rests::Rests,
    /// The border that the mouse holds.
    dragged: Option<Border>,
    /// The pane that a button was pressed in hears of its release too.
    pressed: Option<PaneId>,
    pressed_at: (u16, u16),
    /// A press of which the program hears only if it becomes no selection and opens nothing.
    withheld: Option<Mouse>,
    /// A pane's program had the terminal's focus told.
    focused: Option<PaneId>,
    /// Panes that are looked back at.
    back: BTreeMap<PaneId, Copy>,
    find: Find,
    /// What was copied last.
    clipboard: String,
    /// Who asks for it.
    reads: clipboard::Reads,
    /// Bytes for the terminal beside the next frame.
    up: Vec<u8>,
    in_paste: bool,
    ending: Option<Ending>,
}

impl App {
    fn begin(&mut self, first: First) {
        match &first {
            First::Panes(sources) => {
                for source in sources {
                    let id = self.start(source.clone(), self.size);
                    match self.tabs.shown_mut() {
                        Some(tab) => tab.tree.add(id, Preset::Tiled),
                        None => self.tabs.open(id),
                    }
                }
            }
            First::List | First::LastTime => self.lay_out(Saved::load(&self.paths)),
        }
        if first != First::List && !self.tabs.is_empty() {
            self.view = View::Tabs;
        }
    }

    /// Takes the panes that another device left, where that was later than what was kept here.
    fn adopt(&mut self, layout: &Layout, first: &First) {
        let own = Saved::load(&self.paths);
        let newer = own
            .clone()
            .or_newer(Some(layout), &self.registry, &self.shell);
        if newer == own {
            return;
        }
        self.close(&self.tabs.panes());
        self.lay_out(newer);
        if *first == First::LastTime && !self.tabs.is_empty() {
            self.drop_preview();
            self.view = View::Tabs;
        }
    }

    /// Opens what was kept, with numbers that no pane has yet.
    fn lay_out(&mut self, saved: Saved) {
        let saved = saved.raised(self.next);
        for (id, source) in saved.panes {
            self.next = self.next.max(id.saturating_add(1));
            let pane = Pane::open(id, source, self.size, &self.wires);
            self.panes.insert(id, pane);
        }
        self.tabs = saved.tabs;
    }

    /// Starts a program or an attachment, not in any tab yet.
    fn start(&mut self, source: Source, size: Size) -> PaneId {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        self.panes
            .insert(id, Pane::open(id, source, size, &self.wires));
        id
    }

    /// Where panes are shown.
    fn area(&self) -> Rect {
        let (w, h) = (self.size.cols, self.size.rows);
        // A line of titles above, the bar below, where there is room for them.
        match h {
            0..=3 => Rect::new(0, 0, w, h),
            4..=5 => Rect::new(0, 0, w, h - 1),
            _ => Rect::new(0, 1, w, h - 2),
        }
    }

    fn room(&self) -> Size {
        let area = self.area();
        Size {
            cols: area.w,
            rows: area.h,
        }
    }

    /// The pane that has the keys, whatever is over it.
    fn focus(&self) -> Option<PaneId> {
        if let Some(popup) = &self.popup {
            return Some(popup.pane);
        }
        match self.view {
            View::Home => None,
            View::Tabs => self.tabs.shown().map(|tab| tab.tree.focus()),
        }
    }

    /// The agent that commands are about: the one in the pane with the keys, or the chosen one of the list.
    fn agent(&self) -> Option<(SessionId, u32)> {
        if self.view == View::Home {
            return self.home.chosen().cloned();
        }
        let pane = self.panes.get(&self.tabs.shown()?.tree.focus())?;
        let (session, agent) = pane.source.of_agent()?;
        Some((session.clone(), agent))
    }

    /// Shows an agent's pane: the one there is, or a new tab.
    fn open_agent(&mut self, session: SessionId, agent: u32) {
        let there = self.pane_of(&session, agent);
        self.view = View::Tabs;
        self.drop_preview();
        if let Some(pane) = there {
            return self.tabs.focus(pane);
        }
        let pane = self.start(Source::agent(session, agent), self.room());
        self.tabs.open(pane);
    }

    /// A pane in some tab that shows an agent.
    fn pane_of(&self, session: &SessionId, agent: u32) -> Option<PaneId> {
        let all = self.tabs.panes();
        let shows = |pane: &PaneId| {
            let source = self.panes.get(pane).map(|p| &p.source);
            source.and_then(Source::of_agent) == Some((session, agent))
        };
        all.into_iter().find(shows)
    }

    fn shell(&self) -> Source {
        Source::Local {
            argv: vec![self.shell.clone()],
            cwd: std::env::current_dir().ok(),
        }
    }

    fn split(&mut self, axis: Axis) {
        let area = self.area();
        let shell = self.shell();
        let room = self.room();
        if self.view != View::Tabs || self.tabs.is_empty() {
            return self.new_tab();
        }
        let id = self.start(shell, room);
        let split = self
            .tabs
            .shown_mut()
            .map(|tab| tab.tree.split(tab.tree.focus(), axis, id, area));
        if let Some(Err(e)) = split {
            self.panes.remove(&id);
            self.say(e.to_string());
        }
    }

    fn new_tab(&mut self) {
        let id = self.start(self.shell(), self.room());
        self.drop_preview();
        self.view = View::Tabs;
        self.tabs.open(id);
    }

    /// Takes panes away; programs here are hung up on, agents go on.
    fn close(&mut self, panes: &[PaneId]) {
        for pane in panes {
            self.tabs.remove(*pane);
            self.panes.remove(pane);
            self.back.remove(pane);
            self.reads.forget(*pane);
        }
        if self.tabs.is_empty() {
            self.view = View::Home;
        }
    }

    /// As [`App::close`], but asks first where that would end a program.
    fn want_closed(&mut self, panes: Vec<PaneId>) {
        let runs_here = |id: &PaneId| {
            let pane = self.panes.get(id);
            pane.is_some_and(|p| p.source.of_agent().is_none() && !p.shown().life.is_over())
        };
        if panes.iter().any(runs_here) {
            self.mode = Mode::Close(panes);
        } else {
            self.close(&panes);
        }
    }

    /// The list's own pane is no more shown.
    fn drop_preview(&mut self) {
        if let Some((_, pane)) = self.home.preview.take() {
            self.reads.forget(pane);
            self.panes.remove(&pane);
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.keep(&text);
        self.toast = Some((text, Instant::now() + TOAST));
    }

    /// Opens what ran in a pane again, in its place.
    fn reopen(&mut self, id: PaneId) {
        self.reads.forget(id);
        if let Some(pane) = self.panes.get(&id) {
            let again = Pane::open(id, pane.source.clone(), pane.size(), &self.wires);
            self.panes.insert(id, again);
        }
    }

    /// A pane's program is over.
    fn over(&mut self, id: PaneId) {
        let Some(life) = self.panes.get(&id).map(|pane| pane.shown().life.clone()) else {
            return;
        };
        if self.popup.as_ref().is_some_and(|p| p.pane == id) {
            return self.verb_over(&life);
        }
        let local = self
            .panes
            .get(&id)
            .is_some_and(|p| p.source.of_agent().is_none());
        if local && matches!(life, Life::Ended { code: 0, .. }) && self.tabs.tab_of(id).is_some() {
            self.close(&[id]);
        }
    }

    /// What is to be there the next time.
    fn saved(&self) -> Saved {
        let tabs = self.tabs.clone();
        let there = tabs.panes();
        let panes = self.panes.iter().filter(|(id, _)| there.contains(id));
        Saved {
            at: now_ms(),
            panes: panes.map(|(id, p)| (*id, p.source.clone())).collect(),
            tabs,
        }
    }
}
