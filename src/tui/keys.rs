//! What the terminal sends, one piece at a time, in whichever encoding: plain bytes, kitty's CSI u, xterm's
//! modifyOtherKeys. The bytes are kept by who asks: a pane gets its keys as they came.

use super::mouse::{self, Mouse};
use crate::config::{Chord, Code};

/// A piece of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    Key(Chord),
    /// A key let go, or a modifier alone.
    Nothing,
    PasteStart,
    PasteEnd,
    Mouse(Mouse),
    /// The terminal got the focus, or lost it.
    Focus(bool),
    /// An answer of the terminal, or a sequence that is not known.
    Other,
}

/// The longest sequence that is looked at.
const MAX_SEQUENCE: usize = 128;

/// Splits the next piece off: its length and what it is. `None` if there is none, or only its beginning.
pub fn next(input: &[u8]) -> Option<(usize, Input)> {
    match input {
        [] => None,
        [0x1b] => Some((1, Input::Key(Chord::plain(Code::Escape)))),
        [0x1b, b'[', b'M', button, x, y, ..] => {
            Some((6, Input::Mouse(mouse::old([*button, *x, *y]))))
        }
        [0x1b, b'[', b'M', ..] => None,
        [0x1b, b'[', rest @ ..] => csi(rest),
        [0x1b, b'O'] => Some((2, alt(Chord::char('O')))),
        [0x1b, b'O', last, ..] => match final_key(*last).or(keypad(*last)) {
            Some(code) => Some((3, Input::Key(Chord::plain(code)))),
            None => Some((2, alt(Chord::char('O')))),
        },
        [0x1b, b']' | b'P' | b'_' | b'^' | b'X', rest @ ..] => string(rest),
        [0x1b, 0x1b, ..] => Some((1, Input::Key(Chord::plain(Code::Escape)))),
        [0x1b, rest @ ..] => {
            let (len, key) = plain(rest)?;
            Some((len + 1, alt(key)))
        }
        _ => plain(input).map(|(len, key)| (len, Input::Key(key))),
    }
}

fn alt(mut key: Chord) -> Input {
    key.alt = true;
    Input::Key(key)
}

/// A key without Escape before it.
fn plain(input: &[u8]) -> Option<(usize, Chord)> {
    let first = *input.first()?;
    let key = match first {
        b'\r' | b'\n' => Chord::plain(Code::Enter),
        b'\t' => Chord::plain(Code::Tab),
        0x7f | 0x08 => Chord::plain(Code::Backspace),
        0x1b => Chord::plain(Code::Escape),
        0 => Chord::ctrl(' '),
        0x01..0x20 => Chord::ctrl(char::from(first | 0x40).to_ascii_lowercase()),
        _ if first.is_ascii() => Chord::char(char::from(first)),
        _ => {
            let length = match first {
                0xc0..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0..0xf8 => 4,
                _ => 1,
            };
            let bytes = input.get(..length)?;
            let c = std::str::from_utf8(bytes)
                .ok()
                .and_then(|s| s.chars().next());
            return Some((length, Chord::char(c.unwrap_or('\u{fffd}'))));
        }
    };
    Some((1, key))
}

/// OSC, DCS and their like: answers, to their end.
fn string(rest: &[u8]) -> Option<(usize, Input)> {
    let end = memchr::memchr2(0x07, 0x1b, rest)?;
    match rest.get(end..)? {
        [0x07, ..] => Some((2 + end + 1, Input::Other)),
        [0x1b] => None,
        [0x1b, b'\\', ..] => Some((2 + end + 2, Input::Other)),
        _ => Some((2 + end, Input::Other)),
    }
}

fn csi(rest: &[u8]) -> Option<(usize, Input)> {
    let end = rest
        .iter()
        .take(MAX_SEQUENCE)
        .position(|b| !(0x20..0x40).contains(b));
    let Some(end) = end else {
        return (rest.len() >= MAX_SEQUENCE).then_some((2, Input::Other));
    };
    let last = rest.get(end).copied().unwrap_or_default();
    let params = rest.get(..end).and_then(|p| std::str::from_utf8(p).ok());
    let input = params.map_or(Input::Other, |p| sequence(p, last));
    Some((2 + end + 1, input))
}

fn sequence(params: &str, last: u8) -> Input {
    match (last, params) {
        (b'I', "") => return Input::Focus(true),
        (b'O', "") => return Input::Focus(false),
        (b'Z', "") => {
            let mut key = Chord::plain(Code::Tab);
            key.shift = true;
            return Input::Key(key);
        }
        (b'~', "200") => return Input::PasteStart,
        (b'~', "201") => return Input::PasteEnd,
        (b'M' | b'm', _) if params.starts_with('<') => {
            return mouse::sgr(params, last == b'M').map_or(Input::Other, Input::Mouse);
        }
        (b'u', _) if !params.starts_with(['?', '<', '=', '>']) => return kitty(params),
        _ => {}
    }
    let mut fields = params.split(';');
    let first: u32 = fields.next().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut state = fields.next().unwrap_or_default().split(':');
    let modifiers = state.next().and_then(|m| m.parse().ok()).unwrap_or(1);
    if state.next() == Some("3") {
        return Input::Nothing;
    }
    let code = match last {
        b'~' if first == 27 => {
            let code = fields.next().and_then(|c| c.parse().ok()).unwrap_or(0);
            return named(code, None, modifiers);
        }
        b'~' => tilde(first),
        _ => final_key(last).filter(|_| params.is_empty() || params.starts_with('1')),
    };
    code.map_or(Input::Other, |code| Input::Key(held(code, modifiers)))
}

fn final_key(last: u8) -> Option<Code> {
    Some(match last {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'P'..=b'S' => Code::F(last - b'P' + 1),
        _ => return None,
    })
}

/// The numeric keypad in its application mode.
fn keypad(last: u8) -> Option<Code> {
    Some(match last {
        b'M' => Code::Enter,
        b'j'..=b'y' => Code::Char(char::from(last - 0x40)),
        b'X' => Code::Char('='),
        _ => return None,
    })
}

fn tilde(number: u32) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::F(u8::try_from(number - 10).ok()?),
        17..=21 => Code::F(u8::try_from(number - 11).ok()?),
        23 | 24 => Code::F(u8::try_from(number - 12).ok()?),
        _ => return None,
    })
}

/// `code:shifted:base ; modifiers:event ; text`.
fn kitty(params: &str) -> Input {
    let mut fields = params.split(';');
    let mut codes = fields.next().unwrap_or_default().split(':');
    let Some(code) = codes.next().and_then(|c| c.parse::<u32>().ok()) else {
        return Input::Other;
    };
    let shifted = codes.next().and_then(|c| c.parse().ok());
    let mut state = fields.next().unwrap_or_default().split(':');
    let modifiers = state.next().and_then(|m| m.parse().ok()).unwrap_or(1);
    let released = state.next() == Some("3");
    let text = fields
        .next()
        .and_then(|t| t.split(':').next()?.parse().ok());
    if released || (57441..=57454).contains(&code) || (57358..=57360).contains(&code) {
        return Input::Nothing;
    }
    named(code, text.or(shifted), modifiers)
}

/// A key by its number; `modifiers` is 1 + shift 1, alt 2, ctrl 4 (and others, which mean nothing here).
fn named(code: u32, text: Option<u32>, modifiers: u32) -> Input {
    let shift = modifiers.saturating_sub(1) & 1 != 0;
    let key = match code {
        9 => Code::Tab,
        10 | 13 | 57414 => Code::Enter,
        27 => Code::Escape,
        8 | 127 => Code::Backspace,
        57399..=57408 => Code::Char(char::from_digit(code - 57399, 10).unwrap_or('0')),
        57417 => Code::Left,
        57418 => Code::Right,
        57419 => Code::Up,
        57420 => Code::Down,
        57421 => Code::PageUp,
        57422 => Code::PageDown,
        57423 => Code::Home,
        57424 => Code::End,
        57425 => Code::Insert,
        57426 => Code::Delete,
        _ => {
            let ctrl = modifiers.saturating_sub(1) & 4 != 0;
            let own = char::from_u32(code);
            let c = match text.and_then(char::from_u32).filter(|_| !ctrl) {
                Some(c) => Some(c),
                None if shift && !ctrl => own.map(shifted),
                None => own,
            };
            match c {
                Some(c) => Code::Char(c),
                None => return Input::Other,
            }
        }
    };
    Input::Key(held(key, modifiers))
}

/// What Shift makes of a key where the terminal does not say: letters, and the signs of an American keyboard.
fn shifted(c: char) -> char {
    const SIGNS: [(char, char); 21] = [
        ('1', '!'),
        ('2', '@'),
        ('3', '#'),
        ('4', '$'),
        ('5', '%'),
        ('6', '^'),
        ('7', '&'),
        ('8', '*'),
        ('9', '('),
        ('0', ')'),
        ('-', '_'),
        ('=', '+'),
        ('[', '{'),
        (']', '}'),
        ('\\', '|'),
        (';', ':'),
        ('\'', '"'),
        (',', '<'),
        ('.', '>'),
        ('/', '?'),
        ('`', '~'),
    ];
    let sign = SIGNS.iter().find(|(plain, _)| *plain == c);
    sign.map_or_else(|| c.to_ascii_uppercase(), |(_, shifted)| *shifted)
}

fn held(code: Code, modifiers: u32) -> Chord {
    let bits = modifiers.saturating_sub(1);
    let mut key = Chord::plain(code);
    key.ctrl = bits & 4 != 0;
    key.alt = bits & (2 | 32) != 0;
    key.shift = bits & 1 != 0 && !matches!(code, Code::Char(_));
    if let (Code::Char(c), true) = (&mut key.code, key.ctrl) {
        *c = c.to_ascii_lowercase();
    }
    key
}

#[cfg(test)]
mod tests;
