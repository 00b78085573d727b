//! A program that asks what the person has copied (OSC 52): the person says whether it is told. Only a key after the
//! prefix says so, for no key that was meant for a program may; and no answer is a no.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::App;
use crate::config::Chord;
use crate::mux::layout::PaneId;

/// Nobody has answered by then.
const LATE: Duration = Duration::from_secs(20);
/// One that was refused may ask again after this.
const AGAIN: Duration = Duration::from_secs(30);
/// How long the person's terminal may take to tell: it may ask them itself. Then what was copied here is told.
const TELLS: Duration = Duration::from_secs(20);

/// The beginning of what the terminal tells.
pub const TOLD: &[u8] = b"\x1b]52;";

/// The question that stands, and what was answered before.
#[derive(Default)]
pub struct Reads {
    asked: Option<Asked>,
    always: BTreeSet<PaneId>,
    refused: BTreeMap<PaneId, Instant>,
    /// The terminal was asked, for a pane.
    awaits: Option<(PaneId, String, Instant)>,
}

struct Asked {
    pane: PaneId,
    which: String,
    until: Instant,
}

impl Reads {
    /// When time alone changes something.
    pub fn wake(&self) -> Option<Instant> {
        let asked = self.asked.as_ref().map(|asked| asked.until);
        let awaits = self.awaits.as_ref().map(|(.., until)| *until);
        asked.into_iter().chain(awaits).min()
    }

    /// A pane is gone.
    pub fn forget(&mut self, pane: PaneId) {
        self.always.remove(&pane);
        self.refused.remove(&pane);
        self.asked.take_if(|asked| asked.pane == pane);
    }
}

impl App {
    /// A pane's program asks.
    pub(super) fn asks_for_clipboard(&mut self, pane: PaneId, which: String) {
        let now = Instant::now();
        let reads = &mut self.reads;
        let soon = reads.refused.get(&pane).is_some_and(|at| now < *at + AGAIN);
        if reads.always.contains(&pane) {
            self.read_clipboard(pane, which);
        } else if !soon && reads.asked.is_none() && self.panes.contains_key(&pane) {
            reads.asked = Some(Asked {
                pane,
                which,
                until: now + LATE,
            });
        }
    }

    /// The question, in a form that fits.
    pub(super) fn clipboard_question(&self, width: u16) -> Option<String> {
        let asked = self.reads.asked.as_ref()?;
        let who = self.panes.get(&asked.pane)?.source.label();
        let prefix = self.bindings.prefix;
        let long = format!(
            "{who} wants to read your clipboard: {prefix} y yes, {prefix} n no, {prefix} a always for this pane"
        );
        Some(match long.chars().count() + 4 > usize::from(width) {
            true => format!("{who} reads clipboard? {prefix} y/n/a"),
            false => long,
        })
    }

    /// A key after the prefix while the question stands; false where it is no answer.
    pub(super) fn clipboard_key(&mut self, key: Chord) -> bool {
        let (Some(asked), Some(answer)) = (&self.reads.asked, key.typed()) else {
            return false;
        };
        let (pane, which) = (asked.pane, asked.which.clone());
        match answer.to_ascii_lowercase() {
            'y' => self.read_clipboard(pane, which),
            'a' => {
                self.reads.always.insert(pane);
                self.read_clipboard(pane, which);
            }
            'n' => drop(self.reads.refused.insert(pane, Instant::now())),
            _ => return false,
        }
        self.reads.asked = None;
        true
    }

    /// What is due by time alone; whether anything shown changes by it.
    pub(super) fn clipboard_time(&mut self, now: Instant) -> bool {
        if self
            .reads
            .awaits
            .as_ref()
            .is_some_and(|(.., until)| now >= *until)
        {
            self.clipboard_told(b"");
        }
        let late = self.reads.asked.take_if(|asked| now >= asked.until);
        if let Some(asked) = &late {
            self.reads.refused.insert(asked.pane, now);
        }
        late.is_some()
    }

    /// Asks the person's terminal, which may know, refuse, or say nothing.
    fn read_clipboard(&mut self, pane: PaneId, which: String) {
        self.up.extend_from_slice(b"\x1b]52;c;?\x1b\\");
        self.reads.awaits = Some((pane, which, Instant::now() + TELLS));
    }

    /// The terminal tells, or has not. Never passed on to a pane but by this.
    pub(super) fn clipboard_told(&mut self, answer: &[u8]) {
        let Some((pane, which, _)) = self.reads.awaits.take() else {
            return;
        };
        let data = answer.strip_prefix(TOLD).and_then(|rest| {
            let data = rest.split(|b| *b == b';').nth(1)?;
            let end = data
                .iter()
                .position(|b| matches!(b, 0x07 | 0x1b))
                .unwrap_or(data.len());
            STANDARD.decode(data.get(..end)?).ok()
        });
        let text = data
            .filter(|data| !data.is_empty())
            .unwrap_or_else(|| self.clipboard.clone().into_bytes());
        if let Some(pane) = self.panes.get(&pane).filter(|_| !text.is_empty()) {
            let coded = STANDARD.encode(text);
            pane.send(format!("\x1b]52;{which};{coded}\x1b\\").as_bytes());
        }
    }
}
