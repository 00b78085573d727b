//! The emulator's ear: every action of the parser passes here. Most go on to the `Term`; what it hides or
//! does not know is recorded; where it differs from what terminals do (cursor moves in margins, halves of
//! wide characters) it is put right. Queries are dropped: only `answer` speaks for the host.

use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::vte::ansi::cursor_icon::CursorIcon;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, KeyboardModes,
    KeyboardModesApplyBehavior, LineClearMode, Mode, ModifyOtherKeys, PrivateMode, Rgb,
    StandardCharset, TabulationClearMode,
};

use super::core::Core;
use super::paint::BLINK;

const MAX_URI: usize = 2083;
const MAX_LINK_ID: usize = 250;
/// The foreground, background and cursor follow the 256 colours of the palette.
const COLORS: usize = 259;

impl Handler for Core {
    #[inline]
    fn input(&mut self, c: char) {
        if c >= '\u{300}' {
            return self.input_other(c);
        }
        if self.term.grid().cursor.input_needs_wrap || self.has(TermMode::INSERT) {
            self.before_print(false);
        }
        self.term.input(c);
        self.rec.last = Some(c);
    }

    fn linefeed(&mut self) {
        self.before_linefeed();
        self.term.newline();
    }

    fn newline(&mut self) {
        self.linefeed();
    }

    fn carriage_return(&mut self) {
        self.term.carriage_return();
    }

    fn put_tab(&mut self, count: u16) {
        // At the right edge a tab stays, as elsewhere.
        if !self.term.grid().cursor.input_needs_wrap {
            self.term.put_tab(count);
        }
    }

    fn backspace(&mut self) {
        self.term.backspace();
    }

    fn goto(&mut self, line: i32, col: usize) {
        self.term.goto(line, col);
        self.rec.images.placed();
    }

    fn goto_line(&mut self, line: i32) {
        self.term.goto_line(line);
    }

    fn goto_col(&mut self, col: usize) {
        self.set_place(self.place().0, col);
    }

    fn move_up(&mut self, n: usize) {
        self.set_place(self.row_up(n), self.place().1);
    }

    fn move_down(&mut self, n: usize) {
        self.set_place(self.row_down(n), self.place().1);
    }

    fn move_forward(&mut self, n: usize) {
        self.set_place(self.place().0, self.place().1.saturating_add(n));
    }

    fn move_backward(&mut self, n: usize) {
        self.set_place(self.place().0, self.place().1.saturating_sub(n));
    }

    fn move_down_and_cr(&mut self, n: usize) {
        self.set_place(self.row_down(n), 0);
    }

    fn move_up_and_cr(&mut self, n: usize) {
        self.set_place(self.row_up(n), 0);
    }

    fn move_backward_tabs(&mut self, count: u16) {
        self.term.move_backward_tabs(count);
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    fn move_forward_tabs(&mut self, count: u16) {
        self.term.move_forward_tabs(count);
    }

    fn reverse_index(&mut self) {
        self.term.reverse_index();
    }

    fn scroll_up(&mut self, n: usize) {
        let (top, bottom) = self.rec.region;
        if top == 0 {
            self.capture(n.min(bottom));
        }
        self.term.scroll_up(n);
    }

    fn scroll_down(&mut self, n: usize) {
        self.term.scroll_down(n);
    }

    fn insert_blank_lines(&mut self, n: usize) {
        self.term.insert_blank_lines(n);
    }

    fn delete_lines(&mut self, n: usize) {
        self.term.delete_lines(n);
    }

    fn insert_blank(&mut self, n: usize) {
        let (col, cols) = (self.place().1, self.cols());
        self.split(col);
        self.split(cols.saturating_sub(n.min(cols)).max(col));
        self.term.insert_blank(n);
    }

    fn erase_chars(&mut self, n: usize) {
        let col = self.place().1;
        self.split(col);
        self.split(col.saturating_add(n));
        self.term.erase_chars(n);
    }

    fn delete_chars(&mut self, n: usize) {
        // The emulator would clear cells before the cursor too.
        let (col, cols) = (self.place().1, self.cols());
        let n = n.min(cols - col);
        self.split(col);
        self.split(col + n);
        self.term.delete_chars(n);
    }

    fn clear_line(&mut self, mode: LineClearMode) {
        let col = self.place().1;
        match mode {
            LineClearMode::Right => self.split(col),
            LineClearMode::Left => self.split(col + 1),
            LineClearMode::All => {}
        }
        self.term.clear_line(mode);
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        let (row, col) = self.place();
        match mode {
            ClearMode::Below => self.split(col),
            ClearMode::Above => {
                self.split(col + 1);
                // The emulator forgets the first line when the cursor is on the second.
                if row == 1 {
                    self.term.grid_mut().reset_region(..Line(1));
                }
            }
            ClearMode::All => {
                self.capture_screen();
                if !self.alt() {
                    self.rec.images.erased();
                }
            }
            ClearMode::Saved => {
                if !self.alt() {
                    self.scrolled.erase();
                }
                return;
            }
        }
        self.term.clear_screen(mode);
    }

    fn set_horizontal_tabstop(&mut self) {
        let col = self.place().1;
        if let Some(tab) = self.rec.tabs.get_mut(col) {
            *tab = true;
        }
        self.rec.tabs_touched = true;
        self.term.set_horizontal_tabstop();
    }

    fn clear_tabs(&mut self, mode: TabulationClearMode) {
        self.rec.tabs_touched = true;
        match mode {
            TabulationClearMode::Current => {
                let col = self.place().1;
                if let Some(tab) = self.rec.tabs.get_mut(col) {
                    *tab = false;
                }
            }
            TabulationClearMode::All => self.rec.tabs.fill(false),
        }
        self.term.clear_tabs(mode);
    }

    fn set_tabs(&mut self, interval: u16) {
        let column = self.grid().cursor.point.column;
        self.clear_tabs(TabulationClearMode::All);
        for col in (0..self.cols()).step_by(usize::from(interval.max(1))) {
            self.term.grid_mut().cursor.point.column = Column(col);
            self.set_horizontal_tabstop();
        }
        self.term.grid_mut().cursor.point.column = column;
    }

    fn save_cursor_position(&mut self) {
        self.save_cursor();
    }

    fn restore_cursor_position(&mut self) {
        self.restore_cursor();
    }

    fn reset_state(&mut self) {
        self.leave_alt(1049);
        self.term.reset_state();
        let rows = self.rows();
        let touched: Vec<usize> = self.rec.touched_colors().collect();
        for index in touched.into_iter().filter(|i| *i < COLORS) {
            self.term.reset_color(index);
        }
        self.rec.reset(rows);
    }

    fn decaln(&mut self) {
        self.set_region(1, None);
        self.set_place(0, 0);
        self.term.decaln();
    }

    fn terminal_attribute(&mut self, attr: Attr) {
        let flags = &mut self.term.grid_mut().cursor.template.flags;
        match attr {
            Attr::BlinkSlow | Attr::BlinkFast => flags.insert(BLINK),
            Attr::CancelBlink => flags.remove(BLINK),
            // vte reads SGR 21 as the Linux console does; terminals draw a double underline.
            Attr::CancelBold => self.term.terminal_attribute(Attr::DoubleUnderline),
            attr => self.term.terminal_attribute(attr),
        }
    }

    fn set_mode(&mut self, mode: Mode) {
        self.term.set_mode(mode);
    }

    fn unset_mode(&mut self, mode: Mode) {
        self.term.unset_mode(mode);
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        self.private_mode(mode, true);
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        self.private_mode(mode, false);
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        self.set_region(top, bottom);
    }

    fn set_keypad_application_mode(&mut self) {
        self.term.set_keypad_application_mode();
    }

    fn unset_keypad_application_mode(&mut self) {
        self.term.unset_keypad_application_mode();
    }

    fn set_active_charset(&mut self, index: CharsetIndex) {
        self.rec.active = index;
        self.term.set_active_charset(index);
    }

    fn configure_charset(&mut self, index: CharsetIndex, charset: StandardCharset) {
        self.term.configure_charset(index, charset);
    }

    fn set_color(&mut self, index: usize, color: Rgb) {
        if index < COLORS {
            self.rec.touch_color(index);
            self.term.set_color(index, color);
        }
    }

    fn reset_color(&mut self, index: usize) {
        if index < COLORS {
            self.term.reset_color(index);
        }
    }

    fn set_hyperlink(&mut self, link: Option<Hyperlink>) {
        let link = link.filter(|l| {
            let id = l.id.as_ref().map_or(0, String::len);
            let clean = |s: &str| !s.chars().any(char::is_control);
            l.uri.len() <= MAX_URI
                && id <= MAX_LINK_ID
                && clean(&l.uri)
                && l.id.as_deref().is_none_or(clean)
                && self.admit_link(l.uri.len() + id)
        });
        self.term.set_hyperlink(link);
    }

    fn set_title(&mut self, title: Option<String>) {
        self.rec.set_title(title);
    }

    fn push_title(&mut self) {
        self.rec.push_title();
    }

    fn pop_title(&mut self) {
        self.rec.pop_title();
    }

    fn set_cursor_style(&mut self, style: Option<CursorStyle>) {
        self.rec.style_touched = true;
        self.rec.style = style;
    }

    fn set_cursor_shape(&mut self, shape: CursorShape) {
        self.rec.set_shape(shape);
    }

    fn set_mouse_cursor_icon(&mut self, icon: CursorIcon) {
        self.rec.pointer_touched = true;
        self.rec.pointer = (icon != CursorIcon::Default).then_some(icon);
    }

    fn push_keyboard_mode(&mut self, mode: KeyboardModes) {
        self.rec.kitty_push(self.alt(), mode.bits());
    }

    fn pop_keyboard_modes(&mut self, n: u16) {
        self.rec.kitty_pop(self.alt(), n);
    }

    fn set_keyboard_mode(&mut self, mode: KeyboardModes, behavior: KeyboardModesApplyBehavior) {
        let bits = mode.bits();
        self.rec.kitty_set(self.alt(), |old| match behavior {
            KeyboardModesApplyBehavior::Replace => bits,
            KeyboardModesApplyBehavior::Union => old | bits,
            KeyboardModesApplyBehavior::Difference => old & !bits,
        });
    }

    fn set_modify_other_keys(&mut self, mode: ModifyOtherKeys) {
        self.rec.other_keys_touched = true;
        self.rec.other_keys = mode as u8;
    }

    // Bells, notifications, clipboard and queries concern no screen: the defaults do nothing.
}
