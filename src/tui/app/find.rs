//! The search of all agents, and the way to what it found.

use super::super::copy::Sought;
use super::super::find::{Hit, Next};
use super::{App, Mode};
use crate::config::Chord;

impl App {
    pub(super) fn find_key(&mut self, key: Chord) {
        match self.find.key(key) {
            Next::Stay => self.mode = Mode::Find,
            Next::Leave => {}
            Next::Open(hit) => self.open_found(&hit),
        }
    }

    /// The agent's pane, looked back at where the line is.
    fn open_found(&mut self, hit: &Hit) {
        let Some(pattern) = self.find.pattern() else {
            return;
        };
        let sought = Sought::new(pattern, &hit.found.text, self.find.after(hit));
        self.close_popup();
        self.open_agent(hit.session.clone(), hit.agent);
        self.look_back(false);
        if let Some((_, copy)) = self.looking_back() {
            copy.seek(sought);
        }
    }
}
