//! How it looks while one looks back.

use super::Copy;
use crate::model::Size;
use crate::mux::Screen;
use crate::mux::canvas::{Canvas, Ink, Look};
use crate::mux::layout::Rect;
use crate::tui::chrome;
use crate::tui::theme::Theme;

impl Copy {
    /// Draws the lines that are in sight into a pane's place, and the cursor.
    pub fn draw(&self, canvas: &mut Canvas, rect: Rect, theme: Theme) {
        let mut screen = Screen::new(Size {
            cols: rect.w,
            rows: rect.h,
        });
        // They are wrapped already.
        screen.feed(b"\x1b[?7l");
        for (y, line) in self.lines.iter().skip(self.top).take(self.rows).enumerate() {
            screen.feed(format!("\x1b[{}H", y + 1).as_bytes());
            screen.feed(&line.bytes);
        }
        canvas.blit(&screen, rect);
        let part = |from: usize, to: usize, y: usize| {
            let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).min(rect.w);
            let (from, to) = (cell(from), cell(to));
            let y = rect.y.saturating_add(u16::try_from(y).unwrap_or(u16::MAX));
            Rect::new(rect.x.saturating_add(from), y, to.saturating_sub(from), 1)
        };
        let found = Look {
            fg: if theme.color {
                Ink::Indexed(0)
            } else {
                Ink::Default
            },
            bg: if theme.color {
                Ink::Indexed(3)
            } else {
                Ink::Default
            },
            bold: true,
            underline: !theme.color,
            ..Look::default()
        };
        let selected = Look {
            reverse: true,
            ..Look::default()
        };
        for (row, (from, to)) in self.found() {
            canvas.relook(part(from, to, row - self.top), found);
        }
        for y in 0..self.rows.min(usize::from(rect.h)) {
            if let Some((from, to)) = self.selection(self.top + y) {
                canvas.relook(part(from, to, y), selected);
            }
        }
        self.foot(canvas, rect, theme);
    }

    /// Shows the cursor: of the pattern while that is typed.
    pub fn cursor(&self, canvas: &mut Canvas, rect: Rect) {
        let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let (x, y) = match &self.typing {
            Some(typing) => {
                let (_, at) = typing.line.view(rect.w.saturating_sub(1));
                (at.saturating_add(1), rect.h.saturating_sub(1))
            }
            None => (cell(self.at.1), cell(self.at.0.saturating_sub(self.top))),
        };
        let (x, y) = (
            x.min(rect.w.saturating_sub(1)),
            y.min(rect.h.saturating_sub(1)),
        );
        canvas.cursor(rect.x.saturating_add(x), rect.y.saturating_add(y));
    }

    /// The pattern that is typed, or a word about it, on the pane's last line.
    fn foot(&self, canvas: &mut Canvas, rect: Rect, theme: Theme) {
        let last = Rect::new(rect.x, rect.y + rect.h.saturating_sub(1), rect.w, 1);
        let look = chrome::look(theme.bar());
        if let Some(typing) = &self.typing {
            canvas.fill(last, look);
            let prompt = if typing.backward { "?" } else { "/" };
            canvas.text(last.x, last.y, last.w, prompt, look);
            let (text, _) = typing.line.view(last.w.saturating_sub(1));
            canvas.text(last.x + 1, last.y, last.w.saturating_sub(1), &text, look);
        }
        if let Some(word) = &self.word {
            let text = format!(" {word} ");
            let width = u16::try_from(text.len()).unwrap_or(u16::MAX).min(last.w);
            canvas.text(last.x + (last.w - width), last.y, width, &text, look);
        }
    }
}
