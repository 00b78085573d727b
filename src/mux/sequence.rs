//! Where escape sequences begin and end, without saying what they mean. The scanner and the screen must
//! agree on it, and an emulator's own parser tells nobody where it stands.

pub(super) const ESC: u8 = 0x1b;
pub(super) const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// The most bytes of one unfinished sequence that are held back or remembered.
pub(super) const MAX_SEQUENCE: usize = 4096;

/// A control string's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Osc,
    Dcs,
    Apc,
    /// SOS and PM, which nothing uses.
    Other,
}

/// What a sequence looks like from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// It is all there: so many bytes.
    Complete(usize),
    /// A control string whose payload begins at byte 2.
    Open(Text),
    Incomplete,
}

/// Where a control string ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its terminator begins at `payload` and the rest of the stream at `next`.
    Terminated { payload: usize, next: usize },
    /// Another sequence begins there and cuts it off.
    Cut(usize),
    /// Not in these bytes. `true` where the last one is an ESC that may belong to its terminator.
    Missing(bool),
}

/// The shape of the sequence at the front of `b`, whose first byte is ESC.
pub(super) fn shape(b: &[u8]) -> Shape {
    let Some(&second) = b.get(1) else {
        return Shape::Incomplete;
    };
    match second {
        b'[' => csi(b),
        b']' => Shape::Open(Text::Osc),
        b'P' => Shape::Open(Text::Dcs),
        b'_' => Shape::Open(Text::Apc),
        b'X' | b'^' => Shape::Open(Text::Other),
        CAN | SUB | 0x30..=0x7e => Shape::Complete(2),
        0x20..=0x2f => escape(b),
        // A lone ESC: what follows is none of its business.
        _ => Shape::Complete(1),
    }
}

/// `ESC` with intermediates.
fn escape(b: &[u8]) -> Shape {
    for (i, &c) in b.iter().enumerate().skip(2) {
        match c {
            ESC => return Shape::Complete(i),
            CAN | SUB | 0x30..=0x7e => return Shape::Complete(i + 1),
            _ => {}
        }
    }
    Shape::Incomplete
}

fn csi(b: &[u8]) -> Shape {
    for (i, &c) in b.iter().enumerate().skip(2) {
        match c {
            ESC => return Shape::Complete(i),
            CAN | SUB | 0x40..=0x7e => return Shape::Complete(i + 1),
            _ => {}
        }
    }
    Shape::Incomplete
}

/// Looks for the end of a control string in `b` from `from` on.
/// In a `tmux;` pass-through every ESC is doubled: `doubled` skips such pairs.
pub(super) fn string_end(kind: Text, b: &[u8], from: usize, doubled: bool) -> End {
    let mut i = from;
    while let Some(rest) = b.get(i..) {
        let found = match kind {
            Text::Osc => rest
                .iter()
                .position(|c| matches!(*c, BEL | CAN | SUB | ESC)),
            _ => memchr::memchr3(ESC, CAN, SUB, rest),
        };
        let Some(p) = found.map(|p| p + i) else {
            return End::Missing(false);
        };
        if b.get(p) != Some(&ESC) {
            return End::Terminated {
                payload: p,
                next: p + 1,
            };
        }
        match b.get(p + 1) {
            None => return End::Missing(true),
            Some(b'\\') => {
                return End::Terminated {
                    payload: p,
                    next: p + 2,
                };
            }
            Some(&ESC) if doubled => i = p + 2,
            Some(_) => return End::Cut(p),
        }
    }
    End::Missing(false)
}

/// How many bytes at the end of `b` begin a UTF-8 character that is not all there (0 to 3).
pub(super) fn partial_utf8(b: &[u8]) -> usize {
    for back in 1..=b.len().min(3) {
        let Some(&c) = b.get(b.len() - back) else {
            return 0;
        };
        let need = match c {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        // Only a start that can still become a character is worth waiting for.
        let cut = b.get(b.len() - back..).unwrap_or_default();
        let hopeful = std::str::from_utf8(cut).is_err_and(|e| e.error_len().is_none());
        return if back < need && hopeful { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests;
