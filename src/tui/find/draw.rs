//! How a search of all agents looks: the pattern, and a line for each that was found.

use ratatui::layout::Rect as Area;
use ratatui::text::{Line as Text, Span};

use super::{Find, Hit, lock};
use crate::model::{Millis, now_ms};
use crate::mux::canvas::Canvas;
use crate::mux::layout::Rect;
use crate::tui::theme::{Theme, cut};
use crate::tui::{chrome, overlay};

/// Columns of an agent's name and of an age.
const NAME: usize = 10;
const AGE: usize = 4;

impl Find {
    /// Draws it over everything; the cursor's place.
    pub fn draw(&self, canvas: &mut Canvas, theme: Theme) -> Option<(u16, u16)> {
        let screen = canvas.area();
        let (w, h) = (screen.w / 10 * 9, screen.h / 10 * 8);
        let place = screen.middle(w.max(60).min(screen.w), h.max(10).min(screen.h));
        let mut cursor = None;
        chrome::draw(canvas, place, |buffer, area| {
            let title = "search all agents: Enter opens, Escape closes";
            let inner = overlay::frame(buffer, area, title, theme);
            if inner.is_empty() {
                return;
            }
            cursor = Some(overlay::typed(buffer, inner, "/ ", &self.line, theme));
            let results = lock(&self.results);
            let rows = usize::from(inner.height.saturating_sub(2));
            let first = (results.chosen + 1).saturating_sub(rows);
            let now = now_ms();
            let shown = results.hits.iter().enumerate().skip(first).take(rows);
            for ((n, hit), y) in shown.zip(inner.y + 1..) {
                let line = Area::new(inner.x, y, inner.width, 1);
                buffer.set_line(line.x, y, &entry(hit, now, theme), line.width);
                if n == results.chosen {
                    buffer.set_style(line, theme.chosen());
                }
            }
            let (word, style) = match (results.left, results.failed.last()) {
                (_, Some(why)) => (why.clone(), theme.warning()),
                (None, None) if self.line.is_empty() => (
                    "a regular expression; small letters for either case".to_owned(),
                    theme.quiet(),
                ),
                (None | Some(1..), None) => ("searching ...".to_owned(), theme.quiet()),
                (Some(0), None) => match results.hits.len() {
                    0 => ("nothing found".to_owned(), theme.quiet()),
                    1 => ("1 line".to_owned(), theme.quiet()),
                    n => (format!("{n} lines"), theme.quiet()),
                },
            };
            let word = cut(&word, usize::from(inner.width), theme.dots());
            let y = inner.y + inner.height.saturating_sub(1);
            if inner.height > 1 {
                buffer.set_stringn(inner.x, y, word, usize::from(inner.width), style);
            }
        });
        let inner = Rect::new(place.x, place.y, place.w, place.h).inner();
        cursor.filter(|_| !inner.is_empty())
    }
}

/// `k3x7qd/1    3m the line`, what matches in it marked.
fn entry(hit: &Hit, now: Millis, theme: Theme) -> Text<'static> {
    let name = format!("{}/{}", hit.session.short(), hit.agent);
    let age = age(now.saturating_sub(hit.found.at));
    let text = &hit.found.text;
    let mut spans = vec![
        Span::styled(format!("{name:<NAME$} "), theme.accent()),
        Span::styled(format!("{age:>AGE$} "), theme.quiet()),
    ];
    let clean = |text: &str| -> String {
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().map(shown).collect()
    };
    // What is before a match far to the right is left out, so that the match is seen.
    let byte = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let first = hit.found.matches.first().map_or(0, |(from, _)| byte(*from));
    let before = text.get(..first).unwrap_or_default();
    let mut at = match before.char_indices().rev().nth(29) {
        Some((from, _)) if before.chars().count() > 40 => {
            spans.push(Span::styled(theme.dots(), theme.quiet()));
            from
        }
        _ => text.len() - text.trim_start().len().min(text.len()),
    };
    for (from, to) in &hit.found.matches {
        let (from, to) = (byte(*from), byte(*to));
        if let (Some(before), Some(found)) = (text.get(at..from), text.get(from..to)) {
            spans.push(Span::raw(clean(before)));
            spans.push(Span::styled(clean(found), theme.warning()));
            at = to;
        }
    }
    spans.push(Span::raw(clean(text.get(at..).unwrap_or_default())));
    Text::from(spans)
}

/// `3m`.
fn age(ms: Millis) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86_400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}
