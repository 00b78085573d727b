//! What single sequences mean to the host: queries to answer, reports to hear.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::scan::{Query, What};
use super::sequence::Text;

/// The longest text kept of a notification.
const MAX_TEXT: usize = 1024;

/// Whether an unfinished control string may pass on already.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It may still be a query, or a report that must be read whole.
    Wait,
    Stream,
}

fn text(bytes: &[u8]) -> String {
    let mut text: String = String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    text
}

fn number(bytes: &[u8]) -> Option<u16> {
    if bytes.is_empty() {
        return Some(0);
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A complete sequence that is no control string. `None` for what just passes.
pub(super) fn classify_csi(sequence: &[u8]) -> Option<What> {
    let body = match sequence {
        b"\x1bc" => return Some(What::Reset),
        b"\x1bZ" => return Some(What::Query(Query::PrimaryAttributes)),
        [0x1b, b'[', body @ ..] => body,
        _ => return None,
    };
    let (action, body) = body.split_last()?;
    // The letters that end questions; most sequences end otherwise.
    if !b"cnpuqtmxSyw|R".contains(action) {
        return None;
    }
    let (private, body) = match body {
        [p @ b'<'..=b'?', rest @ ..] => (*p, rest),
        _ => (0, body),
    };
    let split = body
        .iter()
        .position(|c| matches!(c, 0x20..=0x2f))
        .unwrap_or(body.len());
    let (params, inter) = body.split_at(split);
    let first = number(params.split(|c| *c == b';').next()?)?;
    let query = match (private, inter, action) {
        (0, b"", b'c') if first == 0 => Query::PrimaryAttributes,
        (b'>', b"", b'c') if first == 0 => Query::SecondaryAttributes,
        (b'=', b"", b'c') if first == 0 => Query::TertiaryAttributes,
        (0, b"", b'n') if first == 5 => Query::Status,
        (0, b"", b'n') if first == 6 => Query::Cursor,
        (b'?', b"", b'n') if first == 6 => Query::CursorExtended,
        (b'?', b"", b'n') if first == 996 => Query::ColorScheme,
        (0 | b'?', b"", b'n') => return Some(What::UnknownQuery),
        (0 | b'?', b"$", b'p') => Query::Mode {
            private: private == b'?',
            mode: first,
        },
        (b'?', b"", b'u') => Query::KittyKeyboard,
        (b'?', b"", b'm') if first == 4 => Query::ModifyOtherKeys,
        (b'?', b"", b'm') => return Some(What::UnknownQuery),
        (b'>', b"", b'q') if first == 0 => Query::Version,
        (0, b"", b'x') if first < 2 => Query::Parameters(if first == 0 { 0 } else { 1 }),
        (0, b"", b't') if matches!(first, 11 | 13..=16 | 18..=21) => Query::Window(first),
        // XTSMGRAPHICS, checksums, presentation state, SGR and colour reports.
        (b'?', b"", b'S')
        | (0, b"*", b'y')
        | (0, b"$", b'w')
        | (0, b"&", b'u')
        | (0, b"#", b'|' | b'R') => return Some(What::UnknownQuery),
        _ => return None,
    };
    Some(What::Query(query))
}

/// The number that an OSC begins with, and what follows its `;`.
fn osc(payload: &[u8]) -> Option<(u16, &[u8])> {
    let end = payload.iter().position(|c| *c == b';');
    let (n, rest) = payload.split_at(end.unwrap_or(payload.len()));
    if n.is_empty() {
        return None;
    }
    Some((number(n)?, rest.get(1..).unwrap_or_default()))
}

/// Whether to wait for the rest of a string.
pub(super) fn hold(kind: Text, payload: &[u8]) -> Hold {
    let wait = match kind {
        Text::Osc if !payload.contains(&b';') => {
            payload.len() <= 5 && payload.iter().all(u8::is_ascii_digit)
        }
        Text::Osc => match osc(payload) {
            Some((52, rest)) => {
                let data = rest.splitn(2, |c| *c == b';').nth(1);
                rest.len() < 32 && data.is_none_or(|d| d.is_empty() || d == b"?")
            }
            Some((n, _)) => matches!(
                n,
                4 | 5 | 9..=19 | 21 | 22 | 60 | 61 | 99 | 133 | 777 | 1337 | 7501
            ),
            None => false,
        },
        Text::Dcs => {
            let hook = payload.iter().position(|c| matches!(c, 0x40..=0x7e));
            match hook {
                Some(at) => is_dcs_query(payload.get(..=at).unwrap_or_default()),
                None => payload.len() < 64,
            }
        }
        Text::Apc => match payload.split_first() {
            None => true,
            Some((b'G', control)) => is_graphics_query(control) || !control.contains(&b';'),
            Some(_) => false,
        },
        Text::Other => false,
    };
    if wait { Hold::Wait } else { Hold::Stream }
}

/// What the first part of a string is that streams on.
pub(super) fn opening(kind: Text, payload: &[u8]) -> What {
    match osc(payload) {
        Some((52, _)) if kind == Text::Osc => What::Clipboard,
        Some((n @ (9 | 99 | 777), rest)) if kind == Text::Osc => {
            notification(n, rest).unwrap_or(What::Pass)
        }
        _ => What::Pass,
    }
}

fn is_dcs_query(hooked: &[u8]) -> bool {
    hooked.ends_with(b"$q") || hooked.ends_with(b"+q")
}

fn is_graphics_query(control: &[u8]) -> bool {
    let keys = control.split(|c| *c == b';').next().unwrap_or_default();
    keys.split(|c| *c == b',').any(|kv| kv == b"a=q")
}

/// A complete control string; `whole` is all of it. `None` for what just passes.
pub(super) fn classify_string(
    kind: Text,
    payload: &[u8],
    bel: bool,
    whole: &Bytes,
) -> Option<What> {
    match kind {
        Text::Osc => classify_osc(payload, bel, whole),
        Text::Dcs => {
            let at = payload.iter().position(|c| matches!(c, 0x40..=0x7e))?;
            is_dcs_query(payload.get(..=at)?).then_some(What::UnknownQuery)
        }
        Text::Apc => {
            let control = payload.strip_prefix(b"G")?;
            is_graphics_query(control).then_some(What::UnknownQuery)
        }
        Text::Other => None,
    }
}

fn classify_osc(payload: &[u8], bel: bool, whole: &Bytes) -> Option<What> {
    let (n, rest) = osc(payload)?;
    let asks = || rest.split(|c| *c == b';').any(|p| p == b"?");
    match n {
        4 => {
            if !asks() {
                return None;
            }
            let parts: Vec<&[u8]> = rest.split(|c| *c == b';').collect();
            let indices: Option<Vec<u8>> = parts
                .chunks(2)
                .map(|pair| match pair {
                    [index, b"?"] => u8::try_from(number(index)?).ok(),
                    _ => None,
                })
                .collect();
            Some(match indices {
                Some(indices) => What::Query(Query::Palette { indices, bel }),
                None => What::UnknownQuery,
            })
        }
        10..=19 if asks() => {
            let mut codes = Vec::new();
            for (code, part) in (n..).zip(rest.split(|c| *c == b';')) {
                match u8::try_from(code) {
                    Ok(code @ 10..=12) if part == b"?" => codes.push(code),
                    _ => return Some(What::UnknownQuery),
                }
            }
            Some(What::Query(Query::Dynamic { codes, bel }))
        }
        5 if asks() => Some(What::UnknownQuery),
        21 | 22 if rest.contains(&b'?') => Some(What::UnknownQuery),
        60 | 61 => Some(What::UnknownQuery),
        1337 if rest.starts_with(b"Report") || rest == b"Capabilities" => Some(What::UnknownQuery),
        52 => {
            let data = rest.splitn(2, |c| *c == b';').nth(1);
            Some(match data {
                Some(b"?") => What::Query(Query::ClipboardRead),
                _ => What::Clipboard,
            })
        }
        133 => (rest.first() == Some(&b'A')).then_some(What::Prompt),
        7501 if rest == b"?" => Some(What::Query(Query::ProgramStatus(whole.clone()))),
        7501 => Some(What::Status),
        9 | 99 | 777 => notification(n, rest),
        _ => None,
    }
}

fn notification(n: u16, rest: &[u8]) -> Option<What> {
    match n {
        9 => {
            let mut parts = rest.split(|c| *c == b';');
            let first = parts.next().unwrap_or_default();
            if first == b"4" {
                let state = number(parts.next().unwrap_or_default())?;
                let percent = parts.next().and_then(number);
                return Some(What::Progress {
                    state: u8::try_from(state).ok().filter(|s| *s <= 4)?,
                    percent: percent.map(|p| u8::try_from(p.min(100)).unwrap_or(100)),
                });
            }
            // ConEmu's other numbered commands notify nobody.
            let command = !first.is_empty() && first.iter().all(u8::is_ascii_digit);
            if command && parts.next().is_some() {
                return None;
            }
            Some(What::Notification {
                title: None,
                body: text(rest),
            })
        }
        777 => {
            let mut parts = rest.splitn(3, |c| *c == b';');
            (parts.next() == Some(b"notify")).then(|| What::Notification {
                title: parts.next().map(text),
                body: text(parts.next().unwrap_or_default()),
            })
        }
        _ => kitty_notification(rest),
    }
}

/// OSC 99: `key=value:…;payload`.
fn kitty_notification(rest: &[u8]) -> Option<What> {
    let mut parts = rest.splitn(2, |c| *c == b';');
    let keys = parts.next().unwrap_or_default();
    let payload = parts.next().unwrap_or_default();
    let value = |key: &[u8]| {
        keys.split(|c| *c == b':')
            .find_map(|kv| kv.strip_prefix(key)?.strip_prefix(b"="))
    };
    let decoded = match value(b"e") {
        Some(b"1") => STANDARD.decode(payload).ok()?,
        _ => payload.to_vec(),
    };
    match value(b"p") {
        None | Some(b"title" | b"body") => Some(What::Notification {
            title: None,
            body: text(&decoded),
        }),
        Some(b"?" | b"alive") => Some(What::UnknownQuery),
        _ => None,
    }
}
