//! Keys by their tmux names, as the bytes that a terminal sends for them.

/// What the key called `key` sends: `C-c`, `M-x`, `C-M-x`, `S-Tab`, `Enter`, `F5`, `Up` … or one character.
/// `app_cursor` gives arrows, Home and End their application form. `None` for a name that is no key.
pub fn encode(key: &str, app_cursor: bool) -> Option<Vec<u8>> {
    let (mut ctrl, mut meta, mut shift) = (false, false, false);
    let mut name = key;
    while let Some((modifier, rest)) = name.split_once('-').filter(|(_, rest)| !rest.is_empty()) {
        match modifier {
            "C" | "c" => ctrl = true,
            "M" | "m" => meta = true,
            "S" | "s" => shift = true,
            _ => break,
        }
        name = rest;
    }
    if let Some(rest) = name.strip_prefix('^').filter(|r| !r.is_empty()) {
        ctrl = true;
        name = rest;
    }
    let mut chars = name.chars();
    let bytes = match (chars.next(), chars.next()) {
        (Some(c), None) => character(c, ctrl, shift)?,
        _ => return named(name, ctrl, meta, shift, app_cursor),
    };
    Some(with_meta(bytes, meta))
}

fn with_meta(mut bytes: Vec<u8>, meta: bool) -> Vec<u8> {
    if meta {
        bytes.insert(0, 0x1b);
    }
    bytes
}

fn character(c: char, ctrl: bool, shift: bool) -> Option<Vec<u8>> {
    let c = if shift && !ctrl {
        c.to_ascii_uppercase()
    } else {
        c
    };
    if !ctrl {
        return Some(c.to_string().into_bytes());
    }
    let code = match c {
        'a'..='z' | 'A'..='Z' | '@' | '[' | '\\' | ']' | '^' | '_' => {
            u8::try_from(c).ok()?.to_ascii_uppercase() & 0x1f
        }
        ' ' | '2' => 0,
        '3' => 0x1b,
        '4' => 0x1c,
        '5' => 0x1d,
        '6' => 0x1e,
        '7' | '/' | '-' => 0x1f,
        '8' | '?' => 0x7f,
        _ => return None,
    };
    Some(vec![code])
}

fn named(name: &str, ctrl: bool, meta: bool, shift: bool, app_cursor: bool) -> Option<Vec<u8>> {
    let modifiers = 1 + u8::from(shift) + 2 * u8::from(meta) + 4 * u8::from(ctrl);
    let lower = name.to_ascii_lowercase();
    let simple: &[u8] = match lower.as_str() {
        "enter" | "return" => b"\r",
        "escape" | "esc" => b"\x1b",
        "space" if ctrl => b"\0",
        "space" => b" ",
        "bspace" | "backspace" if ctrl => b"\x08",
        "bspace" | "backspace" => b"\x7f",
        "btab" => b"\x1b[Z",
        "tab" if shift => b"\x1b[Z",
        "tab" => b"\t",
        _ => b"",
    };
    if !simple.is_empty() {
        return Some(with_meta(simple.to_vec(), meta));
    }
    let cursor = match lower.as_str() {
        "up" => Some('A'),
        "down" => Some('B'),
        "right" => Some('C'),
        "left" => Some('D'),
        "home" => Some('H'),
        "end" => Some('F'),
        _ => None,
    };
    if let Some(letter) = cursor {
        return Some(match (modifiers, app_cursor) {
            (1, true) => format!("\x1bO{letter}").into_bytes(),
            (1, false) => format!("\x1b[{letter}").into_bytes(),
            _ => format!("\x1b[1;{modifiers}{letter}").into_bytes(),
        });
    }
    let number = match lower.as_str() {
        "ic" | "insert" => 2,
        "dc" | "delete" => 3,
        "ppage" | "pageup" | "pgup" => 5,
        "npage" | "pagedown" | "pgdn" => 6,
        f => return function(f.strip_prefix('f')?.parse().ok()?, modifiers),
    };
    Some(tilde(number, modifiers))
}

fn function(n: u8, modifiers: u8) -> Option<Vec<u8>> {
    match n {
        1..=4 => {
            let letter = char::from(b'O' + n);
            Some(match modifiers {
                1 => format!("\x1bO{letter}").into_bytes(),
                _ => format!("\x1b[1;{modifiers}{letter}").into_bytes(),
            })
        }
        5..=12 => {
            let codes = [15, 17, 18, 19, 20, 21, 23, 24];
            Some(tilde(*codes.get(usize::from(n - 5))?, modifiers))
        }
        _ => None,
    }
}

fn tilde(number: u8, modifiers: u8) -> Vec<u8> {
    match modifiers {
        1 => format!("\x1b[{number}~").into_bytes(),
        _ => format!("\x1b[{number};{modifiers}~").into_bytes(),
    }
}

/// Text as one paste: newlines as the Enter key sends them, and nothing in it that could end the paste
/// early and be taken for keys.
pub fn paste(text: &str, bracketed: bool) -> Vec<u8> {
    let text = text.replace("\r\n", "\r").replace('\n', "\r");
    if !bracketed {
        return text.into_bytes();
    }
    let clean: String = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\r' | '\t'))
        .collect();
    format!("\x1b[200~{clean}\x1b[201~").into_bytes()
}

#[cfg(test)]
mod tests;
