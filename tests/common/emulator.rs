//! Two terminal emulators that `remote` does not use for its own screens (vt100 and avt), fed side by side:
//! what a terminal shows, cell by cell, and what it would answer to queries.

use std::fmt;
use std::num::NonZeroU16;

use remote_compute::model::Size;

/// Both emulators and the answers they owe.
pub struct Emulator {
    vt: vt100::Parser<Answers>,
    avt: avt::Vt,
    size: Size,
    /// The start of a character whose end has not come yet.
    partial: Vec<u8>,
}

/// What the terminal shows, as one emulator sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Grid {
    /// Text and attributes of each cell; of a blank only those that can be seen.
    pub cells: Vec<Vec<(String, String)>>,
    /// Row, column, whether it is shown.
    pub cursor: (usize, usize, bool),
}

/// What the terminal shows, as both emulators see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub avt: Grid,
    pub vt100: Grid,
}

/// Collects what an ordinary xterm would answer.
#[derive(Default)]
struct Answers {
    bytes: Vec<u8>,
    title: String,
    bells: usize,
    /// What it says of itself where it is to be another terminal than an xterm.
    poses: Vec<(&'static str, &'static str)>,
}

impl Answers {
    /// The answer to a question, if it is to pose as somebody.
    fn pose(&mut self, question: &str) -> bool {
        let found = self.poses.iter().find(|(asked, _)| *asked == question);
        if let Some((_, answer)) = found {
            self.bytes.extend_from_slice(answer.as_bytes());
        }
        found.is_some()
    }
}

impl vt100::Callbacks for Answers {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }

    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.pose("52");
    }

    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.title = String::from_utf8_lossy(title).into_owned();
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        i1: Option<u8>,
        _i2: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        let first = params.first().and_then(|p| p.first()).copied().unwrap_or(0);
        let mark = i1.map_or(String::new(), |c| char::from(c).to_string());
        if self.pose(&format!("{mark}{first}{c}")) {
            return;
        }
        match (i1, c, first) {
            (None, 'c', 0) => self.bytes.extend_from_slice(b"\x1b[?62;22c"),
            (Some(b'>'), 'c', 0) => self.bytes.extend_from_slice(b"\x1b[>41;390;0c"),
            (Some(b'>'), 'q', 0) => self.bytes.extend_from_slice(b"\x1bP>|XTerm(390)\x1b\\"),
            (None, 'n', 5) => self.bytes.extend_from_slice(b"\x1b[0n"),
            (None, 'n', 6) => {
                let (row, col) = screen.cursor_position();
                let answer = format!("\x1b[{};{}R", row + 1, col + 1);
                self.bytes.extend_from_slice(answer.as_bytes());
            }
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        match params {
            [b"10", b"?"] => self
                .bytes
                .extend_from_slice(b"\x1b]10;rgb:ffff/ffff/ffff\x1b\\"),
            [b"11", b"?"] => self
                .bytes
                .extend_from_slice(b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
            _ => {}
        }
    }
}

fn nonzero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}

impl Emulator {
    pub fn new(size: Size) -> Self {
        Self {
            vt: vt100::Parser::new_with_callbacks(
                nonzero(size.rows),
                nonzero(size.cols),
                0,
                Answers::default(),
            ),
            avt: new_avt(size),
            size,
            partial: Vec::new(),
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut rest: &[u8] = &all;
        loop {
            match std::str::from_utf8(rest) {
                Ok(s) => {
                    text.push_str(s);
                    rest = &[];
                    break;
                }
                Err(e) => {
                    let (good, bad) = rest.split_at(e.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(good));
                    match e.error_len() {
                        Some(n) => {
                            text.push('\u{fffd}');
                            rest = &bad[n..];
                        }
                        None => {
                            rest = bad;
                            break;
                        }
                    }
                }
            }
        }
        self.partial = rest.to_vec();
        // In whole characters: vt100's parser (vte 0.15) loses one that follows a character which came in two parts.
        self.vt.process(text.as_bytes());
        self.avt.feed_str(&text);
    }

    pub fn resize(&mut self, size: Size) {
        self.size = size;
        self.vt.set_size(nonzero(size.rows), nonzero(size.cols));
        self.avt.resize(size.cols.into(), size.rows.into());
    }

    /// What a terminal would have typed back so far; taken out.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.vt.callbacks_mut().bytes)
    }

    /// From now on it answers such questions so: `0c` is DA1, `>0q` XTVERSION, `?0u` kitty's keyboard, `16t` the size
    /// of a cell, `52` the clipboard.
    pub fn poses(&mut self, answers: &[(&'static str, &'static str)]) {
        self.vt.callbacks_mut().poses.extend_from_slice(answers);
    }

    pub fn title(&self) -> &str {
        &self.vt.callbacks().title
    }

    pub fn bells(&self) -> usize {
        self.vt.callbacks().bells
    }

    pub fn alternate(&self) -> bool {
        self.vt.screen().alternate_screen()
    }

    /// The modes a terminal must not be left in: mouse, paste, application keys, hidden cursor.
    pub fn modes(&self) -> String {
        let s = self.vt.screen();
        format!(
            "alternate {} paste {} cursor-keys {} keypad {} hidden {} mouse {:?}",
            s.alternate_screen(),
            s.bracketed_paste(),
            s.application_cursor(),
            s.application_keypad(),
            s.hide_cursor(),
            s.mouse_protocol_mode(),
        )
    }

    /// The visible lines, right-trimmed.
    pub fn text(&self) -> Vec<String> {
        self.avt
            .view()
            .map(|l| l.text().trim_end().to_owned())
            .collect()
    }

    /// The cursor's row and column.
    pub fn cursor(&self) -> (usize, usize) {
        let cursor = self.avt.cursor();
        (cursor.row, cursor.col)
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            avt: self.avt_grid(),
            vt100: self.vt_grid(),
        }
    }

    fn avt_grid(&self) -> Grid {
        let cells = self
            .avt
            .view()
            .map(|line| {
                line.cells()
                    .iter()
                    .map(|c| {
                        let pen = c.pen();
                        let pen = if pen.is_default() {
                            String::new()
                        } else if c.char() == ' ' && !shows_on_blanks(pen) {
                            pen.background()
                                .map_or_else(String::new, |b| format!("on {b:?}"))
                        } else {
                            format!("{pen:?}")
                        };
                        (c.char().to_string(), pen)
                    })
                    .collect()
            })
            .collect();
        let cursor = self.avt.cursor();
        // Behind the last column means: about to wrap. Both forms are the same place to the eye.
        let col = cursor.col.min(usize::from(self.size.cols) - 1);
        Grid {
            cells,
            cursor: (cursor.row, col, cursor.visible),
        }
    }

    fn vt_grid(&self) -> Grid {
        let screen = self.vt.screen();
        let cell = |row, col| {
            let Some(c) = screen.cell(row, col) else {
                return (String::from(" "), String::new());
            };
            let text = match c.contents() {
                "" if c.is_wide_continuation() => "",
                "" => " ",
                text => text,
            };
            let mut pen = String::new();
            let blank = text == " " && !c.underline() && !c.inverse();
            let flags = [
                (c.bold() && !blank, "bold "),
                (c.dim() && !blank, "dim "),
                (c.italic() && !blank, "italic "),
                (c.underline(), "underline "),
                (c.inverse(), "inverse "),
            ];
            for (on, name) in flags {
                if on {
                    pen.push_str(name);
                }
            }
            if !blank && c.fgcolor() != vt100::Color::Default {
                pen.push_str(&format!("fg {:?} ", c.fgcolor()));
            }
            if c.bgcolor() != vt100::Color::Default {
                pen.push_str(&format!("bg {:?}", c.bgcolor()));
            }
            (text.to_owned(), pen)
        };
        let (row, col) = screen.cursor_position();
        Grid {
            cells: (0..self.size.rows)
                .map(|r| (0..self.size.cols).map(|c| cell(r, c)).collect())
                .collect(),
            cursor: (
                row.into(),
                usize::from(col).min(usize::from(self.size.cols) - 1),
                !screen.hide_cursor(),
            ),
        }
    }
}

/// Whether a pen without a letter shows more than its background.
fn shows_on_blanks(pen: &avt::Pen) -> bool {
    pen.is_underline() || pen.is_strikethrough() || pen.is_inverse()
}

fn new_avt(size: Size) -> avt::Vt {
    avt::Vt::builder()
        .size(size.cols.into(), size.rows.into())
        .scrollback_limit(0)
        .build()
}

impl Snapshot {
    /// Where two screens differ, one line each, at most twelve; empty when they are the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut out = self.avt.differences(&other.avt, "avt");
        out.extend(self.vt100.differences(&other.vt100, "vt100"));
        out
    }
}

impl Grid {
    pub fn differences(&self, other: &Self, who: &str) -> Vec<String> {
        let mut out = Vec::new();
        if self.cells.len() != other.cells.len() {
            out.push(format!(
                "{who}: {} rows, {} rows",
                self.cells.len(),
                other.cells.len()
            ));
        }
        if self.cursor != other.cursor {
            out.push(format!(
                "{who}: cursor {:?}, {:?}",
                self.cursor, other.cursor
            ));
        }
        for (r, (a, b)) in self.cells.iter().zip(&other.cells).enumerate() {
            if let Some(c) = (0..a.len().max(b.len())).find(|c| a.get(*c) != b.get(*c)) {
                out.push(format!(
                    "{who}: row {r} column {c}: {:?}, {:?}\n    {}\n    {}",
                    a.get(c),
                    b.get(c),
                    text_of(a),
                    text_of(b)
                ));
            }
        }
        out.truncate(6);
        out
    }

    /// The part that a smaller terminal could show, from its top left corner.
    pub fn clipped(&self, size: Size) -> Vec<Vec<(String, String)>> {
        self.cells
            .iter()
            .take(size.rows.into())
            .map(|row| row.iter().take(size.cols.into()).cloned().collect())
            .collect()
    }
}

fn text_of(row: &[(String, String)]) -> String {
    let text: String = row.iter().map(|(t, _)| t.as_str()).collect();
    text.trim_end().to_owned()
}

impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.cells {
            writeln!(f, "|{}", text_of(row))?;
        }
        write!(f, "cursor {:?}", self.cursor)
    }
}

#[test]
fn a_character_in_two_parts_costs_none_of_those_behind_it() {
    let mut e = Emulator::new(Size { cols: 20, rows: 2 });
    e.feed(b"\xc3");
    e.feed("\u{f1} \u{65e5}".as_bytes().split_at(1).1);
    let text = |grid: &Grid| text_of(&grid.cells[0]).replace(' ', "");
    let seen = e.snapshot();
    assert_eq!(text(&seen.avt), text(&seen.vt100));
    assert_eq!(seen.vt100.cells[0][1].0, " ");
}
