//! libvterm's scripts, taken apart: what is written, and of what is right then that which can be seen from outside.

/// One thing to do, or to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Push(Vec<u8>),
    Reset,
    /// Rows and columns.
    Resize(u16, u16),
    Check(usize, Check),
    /// What cannot be seen from outside.
    Skip,
}

/// What must be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Row and column.
    Cursor(usize, usize),
    /// The rows and columns from the first of each up to the second.
    Text([usize; 4], String),
    Cell(usize, usize, Cell),
    /// A character was put there.
    Glyph(usize, usize, String, usize),
    Pen(Pen),
    CursorShown(bool),
    CursorShape(u8),
    /// What the terminal types back.
    Output(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    pub text: String,
    pub width: usize,
    pub bold: bool,
    pub italic: bool,
    pub reverse: bool,
    pub underline: u8,
    pub fg: [u8; 3],
    pub bg: [u8; 3],
}

/// How the next character would look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pen {
    Flag(&'static str, bool),
    Underline(u8),
    Color(bool, Ink),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Default,
    Index(u8),
    Rgb([u8; 3]),
}

/// The letters of libvterm where no colour was set.
pub const LETTERS: [u8; 3] = [240, 240, 240];

/// Answers that say who answers, or come in a form of their own.
const OWN_WORDS: [&str; 3] = ["DA", "XTVERSION", "S8C1T"];

#[derive(Default)]
struct Parser {
    steps: Vec<Step>,
    section: String,
    line: usize,
    /// In a mode in which bytes from 128 on are no UTF-8.
    utf8: bool,
    /// What was written since the last reset can be judged.
    strange: bool,
    /// The answers and characters that the last thing written is to bring.
    output: Vec<u8>,
    glyphs: Vec<(usize, usize, String, usize)>,
    cursor: Option<(usize, usize)>,
    /// It was not written, but pressed or moved.
    input: bool,
}

/// All steps of a script.
pub fn parse(text: &str) -> Vec<Step> {
    let mut parser = Parser::default();
    for (n, line) in text.lines().enumerate() {
        parser.line = n + 1;
        let line = line.trim();
        if line == "__END__" {
            break;
        }
        if !line.is_empty() && !line.starts_with('#') {
            parser.line(line);
        }
    }
    parser.flush();
    parser.steps
}

impl Parser {
    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix('$') {
            return self.repeated(rest);
        }
        if let Some(section) = line.strip_prefix('!') {
            self.flush();
            self.section = section.to_owned();
            return;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "PUSH" => {
                self.flush();
                let bytes = string(rest);
                self.strange |= !self.utf8 && bytes.iter().any(|b| *b >= 0x80);
                self.steps.push(Step::Push(bytes));
            }
            "RESET" | "INIT" => {
                self.flush();
                self.strange = false;
                self.utf8 &= word == "RESET";
                if word == "INIT" {
                    self.steps.push(Step::Resize(25, 80));
                }
                self.steps.push(Step::Reset);
            }
            "UTF8" => self.utf8 = rest == "1",
            "RESIZE" => {
                self.flush();
                let mut sizes = rest.split(',').filter_map(|n| n.trim().parse().ok());
                if let (Some(rows), Some(cols)) = (sizes.next(), sizes.next()) {
                    self.steps.push(Step::Resize(rows, cols));
                }
            }
            "SETDEFAULTCOL" => self.strange = true,
            _ if word.starts_with(|c: char| c.is_ascii_uppercase()) => {
                self.flush();
                // The mouse, keys, selections of the person: not from here.
                self.input = !word.starts_with("WANT");
            }
            _ if word.starts_with('?') => {
                self.flush();
                let (what, right) = line.split_once('=').unwrap_or((line, ""));
                let check = self.assertion(what.trim(), right.trim());
                self.check(check);
            }
            _ => self.expected(word, rest),
        }
    }

    fn repeated(&mut self, rest: &str) {
        let Some((head, body)) = rest.split_once(':') else {
            return;
        };
        let mut words = head.split_whitespace();
        let seq = words.next() == Some("SEQ");
        let numbers: Vec<usize> = words.filter_map(|w| w.parse().ok()).collect();
        let range = match numbers[..] {
            [from, to] if seq => from..=to,
            [count] => 1..=count,
            _ => return,
        };
        for n in range {
            self.line(&body.trim().replace("\\#", &n.to_string()));
        }
    }

    fn check(&mut self, check: Option<Check>) {
        self.steps.push(match check {
            Some(check) if !self.strange => Step::Check(self.line, check),
            _ => Step::Skip,
        });
    }

    /// What is expected of the last thing written is all known.
    fn flush(&mut self) {
        let output = std::mem::take(&mut self.output);
        if !output.is_empty() {
            self.check(Some(Check::Output(output)));
        }
        for (row, col, text, width) in std::mem::take(&mut self.glyphs) {
            self.check(Some(Check::Glyph(row, col, text, width)));
        }
        if let Some((row, col)) = self.cursor.take() {
            self.check(Some(Check::Cursor(row, col)));
        }
        self.input = false;
    }

    /// What libvterm tells while it takes what was written.
    fn expected(&mut self, word: &str, rest: &str) {
        if self.input {
            return self.steps.push(Step::Skip);
        }
        match word {
            "output" if !OWN_WORDS.iter().any(|own| self.section.starts_with(own)) => {
                self.output.extend(string(rest));
            }
            "putglyph" => {
                let mut words = rest.split_whitespace();
                let text: Option<String> = words.next().map(characters);
                let width = words.next().and_then(|w| w.parse().ok());
                let place = words.next().and_then(pair);
                if let (Some(text), Some(width), Some((row, col))) = (text, width, place) {
                    self.glyphs.retain(|(r, c, ..)| (*r, *c) != (row, col));
                    self.glyphs.push((row, col, text, width));
                }
            }
            // What was put there is elsewhere by now.
            "moverect" | "scrollrect" | "erase" => {
                self.glyphs.clear();
                self.steps.push(Step::Skip);
            }
            "movecursor" => self.cursor = pair(rest),
            "settermprop" => {
                let check = match rest.split_once(' ') {
                    Some(("1", shown)) => Some(Check::CursorShown(shown == "true")),
                    Some(("7", shape)) => shape.parse().ok().map(Check::CursorShape),
                    _ => None,
                };
                self.check(check);
            }
            _ => self.steps.push(Step::Skip),
        }
    }

    fn assertion(&self, what: &str, right: &str) -> Option<Check> {
        let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
        match word {
            "?cursor" => pair(right).map(|(row, col)| Check::Cursor(row, col)),
            "?screen_row" => {
                let row = rest.trim().parse().ok()?;
                Some(Check::Text([row, 0, row + 1, 1000], words(right)))
            }
            "?screen_chars" | "?screen_text" => {
                let mut numbers = rest.split(',').filter_map(|n| n.trim().parse().ok());
                let mut next = || numbers.next();
                let area = [next()?, next()?, next()?, next()?];
                let text = if word == "?screen_text" {
                    let bytes: Vec<u8> = numbers_of(right)
                        .filter_map(|n| u8::try_from(n).ok())
                        .collect();
                    String::from_utf8_lossy(&bytes).into_owned()
                } else {
                    words(right)
                };
                Some(Check::Text(area, text))
            }
            "?screen_cell" => {
                let (row, col) = pair(rest)?;
                cell(right).map(|cell| Check::Cell(row, col, cell))
            }
            "?pen" => pen(rest.trim(), right).map(Check::Pen),
            _ => None,
        }
    }
}

fn pair(text: &str) -> Option<(usize, usize)> {
    let (a, b) = text.trim().split_once(',')?;
    Some((a.trim().parse().ok()?, b.trim().parse().ok()?))
}

fn numbers_of(text: &str) -> impl Iterator<Item = u32> {
    text.split(',')
        .filter_map(|n| u32::from_str_radix(n.trim().trim_start_matches("0x"), 16).ok())
}

fn characters(text: &str) -> String {
    numbers_of(text).filter_map(char::from_u32).collect()
}

/// Text in quotes, or characters by number.
fn words(text: &str) -> String {
    if text.starts_with('"') {
        return String::from_utf8_lossy(&string(text)).into_owned();
    }
    characters(text)
}

/// As `{0x41} width=1 attrs={BU1} fg=rgb(1,2,3) bg=rgb(1,2,3)` has it; `None` for fonts and small letters.
fn cell(text: &str) -> Option<Cell> {
    let (chars, rest) = text.strip_prefix('{')?.split_once('}')?;
    let mut cell = Cell {
        text: characters(chars),
        width: 1,
        ..Cell::default()
    };
    for word in rest.split_whitespace() {
        let (name, value) = word.split_once('=')?;
        match name {
            "width" => cell.width = value.parse().ok()?,
            "fg" => cell.fg = rgb(value)?,
            "bg" => cell.bg = rgb(value)?,
            "attrs" => {
                let mut letters = value.chars();
                while let Some(letter) = letters.next() {
                    match letter {
                        'B' => cell.bold = true,
                        'I' => cell.italic = true,
                        'R' => cell.reverse = true,
                        'U' => cell.underline = u8::try_from(letters.next()?.to_digit(10)?).ok()?,
                        'F' | 'S' => return None,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(cell)
}

fn rgb(text: &str) -> Option<[u8; 3]> {
    let inner = text.strip_prefix("rgb(")?.strip_suffix(')')?;
    let mut parts = inner.split(',').filter_map(|n| n.parse().ok());
    Some([parts.next()?, parts.next()?, parts.next()?])
}

fn pen(what: &str, right: &str) -> Option<Pen> {
    let flag = |name| Some(Pen::Flag(name, right == "on"));
    match what {
        "bold" => flag("BOLD"),
        "italic" => flag("ITALIC"),
        "reverse" => flag("INVERSE"),
        "underline" => right.parse().ok().map(Pen::Underline),
        "foreground" | "background" => {
            let index = right.strip_prefix("idx(").and_then(|r| r.strip_suffix(')'));
            let ink = match index {
                Some(index) => Ink::Index(index.parse().ok()?),
                None if right.contains("is_default") => Ink::Default,
                None => Ink::Rgb(rgb(right)?),
            };
            Some(Pen::Color(what == "foreground", ink))
        }
        _ => None,
    }
}

/// A string as Perl has it: quoted parts, joined by dots, repeated by `x`.
fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while let Some(after) = rest.strip_prefix('"') {
        let (part, behind) = quoted(after);
        rest = behind.trim_start();
        let mut times = 1;
        if let Some(after) = rest.strip_prefix('x') {
            let digits = after.trim_start();
            let end = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            times = digits[..end].parse().unwrap_or(1);
            rest = digits[end..].trim_start();
        }
        out.extend(part.repeat(times));
        rest = rest.strip_prefix('.').unwrap_or("").trim_start();
    }
    out
}

/// Up to the closing quote, and what is behind it.
fn quoted(text: &str) -> (Vec<u8>, &str) {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '"' {
            break;
        }
        if c != '\\' {
            out.extend(c.to_string().into_bytes());
            continue;
        }
        let escaped = rest.chars().next().unwrap_or('\\');
        rest = &rest[escaped.len_utf8()..];
        match escaped {
            'e' => out.push(0x1b),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'a' => out.push(0x07),
            'b' => out.push(0x08),
            '0' => out.push(0),
            'x' => {
                let digits = rest.trim_start_matches('{');
                let end = digits
                    .find(|c: char| !c.is_ascii_hexdigit())
                    .unwrap_or(digits.len());
                let end = if digits.len() == rest.len() {
                    end.min(2)
                } else {
                    end
                };
                out.push(u8::from_str_radix(&digits[..end], 16).unwrap_or(0));
                rest = digits[end..].trim_start_matches('}');
            }
            other => out.extend(other.to_string().into_bytes()),
        }
    }
    (out, rest)
}

#[test]
fn a_script_is_taken_apart() {
    let steps = parse(
        "INIT\nUTF8 1\n!DSR\nPUSH \"a\\e[\\x35n\" . \"b\" x 2\n  output \"\\e[0n\"\n?cursor = 0,3\n\
         $SEQ 2 3: ?screen_row \\# = \"x\"\n",
    );
    let right = [
        Step::Resize(25, 80),
        Step::Reset,
        Step::Push(b"a\x1b[5nbb".to_vec()),
        Step::Check(6, Check::Output(b"\x1b[0n".to_vec())),
        Step::Check(6, Check::Cursor(0, 3)),
        Step::Check(7, Check::Text([2, 0, 3, 1000], "x".to_owned())),
        Step::Check(7, Check::Text([3, 0, 4, 1000], "x".to_owned())),
    ];
    assert_eq!(steps, right);
}
