//! The time line: where it is, how long it is, how fast it goes, and what happened when.

use std::time::{Duration, Instant};

use ratatui::style::Style;

use super::film::Sign;
use super::{Player, Theme};
use crate::model::AgentState;
use crate::mux::canvas::Canvas;
use crate::mux::layout::Rect;
use crate::tui::theme::cut;
use crate::tui::{chrome, overlay};

/// The shortest line that is drawn.
const SHORTEST: u16 = 8;

/// `1:05`, `1:00:05`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// `2x`, `0.5x`.
fn pace(speed: f64) -> String {
    let text = format!("{speed:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}x")
}

/// The column of a line of `width` at which a moment is.
fn column(at: Duration, end: Duration, width: u16) -> u16 {
    if end.is_zero() || width == 0 {
        return 0;
    }
    let part = at.as_secs_f64() / end.as_secs_f64();
    let column = (part * f64::from(width - 1))
        .round()
        .clamp(0.0, f64::from(width - 1));
    // Within a u16 by the clamp.
    column as u16
}

impl Player {
    /// Draws it into row `y`.
    pub(super) fn bar(&self, canvas: &mut Canvas, y: u16) {
        let (theme, width) = (self.theme, self.size.cols);
        if let Some(typing) = &self.typing {
            let mut cursor = (0, y);
            chrome::draw(canvas, Rect::new(0, y, width, 1), |buffer, area| {
                cursor = overlay::typed(buffer, area, "/", &typing.line, theme);
            });
            return canvas.cursor(cursor.0, cursor.1);
        }
        let end = self.film.end();
        let at = self.moment(Instant::now()).min(end);
        let sign = match self.playing {
            Some(_) => theme.pick("▶", ">"),
            None => theme.pick("‖", "="),
        };
        let more = if self.loading { "+" } else { "" };
        let left = format!(" {sign} {} / {}{more} ", clock(at), clock(end));
        let mut word = match (&self.word, self.hunt.is_some()) {
            (Some(word), _) => word.clone(),
            (None, true) => "searching ...".to_owned(),
            (None, false) => self.happened(at).unwrap_or_default(),
        };
        if !word.is_empty() {
            word.push(' ');
        }
        let right = format!(" {word}{} {} ", pace(self.speed), self.title);
        // The line has at least a third; the words are cut for it.
        let room = width.saturating_sub(columns(&left));
        let most = room.saturating_sub((width / 3).max(SHORTEST));
        let right = cut(&right, usize::from(most), theme.dots());
        let plain = chrome::look(Style::new());
        let x = canvas.text(0, y, width, &left, chrome::look(theme.accent()));
        let line = room.saturating_sub(columns(&right));
        if line >= SHORTEST {
            self.line(canvas, Rect::new(x, y, line, 1), at);
        }
        canvas.text(x.saturating_add(line), y, columns(&right), &right, plain);
        canvas.hide_cursor();
    }

    fn line(&self, canvas: &mut Canvas, rect: Rect, at: Duration) {
        let (theme, end) = (self.theme, self.film.end());
        let here = column(at, end, rect.w);
        let (played, rest) = (theme.pick("━", "="), theme.pick("─", "-"));
        for x in 0..rect.w {
            let (sign, style) = match x <= here {
                true => (played, theme.accent()),
                false => (rest, theme.quiet()),
            };
            canvas.text(rect.x + x, rect.y, 1, sign, chrome::look(style));
        }
        // What asks for a person stands over what does not, where both are in one column.
        let mut marks: Vec<_> = self.film.marks().iter().collect();
        marks.sort_by_key(|m| weight(m.sign));
        for mark in marks {
            let (sign, style) = look(mark.sign, theme);
            let x = rect.x + column(mark.at, end, rect.w);
            canvas.text(x, rect.y, 1, sign, chrome::look(style));
        }
        let knob = chrome::look(theme.chosen());
        canvas.relook(Rect::new(rect.x + here, rect.y, 1, 1), knob);
    }

    /// What the agent had come to, or what else happened just now.
    fn happened(&self, at: Duration) -> Option<String> {
        let mark = self.film.marks().iter().rfind(|m| m.at <= at);
        mark.map(|m| m.word.clone())
    }
}

fn columns(text: &str) -> u16 {
    use unicode_width::UnicodeWidthStr;
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

fn weight(sign: Sign) -> u8 {
    match sign {
        Sign::State(AgentState::Blocked { .. } | AgentState::Error) => 3,
        Sign::State(AgentState::Done | AgentState::Exited { .. }) => 2,
        Sign::State(_) => 1,
        Sign::Resized(_) => 0,
    }
}

fn look(sign: Sign, theme: Theme) -> (&'static str, Style) {
    match sign {
        Sign::State(state) => (theme.sign(state), theme.state(state)),
        Sign::Resized(_) => (theme.pick("┼", "|"), theme.quiet()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_places_on_the_line() {
        let secs = Duration::from_secs;
        assert_eq!(
            (clock(secs(65)), clock(secs(3605))),
            ("1:05".into(), "1:00:05".into())
        );
        assert_eq!(
            (pace(1.0), pace(0.5), pace(16.0)),
            ("1x".into(), "0.5x".into(), "16x".into())
        );
        assert_eq!(column(secs(0), secs(10), 11), 0);
        assert_eq!(column(secs(5), secs(10), 11), 5);
        assert_eq!(column(secs(99), secs(10), 11), 10);
        assert_eq!(column(secs(1), secs(0), 0), 0);
    }
}
