//! One line on the top row, over whatever is there; the row comes back from the emulator.

use std::time::Duration;

use unicode_width::UnicodeWidthChar;

use crate::model::Size;

/// How long a notice stays.
pub(super) const NOTICE: Duration = Duration::from_secs(6);

/// What wants to be shown, the most important first.
#[derive(Debug, Default)]
pub(super) struct Banner {
    /// A question that waits for an answer.
    pub question: Option<String>,
    pub trouble: Option<String>,
    pub notice: Option<(String, Duration)>,
    /// What is on the terminal now.
    drawn: Option<String>,
}

impl Banner {
    /// With a notice from the beginning.
    pub(super) fn new(notice: Option<&str>) -> Self {
        Self {
            notice: notice.map(|text| (text.to_owned(), NOTICE)),
            ..Self::default()
        }
    }

    /// The line to show at `now`.
    pub(super) fn wanted(&self, now: Duration) -> Option<&str> {
        let notice = self.notice.as_ref().filter(|(_, until)| now < *until);
        self.question
            .as_deref()
            .or(self.trouble.as_deref())
            .or(notice.map(|(text, _)| text.as_str()))
    }

    /// When the notice goes away by itself.
    pub(super) fn expires(&self) -> Option<Duration> {
        self.notice.as_ref().map(|(_, until)| *until)
    }

    /// Forgets a notice whose time is over.
    pub(super) fn tick(&mut self, now: Duration) {
        self.notice.take_if(|(_, until)| now >= *until);
    }

    /// The terminal shows what is wanted.
    pub(super) fn is_current(&self, now: Duration) -> bool {
        self.wanted(now) == self.drawn.as_deref()
    }

    pub(super) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
    }

    /// The line is off the terminal.
    pub(super) fn erased(&mut self) {
        self.drawn = None;
    }

    /// The bytes that draw what is wanted, with the cursor back at `cursor` (row, column from 0).
    pub(super) fn draw(
        &mut self,
        now: Duration,
        size: Size,
        cursor: Option<(u16, u16)>,
    ) -> Vec<u8> {
        let Some(text) = self.wanted(now).map(str::to_owned) else {
            return Vec::new();
        };
        let bytes = line(&text, size, cursor);
        self.drawn = Some(text);
        bytes
    }
}

/// Origin mode, wrapping and insertion off, the main character set, reverse video, at most a whole row.
fn line(text: &str, size: Size, cursor: Option<(u16, u16)>) -> Vec<u8> {
    let cols = usize::from(size.cols);
    let mut out = b"\x1b[?6l\x1b[?7l\x1b[4l\x1b(B\x0f\x1b]8;;\x1b\\\x1b[1;1H\x1b[0;7m".to_vec();
    let mut used = 0;
    for c in text.chars().filter(|c| !c.is_control()) {
        let width = c.width().unwrap_or(0);
        if used + width > cols {
            break;
        }
        used += width;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.resize(out.len() + cols.saturating_sub(used), b' ');
    out.extend_from_slice(b"\x1b[0m");
    if let Some((row, col)) = cursor {
        let (row, col) = (u32::from(row) + 1, u32::from(col) + 1);
        out.extend_from_slice(format!("\x1b[{row};{col}H").as_bytes());
    }
    out
}

/// Input as a person can read it: control characters as `^C`, at most `most` characters.
pub(super) fn readable(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '\r' | '\n' => text.push('⏎'),
            '\x1b' => text.push_str("^["),
            '\x7f' => text.push_str("^?"),
            c if u32::from(c) < 0x20 => {
                text.push('^');
                text.push(char::from_u32(u32::from(c) | 0x40).unwrap_or('?'));
            }
            c if c.is_control() => text.push('?'),
            c => text.push(c),
        }
        if text.chars().count() > most {
            text.push('…');
            break;
        }
    }
    text
}

/// `12 s`, `3 min`, `2 h`.
pub(super) fn short(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3600),
    }
}

#[cfg(test)]
mod tests;
