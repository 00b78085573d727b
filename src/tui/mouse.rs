//! The mouse: read in SGR form from the terminal, written in the form that a pane's program asked for.

use crate::mux::canvas::MouseWish;
use crate::mux::layout::Rect;

/// What happened, and where, from the upper left cell, which is 0, 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    /// As the protocol has it: button in the low two bits, 4 shift, 8 alt, 16 ctrl, 32 motion, 64 wheel.
    pub code: u16,
    pub x: u16,
    pub y: u16,
    pub press: bool,
}

/// What a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// The left, middle or right button: 0, 1, 2.
    Press(u16),
    Drag(u16),
    Release,
    WheelUp,
    WheelDown,
    /// No button is held, or one that is of no use here.
    Move,
}

impl Mouse {
    /// Shift or Alt is held, by which one selects in a program that has the mouse. Most terminals keep Shift for
    /// their own selection; then Alt is left.
    pub fn selects(self) -> bool {
        self.code & (4 | 8) != 0
    }

    pub fn ctrl(self) -> bool {
        self.code & 16 != 0
    }

    pub fn gesture(self) -> Gesture {
        let button = self.code & 3;
        match self.code {
            c if c & 64 != 0 => match button {
                0 => Gesture::WheelUp,
                1 => Gesture::WheelDown,
                _ => Gesture::Move,
            },
            c if c & 32 != 0 && button == 3 => Gesture::Move,
            c if c & 32 != 0 => Gesture::Drag(button),
            c if c & 128 != 0 => Gesture::Move,
            _ if !self.press || button == 3 => Gesture::Release,
            _ => Gesture::Press(button),
        }
    }
}

/// `<code;x;y`.
pub fn sgr(params: &str, press: bool) -> Option<Mouse> {
    let mut numbers = params.strip_prefix('<')?.split(';');
    let mut number = || numbers.next()?.parse::<u16>().ok();
    let (code, x, y) = (number()?, number()?, number()?);
    Some(Mouse {
        code,
        x: x.saturating_sub(1),
        y: y.saturating_sub(1),
        press,
    })
}

/// The form from before SGR, of a terminal that knows no other.
pub fn old([code, x, y]: [u8; 3]) -> Mouse {
    let code = u16::from(code.saturating_sub(32));
    let at = |n: u8| u16::from(n.saturating_sub(33));
    Mouse {
        code,
        x: at(x),
        y: at(y),
        press: code & 3 != 3 || code & 96 != 0,
    }
}

/// The bytes by which a program in `rect` hears of it; `None` where it does not want to, or cannot.
pub fn encode(mouse: Mouse, wish: MouseWish, rect: Rect) -> Option<Vec<u8>> {
    let wanted = match mouse.gesture() {
        Gesture::Move if mouse.code & 64 == 0 => wish.motion,
        Gesture::Drag(_) => wish.drags || wish.motion,
        _ => wish.any(),
    };
    if !wanted || rect.is_empty() {
        return None;
    }
    let within = |at: u16, from: u16, len: u16| at.saturating_sub(from).min(len.saturating_sub(1));
    let (x, y) = (
        within(mouse.x, rect.x, rect.w),
        within(mouse.y, rect.y, rect.h),
    );
    if wish.sgr {
        let last = if mouse.press { 'M' } else { 'm' };
        return Some(format!("\x1b[<{};{};{}{last}", mouse.code, x + 1, y + 1).into_bytes());
    }
    let code = if mouse.press {
        mouse.code
    } else {
        mouse.code | 3
    };
    let mut out = b"\x1b[M".to_vec();
    for n in [code, x + 1, y + 1] {
        let n = u32::from(n) + 32;
        if wish.utf8 {
            let c = char::from_u32(n).filter(|_| n < 2048)?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.push(u8::try_from(n).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: Rect = Rect {
        x: 10,
        y: 5,
        w: 300,
        h: 20,
    };

    fn mouse(code: u16, x: u16, y: u16, press: bool) -> Mouse {
        Mouse { code, x, y, press }
    }

    #[test]
    fn coordinates_are_the_panes_own_in_the_form_it_asked_for() {
        let mut wish = MouseWish {
            clicks: true,
            sgr: true,
            ..MouseWish::default()
        };
        let encode = |m, wish| encode(m, wish, RECT);
        assert_eq!(
            encode(mouse(0, 12, 6, true), wish).as_deref(),
            Some(&b"\x1b[<0;3;2M"[..])
        );
        assert_eq!(
            encode(mouse(0, 12, 6, false), wish).as_deref(),
            Some(&b"\x1b[<0;3;2m"[..])
        );
        // A drag that leaves the pane stays at its edge; and it is not told who asked for clicks only.
        assert_eq!(encode(mouse(32, 3, 90, true), wish), None);
        wish.drags = true;
        assert_eq!(
            encode(mouse(32, 3, 90, true), wish).as_deref(),
            Some(&b"\x1b[<32;1;20M"[..])
        );
        assert_eq!(encode(mouse(35, 12, 6, true), wish), None);
        wish.sgr = false;
        assert_eq!(
            encode(mouse(0, 10, 5, true), wish).as_deref(),
            Some(&b"\x1b[M !!"[..])
        );
        assert_eq!(
            encode(mouse(0, 10, 5, false), wish).as_deref(),
            Some(&b"\x1b[M#!!"[..])
        );
        assert_eq!(encode(mouse(0, 290, 5, true), wish), None);
        wish.utf8 = true;
        assert_eq!(
            encode(mouse(64, 290, 5, true), wish).as_deref(),
            Some("\x1b[M`\u{139}!".as_bytes())
        );
        assert_eq!(encode(mouse(0, 12, 6, true), MouseWish::default()), None);
    }

    #[test]
    fn gestures() {
        assert_eq!(mouse(0, 0, 0, true).gesture(), Gesture::Press(0));
        assert_eq!(mouse(2, 0, 0, false).gesture(), Gesture::Release);
        assert_eq!(mouse(32, 0, 0, true).gesture(), Gesture::Drag(0));
        assert_eq!(mouse(35, 0, 0, true).gesture(), Gesture::Move);
        assert_eq!(mouse(64, 0, 0, true).gesture(), Gesture::WheelUp);
        assert_eq!(mouse(65 + 4, 0, 0, true).gesture(), Gesture::WheelDown);
        assert_eq!(old([32, 33, 34]), mouse(0, 0, 1, true));
        assert_eq!(old([35, 33, 33]).gesture(), Gesture::Release);
    }
}
