//! The lines between panes, joined where they meet; that around the pane with the keys stands out.

use ratatui::style::Style;

use super::super::chrome::look;
use super::super::theme::Theme;
use crate::mux::canvas::Canvas;
use crate::mux::layout::Rect;

/// Which cells of a screen are lines.
pub struct Lines {
    width: usize,
    height: usize,
    cells: Vec<bool>,
}

impl Lines {
    pub fn new(screen: Rect) -> Self {
        let (width, height) = (usize::from(screen.w), usize::from(screen.h));
        Self {
            width,
            height,
            cells: vec![false; width * height],
        }
    }

    pub fn add(&mut self, rect: Rect) {
        for y in usize::from(rect.y)..usize::from(rect.y.saturating_add(rect.h)).min(self.height) {
            for x in usize::from(rect.x)..usize::from(rect.x.saturating_add(rect.w)).min(self.width)
            {
                if let Some(cell) = self.cells.get_mut(y * self.width + x) {
                    *cell = true;
                }
            }
        }
    }

    pub fn is(&self, x: usize, y: usize) -> bool {
        x < self.width && self.cells.get(y * self.width + x).copied().unwrap_or(false)
    }

    /// The sides on which a line's cell is joined: left 1, right 2, up 4, down 8.
    fn sides(&self, x: usize, y: usize) -> u8 {
        let at = |on: bool, side: u8| if on { side } else { 0 };
        at(x > 0 && self.is(x - 1, y), 1)
            | at(self.is(x + 1, y), 2)
            | at(y > 0 && self.is(x, y - 1), 4)
            | at(self.is(x, y + 1), 8)
    }

    /// Draws them; those around `focus` in another style.
    pub fn draw(&self, canvas: &mut Canvas, theme: Theme, focus: Option<Rect>) {
        for y in 0..self.height {
            for x in (0..self.width).filter(|x| self.is(*x, y)) {
                let (at_x, at_y) = (u16::try_from(x).unwrap_or(0), u16::try_from(y).unwrap_or(0));
                let around = focus.is_some_and(|f| touches(f, at_x, at_y));
                let style: Style = if around {
                    theme.accent()
                } else {
                    theme.quiet()
                };
                let sides = match self.sides(x, y) {
                    0 => 3,
                    sides => sides,
                };
                let line = theme.line(sides);
                canvas.text(at_x, at_y, 1, line.encode_utf8(&mut [0; 4]), look(style));
            }
        }
    }
}

/// Whether a cell lies on the frame around a rectangle.
fn touches(rect: Rect, x: u16, y: u16) -> bool {
    let wide = Rect::new(
        rect.x.saturating_sub(1),
        rect.y.saturating_sub(1),
        rect.w + 1 + rect.x.min(1),
        rect.h + 1 + rect.y.min(1),
    );
    wide.contains(x, y) && !rect.contains(x, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    #[test]
    fn lines_are_joined_where_they_meet() {
        let mut lines = Lines::new(Rect::new(0, 0, 7, 5));
        lines.add(Rect::new(0, 0, 7, 1));
        lines.add(Rect::new(3, 1, 1, 4));
        lines.add(Rect::new(4, 2, 3, 1));
        let draw = |unicode| {
            let mut canvas = Canvas::new(Size { cols: 7, rows: 5 });
            let theme = Theme {
                color: true,
                unicode,
            };
            lines.draw(&mut canvas, theme, Some(Rect::new(0, 1, 3, 4)));
            canvas.lines()
        };
        assert_eq!(draw(true), ["───┬───", "   │", "   ├───", "   │", "   │"]);
        assert_eq!(draw(false), ["---+---", "   |", "   +---", "   |", "   |"]);
    }
}
