//! What an agent asks, and an answer that goes only to the question that was seen: the compare is made here,
//! where the screen is, with nothing between it and the typing. `taken` then looks what becomes of it.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::Agent;
use super::taken::{Answered, Given};
use crate::host::state::clean;
use crate::model::{AgentState, now_ms};
use crate::proto::{Question, WireError};

/// Of the hash, in bytes.
const HASH: usize = 8;
/// The longest line of a question that is told.
const LINE: usize = 400;

impl Agent {
    pub(super) fn question(&mut self) -> Question {
        let now = now_ms();
        let (state, since, evidence) = self.belief.conclude(now);
        let part = self.output.book().part(&self.output.shown_view());
        let lines: Vec<String> = part.lines.iter().map(|l| shown(l)).collect();
        let mut hash = Sha256::new();
        // The same words asked again are another question, and so they are after anybody's typing.
        let began = match state {
            AgentState::Blocked { .. } => since,
            _ => self.process.started,
        };
        hash.update(began.to_be_bytes());
        hash.update(self.belief.last_typed().unwrap_or(0).to_be_bytes());
        for line in &lines {
            hash.update(line);
            hash.update("\n");
        }
        let hash = hash.finalize();
        Question {
            state,
            since,
            message: evidence
                .message
                .as_deref()
                .and_then(clean)
                .map(|m| self.output.redacted(m)),
            lines,
            hash: hash.iter().take(HASH).map(|b| format!("{b:02x}")).collect(),
            key: part.key,
            now,
        }
    }

    /// Types an answer; the reply is sent here, or by `watch_answer`.
    pub(super) fn answer(
        &mut self,
        hash: &str,
        text: String,
        keys: Vec<String>,
        watch: bool,
        done: oneshot::Sender<Result<Answered, WireError>>,
        now: Duration,
    ) {
        let part = self.output.book().part(&self.output.view());
        // An agent that has ended refuses in its own words.
        if self.process.is_live() {
            let asked = self.question();
            if asked.hash != hash {
                let _ = done.send(Ok(Answered::Another(Box::new(asked))));
                return;
            }
        }
        if let Err(e) = self.send(&text, &keys) {
            let _ = done.send(Err(e));
            return;
        }
        self.output.mark("answered", now_ms());
        if !watch {
            let _ = done.send(Ok(Answered::Typed));
            return;
        }
        // The one before was answered again: what becomes of it is not its own any more.
        self.untaken();
        self.given = Some(Given::new(
            part,
            text,
            keys,
            self.belief.last_typed(),
            done,
            now,
        ));
    }
}

/// A line of the screen with its columns, but nothing that hides or turns text around.
fn shown(line: &str) -> String {
    let hidden = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    line.chars().filter(|c| !hidden(c)).take(LINE).collect()
}
