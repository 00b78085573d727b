//! A repaint restores everything: fed to a screen in any other state it gives a screen that repaints the same
//! bytes and shows the same text.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use rooms::model::Size;
use rooms::mux::Screen;

static QUIET: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Our own assertions must still end the process; the emulator's panics are caught.
            if info.location().is_some_and(|l| l.file().contains("fuzz_targets")) {
                before(info);
            }
        }));
    });
    let Some((split, rest)) = data.split_first() else {
        return;
    };
    let (first, other) = rest.split_at(rest.len() * usize::from(*split) / 256);
    let size = Size { cols: 40, rows: 12 };
    let (mut a, mut b) = (Screen::new(size), Screen::new(size));
    a.feed(first);
    b.feed(other);
    if a.poisoned() + b.poisoned() > 0 {
        return;
    }
    let paint = a.repaint();
    b.feed(&paint);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
    assert_eq!(a.text(), b.text(), "repainted by {}", text(&paint));
    assert_eq!(text(&paint), text(&b.repaint()));
});
