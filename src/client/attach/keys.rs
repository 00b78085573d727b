//! Terminal input as keys, so that what is looked for in it is found however the terminal encodes it:
//! plain bytes, kitty's CSI u, or xterm's modifyOtherKeys. Bytes are kept: nothing is encoded anew.

/// What a piece of input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character, Ctrl with it or not. Enter is `\r`.
    Char(char, bool),
    /// The release of a key, or a modifier alone: no key of its own.
    Nothing,
    PasteStart,
    PasteEnd,
    Other,
}

/// One piece of input: its length in bytes, and what it is.
pub(super) struct Token {
    pub len: usize,
    pub key: Key,
}

/// The longest CSI sequence that is looked at.
const MAX_CSI: usize = 64;

/// Splits the next piece off `input`; `None` if it is empty, or holds only the beginning of a CSI sequence.
pub(super) fn next(input: &[u8]) -> Option<Token> {
    match input {
        [] => None,
        [0x1b, b'[', rest @ ..] => {
            let end = rest
                .iter()
                .take(MAX_CSI)
                .position(|b| !(0x20..0x40).contains(b));
            match end {
                Some(end) => {
                    let last = rest.get(end).copied().unwrap_or_default();
                    let key = csi(rest.get(..end).unwrap_or_default(), last);
                    Some(Token {
                        len: 2 + end + 1,
                        key,
                    })
                }
                None if rest.len() >= MAX_CSI => other(2),
                None => None,
            }
        }
        // Alt with a key, or Escape and then something.
        [0x1b, _, ..] => other(2),
        [b, ..] => Some(Token {
            len: 1,
            key: byte(*b),
        }),
    }
}

fn other(len: usize) -> Option<Token> {
    let key = Key::Other;
    Some(Token { len, key })
}

fn byte(b: u8) -> Key {
    match b {
        b'\r' | b'\n' => Key::Char('\r', false),
        0x1b => Key::Char('\x1b', false),
        0x00..0x20 => Key::Char(char::from(b | 0x40).to_ascii_lowercase(), true),
        _ if b.is_ascii() => Key::Char(char::from(b), false),
        _ => Key::Other,
    }
}

fn csi(params: &[u8], last: u8) -> Key {
    let Ok(params) = std::str::from_utf8(params) else {
        return Key::Other;
    };
    match (last, params) {
        (b'~', "200") => Key::PasteStart,
        (b'~', "201") => Key::PasteEnd,
        (b'~', _) => match params.strip_prefix("27;").and_then(|p| p.split_once(';')) {
            Some((modifiers, code)) => {
                let modifiers = modifiers.parse().unwrap_or(1);
                code.parse()
                    .map_or(Key::Other, |code| named(code, None, modifiers))
            }
            None => Key::Other,
        },
        (b'u', _) => kitty(params),
        // Arrows and function keys with an event type.
        (_, _) if params.contains(":3") => Key::Nothing,
        _ => Key::Other,
    }
}

/// `code:shifted:base ; modifiers:event ; text`.
fn kitty(params: &str) -> Key {
    let mut fields = params.split(';');
    let mut codes = fields.next().unwrap_or_default().split(':');
    let Some(code) = codes.next().and_then(|c| c.parse::<u32>().ok()) else {
        return Key::Other;
    };
    let shifted = codes.next().and_then(|c| c.parse().ok());
    let mut state = fields.next().unwrap_or_default().split(':');
    let modifiers = state.next().and_then(|m| m.parse().ok()).unwrap_or(1);
    let released = state.next() == Some("3");
    let text = fields.next().and_then(|t| t.parse().ok());
    // Modifier keys themselves are 57441 to 57454; Caps Lock and its like 57358 to 57360.
    if released || (57441..=57454).contains(&code) || (57358..=57360).contains(&code) {
        return Key::Nothing;
    }
    named(code, text.or(shifted), modifiers)
}

/// `modifiers` is 1 + shift 1, alt 2, ctrl 4, super 8, hyper 16, meta 32 (and locks).
fn named(code: u32, text: Option<u32>, modifiers: u32) -> Key {
    let bits = modifiers.saturating_sub(1);
    let (shift, ctrl) = (bits & 1 != 0, bits & 4 != 0);
    if bits & (2 | 8 | 16 | 32) != 0 {
        return Key::Other;
    }
    let as_typed = |c: u32| match char::from_u32(c) {
        Some('\n' | '\r') => Key::Char('\r', false),
        Some(c) => Key::Char(c, ctrl),
        None => Key::Other,
    };
    match (code, text) {
        _ if ctrl => as_typed(code),
        (_, Some(text)) => as_typed(text),
        // The backquote is the tilde's key where no alternate is told.
        (96, None) if shift => Key::Char('~', false),
        (47, None) if shift => Key::Char('?', false),
        (57414, _) => Key::Char('\r', false),
        (code, None) => as_typed(code),
    }
}

#[cfg(test)]
mod tests;
