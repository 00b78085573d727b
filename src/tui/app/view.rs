//! The view of the list, and the bar below every view.

use ratatui::style::Style;
use ratatui::text::Span;

use super::super::home::Focus;
use super::super::home::draw as list;
use super::super::home::spend;
use super::super::pane::Source;
use super::super::theme::cut;
use super::super::{chrome, overlay};
use super::borders::Lines;
use super::{App, Hit, Mode, View};
use crate::mux::canvas::Canvas;
use crate::mux::layout::Rect;

/// From this width on the chosen agent's screen is shown beside the list.
const BESIDE: u16 = 70;

impl App {
    /// Left the list, right the chosen agent's screen, below the line for a task.
    pub(super) fn home_view(&mut self, canvas: &mut Canvas) {
        let screen = canvas.area();
        let rows = screen.h.saturating_sub(4);
        let list_width = match screen.w {
            w if w < BESIDE => w,
            w => (w / 3).clamp(30, 64),
        };
        let spend = match spend::has_room(&self.home, rows) {
            true => spend::HEIGHT + 1,
            false => 0,
        };
        let left = Rect::new(0, 1, list_width, rows - spend);
        let below = Rect::new(0, left.y + left.h + 1, list_width, spend.saturating_sub(1));
        let right = Rect::new(
            list_width + 1,
            1,
            screen.w.saturating_sub(list_width + 1),
            rows,
        );
        let (task, theme) = (
            Rect::new(0, screen.h.saturating_sub(2), screen.w, 1),
            self.theme,
        );
        let mut lines = Lines::new(screen);
        lines.add(Rect::new(0, 0, screen.w, 1));
        lines.add(Rect::new(0, screen.h.saturating_sub(3), screen.w, 1));
        if right.w > 0 {
            lines.add(Rect::new(list_width, 0, 1, rows + 2));
        }
        if spend > 0 {
            let joined = if right.w > 0 { 1 } else { 0 };
            lines.add(Rect::new(0, below.y - 1, list_width + joined, 1));
        }
        lines.draw(
            canvas,
            theme,
            (self.home.focus == Focus::List).then_some(left),
        );
        let title = |canvas: &mut Canvas, x: u16, y: u16, text: &str, style: Style| {
            canvas.text(x, y, screen.w, text, chrome::look(style));
        };
        let style = match self.home.focus {
            Focus::List => theme.accent(),
            Focus::Task => theme.strong(),
        };
        title(canvas, 1, 0, " sessions ", style);
        if spend > 0 {
            title(canvas, 1, below.y - 1, " spend ", theme.strong());
            chrome::draw(canvas, below, |buffer, area| {
                spend::draw(&self.home, theme, buffer, area);
            });
        }
        let mut first = 0;
        chrome::draw(canvas, left, |buffer, area| {
            first = list::list(&self.home, theme, buffer, area);
        });
        self.hits.push((left, Hit::List(first)));
        if right.w > 0 {
            self.preview(canvas, right);
            self.hits.push((right, Hit::Preview));
        }
        let typing = self.home.focus == Focus::Task;
        let mut cursor = None;
        chrome::draw(canvas, task, |buffer, area| {
            let prompt = theme.pick(" › ", " > ");
            let at = overlay::typed(buffer, area, prompt, &self.home.task, theme);
            if self.home.task.is_empty() {
                let room = usize::from(area.width.saturating_sub(3));
                let hint = cut("type a task; Enter dispatches it", room, theme.dots());
                buffer.set_string(area.x + 3.min(area.width), area.y, hint, theme.quiet());
            }
            cursor = typing.then_some(at);
        });
        self.hits.push((task, Hit::Task));
        if let Some((x, y)) = cursor {
            canvas.cursor(x, y);
        }
        canvas.mouse(false);
        canvas.title("remote");
    }

    /// The chosen agent's live screen: the pane there is, or one that only looks.
    fn preview(&mut self, canvas: &mut Canvas, rect: Rect) {
        let Some(chosen) = self.home.chosen().cloned() else {
            return self.drop_preview();
        };
        let (session, agent) = chosen.clone();
        let own = self.pane_of(&session, agent);
        if own.is_some()
            || self
                .home
                .preview
                .as_ref()
                .is_some_and(|(key, _)| *key != chosen)
        {
            self.drop_preview();
        }
        let over = self.home.state(&chosen).is_none_or(|state| state.is_over());
        let id = match (own, &self.home.preview) {
            (Some(own), _) => own,
            (None, Some((_, pane))) => *pane,
            (None, None) if over => {
                let text = cut("it has ended; r starts it again", usize::from(rect.w), "");
                canvas.text(
                    rect.x + 1,
                    rect.y + 1,
                    rect.w.saturating_sub(1),
                    &text,
                    chrome::look(self.theme.quiet()),
                );
                return;
            }
            (None, None) => {
                let source = Source::Agent {
                    session,
                    agent,
                    read_only: true,
                };
                let size = crate::model::Size {
                    cols: rect.w,
                    rows: rect.h,
                };
                let id = self.start(source, size);
                self.home.preview = Some((chosen, id));
                id
            }
        };
        if own.is_some() {
            // It keeps its own size.
            if let Some(pane) = self.panes.get(&id) {
                canvas.blit(&pane.shown().screen, rect);
            }
        } else {
            self.pane(canvas, id, rect, None);
        }
        self.title(canvas, id, rect, false, "");
    }

    /// Tabs to the left, what is going on to the right.
    pub(super) fn bar(&mut self, canvas: &mut Canvas) {
        let screen = canvas.area();
        if screen.h < 4 {
            return;
        }
        let theme = self.theme;
        let y = screen.h - 1;
        let bar = theme.bar();
        canvas.fill(Rect::new(0, y, screen.w, 1), chrome::look(bar));
        let told = self.toasts.shown().is_some();
        let right = if told { Vec::new() } else { self.bar_right() };
        let used: usize = right.iter().map(Span::width).sum();
        let used = u16::try_from(used).unwrap_or(u16::MAX).min(screen.w);
        let right_at = screen.w - used;
        let chosen =
            bar.add_modifier(ratatui::style::Modifier::BOLD | ratatui::style::Modifier::UNDERLINED);
        let mut entries = vec![(" remote ".to_owned(), Hit::Home, self.view == View::Home)];
        for (n, tab) in self.tabs.all().iter().enumerate() {
            let name = tab.name.clone().unwrap_or_else(|| {
                let pane = self.panes.get(&tab.tree.focus());
                pane.map(|p| p.source.label()).unwrap_or_default()
            });
            let zoomed = if tab.tree.zoomed() { "Z" } else { "" };
            let shown = self.view == View::Tabs && n == self.tabs.current();
            let mark = if shown { "*" } else { "" };
            entries.push((format!(" {n}:{name}{mark}{zoomed} "), Hit::Tab(n), shown));
        }
        let mut x = 0;
        for (text, hit, shown) in entries {
            let room = right_at.saturating_sub(x);
            if room == 0 {
                break;
            }
            let text = cut(&text, usize::from(room), theme.dots());
            let style = if shown { chosen } else { bar };
            let wide = canvas.text(x, y, room, &text, chrome::look(style));
            self.hits.push((Rect::new(x, y, wide, 1), hit));
            x = x.saturating_add(wide);
        }
        let mut x = right_at;
        for span in right {
            let style = bar.patch(span.style);
            x = x.saturating_add(canvas.text(x, y, screen.w, &span.content, chrome::look(style)));
        }
        if told {
            self.toast_on_bar(canvas, y);
        }
    }

    fn bar_right(&self) -> Vec<Span<'static>> {
        let wide = self.size.cols >= 80;
        let mut right = Vec::new();
        let prefix = self.bindings.prefix;
        if matches!(self.mode, Mode::Prefix(_)) {
            right.push(Span::raw(format!(
                " {prefix} {} ",
                self.theme.pick("▸", ">")
            )));
            return right;
        }
        for (state, n) in self
            .home
            .counts()
            .into_iter()
            .take(if wide { 6 } else { 2 })
        {
            let word = if wide {
                format!(" {}", state.word())
            } else {
                String::new()
            };
            right.push(Span::raw(format!(" {}{n}{word} ", self.theme.sign(state))));
        }
        if let Some(spent) = self.home.spent_in_all() {
            right.push(Span::raw(format!(" {spent} ")));
        }
        let help = match (self.view, self.home.focus) {
            (View::Home, Focus::List) if wide => {
                "Enter opens  a answer  e extend  P pull  T terminate".to_owned()
            }
            (View::Home, Focus::Task) if wide => "↑↓ choose  Enter opens  Tab list".to_owned(),
            _ => format!("{prefix} ? keys"),
        };
        let help = if self.theme.unicode {
            help
        } else {
            help.replace("↑↓", "arrows")
        };
        right.push(Span::raw(format!(" {help} ")));
        right
    }
}
