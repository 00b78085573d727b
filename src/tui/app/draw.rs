//! One frame: panes at their places, what stands around them, what is over them.

use std::time::{Duration, Instant};

use ratatui::layout::Rect as Area;
use ratatui::text::{Line as Text, Span};

use super::super::home::draw::words;
use super::super::pane::Life;
use super::super::theme::cut;
use super::super::{chrome, overlay};
use super::borders::Lines;
use super::{App, Mode, View, Wanted};
use crate::mux::canvas::Canvas;
use crate::mux::layout::{PaneId, Places, Rect};

/// A program that never ends its synchronized update is shown in the midst of it after this.
pub const HALF: Duration = Duration::from_millis(150);

impl App {
    /// What the terminal is to show. `before` is what it shows now.
    pub(super) fn compose(&mut self, before: Option<&Canvas>) -> Canvas {
        let mut canvas = Canvas::new(self.size);
        let was = std::mem::take(&mut self.places);
        self.hits.clear();
        self.rests.begin();
        self.pass_focus();
        canvas.own();
        match self.view {
            View::Tabs if !self.tabs.is_empty() => self.panes(&mut canvas, before, &was),
            _ => self.home_view(&mut canvas),
        }
        self.bar(&mut canvas);
        self.popup(&mut canvas);
        self.overlays(&mut canvas);
        canvas
    }

    fn panes(&mut self, canvas: &mut Canvas, before: Option<&Canvas>, was: &Places) {
        let area = self.area();
        let Some(tab) = self.tabs.shown() else {
            return;
        };
        let (focus, zoomed) = (tab.tree.focus(), tab.tree.zoomed());
        let places = tab.tree.places(area);
        let mut lines = Lines::new(canvas.area());
        if area.y > 0 {
            lines.add(Rect::new(0, area.y - 1, area.w, 1));
        }
        places
            .borders
            .iter()
            .for_each(|border| lines.add(border.rect));
        lines.draw(canvas, self.theme, places.of(focus));
        for (id, rect) in &places.panes {
            let kept = before.filter(|_| was.of(*id) == Some(*rect));
            match self.back.get_mut(id) {
                Some(copy) => {
                    copy.resize(crate::model::Size {
                        cols: rect.w,
                        rows: rect.h,
                    });
                    copy.draw(canvas, *rect, self.theme);
                }
                None => self.pane(canvas, *id, *rect, kept),
            }
            if rect.y > 0 && lines.is(usize::from(rect.x), usize::from(rect.y - 1)) {
                let zoom = if zoomed { " (zoomed)" } else { "" };
                let back = self.back.get(id).map(|copy| {
                    let (line, of) = copy.position();
                    format!(" [line {line} of {of}]")
                });
                let more = format!("{zoom}{}", back.unwrap_or_default());
                self.title(canvas, *id, *rect, *id == focus, &more);
            }
        }
        if let (Some(pane), Some(rect)) = (self.panes.get(&focus), places.of(focus)) {
            let shown = pane.shown();
            if let Some(copy) = self.back.get(&focus) {
                copy.cursor(canvas, rect);
            } else if !shown.life.is_over() {
                canvas.focus(&shown.screen, rect);
            }
            canvas.title(&match shown.screen.title() {
                "" => format!("remote: {}", pane.source.label()),
                title => format!("remote: {title}"),
            });
        }
        let motion = places.panes.iter().filter_map(|(id, _)| self.panes.get(id));
        let motion = motion
            .map(|p| p.shown().screen.mouse())
            .any(|wish| wish.motion);
        canvas.mouse(motion);
        self.places = places;
    }

    /// A pane's screen, at the size of its place from now on; as it was before, where its program is in the
    /// midst of drawing.
    pub(super) fn pane(
        &mut self,
        canvas: &mut Canvas,
        id: PaneId,
        rect: Rect,
        before: Option<&Canvas>,
    ) {
        let Some(pane) = self.panes.get(&id) else {
            return;
        };
        pane.resize(crate::model::Size {
            cols: rect.w,
            rows: rect.h,
        });
        let shown = pane.shown();
        if shown.screen.synchronized() && !shown.life.is_over() {
            let since = *self.drawing.entry(id).or_insert_with(Instant::now);
            if let Some(before) = before.filter(|_| since.elapsed() < HALF) {
                self.rests.keep(before, rect);
                return canvas.keep(before, rect);
            }
        } else {
            self.drawing.remove(&id);
        }
        canvas.blit(&shown.screen, rect);
        if !shown.pictures.is_empty() {
            canvas.has_marks();
            let takes = *self.wires.takes.borrow();
            for picture in shown.pictures.seen(&shown.screen, rect, takes) {
                self.rests.draw(canvas, picture);
            }
        }
        let keys = match pane.source.of_agent() {
            Some(_) => "r starts it again, x closes",
            None => "r runs it again, x closes",
        };
        let (line, style) = match &shown.life {
            Life::Opening => {
                let waits = self.theme.pick("connecting …", "connecting...");
                (waits.to_owned(), self.theme.quiet())
            }
            Life::Running => return,
            Life::Ended { code, line } => {
                let style = if *code == 0 {
                    self.theme.accent()
                } else {
                    self.theme.bad()
                };
                (format!(" {line}: {keys} "), style)
            }
            Life::Failed(why) => (
                format!(" {why}: r tries again, x closes "),
                self.theme.bad(),
            ),
        };
        let last = Rect::new(rect.x, rect.y + rect.h.saturating_sub(1), rect.w, 1);
        let opening = shown.life == Life::Opening;
        let at = if opening {
            Rect::new(rect.x, rect.y, rect.w, 1)
        } else {
            last
        };
        drop(shown);
        let style = if opening {
            style
        } else {
            style.add_modifier(ratatui::style::Modifier::REVERSED)
        };
        let look = chrome::look(style);
        if !opening {
            canvas.fill(at, look);
        }
        let line = cut(&line, usize::from(rect.w), self.theme.dots());
        canvas.text(at.x, at.y, at.w, &line, look);
    }

    /// Who is in a pane and what it is doing, on the line above it.
    pub(super) fn title(
        &self,
        canvas: &mut Canvas,
        id: PaneId,
        rect: Rect,
        focused: bool,
        more: &str,
    ) {
        let Some(pane) = self.panes.get(&id) else {
            return;
        };
        let style = if focused {
            self.theme.accent()
        } else {
            self.theme.quiet()
        };
        let mut spans = vec![Span::styled(format!(" {}", pane.source.label()), style)];
        match pane.source.of_agent() {
            Some((session, agent)) => {
                let key = (session.clone(), agent);
                if let (Some(agent), Some(state)) = (self.home.agent(&key), self.home.state(&key)) {
                    let sign = self.theme.sign(state);
                    let doing = words(agent, state);
                    spans.push(Span::styled(format!(" {}", agent.name), style));
                    spans.push(Span::styled(
                        format!(" {sign} {doing}"),
                        self.theme.state(state),
                    ));
                }
            }
            None => {
                let shown = pane.shown();
                if !shown.screen.title().is_empty() {
                    spans.push(Span::styled(format!(" {}", shown.screen.title()), style));
                }
            }
        }
        spans.push(Span::styled(format!("{more} "), style));
        let width = usize::from(rect.w.saturating_sub(2));
        let mut x = rect.x.saturating_add(1);
        let mut left = width;
        for span in spans {
            let text = cut(&span.content, left, self.theme.dots());
            let room = u16::try_from(left).unwrap_or(u16::MAX);
            let used = canvas.text(x, rect.y - 1, room, &text, chrome::look(span.style));
            x = x.saturating_add(used);
            left = left.saturating_sub(usize::from(used));
        }
    }

    fn popup(&mut self, canvas: &mut Canvas) {
        let Some(popup) = &self.popup else {
            return;
        };
        let (pane, theme, whole) = (popup.pane, self.theme, popup.file.is_some());
        let inner = self.popup_inner(whole);
        let mut place = self.popup_place();
        if whole {
            place = inner;
        } else {
            chrome::draw(canvas, place, |buffer, area| {
                overlay::frame(buffer, area, &popup.title, theme);
            });
        }
        let Some(shown) = self.panes.get(&pane) else {
            return;
        };
        shown.resize(crate::model::Size {
            cols: inner.w,
            rows: inner.h,
        });
        let shown = shown.shown();
        canvas.blit(&shown.screen, inner);
        let foot = match &shown.life {
            Life::Ended { code: 0, .. } => (" done: any key closes ".to_owned(), theme.accent()),
            Life::Ended { line, .. } => (format!(" {line}: any key closes "), theme.bad()),
            Life::Failed(why) => (format!(" {why}: any key closes "), theme.bad()),
            Life::Opening | Life::Running => {
                canvas.focus(&shown.screen, inner);
                canvas.mouse(shown.screen.mouse().motion);
                return;
            }
        };
        let y = place.y + place.h.saturating_sub(1);
        let foot_text = cut(&foot.0, usize::from(inner.w), theme.dots());
        canvas.text(
            inner.x + 1,
            y,
            inner.w.saturating_sub(1),
            &foot_text,
            chrome::look(foot.1),
        );
        canvas.own();
        canvas.hide_cursor();
    }

    /// Keys, the palette, a question.
    fn overlays(&mut self, canvas: &mut Canvas) {
        let (theme, bindings, screen) = (self.theme, &self.bindings, canvas.area());
        let mut cursor = None;
        match &self.mode {
            Mode::Prefix(at) if *at <= Instant::now() => {
                let place = overlay::keys_place(bindings, screen, false);
                let title = format!("{} and then", bindings.prefix);
                chrome::draw(canvas, place, |buffer, area| {
                    let inner = overlay::frame(buffer, area, &title, theme);
                    overlay::keys(buffer, inner, bindings, theme);
                });
            }
            Mode::Help => {
                let place = overlay::keys_place(bindings, screen, true);
                let title = format!("keys, after {}: any key closes", bindings.prefix);
                chrome::draw(canvas, place, |buffer, area| {
                    let inner = overlay::frame(buffer, area, &title, theme);
                    overlay::keys(buffer, inner, bindings, theme);
                });
            }
            Mode::Messages => self.messages(canvas),
            Mode::Palette(line, chosen) => {
                let place = screen.middle(64.min(screen.w), (screen.h / 3 * 2).max(8));
                chrome::draw(canvas, place, |buffer, area| {
                    let inner = overlay::frame(buffer, area, "commands", theme);
                    cursor = Some(overlay::palette(
                        buffer,
                        inner,
                        (line, *chosen),
                        bindings,
                        theme,
                    ));
                });
            }
            Mode::Prompt(wanted, line) => {
                let title = match wanted {
                    Wanted::TabName => "name of the tab".to_owned(),
                    Wanted::Extend(session) => format!("extend {session} by"),
                };
                let place = screen.middle(50.min(screen.w), 3);
                chrome::draw(canvas, place, |buffer, area| {
                    let inner = overlay::frame(buffer, area, &title, theme);
                    cursor = Some(overlay::typed(buffer, inner, "", line, theme));
                });
            }
            Mode::Find => cursor = self.find.draw(canvas, theme),
            Mode::Close(panes) => {
                let what = if panes.len() == 1 {
                    "this pane"
                } else {
                    "these panes"
                };
                self.ask(
                    canvas,
                    &format!("close {what} and end what runs there? (y/n)"),
                );
            }
            Mode::Normal | Mode::Prefix(_) | Mode::Repeat(_) => {}
        }
        if let Some((x, y)) = cursor {
            canvas.own();
            canvas.cursor(x, y);
        }
        if let Some((text, _)) = &self.toast {
            self.ask(canvas, text);
        }
        if let Some(text) = self.clipboard_question(screen.w) {
            self.ask(canvas, &text);
        }
    }

    /// A line in a frame, in the middle of the lower part.
    fn ask(&self, canvas: &mut Canvas, text: &str) {
        let screen = canvas.area();
        let theme = self.theme;
        let width = u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX);
        let mut place = screen.middle(width.saturating_add(4), 3);
        place.y = screen.h.saturating_sub(place.h + 2);
        chrome::draw(canvas, place, |buffer, area: Area| {
            let inner = overlay::frame(buffer, area, "remote", theme);
            buffer.set_line(
                inner.x + 1,
                inner.y,
                &Text::raw(text),
                inner.width.saturating_sub(1),
            );
        });
    }
}
