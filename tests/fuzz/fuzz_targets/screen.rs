//! Any output of a program, in any pieces, with resizes between: no panic gets out, memory stays bounded,
//! and everything that is asked of the screen is answered.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use rooms::model::Size;
use rooms::mux::{Plain, Screen};

static QUIET: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    // A panic inside the emulator is caught by the screen, which is what this target is to prove: without
    // this, libFuzzer's hook would end the process before it could be.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let Some(([cols, rows], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let size = |cols: u8, rows: u8| Size {
        cols: u16::from(cols) * 2,
        rows: u16::from(rows),
    };
    let mut screen = Screen::new(size(*cols, *rows));
    let mut plain = Plain::new();
    let mut lines = Vec::new();
    for part in rest.chunks(61) {
        screen.feed(part);
        plain.feed(part, &mut lines);
        if let [a, b, 0x7f, ..] = part {
            screen.resize(size(*a, *b));
        }
        screen.take_scrolled(100);
        lines.clear();
    }
    let (row, col) = screen.cursor();
    let size = screen.size();
    assert!(row < size.rows.max(1) && col <= size.cols.max(2));
    assert_eq!(screen.text().len(), usize::from(size.rows));
    assert!(screen.repaint().starts_with(b"\x18\x1b\\"));
    screen.leave();
    screen.title();
});
