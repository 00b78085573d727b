//! One line that is typed into, with the keys of a shell's line.

use crate::config::{Chord, Code};

/// The longest text.
const MOST: usize = 8000;

/// What is typed, and where the cursor stands in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    text: Vec<char>,
    at: usize,
}

impl Line {
    pub fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self {
            at: text.len(),
            text,
        }
    }

    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is there, leaving nothing.
    pub fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text).into_iter().collect()
    }

    /// Pasted text: line ends become spaces.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars() {
            let c = if matches!(c, '\r' | '\n' | '\t') {
                ' '
            } else {
                c
            };
            if !c.is_control() && self.text.len() < MOST {
                self.text.insert(self.at.min(self.text.len()), c);
                self.at += 1;
            }
        }
    }

    /// Takes a key; false where it means nothing here.
    pub fn key(&mut self, key: Chord) -> bool {
        if let Some(c) = key.typed() {
            self.insert(c.encode_utf8(&mut [0; 4]));
            return true;
        }
        match (key.code, key.ctrl, key.alt) {
            (Code::Backspace, _, false) | (Code::Char('h'), true, false) if self.at > 0 => {
                self.at -= 1;
                self.remove();
            }
            (Code::Delete, ..) | (Code::Char('d'), true, false) => self.remove(),
            (Code::Left, true, _) | (Code::Char('b'), false, true) => self.at = self.word_before(),
            (Code::Right, true, _) | (Code::Char('f'), false, true) => self.at = self.word_after(),
            (Code::Left, ..) | (Code::Char('b'), true, false) => {
                self.at = self.at.saturating_sub(1)
            }
            (Code::Right, ..) | (Code::Char('f'), true, false) => {
                self.at = (self.at + 1).min(self.text.len());
            }
            (Code::Home, ..) | (Code::Char('a'), true, false) => self.at = 0,
            (Code::End, ..) | (Code::Char('e'), true, false) => self.at = self.text.len(),
            (Code::Char('u'), true, false) => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            (Code::Char('k'), true, false) => self.text.truncate(self.at),
            (Code::Char('w'), true, false) | (Code::Backspace, _, true) => {
                let from = self.word_before();
                self.text.drain(from..self.at);
                self.at = from;
            }
            _ => return false,
        }
        true
    }

    fn remove(&mut self) {
        if self.at < self.text.len() {
            self.text.remove(self.at);
        }
    }

    fn word_before(&self) -> usize {
        let before = self.text.get(..self.at).unwrap_or_default();
        let end = before
            .iter()
            .rposition(|c| !c.is_whitespace())
            .map_or(0, |i| i + 1);
        let word = before.get(..end).unwrap_or_default();
        word.iter()
            .rposition(|c| c.is_whitespace())
            .map_or(0, |i| i + 1)
    }

    fn word_after(&self) -> usize {
        let after = self.text.get(self.at..).unwrap_or_default();
        let start = after
            .iter()
            .position(|c| !c.is_whitespace())
            .unwrap_or(after.len());
        let word = after.get(start..).unwrap_or_default();
        let end = word
            .iter()
            .position(|c| c.is_whitespace())
            .unwrap_or(word.len());
        self.at + start + end
    }

    /// The part that fits into `width` columns with the cursor in it, and the cursor's column there.
    pub fn view(&self, width: u16) -> (String, u16) {
        use unicode_width::UnicodeWidthChar;
        let width = usize::from(width.max(1)) - 1;
        let wide = |c: &char| c.width().unwrap_or(0);
        let before = self.text.get(..self.at).unwrap_or_default();
        let (mut from, mut used) = (self.at, 0);
        while let Some(c) = from.checked_sub(1).and_then(|i| before.get(i)) {
            if used + wide(c) > width {
                break;
            }
            used += wide(c);
            from -= 1;
        }
        let (mut shown, mut all) = (String::new(), 0);
        for c in self.text.get(from..).unwrap_or_default() {
            if all + wide(c) > width + 1 {
                break;
            }
            all += wide(c);
            shown.push(*c);
        }
        (shown, u16::try_from(used).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(line: &mut Line, keys: &str) {
        for key in keys.split(' ') {
            line.key(key.parse().expect("a key"));
        }
    }

    #[test]
    fn it_is_edited_as_in_a_shell() {
        let mut line = Line::new("fix the parser");
        keys(&mut line, "C-w");
        assert_eq!(line.text(), "fix the ");
        keys(&mut line, "C-a D o Space C-e x BSpace M-b a Left Delete");
        assert_eq!(line.text(), "Do fix the ");
        keys(&mut line, "C-Right C-k C-Left C-Left C-u");
        assert_eq!(line.text(), "fix the");
        line.insert("a\nb\x1b");
        assert_eq!(line.take(), "a bfix the");
        assert!(line.is_empty() && !line.key("F5".parse().expect("a key")));
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let line = Line::new("0123456789漢");
        assert_eq!(line.view(20), ("0123456789漢".to_owned(), 12));
        assert_eq!(line.view(5), ("89漢".to_owned(), 4));
        assert_eq!(line.view(1), (String::new(), 0));
        let mut line = Line::new("0123456789");
        keys(&mut line, "Home");
        assert_eq!(line.view(4), ("0123".to_owned(), 0));
    }
}
