//! What of an agent's output may be stored where there are secrets: the stream with their values replaced, and the
//! screen that it draws, which keyframes are made from. The agent's own stream is another, and so may be its screen:
//! who is attached sees what the agent shows.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::Size;
use crate::mux::{Scanner, Screen};
use crate::secret::redact::{Redactor, Stream};

/// See the module.
pub struct Kept {
    pub redactor: Arc<Redactor>,
    pub screen: Screen,
    stream: Stream,
    scanner: Scanner,
    /// Redacted, but in the middle of a sequence.
    held: Vec<u8>,
}

impl Kept {
    /// Goes on where `screen` is what is stored already.
    pub fn new(redactor: Arc<Redactor>, screen: Screen) -> Self {
        Self {
            redactor,
            screen,
            stream: Stream::default(),
            scanner: Scanner::new(),
            held: Vec::new(),
        }
    }

    /// Takes output in; gives what can be stored, ending where no keyframe would stand within a sequence. To be
    /// [shown](Self::stored) once it is.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let settled = self.stream.push(&self.redactor, bytes);
        self.scanner
            .feed(&Bytes::copy_from_slice(&settled), &mut Vec::new());
        self.held.extend_from_slice(&settled);
        let rest = self.held.len().saturating_sub(self.scanner.held());
        let held = self.held.split_off(rest);
        std::mem::replace(&mut self.held, held)
    }

    /// The program is over: gives all that is left.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.held);
        rest.extend(self.stream.finish());
        self.scanner.flush(&mut Vec::new());
        rest
    }

    /// What has been stored.
    pub fn stored(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
    }

    pub fn keyframe(&self) -> (Size, Vec<u8>) {
        (self.screen.size(), self.screen.repaint())
    }

    /// What was taken and is not stored, but for the last `untold` bytes.
    pub fn behind(&self, untold: usize) -> Vec<u8> {
        let mut all = self.held.clone();
        all.extend(self.stream.held());
        all.truncate(all.len().saturating_sub(untold));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        let size = Size { cols: 20, rows: 5 };
        Kept::new(Arc::new(Redactor::new(["mysecret"])), Screen::new(size))
    }

    #[test]
    fn nothing_stored_ends_within_a_sequence_or_a_value() {
        let mut kept = kept();
        let mut all = Vec::new();
        for part in ["a\x1b[3", "1mb mys", "ecret \x1b]0;mysec", "ret\x07m"] {
            let stored = kept.take(part.as_bytes());
            kept.stored(&stored);
            all.push(String::from_utf8(stored).expect("text"));
        }
        // The last `m` may begin a value.
        assert_eq!(all, ["a", "\x1b[31mb ", "******** \x1b]0;", "********\x07"]);
        assert_eq!(kept.screen.title(), "********");
        assert_eq!(kept.behind(0), b"m");
        assert_eq!(kept.finish(), b"m");
        assert!(kept.behind(0).is_empty());
    }

    #[test]
    fn a_value_that_wraps_is_not_on_the_screen_that_is_stored() {
        let mut kept = kept();
        let stored = kept.take(b"123456789012345 mysecret!");
        kept.stored(&stored);
        assert_eq!(kept.screen.text()[..2], ["123456789012345 ****", "****!"]);
        let (_, repaint) = kept.keyframe();
        assert!(!String::from_utf8_lossy(&repaint).contains("myse"));
    }
}
