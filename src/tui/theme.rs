//! How it looks: the terminal's own 16 colours, so that it fits every palette, and signs beside colours, so
//! that nothing is told by colour alone. Without UTF-8 all is drawn in ASCII.

use ratatui::style::{Color, Modifier, Style};

use super::toasts::Tone;
use crate::model::AgentState;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    pub color: bool,
    pub unicode: bool,
}

/// Box drawing by which sides are joined: left, right, up, down as bits 1, 2, 4, 8.
const LINES: [char; 16] = [
    ' ', '─', '─', '─', '│', '┘', '└', '┴', '│', '┐', '┌', '┬', '│', '┤', '├', '┼',
];

impl Theme {
    fn ink(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    /// What has the keys.
    pub fn accent(self) -> Style {
        self.ink(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of less weight.
    pub fn quiet(self) -> Style {
        if self.color {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// What is chosen in a list.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The line of tabs.
    pub fn bar(self) -> Style {
        if self.color {
            Style::new().fg(Color::Black).bg(Color::Cyan)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    pub fn warning(self) -> Style {
        self.ink(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub fn bad(self) -> Style {
        self.ink(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub fn good(self) -> Style {
        self.ink(Color::Green)
    }

    pub fn state(self, state: AgentState) -> Style {
        match state {
            AgentState::Blocked { .. } => self.warning(),
            AgentState::Error | AgentState::Lost => self.bad(),
            AgentState::Exited { code } if code != 0 => self.bad(),
            AgentState::Working | AgentState::Starting => self.good(),
            AgentState::Done => self.ink(Color::Cyan),
            AgentState::Idle | AgentState::Exited { .. } | AgentState::Unknown => self.quiet(),
        }
    }

    /// A state's sign, one column wide.
    pub fn sign(self, state: AgentState) -> &'static str {
        let (unicode, ascii) = match state {
            AgentState::Blocked { .. } => ("▲", "!"),
            AgentState::Working => ("●", "*"),
            AgentState::Starting => ("◌", "."),
            AgentState::Done => ("✓", "+"),
            AgentState::Idle => ("○", "o"),
            AgentState::Error => ("✗", "x"),
            AgentState::Exited { code: 0 } => ("■", "="),
            AgentState::Exited { .. } => ("✗", "x"),
            AgentState::Lost => ("†", "x"),
            AgentState::Unknown => ("·", "?"),
        };
        self.pick(unicode, ascii)
    }

    pub fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// What a person is to be told beside the bar: colour, and a sign that says the same.
    pub fn toast(self, tone: Tone) -> (Style, &'static str) {
        let (color, sign) = match tone {
            Tone::Wanted => (Color::Yellow, self.pick("▲", "!")),
            Tone::Good => (Color::Green, self.pick("✓", "+")),
            Tone::Bad => (Color::Red, self.pick("✗", "x")),
            Tone::Plain => (Color::White, self.pick("·", "-")),
        };
        let style = Style::new().add_modifier(Modifier::BOLD);
        let style = if self.color {
            style.fg(Color::Black).bg(color)
        } else {
            style.add_modifier(Modifier::REVERSED)
        };
        (style, sign)
    }

    /// A toast's colour, for its sign alone.
    pub fn mark(self, toast: Style) -> Style {
        let mark = Style::new().add_modifier(Modifier::BOLD);
        toast.bg.map_or(mark, |color| mark.fg(color))
    }

    /// So many of `cells` full: `███░░`, `[###..]` in ASCII, two cells longer.
    pub fn meter(self, percent: u64, cells: usize) -> String {
        let full = usize::try_from(percent).unwrap_or(usize::MAX).min(100) * cells;
        // A little is more than nothing, and not quite all is not all.
        let full = match percent {
            0 => 0,
            1..100 => (full / 100).clamp(1.min(cells), cells.saturating_sub(1).max(1)),
            _ => cells,
        };
        let bar = self.pick("█", "#").repeat(full) + &self.pick("░", ".").repeat(cells - full);
        if self.unicode {
            bar
        } else {
            format!("[{bar}]")
        }
    }

    /// A column for each value, against the greatest: `▁▁▂█▃`, `__.#:` in ASCII.
    pub fn sparkline(self, values: &[u64]) -> String {
        let levels: &[char] = if self.unicode {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['.', ':', '-', '=', '+', '*', '%', '#']
        };
        let most = values.iter().copied().max().unwrap_or(0);
        let column = |value: &u64| {
            let level = u128::from(*value) * levels.len() as u128;
            let level = level.div_ceil(u128::from(most.max(1)));
            // Nothing is less than the least.
            let level = usize::try_from(level).unwrap_or(0).checked_sub(1);
            level
                .map_or(Some(&if self.unicode { ' ' } else { '_' }), |n| {
                    levels.get(n)
                })
                .copied()
        };
        values.iter().map(|v| column(v).unwrap_or(' ')).collect()
    }

    /// A line's piece by the sides it is joined on: left 1, right 2, up 4, down 8.
    pub fn line(self, sides: u8) -> char {
        let drawn = LINES.get(usize::from(sides)).copied().unwrap_or(' ');
        match (self.unicode, sides) {
            (true, _) => drawn,
            (false, 0) => ' ',
            (false, 1..=3) => '-',
            (false, 4 | 8 | 12) => '|',
            (false, _) => '+',
        }
    }

    pub fn dots(self) -> &'static str {
        self.pick("…", "~")
    }
}

/// Text cut to a width, marked where it was.
pub fn cut(text: &str, width: usize, dots: &str) -> String {
    use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if clean.width() <= width {
        return clean;
    }
    let mut short = String::new();
    let mut used = 0;
    for c in clean.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        short.push(c);
    }
    if width > 0 {
        short.push_str(dots);
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::BlockedOn;

    #[test]
    fn signs_tell_states_apart_without_colour_and_in_ascii() {
        let ascii = Theme {
            color: false,
            unicode: false,
        };
        let blocked = AgentState::Blocked {
            on: BlockedOn::Permission,
        };
        assert_eq!(
            (ascii.sign(blocked), ascii.sign(AgentState::Working)),
            ("!", "*")
        );
        assert_eq!(ascii.state(blocked).fg, None);
        assert_eq!(
            (1..16).map(|n| ascii.line(n)).collect::<String>(),
            "---|+++|+++|+++"
        );
        let full = Theme {
            color: true,
            unicode: true,
        };
        assert_eq!(
            (full.line(3), full.line(12), full.line(15)),
            ('─', '│', '┼')
        );
    }

    #[test]
    fn amounts_are_bars_and_columns_of_the_width_that_was_asked_for() {
        let [full, ascii] = [true, false].map(|unicode| Theme {
            color: false,
            unicode,
        });
        let meters = [0, 1, 50, 99, 100, 250].map(|percent| full.meter(percent, 4));
        assert_eq!(meters, ["░░░░", "█░░░", "██░░", "███░", "████", "████"]);
        assert_eq!(ascii.meter(30, 5), "[#....]");
        assert_eq!(
            (full.meter(50, 0).as_str(), full.meter(50, 1).as_str()),
            ("", "█")
        );
        assert_eq!(full.sparkline(&[0, 1, 50, 100]), " ▁▄█");
        assert_eq!(ascii.sparkline(&[0, 1, 50, 100]), "_.=#");
        assert_eq!(full.sparkline(&[0, 0]), "  ");
        assert_eq!(full.sparkline(&[u64::MAX, 0]), "█ ");
    }

    #[test]
    fn a_toast_has_a_sign_beside_its_colour() {
        let ascii = Theme {
            color: false,
            unicode: false,
        };
        let signs = [Tone::Wanted, Tone::Good, Tone::Bad, Tone::Plain].map(|t| ascii.toast(t).1);
        assert_eq!(signs, ["!", "+", "x", "-"]);
        assert_eq!(ascii.toast(Tone::Bad).0.bg, None);
    }

    #[test]
    fn long_text_is_cut_by_columns() {
        assert_eq!(cut("abc", 3, "…"), "abc");
        assert_eq!(cut("漢漢漢", 5, "…"), "漢漢…");
        assert_eq!(cut("a\x1bbcd", 3, "…"), "ab…");
        assert_eq!(cut("abc", 0, "…"), "");
    }
}
