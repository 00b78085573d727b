//! A terminal's cells as an SVG picture. Lines of frames are drawn as lines, so that they join whatever the font.

use std::fmt::Write as _;

use crate::suites::outer::{Seen, Tone};

/// A cell in pixels.
const W: f64 = 8.4;
const H: f64 = 18.0;
const PAD: f64 = 12.0;

/// The colours of a terminal.
pub struct Palette {
    pub name: &'static str,
    pub bg: &'static str,
    pub fg: &'static str,
    edge: &'static str,
    colors: [&'static str; 16],
    /// The first eight behind letters.
    behind: [&'static str; 8],
}

pub const PALETTES: [Palette; 2] = [
    Palette {
        name: "light",
        bg: "#ffffff",
        fg: "#1f2328",
        edge: "#d0d7de",
        colors: [
            "#1f2328", "#cf222e", "#1a7f37", "#9a6700", "#0969da", "#8250df", "#1a8f9a", "#6e7781",
            "#6e7781", "#a40e26", "#116329", "#7d4e00", "#218bff", "#a475f9", "#3192aa", "#8c959f",
        ],
        behind: [
            "#1f2328", "#ffaba8", "#8ddb9c", "#f2cc60", "#9fceff", "#d8b9ff", "#7fd9e2", "#d0d7de",
        ],
    },
    Palette {
        name: "dark",
        bg: "#0d1117",
        fg: "#e6edf3",
        edge: "#30363d",
        colors: [
            "#0d1117", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
            "#7d8590", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
        ],
        behind: [
            "#0d1117", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
        ],
    },
];

impl Palette {
    fn color(&self, tone: Tone, default: &str) -> String {
        match tone {
            Tone::Default => default.to_owned(),
            Tone::Letters => self.fg.to_owned(),
            Tone::Index(n) => self.colors[usize::from(n) % 16].to_owned(),
            Tone::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        }
    }

    /// Letters and what is behind them.
    fn of(&self, cell: &Seen) -> (String, String) {
        let behind = match cell.bg {
            Tone::Index(n @ 0..8) => self.behind[usize::from(n)].to_owned(),
            tone => self.color(tone, self.bg),
        };
        match cell.flags.contains(&"INVERSE") {
            true => (behind, self.color(cell.fg, self.fg)),
            false => (self.color(cell.fg, self.fg), behind),
        }
    }
}

/// Which sides a character of a frame joins: left, right, up, down as bits 1, 2, 4, 8.
fn joins(text: &str) -> Option<u8> {
    const FRAMES: [(&str, u8); 15] = [
        ("─", 3),
        ("│", 12),
        ("┌", 10),
        ("┐", 9),
        ("└", 6),
        ("┘", 5),
        ("├", 14),
        ("┤", 13),
        ("┬", 11),
        ("┴", 7),
        ("┼", 15),
        ("╭", 10),
        ("╮", 9),
        ("╰", 6),
        ("╯", 5),
    ];
    FRAMES
        .iter()
        .find(|(c, _)| *c == text)
        .map(|(_, sides)| *sides)
}

/// Rows of cells, and where the cursor stands if it is seen.
pub fn draw(rows: &[Vec<Seen>], cursor: Option<(usize, usize)>, palette: &Palette) -> String {
    let cols = rows.first().map_or(0, Vec::len);
    let (width, height) = (
        cols as f64 * W + 2.0 * PAD,
        rows.len() as f64 * H + 2.0 * PAD,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"14\">\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"{}\" stroke=\"{}\"/>\n",
        width - 1.0,
        height - 1.0,
        palette.bg,
        palette.edge
    );
    for (y, row) in rows.iter().enumerate() {
        draw_row(&mut out, row, y, palette);
    }
    if let Some((y, x)) = cursor {
        let (x, y) = (PAD + x as f64 * W, PAD + y as f64 * H);
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y}\" width=\"2\" height=\"{H}\" fill=\"{}\"/>",
            palette.fg
        );
    }
    out + "</svg>\n"
}

fn draw_row(out: &mut String, row: &[Seen], y: usize, palette: &Palette) {
    let top = PAD + y as f64 * H;
    let left = |x: usize| PAD + x as f64 * W;
    // What is behind, in runs.
    for (from, to) in runs(row, |a, b| palette.of(a).1 == palette.of(b).1) {
        let (_, bg) = palette.of(&row[from]);
        if bg != palette.bg {
            let width = (to - from) as f64 * W;
            let _ = writeln!(
                out,
                "<rect x=\"{:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{H}\" fill=\"{bg}\"/>",
                left(from)
            );
        }
    }
    let frame = |cell: &Seen| joins(&cell.text).is_some();
    let alike = |a: &Seen, b: &Seen| {
        frame(a) == frame(b) && (&a.fg, &a.bg, &a.flags) == (&b.fg, &b.bg, &b.flags)
    };
    for (from, to) in runs(row, alike) {
        let cells = &row[from..to];
        let (fg, _) = palette.of(&cells[0]);
        if frame(&cells[0]) {
            lines(out, cells, left(from), top, &fg);
        } else {
            text(out, cells, left(from), top, &fg);
        }
    }
}

/// Where cells that are alike begin and end. The right half of a wide character is like its left one.
fn runs(row: &[Seen], alike: impl Fn(&Seen, &Seen) -> bool) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (x, cell) in row.iter().enumerate() {
        match runs.last_mut() {
            Some((from, to)) if cell.text.is_empty() || alike(&row[*from], cell) => *to = x + 1,
            _ => runs.push((x, x + 1)),
        }
    }
    runs
}

fn lines(out: &mut String, cells: &[Seen], left: f64, top: f64, fg: &str) {
    let mut path = String::new();
    let middle = top + H / 2.0;
    let mut across: Option<(f64, f64)> = None;
    for (n, cell) in cells.iter().enumerate() {
        let sides = joins(&cell.text).unwrap_or(0);
        let x = left + n as f64 * W;
        let from = if sides & 1 != 0 { x } else { x + W / 2.0 };
        let to = if sides & 2 != 0 { x + W } else { x + W / 2.0 };
        match &mut across {
            Some((_, end)) if sides & 1 != 0 => *end = to,
            _ => {
                if let Some((a, b)) = across.filter(|(a, b)| b > a) {
                    let _ = write!(path, "M{a:.1} {middle}H{b:.1}");
                }
                across = Some((from, to));
            }
        }
        let from = if sides & 4 != 0 { top } else { middle };
        let to = if sides & 8 != 0 { top + H } else { middle };
        if to > from {
            let _ = write!(path, "M{:.1} {from}V{to}", x + W / 2.0);
        }
    }
    if let Some((a, b)) = across.filter(|(a, b)| b > a) {
        let _ = write!(path, "M{a:.1} {middle}H{b:.1}");
    }
    let _ = writeln!(out, "<path d=\"{path}\" stroke=\"{fg}\" fill=\"none\"/>");
}

fn text(out: &mut String, cells: &[Seen], left: f64, top: f64, fg: &str) {
    let all: String = cells.iter().map(|c| c.text.as_str()).collect();
    let lead = all.chars().take_while(|c| *c == ' ').count();
    let text = all.trim();
    if text.is_empty() {
        return;
    }
    let behind = all.chars().rev().take_while(|c| *c == ' ').count();
    let cols = cells.len() - lead - behind;
    let mut style = String::new();
    for flag in &cells[0].flags {
        style += match *flag {
            "BOLD" => " font-weight=\"600\"",
            "ITALIC" => " font-style=\"italic\"",
            "DIM" => " opacity=\".6\"",
            "STRIKEOUT" => " text-decoration=\"line-through\"",
            name if name.ends_with("UNDERLINE") => " text-decoration=\"underline\"",
            _ => "",
        };
    }
    let clean = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{fg}\"{style} \
         xml:space=\"preserve\">{clean}</text>",
        left + lead as f64 * W,
        top + 13.5,
        cols as f64 * W
    );
}
