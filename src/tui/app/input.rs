//! Where what is typed goes: to the prefix, to what is open over the panes, to the pane with the keys.

use std::time::Instant;

use super::super::home::Focus;
use super::super::keys::{Input, next};
use super::super::overlay;
use super::super::pane::Life;
use super::clipboard::TOLD;
use super::{App, Ending, HINT, Mode, View, Wanted};
use crate::config::{Action, Chord, Code};

impl App {
    /// Takes what was typed, as far as it is whole; with `all` the rest too.
    pub(super) fn input(&mut self, typed: &mut Vec<u8>, all: bool) {
        let bytes = std::mem::take(typed);
        let mut rest = &bytes[..];
        while let Some((len, input)) = next(rest) {
            let (token, after) = rest.split_at(len.min(rest.len()));
            self.token(input, token);
            rest = after;
        }
        if all && !rest.is_empty() {
            self.token(Input::Other, rest);
        } else {
            typed.extend_from_slice(rest);
        }
    }

    fn token(&mut self, input: Input, bytes: &[u8]) {
        match input {
            Input::PasteStart => self.in_paste = true,
            Input::PasteEnd => self.in_paste = false,
            Input::Mouse(mouse) => return self.mouse(mouse),
            Input::Focus(on) => return self.tell_focus(on),
            _ => {}
        }
        if self.in_paste || input == Input::PasteEnd {
            return self.pasted(input, bytes);
        }
        if input == Input::Other && bytes.starts_with(TOLD) {
            return self.clipboard_told(bytes);
        }
        let Input::Key(key) = input else {
            // The release of a key, an answer to a question of the pane's program.
            if self.mode == Mode::Normal {
                self.to_pane(bytes);
            }
            return;
        };
        if key == self.bindings.prefix && !matches!(self.mode, Mode::Prefix(_)) {
            self.mode = Mode::Prefix(Instant::now() + HINT);
            return;
        }
        self.key(key, bytes);
    }

    fn key(&mut self, key: Chord, bytes: &[u8]) {
        match std::mem::replace(&mut self.mode, Mode::Normal) {
            Mode::Normal => self.plain(key, bytes),
            Mode::Repeat(until) => match self.bindings.action(key).filter(|a| a.repeats()) {
                Some(action) if Instant::now() < until => self.act(action),
                _ => self.plain(key, bytes),
            },
            Mode::Prefix(_) if key == self.bindings.prefix => self.to_pane(bytes),
            Mode::Prefix(_) if self.clipboard_key(key) => {}
            Mode::Prefix(_) => match self.bindings.action(key) {
                Some(action) => self.act(action),
                None if key == Chord::plain(Code::Escape) => {}
                None => self.say(format!("{} {key} does nothing", self.bindings.prefix)),
            },
            Mode::Help | Mode::Messages => {}
            Mode::Palette(line, chosen) => self.palette(line, chosen, key),
            Mode::Prompt(wanted, mut line) => match key.code {
                Code::Enter => self.typed(wanted, &line.take()),
                Code::Escape => {}
                Code::Char('c') if key.ctrl => {}
                _ => {
                    line.key(key);
                    self.mode = Mode::Prompt(wanted, line);
                }
            },
            Mode::Find => self.find_key(key),
            Mode::Close(panes) => match key.typed() {
                Some('y' | 'Y') => self.close(&panes),
                _ if key.code == Code::Enter => self.close(&panes),
                _ => {}
            },
        }
    }

    fn palette(&mut self, mut line: super::Line, chosen: usize, key: Chord) {
        let found = overlay::found(&line.text());
        let last = found.len().saturating_sub(1);
        let chosen = match (key.code, key.ctrl) {
            (Code::Escape, _) | (Code::Char('c'), true) => return,
            (Code::Enter, _) => {
                if let Some(action) = found.get(chosen) {
                    self.act(*action);
                }
                return;
            }
            (Code::Up, _) | (Code::Char('p'), true) => chosen.saturating_sub(1),
            (Code::Down, _) | (Code::Char('n'), true) => (chosen + 1).min(last),
            _ => {
                line.key(key);
                0
            }
        };
        self.mode = Mode::Palette(line, chosen);
    }

    /// A key that nothing over the panes wants.
    fn plain(&mut self, key: Chord, bytes: &[u8]) {
        if let Some(popup) = &self.popup {
            let over = self
                .panes
                .get(&popup.pane)
                .is_none_or(|p| p.shown().life.is_over());
            return match over {
                true => self.close_popup(),
                false => self.to_pane(bytes),
            };
        }
        if self.view == View::Home {
            return self.home_key(key);
        }
        if self.back_key(key) {
            return;
        }
        let focus = self.focus();
        let life = focus
            .and_then(|id| self.panes.get(&id))
            .map(|p| p.shown().life.clone());
        match (life, key.typed()) {
            (Some(Life::Ended { .. } | Life::Failed(_)), Some('r')) => self.act(Action::Resume),
            (Some(Life::Ended { .. } | Life::Failed(_)), Some('x')) => self.act(Action::ClosePane),
            (Some(Life::Ended { .. } | Life::Failed(_)), _) => {}
            _ => self.to_pane(bytes),
        }
    }

    /// The bytes as they came, to the pane with the keys.
    fn to_pane(&self, bytes: &[u8]) {
        if let Some(pane) = self.focus().and_then(|id| self.panes.get(&id)) {
            pane.send(bytes);
        }
    }

    fn pasted(&mut self, input: Input, bytes: &[u8]) {
        let marks = matches!(input, Input::PasteStart | Input::PasteEnd);
        let text = || String::from_utf8_lossy(bytes).into_owned();
        match &mut self.mode {
            Mode::Palette(line, _) | Mode::Prompt(_, line) if !marks => line.insert(&text()),
            Mode::Palette(..) | Mode::Prompt(..) => {}
            Mode::Find if !marks => self.find.paste(&text()),
            Mode::Find => {}
            _ if self.popup.is_none() && self.view == View::Home => {
                if !marks {
                    self.home.focus = Focus::Task;
                    self.home.task.insert(&text());
                }
            }
            _ => match self.looking_back() {
                Some((_, copy)) if !marks => copy.paste(&text()),
                Some(_) => {}
                None => self.to_pane(bytes),
            },
        }
    }

    /// Keys while the list is shown.
    fn home_key(&mut self, key: Chord) {
        let leaves = matches!((key.code, key.ctrl), (Code::Char('c' | 'd'), true));
        if leaves && (self.home.task.is_empty() || self.home.focus == Focus::List) {
            return self.act(Action::Detach);
        }
        match key.code {
            Code::Up => return self.home.go(-1),
            Code::Down => return self.home.go(1),
            Code::PageUp => return self.home.go(-10),
            Code::PageDown => return self.home.go(10),
            Code::Tab => {
                self.home.focus = match self.home.focus {
                    Focus::Task => Focus::List,
                    Focus::List => Focus::Task,
                };
                return;
            }
            Code::Escape if self.home.focus == Focus::List => {
                self.home.focus = Focus::Task;
                return;
            }
            Code::Enter if self.home.focus == Focus::List || self.home.task.is_empty() => {
                return self.open_chosen();
            }
            Code::Enter => return self.dispatch(),
            _ => {}
        }
        if self.home.focus == Focus::Task {
            if key.code == Code::Char('c') && key.ctrl {
                self.home.task.take();
            } else {
                self.home.task.key(key);
            }
            return;
        }
        match key.typed() {
            Some('j') => self.home.go(1),
            Some('k') => self.home.go(-1),
            Some('l') => self.open_chosen(),
            Some('q') => self.ending = Some(self.left()),
            Some('?') => self.act(Action::Help),
            Some('~') => self.act(Action::Messages),
            Some(':') => self.act(Action::Palette),
            Some('/' | 'i') => self.home.focus = Focus::Task,
            Some('a' | 'e' | 'P' | 'T' | 'r') => {
                if let Some(action) = self.bindings.action(key).filter(|a| a.is_of_agent()) {
                    self.act(action);
                }
            }
            _ => {}
        }
    }

    pub(super) fn open_chosen(&mut self) {
        if let Some((session, agent)) = self.home.chosen().cloned() {
            self.open_agent(session, agent);
        }
    }

    pub(super) fn left(&self) -> Ending {
        Ending::Left {
            panes: self.tabs.panes().len(),
        }
    }

    /// A line was typed to its end.
    fn typed(&mut self, wanted: Wanted, text: &str) {
        let text = text.trim();
        match wanted {
            Wanted::TabName => {
                if let Some(tab) = self.tabs.shown_mut() {
                    tab.name = Some(text.to_owned()).filter(|t| !t.is_empty());
                }
            }
            Wanted::Extend(session) if !text.is_empty() => self.extend(&session, text),
            Wanted::Extend(_) => {}
        }
    }
}
