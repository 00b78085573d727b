//! Looking back in a pane: into it and out again, and what was copied.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::copy::{Copy, Next, Tool};
use super::super::links;
use super::super::pane::Said;
use super::{App, View};
use crate::config::Chord;
use crate::mux::keys::paste;
use crate::mux::layout::PaneId;
use crate::mux::{Row, may_open};

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
            let asked = pane.look_back(id, wires);
            let shown = pane.shown();
            let (y, x) = shown.screen.cursor();
            let mut copy = Copy::new(shown.lines(), shown.screen.size(), (x, y));
            if asked {
                copy.expect();
            }
            copy
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
            Next::Open(address) => self.open_address(id, address),
            Next::Export(tool) => self.export(id, tool),
        }
        true
    }

    /// The whole history of a pane's agent is there, or will never be.
    pub(super) fn history(&mut self, id: PaneId, lines: Option<Vec<Row>>) {
        let Some(copy) = self.back.get_mut(&id) else {
            return;
        };
        if let Some(lines) = lines {
            copy.complete(lines);
        }
        let wanted = copy.arrived();
        let here = self.looking_back().is_some_and(|(pane, _)| pane == id);
        // Who has gone on to something else is not taken away from it.
        if let Some(tool) = wanted.filter(|_| here) {
            self.export(id, tool);
        }
    }

    /// All lines in the person's editor or pager, over the whole screen; one looks back again behind it.
    fn export(&mut self, id: PaneId, tool: Tool) {
        let Some(copy) = self.back.get(&id) else {
            return;
        };
        match copy.export(tool, &self.wires.env) {
            Ok((argv, file)) => self.over_all(argv, file),
            Err(e) => self.say(format!("the history cannot be written to a file: {e}")),
        }
    }

    /// Opens an address on this machine; where nothing can, it is copied.
    pub(super) fn open_address(&mut self, id: PaneId, address: String) {
        if !may_open(&address) {
            return self.say(format!(
                "only links to the web and to mail are opened: {address}"
            ));
        }
        let commands = links::commands(&address, &self.wires.env);
        if commands.is_empty() {
            return self.not_opened(address);
        }
        self.say(format!("opening {address}"));
        let said = self.wires.said.clone();
        tokio::spawn(async move {
            if !links::run(commands).await {
                // Nobody listens when all is being left.
                let _ = said.send((id, Said::NotOpened(address)));
            }
        });
    }

    pub(super) fn not_opened(&mut self, address: String) {
        self.say(format!("no browser here; copied {address}"));
        self.fill_clipboard(address);
    }

    /// To the terminal's clipboard (OSC 52), and to be pasted here.
    pub(super) fn copied(&mut self, id: PaneId, text: String) {
        self.back.remove(&id);
        if text.is_empty() {
            return;
        }
        let lines = text.lines().count();
        let what = if lines == 1 {
            "1 line".to_owned()
        } else {
            format!("{lines} lines")
        };
        self.say(format!("copied {what}"));
        self.fill_clipboard(text);
    }

    fn fill_clipboard(&mut self, text: String) {
        if text.len() <= MOST {
            let coded = STANDARD.encode(&text);
            self.up
                .extend_from_slice(format!("\x1b]52;c;{coded}\x1b\\").as_bytes());
        }
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
