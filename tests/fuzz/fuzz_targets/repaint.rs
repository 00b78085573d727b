//! A repaint restores everything: fed to a screen in any other state it gives a screen that shows the same and
//! repaints the same.
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
    let first = a.repaint();
    b.feed(&first);
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
    assert_eq!(a.text(), b.text(), "repainted by {}", show(&first));
    assert_eq!(a.cursor(), b.cursor(), "repainted by {}", show(&first));
    assert_eq!(a.alternate(), b.alternate());
    assert_eq!(a.title(), b.title());
    // A mode that was never touched and one that was switched off look the same and are repainted by other
    // bytes; once repainted, the bytes stay.
    let second = b.repaint();
    let mut c = Screen::new(size);
    c.feed(&second);
    assert_eq!(show(&second), show(&c.repaint()));
});
