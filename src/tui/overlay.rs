//! What is shown over everything for a moment: the keys after the prefix, all keys, the palette, a question.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Area;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::line::Line;
use super::theme::{Theme, cut};
use crate::config::{Action, Bindings};
use crate::mux::layout::Rect;

/// The columns of one entry of the keys' list.
const ENTRY: u16 = 36;
/// And where there is little room.
const NAMED: u16 = 19;

/// A frame with a title, erased within; what is left inside.
pub fn frame(buffer: &mut Buffer, area: Area, title: &str, theme: Theme) -> Area {
    Clear.render(area, buffer);
    let title = cut(
        title,
        usize::from(area.width.saturating_sub(6)),
        theme.dots(),
    );
    let block = Block::bordered()
        .border_style(theme.accent())
        .title(Span::styled(format!(" {title} "), theme.accent()));
    let block = match theme.unicode {
        true => block.border_type(BorderType::Rounded),
        false => block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        }),
    };
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

/// What the keys after the prefix do, one entry each; the ten of the tabs are one.
fn entries(bindings: &Bindings) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    let mut tabs = false;
    for action in Action::ALL {
        if action.tab().is_some() {
            if !std::mem::replace(&mut tabs, true) {
                all.push(("0-9".to_owned(), "tab of that number"));
            }
            continue;
        }
        let keys = bindings.keys_of(*action);
        if !keys.is_empty() {
            all.push((keys.join(" "), action.help()));
        }
    }
    all
}

/// The rows that the keys' list takes at a width.
pub fn keys_height(bindings: &Bindings, width: u16) -> u16 {
    let columns = (width / ENTRY).max(1);
    let entries = u16::try_from(entries(bindings).len()).unwrap_or(u16::MAX);
    entries.div_ceil(columns)
}

/// All keys, in columns; by the actions' names alone where there is little room. Those that have none are left
/// out, which is said.
pub fn keys(buffer: &mut Buffer, area: Area, bindings: &Bindings, theme: Theme) {
    let little = keys_height(bindings, area.width) > area.height;
    let all = if little {
        names(bindings)
    } else {
        entries(bindings)
    };
    let (entry, keys_width) = if little { (NAMED, 4) } else { (ENTRY, 10) };
    let columns = (area.width / entry).max(1);
    let width = area.width / columns;
    let height = area.height.max(1);
    let fit = usize::from(height) * usize::from(columns);
    for (n, (keys, help)) in all.iter().take(fit).enumerate() {
        let n = u16::try_from(n).unwrap_or(u16::MAX);
        let (x, y) = (area.x + (n / height) * width, area.y + n % height);
        if usize::from(n) + 1 == fit && all.len() > fit {
            buffer.set_stringn(x, y, theme.dots(), usize::from(width), theme.quiet());
            break;
        }
        let line = Text::from(vec![
            Span::styled(format!("{keys:>keys_width$} "), theme.accent()),
            Span::raw(*help),
        ]);
        buffer.set_line(x, y, &line, width.saturating_sub(1));
    }
}

/// The names of what is not done by arrows and numbers, which need no list.
fn names(bindings: &Bindings) -> Vec<(String, &'static str)> {
    let moves = |a: &Action| a.repeats() || a.tab().is_some();
    let actions = Action::ALL.iter().filter(|a| !moves(a));
    let named = actions.filter_map(|a| {
        let key = bindings.keys_of(*a).into_iter().next()?;
        let key = if key == "Space" {
            "Spc".to_owned()
        } else {
            key
        };
        Some((key, a.name()))
    });
    named.collect()
}

/// The commands that fit what is typed, the best first.
pub fn found(typed: &str) -> Vec<Action> {
    let typed = typed.to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let fits = |action: &Action| {
        let text = format!("{} {}", action.name(), action.help()).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let mut found: Vec<Action> = Action::ALL.iter().copied().filter(fits).collect();
    found.sort_by_key(|action| !action.name().starts_with(typed.trim()));
    found
}

/// The palette; the cursor's place.
pub fn palette(
    buffer: &mut Buffer,
    area: Area,
    (line, chosen): (&Line, usize),
    bindings: &Bindings,
    theme: Theme,
) -> (u16, u16) {
    let cursor = typed(buffer, area, ": ", line, theme);
    let list = Area::new(
        area.x,
        area.y + 1,
        area.width,
        area.height.saturating_sub(1),
    );
    let found = found(&line.text());
    if found.is_empty() {
        buffer.set_stringn(
            list.x,
            list.y,
            "no such command",
            usize::from(list.width),
            theme.quiet(),
        );
    }
    let first = (chosen + 1).saturating_sub(usize::from(list.height));
    for (y, action) in found
        .iter()
        .skip(first)
        .take(usize::from(list.height))
        .enumerate()
    {
        let at = list.y + u16::try_from(y).unwrap_or(0);
        let keys = bindings.keys_of(*action).join(" ");
        let text = Text::from(vec![
            Span::styled(format!("{:<17}", action.name()), theme.strong()),
            Span::raw(format!("{:<28}", action.help())),
            Span::styled(keys, theme.accent()),
        ]);
        buffer.set_line(list.x, at, &text, list.width);
        if first + y == chosen {
            buffer.set_style(Area::new(list.x, at, list.width, 1), theme.chosen());
        }
    }
    cursor
}

/// A line that is typed into, behind a prompt; the cursor's place.
pub fn typed(
    buffer: &mut Buffer,
    area: Area,
    prompt: &str,
    line: &Line,
    theme: Theme,
) -> (u16, u16) {
    let used = u16::try_from(Span::raw(prompt).width())
        .unwrap_or(0)
        .min(area.width);
    buffer.set_stringn(
        area.x,
        area.y,
        prompt,
        usize::from(area.width),
        theme.accent(),
    );
    let (text, at) = line.view(area.width.saturating_sub(used));
    let room = usize::from(area.width.saturating_sub(used));
    buffer.set_stringn(
        area.x + used,
        area.y,
        &text,
        room,
        ratatui::style::Style::new(),
    );
    (area.x + used + at, area.y)
}

/// Where the list of all keys is shown in a screen.
pub fn keys_place(bindings: &Bindings, screen: Rect, whole: bool) -> Rect {
    let width = screen.w.saturating_sub(2);
    let height = keys_height(bindings, width).saturating_add(2);
    if whole {
        return screen.middle(screen.w, height.min(screen.h));
    }
    // On a small screen there is nothing else that could be seen beside it.
    let most = if screen.h < 20 {
        screen.h
    } else {
        screen.h / 2 + 2
    };
    let height = height.min(most).min(screen.h.saturating_sub(1));
    Rect::new(0, screen.h.saturating_sub(height + 1), screen.w, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_what_they_are_called_or_do() {
        assert_eq!(found("zoom"), [Action::Zoom]);
        assert_eq!(found("results"), [Action::Pull]);
        assert_eq!(found("split ri"), [Action::SplitRight]);
        assert!(found("banana").is_empty());
        assert_eq!(found("").len(), Action::ALL.len());
        assert_eq!(found("tab-3").first(), Some(&Action::Tab3));
    }

    #[test]
    fn the_list_of_keys_fits_any_screen() {
        let bindings = Bindings::default();
        let theme = Theme {
            color: true,
            unicode: true,
        };
        for (w, h) in [(120, 36), (80, 24), (40, 12), (10, 3), (1, 1)] {
            let screen = Rect::new(0, 0, w, h);
            for whole in [true, false] {
                let place = keys_place(&bindings, screen, whole);
                assert!(
                    place.x + place.w <= w && place.y + place.h <= h,
                    "{place:?}"
                );
                let area = Area::new(place.x, place.y, place.w, place.h);
                let mut buffer = Buffer::empty(area);
                let inner = frame(&mut buffer, area, "keys", theme);
                if !inner.is_empty() {
                    keys(&mut buffer, inner, &bindings, theme);
                }
            }
        }
    }
}
