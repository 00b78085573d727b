//! The answers to agents' queries: from the screen and from what the size's owner said of its terminal.
//! There is no other source of answers, so an agent never gets two.

use alacritty_terminal::term::TermMode;

use super::core::Core;
use super::scan::Query;
use super::screen::Screen;
use crate::model::Terminal;

/// Shown as the default colours while no client has told its own.
const FOREGROUND: u32 = 0x00d0_d0d0;
const BACKGROUND: u32 = 0;

/// xterm's first sixteen colours.
const BASE: [u32; 16] = [
    0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f,
    0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
];

/// The bytes to write to the agent; none where the question is refused.
pub fn answer(query: &Query, screen: &Screen, terminal: &Terminal) -> Vec<u8> {
    let core = screen.core();
    match query {
        // A VT220 with colour: what is drawn here, and no more.
        Query::PrimaryAttributes => b"\x1b[?62;22c".to_vec(),
        Query::SecondaryAttributes => format!("\x1b[>0;{};1c", version_number()).into_bytes(),
        Query::TertiaryAttributes => b"\x1bP!|00000000\x1b\\".to_vec(),
        Query::Status => b"\x1b[0n".to_vec(),
        Query::Cursor => {
            let (row, col) = place(screen);
            format!("\x1b[{row};{col}R").into_bytes()
        }
        Query::CursorExtended => {
            let (row, col) = place(screen);
            format!("\x1b[?{row};{col};1R").into_bytes()
        }
        Query::ColorScheme => {
            let dark = is_dark(background(core, terminal));
            format!("\x1b[?997;{}n", if dark { 1 } else { 2 }).into_bytes()
        }
        Query::Mode { private, mode } => {
            let state = if *private {
                private_mode(core, *mode)
            } else {
                ansi_mode(core, *mode)
            };
            let mark = if *private { "?" } else { "" };
            format!("\x1b[{mark}{mode};{state}$y").into_bytes()
        }
        Query::KittyKeyboard if terminal.kitty_keyboard == Some(false) => Vec::new(),
        Query::KittyKeyboard => format!("\x1b[?{}u", core.rec.kitty_flags(core.alt())).into_bytes(),
        Query::ModifyOtherKeys => format!("\x1b[>4;{}m", core.rec.other_keys).into_bytes(),
        Query::Version => concat!("\x1bP>|remote ", env!("CARGO_PKG_VERSION"), "\x1b\\").into(),
        Query::Parameters(n) => format!("\x1b[{};1;1;128;128;1;0x", n + 2).into_bytes(),
        Query::Palette { indices, bel } => indices
            .iter()
            .flat_map(|i| {
                let set = core.term.colors()[usize::from(*i)].map(packed);
                color(&format!("4;{i}"), set.unwrap_or_else(|| palette(*i)), *bel)
            })
            .collect(),
        Query::Dynamic { codes, bel } => codes
            .iter()
            .flat_map(|code| {
                let value = match code {
                    11 => background(core, terminal),
                    12 => core.term.colors()[258]
                        .map(packed)
                        .unwrap_or_else(|| foreground(core, terminal)),
                    _ => foreground(core, terminal),
                };
                color(&code.to_string(), value, *bel)
            })
            .collect(),
        Query::Window(op) => window(*op, screen, terminal),
        Query::ClipboardRead | Query::Enquiry => Vec::new(),
        Query::ProgramStatus(bytes) => bytes.to_vec(),
    }
}

/// Row and column from 1; within the margins where the origin is there.
fn place(screen: &Screen) -> (usize, usize) {
    let core = screen.core();
    let (row, col) = screen.cursor();
    let top = if core.has(TermMode::ORIGIN) {
        core.rec.region.0
    } else {
        0
    };
    (
        usize::from(row).saturating_sub(top) + 1,
        usize::from(col) + 1,
    )
}

/// Programs read it as an xterm's patch level and want it high: 1.2.3 is 11203.
fn version_number() -> u32 {
    env!("CARGO_PKG_VERSION")
        .split(['.', '-'])
        .take(3)
        .fold(1, |all, part| all * 100 + part.parse().unwrap_or(0))
}

fn packed(c: alacritty_terminal::vte::ansi::Rgb) -> u32 {
    u32::from_be_bytes([0, c.r, c.g, c.b])
}

fn foreground(core: &Core, terminal: &Terminal) -> u32 {
    core.term.colors()[256]
        .map(packed)
        .or(terminal.foreground)
        .unwrap_or(FOREGROUND)
}

fn background(core: &Core, terminal: &Terminal) -> u32 {
    core.term.colors()[257]
        .map(packed)
        .or(terminal.background)
        .unwrap_or(BACKGROUND)
}

fn is_dark(color: u32) -> bool {
    let [_, r, g, b] = color.to_be_bytes().map(u32::from);
    299 * r + 587 * g + 114 * b < 128_000
}

/// xterm's usual 256 colours.
fn palette(index: u8) -> u32 {
    let step = |n: u8| if n == 0 { 0 } else { n * 40 + 55 };
    match index {
        0..=15 => BASE.get(usize::from(index)).copied().unwrap_or(0),
        16..=231 => {
            let n = index - 16;
            u32::from_be_bytes([0, step(n / 36), step(n / 6 % 6), step(n % 6)])
        }
        232..=255 => {
            let grey = (index - 232) * 10 + 8;
            u32::from_be_bytes([0, grey, grey, grey])
        }
    }
}

fn color(code: &str, value: u32, bel: bool) -> Vec<u8> {
    let [_, r, g, b] = value.to_be_bytes();
    let end = if bel { "\x07" } else { "\x1b\\" };
    format!("\x1b]{code};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{end}").into_bytes()
}

fn window(op: u16, screen: &Screen, terminal: &Terminal) -> Vec<u8> {
    let size = screen.size();
    let cell = terminal
        .pixels
        .map(|(w, h)| (w / size.cols.max(1), h / size.rows.max(1)))
        .filter(|(w, h)| *w > 0 && *h > 0);
    match (op, terminal.pixels, cell) {
        (11, ..) => b"\x1b[1t".to_vec(),
        (13, ..) => b"\x1b[3;0;0t".to_vec(),
        (14, Some((w, h)), _) => format!("\x1b[4;{h};{w}t").into_bytes(),
        (15, Some((w, h)), _) => format!("\x1b[5;{h};{w}t").into_bytes(),
        (16, _, Some((w, h))) => format!("\x1b[6;{h};{w}t").into_bytes(),
        (18, ..) => format!("\x1b[8;{};{}t", size.rows, size.cols).into_bytes(),
        (19, ..) => format!("\x1b[9;{};{}t", size.rows, size.cols).into_bytes(),
        // Titles are never told: they come back as typed text.
        _ => Vec::new(),
    }
}

/// DECRPM: 0 unknown, 1 set, 2 reset.
fn reported(on: bool) -> u8 {
    if on { 1 } else { 2 }
}

fn ansi_mode(core: &Core, mode: u16) -> u8 {
    match mode {
        4 => reported(core.has(TermMode::INSERT)),
        20 => reported(core.has(TermMode::LINE_FEED_NEW_LINE)),
        _ => 0,
    }
}

fn private_mode(core: &Core, mode: u16) -> u8 {
    let flag = match mode {
        1 => TermMode::APP_CURSOR,
        6 => TermMode::ORIGIN,
        7 => TermMode::LINE_WRAP,
        25 => TermMode::SHOW_CURSOR,
        66 => TermMode::APP_KEYPAD,
        1000 => TermMode::MOUSE_REPORT_CLICK,
        1002 => TermMode::MOUSE_DRAG,
        1003 => TermMode::MOUSE_MOTION,
        1004 => TermMode::FOCUS_IN_OUT,
        1005 => TermMode::UTF8_MOUSE,
        1006 => TermMode::SGR_MOUSE,
        1007 => TermMode::ALTERNATE_SCROLL,
        1042 => TermMode::URGENCY_HINTS,
        2004 => TermMode::BRACKETED_PASTE,
        12 => return reported(core.rec.style.is_some_and(|s| s.blinking)),
        2026 => return reported(core.rec.sync),
        47 | 1047 | 1049 => return reported(core.alt()),
        // Only a terminal that reports these by itself can promise them.
        2027 | 2048 => return 0,
        _ => return core.rec.extra.get(mode).map_or(0, reported),
    };
    reported(core.has(flag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Size;

    fn ask(fed: &[u8], query: Query, terminal: &Terminal) -> String {
        let mut screen = Screen::new(Size { cols: 80, rows: 24 });
        screen.feed(fed);
        String::from_utf8_lossy(&answer(&query, &screen, terminal)).into_owned()
    }

    #[test]
    fn answers_come_from_the_screen() {
        let t = Terminal::default();
        assert_eq!(ask(b"\x1b[5;7H", Query::Cursor, &t), "\x1b[5;7R");
        assert_eq!(
            ask(b"\x1b[3;9r\x1b[?6h\x1b[2;2H", Query::Cursor, &t),
            "\x1b[2;2R"
        );
        assert_eq!(ask(b"\x1b[>5u", Query::KittyKeyboard, &t), "\x1b[?5u");
        let mode = |mode| Query::Mode {
            private: true,
            mode,
        };
        assert_eq!(ask(b"\x1b[?2026h", mode(2026), &t), "\x1b[?2026;1$y");
        assert_eq!(ask(b"", mode(2026), &t), "\x1b[?2026;2$y");
        assert_eq!(ask(b"", mode(4242), &t), "\x1b[?4242;0$y");
        assert_eq!(ask(b"", Query::Window(18), &t), "\x1b[8;24;80t");
        assert_eq!(ask(b"\x1b]0;t\x07", Query::Window(21), &t), "");
    }

    #[test]
    fn colours_are_the_terminals_unless_set() {
        let t = Terminal {
            background: Some(0x00ff_eedd),
            pixels: Some((800, 480)),
            kitty_keyboard: Some(false),
            ..Terminal::default()
        };
        let bg = |bel| Query::Dynamic {
            codes: vec![11],
            bel,
        };
        assert_eq!(ask(b"", bg(false), &t), "\x1b]11;rgb:ffff/eeee/dddd\x1b\\");
        assert_eq!(
            ask(b"\x1b]11;#000000\x07", bg(true), &t),
            "\x1b]11;rgb:0000/0000/0000\x07"
        );
        assert_eq!(ask(b"", Query::ColorScheme, &t), "\x1b[?997;2n");
        let palette = Query::Palette {
            indices: vec![196, 255],
            bel: false,
        };
        assert_eq!(
            ask(b"", palette, &t),
            "\x1b]4;196;rgb:ffff/0000/0000\x1b\\\x1b]4;255;rgb:eeee/eeee/eeee\x1b\\"
        );
        assert_eq!(ask(b"", Query::Window(16), &t), "\x1b[6;20;10t");
        assert_eq!(ask(b"", Query::KittyKeyboard, &t), "");
    }
}
