//! The terminal outside: alacritty's emulator over a PTY, whose cells are what a person would see.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::{Color, CursorShape, NamedColor, Processor, Rgb};
use remote_compute::model::Size;

use crate::common::terminal::Terminal;

/// What the emulator has to say, gathered.
#[derive(Default, Clone)]
struct Said(Arc<Mutex<(Vec<u8>, String)>>);

impl EventListener for Said {
    fn send_event(&self, event: Event) {
        let mut said = self.0.lock().expect("nobody fails with it");
        match event {
            Event::PtyWrite(text) => said.0.extend_from_slice(text.as_bytes()),
            Event::Title(title) => said.1 = title,
            Event::ColorRequest(index, format) => {
                let light = if index == 256 { 0xf0 } else { 0 };
                let (r, g, b) = (light, light, light);
                said.0.extend(format(Rgb { r, g, b }).into_bytes());
            }
            _ => {}
        }
    }
}

struct Dims(Size);

impl Dimensions for Dims {
    fn total_lines(&self) -> usize {
        self.0.rows.into()
    }
    fn screen_lines(&self) -> usize {
        self.0.rows.into()
    }
    fn columns(&self) -> usize {
        self.0.cols.into()
    }
}

/// A colour as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Default,
    /// The default of letters, where it is a background.
    Letters,
    Index(u8),
    Rgb(u8, u8, u8),
}

/// One cell as it is seen: of a blank one only its background counts, and lines through it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Empty in the right half of a wide character.
    pub text: String,
    pub fg: Tone,
    pub bg: Tone,
    pub flags: Vec<&'static str>,
    pub line: Option<Tone>,
    pub link: Option<String>,
}

/// The flags that can be seen, by alacritty's names.
const FLAGS: [(&str, Flags); 12] = [
    ("INVERSE", Flags::INVERSE),
    ("BOLD", Flags::BOLD),
    ("ITALIC", Flags::ITALIC),
    ("UNDERLINE", Flags::UNDERLINE),
    ("DIM", Flags::DIM),
    ("HIDDEN", Flags::HIDDEN),
    ("STRIKEOUT", Flags::STRIKEOUT),
    ("DOUBLE_UNDERLINE", Flags::DOUBLE_UNDERLINE),
    ("UNDERCURL", Flags::UNDERCURL),
    ("DOTTED_UNDERLINE", Flags::DOTTED_UNDERLINE),
    ("DASHED_UNDERLINE", Flags::DASHED_UNDERLINE),
    ("WIDE_CHAR", Flags::WIDE_CHAR),
];

pub fn flag(name: &str) -> Option<&'static str> {
    FLAGS.iter().find(|(n, _)| *n == name).map(|(n, _)| *n)
}

/// The place of a flag in a cell's.
pub fn order(name: &str) -> Option<usize> {
    FLAGS.iter().position(|(n, _)| *n == name)
}

/// Of the 256 colours all but the first 16 are the same everywhere: some write them as what they are.
pub fn indexed(n: u8) -> Tone {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |n: u8| STEPS[usize::from(n % 6)];
    match n {
        0..16 => Tone::Index(n),
        16..232 => Tone::Rgb(step((n - 16) / 36), step((n - 16) / 6), step(n - 16)),
        _ => {
            let grey = 8 + 10 * (n - 232);
            Tone::Rgb(grey, grey, grey)
        }
    }
}

fn tone(color: Color) -> Tone {
    match color {
        Color::Named(NamedColor::Foreground | NamedColor::Background) => Tone::Default,
        Color::Named(named) => u8::try_from(named as usize).map_or(Tone::Default, Tone::Index),
        Color::Indexed(n) => indexed(n),
        Color::Spec(Rgb { r, g, b }) => Tone::Rgb(r, g, b),
    }
}

impl Seen {
    pub fn is_blank(&self) -> bool {
        self.text == " "
    }

    /// Leaves out what nobody can see.
    pub fn normal(mut self) -> Self {
        let line = |f: &&str| f.ends_with("UNDERLINE") || ["UNDERCURL", "STRIKEOUT"].contains(f);
        if self.is_blank() && !self.flags.iter().any(line) {
            if self.flags.contains(&"INVERSE") {
                self.bg = match self.fg {
                    Tone::Default => Tone::Letters,
                    fg => fg,
                };
            }
            self.fg = Tone::Default;
            self.flags.clear();
            self.line = None;
        }
        if self.text.is_empty() {
            // Drawn by its left half.
            self.fg = Tone::Default;
            self.bg = Tone::Default;
            self.flags.clear();
            self.line = None;
            self.link = None;
        }
        self
    }

    fn of(cell: &Cell) -> Self {
        let mut text = String::new();
        if !cell.flags.contains(Flags::WIDE_CHAR_SPACER) {
            text.push(if cell.c == '\t' { ' ' } else { cell.c });
            text.extend(cell.zerowidth().unwrap_or_default());
        }
        let flags = FLAGS.iter().filter(|(_, f)| cell.flags.contains(*f));
        Self {
            text,
            fg: tone(cell.fg),
            bg: tone(cell.bg),
            flags: flags.map(|(n, _)| *n).collect(),
            line: cell.underline_color().map(tone),
            link: cell.hyperlink().map(|l| l.uri().to_owned()),
        }
        .normal()
    }
}

/// A program in a terminal that shows what it writes.
pub struct Outer {
    pub terminal: Terminal,
    term: Term<Said>,
    parser: Processor,
    said: Said,
}

impl Outer {
    /// Takes a terminal that only records.
    pub fn new(terminal: Terminal) -> Self {
        let said = Said::default();
        let config = Config {
            scrolling_history: 0,
            kitty_keyboard: true,
            ..Config::default()
        };
        let term = Term::new(config, &Dims(terminal.size()), said.clone());
        Self {
            terminal,
            term,
            parser: Processor::new(),
            said,
        }
    }

    /// Shows what comes within `limit`; false when nothing did.
    pub fn pump(&mut self, limit: Duration) -> bool {
        let came = self.terminal.pump(limit);
        let bytes = self.terminal.take_raw();
        self.parser.advance(&mut self.term, &bytes);
        let answers = std::mem::take(&mut self.said.0.lock().expect("nobody fails with it").0);
        if !answers.is_empty() {
            self.terminal.send(answers);
        }
        came
    }

    /// Until nothing has come for `quiet`, for a second at most.
    pub fn settle(&mut self, quiet: Duration) {
        let begun = Instant::now();
        while self.pump(quiet) && begun.elapsed() < Duration::from_secs(1) {}
    }

    pub fn resize(&mut self, size: Size) {
        self.term.resize(Dims(size));
        self.terminal.resize(size);
    }

    pub fn title(&self) -> String {
        self.said.0.lock().expect("nobody fails with it").1.clone()
    }

    pub fn cell(&self, row: usize, col: usize) -> Seen {
        let grid = self.term.grid();
        if row >= grid.screen_lines() || col >= grid.columns() {
            return Seen::default();
        }
        Seen::of(&grid[Line(i32::try_from(row).unwrap_or(0))][Column(col)])
    }

    /// Row and column.
    pub fn cursor(&self) -> (usize, usize) {
        let point = self.term.grid().cursor.point;
        (usize::try_from(point.line.0).unwrap_or(0), point.column.0)
    }

    pub fn shows_cursor(&self) -> bool {
        self.term.mode().contains(TermMode::SHOW_CURSOR)
    }

    /// 1 block, 2 line below, 3 bar.
    pub fn cursor_shape(&self) -> u8 {
        match self.term.cursor_style().shape {
            CursorShape::Underline => 2,
            CursorShape::Beam => 3,
            _ => 1,
        }
    }

    pub fn has(&self, mode: TermMode) -> bool {
        self.term.mode().contains(mode)
    }

    /// What is written, for a failure's message and for what waits.
    pub fn lines(&self) -> Vec<String> {
        let (rows, cols) = (self.term.screen_lines(), self.term.columns());
        let line = |y| {
            let line: String = (0..cols).map(|x| self.cell(y, x).text).collect();
            line.trim_end().to_owned()
        };
        (0..rows).map(line).collect()
    }
}
