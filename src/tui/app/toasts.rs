//! What is new is told on the bar for some seconds, whatever is looked at, and kept to be read again. Of the pane with
//! the keys nothing is told: it is seen.

use std::time::Instant;

use ratatui::layout::Rect as Area;
use ratatui::text::{Line as Text, Span};

use super::super::heard::Item;
use super::super::home::age;
use super::super::theme::cut;
use super::super::toasts::{Toast, Tone};
use super::super::{chrome, overlay};
use super::{App, View};
use crate::client::cloud;
use crate::client::status::Report;
use crate::model::{Money, now_ms};
use crate::mux::canvas::Canvas;
use crate::mux::layout::Rect;

/// The record of what was spent is read anew after so many seconds.
const SPENT: u64 = 15;
/// Columns of an age before what was said.
const AGE: usize = 6;

impl App {
    /// A session's host has spoken.
    pub(super) fn hear(&mut self, report: Report, spent: Option<Money>) {
        let items = self.heard.see(&report);
        let soon = self.heard.soon(&report);
        self.home.see(report, spent);
        items
            .into_iter()
            .chain(soon)
            .for_each(|item| self.news(item));
    }

    /// A second has passed: deadlines near, and now and then the record is read.
    pub(super) fn second(&mut self, seconds: u64) {
        self.home.pass(now_ms());
        let soon: Vec<Item> = self
            .home
            .reports()
            .filter_map(|report| self.heard.soon(report))
            .collect();
        soon.into_iter().for_each(|item| self.news(item));
        if !seconds.is_multiple_of(SPENT) {
            return;
        }
        // A record that cannot be read says nothing; `remote cost` says why.
        let lately = cloud::lately(&self.paths, now_ms()).unwrap_or_default();
        let told = lately.as_ref();
        let told = told.and_then(|lately| self.heard.spent(lately, self.home.daily));
        self.home.learn(lately);
        told.into_iter().for_each(|item| self.news(item));
    }

    fn news(&mut self, item: Item) {
        let toast = Toast {
            at: now_ms(),
            tone: item.tone,
            text: item.text,
        };
        let seen = self.view == View::Tabs && self.popup.is_none();
        if seen && item.agent.is_some() && item.agent == self.agent() {
            self.toasts.keep(toast);
        } else {
            self.toasts.show(toast, Instant::now());
        }
    }

    /// What was said in answer to a key can be read again too.
    pub(super) fn keep(&mut self, text: &str) {
        self.toasts.keep(Toast {
            at: now_ms(),
            tone: Tone::Plain,
            text: text.to_owned(),
        });
    }

    /// The one that is told now, in the place of what the bar has to the right.
    pub(super) fn toast_on_bar(&self, canvas: &mut Canvas, y: u16) {
        let Some((toast, waiting)) = self.toasts.shown() else {
            return;
        };
        let screen = canvas.area();
        let (style, sign) = self.theme.toast(toast.tone);
        let more = if waiting > 0 {
            format!("+{waiting} ")
        } else {
            String::new()
        };
        // Something of the tabs is left, where there is room for both.
        let room = usize::from(screen.w.saturating_sub(if screen.w >= 60 { 20 } else { 0 }));
        let text = cut(
            &toast.text,
            room.saturating_sub(4 + more.len()),
            self.theme.dots(),
        );
        let line = format!(" {sign} {text} {more}");
        let wide = u16::try_from(Span::raw(line.as_str()).width()).unwrap_or(u16::MAX);
        let x = screen.w.saturating_sub(wide);
        canvas.fill(Rect::new(x, y, screen.w - x, 1), chrome::look(style));
        canvas.text(x, y, screen.w - x, &line, chrome::look(style));
    }

    /// What was told lately, the newest below, in a frame.
    pub(super) fn messages(&self, canvas: &mut Canvas) {
        let (theme, screen, now) = (self.theme, canvas.area(), now_ms());
        let kept = self.toasts.kept().count().max(1);
        let height = u16::try_from(kept).unwrap_or(u16::MAX).saturating_add(2);
        let place = screen.middle(100.min(screen.w), height.min(screen.h));
        chrome::draw(canvas, place, |buffer, area: Area| {
            let inner = overlay::frame(buffer, area, "messages: any key closes", theme);
            if inner.is_empty() {
                return;
            }
            let rows = usize::from(inner.height);
            let mut lines: Vec<Text<'_>> = self
                .toasts
                .kept()
                .rev()
                .take(rows)
                .map(|toast| {
                    let (style, sign) = theme.toast(toast.tone);
                    let room = usize::from(inner.width).saturating_sub(AGE + 4);
                    Text::from(vec![
                        Span::styled(format!("{:>AGE$} ", age(toast.at, now)), theme.quiet()),
                        Span::styled(format!("{sign} "), theme.mark(style)),
                        Span::raw(cut(&toast.text, room, theme.dots())),
                    ])
                })
                .collect();
            if lines.is_empty() {
                lines.push(Text::styled(" nothing was said yet", theme.quiet()));
            }
            for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().rev()) {
                buffer.set_line(inner.x, y, line, inner.width);
            }
        });
        canvas.hide_cursor();
    }
}
