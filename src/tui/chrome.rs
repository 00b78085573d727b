//! From ratatui's buffers to the project's own cells: what stands around panes is drawn with its widgets.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Area;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use crate::mux::canvas::{Canvas, Ink, Look};
use crate::mux::layout::Rect;

/// Draws something into a part of the canvas, over what is there.
pub fn draw(canvas: &mut Canvas, rect: Rect, paint: impl FnOnce(&mut Buffer, Area)) {
    let area = Area::new(rect.x, rect.y, rect.w, rect.h);
    if area.is_empty() {
        return;
    }
    let mut buffer = Buffer::empty(area);
    paint(&mut buffer, area);
    for y in area.top()..area.bottom() {
        let mut covered = area.left();
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell((x, y)).filter(|_| x >= covered) else {
                continue;
            };
            let look = Look {
                fg: ink(cell.fg),
                bg: ink(cell.bg),
                bold: cell.modifier.contains(Modifier::BOLD),
                dim: cell.modifier.contains(Modifier::DIM),
                italic: cell.modifier.contains(Modifier::ITALIC),
                underline: cell.modifier.contains(Modifier::UNDERLINED),
                reverse: cell.modifier.contains(Modifier::REVERSED),
                strike: cell.modifier.contains(Modifier::CROSSED_OUT),
            };
            canvas.text(x, y, area.right() - x, cell.symbol(), look);
            let width = u16::try_from(cell.symbol().width()).unwrap_or(1).max(1);
            covered = x.saturating_add(width);
        }
    }
}

/// A style as one of the project's own looks.
pub fn look(style: ratatui::style::Style) -> Look {
    let has = |modifier| style.add_modifier.contains(modifier);
    Look {
        fg: ink(style.fg.unwrap_or(Color::Reset)),
        bg: ink(style.bg.unwrap_or(Color::Reset)),
        bold: has(Modifier::BOLD),
        dim: has(Modifier::DIM),
        italic: has(Modifier::ITALIC),
        underline: has(Modifier::UNDERLINED),
        reverse: has(Modifier::REVERSED),
        strike: has(Modifier::CROSSED_OUT),
    }
}

fn ink(color: Color) -> Ink {
    Ink::Indexed(match color {
        Color::Reset => return Ink::Default,
        Color::Rgb(r, g, b) => return Ink::Rgb(r, g, b),
        Color::Indexed(n) => n,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    })
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;
    use crate::model::Size;

    #[test]
    fn what_ratatui_draws_stands_in_our_cells() {
        let mut canvas = Canvas::new(Size { cols: 12, rows: 2 });
        draw(&mut canvas, Rect::new(1, 0, 10, 1), |buffer, area| {
            buffer.set_string(area.x, area.y, "漢e\u{301}x", Style::new().fg(Color::Red));
        });
        assert_eq!(canvas.lines(), [" 漢e\u{301}x", ""]);
    }
}
