//! A key with its modifiers, by tmux's names: `C-b`, `M-Left`, `S-Tab`, `F5`, `%`, `Space`.

use std::fmt;
use std::str::FromStr;

/// A key of the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// What it types; with Ctrl, the small letter.
    Char(char),
    Enter,
    Tab,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Insert,
    Delete,
    F(u8),
}

/// A key, and what is held down with it. Shift is part of what a character is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Chord {
    pub code: Code,
    pub ctrl: bool,
    pub alt: bool,
    pub shift: bool,
}

/// What was written names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no key; write `%`, `C-b`, `M-Left`, `Space`, `PageUp` or `F5`")]
pub struct ChordError(String);

const NAMES: [(&str, Code); 17] = [
    ("Space", Code::Char(' ')),
    ("Enter", Code::Enter),
    ("Tab", Code::Tab),
    ("Escape", Code::Escape),
    ("Esc", Code::Escape),
    ("BSpace", Code::Backspace),
    ("Up", Code::Up),
    ("Down", Code::Down),
    ("Left", Code::Left),
    ("Right", Code::Right),
    ("Home", Code::Home),
    ("End", Code::End),
    ("PageUp", Code::PageUp),
    ("PageDown", Code::PageDown),
    ("Insert", Code::Insert),
    ("Delete", Code::Delete),
    ("Backspace", Code::Backspace),
];

impl Chord {
    pub const fn plain(code: Code) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    pub const fn ctrl(c: char) -> Self {
        let mut chord = Self::char(c);
        chord.ctrl = true;
        chord
    }

    /// The character that it types; none with Ctrl or Alt.
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }
}

impl FromStr for Chord {
    type Err = ChordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ChordError(text.to_owned());
        let mut chord = Self::char(' ');
        let mut rest = text;
        loop {
            let modifier = rest
                .split_once('-')
                .filter(|(m, after)| m.len() == 1 && !after.is_empty());
            let Some((modifier, after)) = modifier else {
                break;
            };
            match modifier {
                "C" | "c" => chord.ctrl = true,
                "M" | "m" => chord.alt = true,
                "S" | "s" => chord.shift = true,
                _ => return Err(wrong()),
            }
            rest = after;
        }
        let mut chars = rest.chars();
        chord.code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => Code::Char(c),
            (Some('F' | 'f'), Some(_))
                if rest.get(1..).is_some_and(|n| n.parse::<u8>().is_ok()) =>
            {
                let n = rest.get(1..).and_then(|n| n.parse().ok());
                Code::F(n.filter(|n| (1..=12).contains(n)).ok_or_else(wrong)?)
            }
            _ => {
                let named = NAMES
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(rest));
                named.ok_or_else(wrong)?.1
            }
        };
        if let Code::Char(c) = &mut chord.code {
            if chord.ctrl {
                *c = c.to_ascii_lowercase();
            } else if chord.shift {
                *c = c.to_ascii_uppercase();
            }
            chord.shift = false;
        }
        Ok(chord)
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [(self.ctrl, "C-"), (self.alt, "M-"), (self.shift, "S-")] {
            if held {
                f.write_str(name)?;
            }
        }
        let named = NAMES.iter().find(|(_, code)| *code == self.code);
        match (named, self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, Code::Char(c)) => write!(f, "{c}"),
            (None, Code::F(n)) => write!(f, "F{n}"),
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_by_their_names_and_written_so_again() {
        for name in [
            "C-b", "%", "M-Left", "S-Tab", "F5", "Space", "-", "C--", "M-a", "PageUp", "é",
        ] {
            let chord: Chord = name.parse().expect(name);
            assert_eq!(chord.to_string(), name);
        }
        assert_eq!("c-B".parse(), Ok(Chord::ctrl('b')));
        assert_eq!("S-a".parse(), Ok(Chord::char('A')));
        assert_eq!("esc".parse(), Ok(Chord::plain(Code::Escape)));
        for wrong in ["", "X-a", "C-", "F13", "F0", "banana", "a b", "\t"] {
            assert!(wrong.parse::<Chord>().is_err(), "{wrong:?}");
        }
    }
}
