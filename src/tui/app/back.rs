//! Looking back in a pane: into it and out again, and what was copied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::copy::{Copy, Next};
use super::{App, View};
use crate::config::Chord;
use crate::mux::keys::paste;
use crate::mux::layout::PaneId;

/// Terminals refuse a longer clipboard.
const MOST: usize = 1 << 20;

impl App {
    /// The pane with the keys is looked back at; `search` at once types a pattern.
    pub(super) fn look_back(&mut self, search: bool) {
        let pane = self
            .focus()
            .filter(|_| self.popup.is_none() && self.view == View::Tabs);
        let Some((id, pane)) = pane.and_then(|id| Some((id, self.panes.get(&id)?))) else {
            return self.say("open an agent or a shell first");
        };
        let wires = &self.wires;
        let copy = self.back.entry(id).or_insert_with(|| {
            pane.look_back(id, wires);
            let shown = pane.shown();
            let (y, x) = shown.screen.cursor();
            Copy::new(shown.lines(), shown.screen.size().rows, (x, y))
        });
        if search {
            copy.search(true);
        }
    }

    /// The pane with the keys, where it is looked back at.
    pub(super) fn looking_back(&mut self) -> Option<(PaneId, &mut Copy)> {
        let id = self.focus().filter(|_| self.popup.is_none())?;
        Some((id, self.back.get_mut(&id)?))
    }

    /// A key while one looks back; false where one does not.
    pub(super) fn back_key(&mut self, key: Chord) -> bool {
        let Some((id, copy)) = self.looking_back() else {
            return false;
        };
        match copy.key(key) {
            Next::Stay => {}
            Next::Leave => drop(self.back.remove(&id)),
            Next::Copied(text) => self.copied(id, text),
        }
        true
    }

    /// To the terminal's clipboard (OSC 52), and to be pasted here.
    pub(super) fn copied(&mut self, id: PaneId, text: String) {
        self.back.remove(&id);
        if text.is_empty() {
            return;
        }
        if text.len() <= MOST {
            let coded = STANDARD.encode(&text);
            self.up
                .extend_from_slice(format!("\x1b]52;c;{coded}\x1b\\").as_bytes());
        }
        let lines = text.lines().count();
        let what = if lines == 1 {
            "1 line".to_owned()
        } else {
            format!("{lines} lines")
        };
        self.say(format!("copied {what}"));
        self.clipboard = text;
    }

    pub(super) fn paste(&mut self) {
        let Some(pane) = self.focus().and_then(|id| self.panes.get(&id)) else {
            return;
        };
        if self.clipboard.is_empty() {
            return self.say("nothing was copied yet");
        }
        let bracketed = pane.shown().screen.bracketed_paste();
        pane.send(&paste(&self.clipboard, bracketed));
    }
}
