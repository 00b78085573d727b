//! The mouse: for the program under it where that asked for it, else to choose, to move borders, to scroll.

use super::super::home::Focus;
use super::super::home::draw::agent_at;
use super::super::mouse::{Gesture, Mouse, encode};
use super::{App, Hit, Mode, View};
use crate::mux::layout::{PaneId, Rect};

/// Lines that the wheel goes at once.
const WHEEL: usize = 3;

impl App {
    pub(super) fn mouse(&mut self, mouse: Mouse) {
        let gesture = mouse.gesture();
        if matches!(
            self.mode,
            Mode::Help | Mode::Messages | Mode::Palette(..) | Mode::Find
        ) {
            if matches!(gesture, Gesture::Press(_)) {
                self.mode = Mode::Normal;
            }
            return;
        }
        if let Some(popup) = &self.popup {
            let (pane, inner) = (popup.pane, self.popup_inner(popup.file.is_some()));
            let over = self
                .panes
                .get(&pane)
                .is_none_or(|p| p.shown().life.is_over());
            return match gesture {
                Gesture::Press(_) if over => self.close_popup(),
                _ => self.tell(pane, inner, mouse),
            };
        }
        if let Some(border) = &self.dragged {
            let border = border.clone();
            match gesture {
                Gesture::Drag(_) => self.drag(&border, mouse),
                _ => self.dragged = None,
            }
            return;
        }
        if self.back_mouse(mouse) {
            return;
        }
        // What was pressed in a pane is let go there too, wherever the mouse is by then.
        if let (Some(pane), Gesture::Drag(_) | Gesture::Release) = (self.pressed, gesture) {
            if gesture == Gesture::Release {
                self.pressed = None;
            }
            if let Some(rect) = self.places.of(pane) {
                self.let_go(pane, rect, mouse);
            }
            return;
        }
        let hit = self
            .hits
            .iter()
            .rev()
            .find(|(rect, _)| rect.contains(mouse.x, mouse.y));
        if let Some((rect, hit)) = hit.copied() {
            return self.hit(hit, rect, mouse);
        }
        if self.view == View::Tabs {
            self.in_panes(mouse);
        }
    }

    fn drag(&mut self, border: &crate::mux::layout::Border, mouse: Mouse) {
        let area = self.area();
        if let Some(tab) = self.tabs.shown_mut() {
            let places = tab.tree.places(area);
            if let Some(now) = places.again(border) {
                tab.tree.drag(now, mouse.x, mouse.y, area);
            }
        }
    }

    fn in_panes(&mut self, mouse: Mouse) {
        if mouse.gesture() == Gesture::Press(0)
            && let Some(border) = self.places.border_at(mouse.x, mouse.y)
        {
            self.dragged = Some(border.clone());
            return;
        }
        let Some((pane, rect)) = self.places.pane_at(mouse.x, mouse.y) else {
            return;
        };
        let had_keys = self.focus() == Some(pane);
        if matches!(mouse.gesture(), Gesture::Press(_)) {
            self.tabs.focus(pane);
            self.pressed = Some(pane);
            self.pressed_at = (mouse.x, mouse.y);
            self.withheld = None;
        }
        let (wants, arrows) = self.panes.get(&pane).map_or((false, false), |p| {
            let shown = p.shown();
            (shown.screen.mouse().any(), shown.screen.wheel_is_arrows())
        });
        let plain = !wants && !arrows;
        if mouse.gesture() == Gesture::Press(0) {
            // Where a hyperlink leads is not seen: that takes more than a click.
            let seen = !self.is_hyperlink(pane, rect, mouse);
            let opens = mouse.ctrl() || (!wants && had_keys && seen);
            if mouse.selects() || (opens && self.address_under(pane, rect, mouse).is_some()) {
                self.withheld = Some(mouse);
                return;
            }
        }
        if mouse.gesture() == Gesture::WheelUp && plain {
            self.tabs.focus(pane);
            self.look_back(false);
            self.back_mouse(mouse);
            return;
        }
        self.tell(pane, rect, mouse);
    }

    fn is_hyperlink(&self, pane: PaneId, rect: Rect, mouse: Mouse) -> bool {
        let cell = || Some((mouse.x.checked_sub(rect.x)?, mouse.y.checked_sub(rect.y)?));
        let link = |(x, y)| self.panes.get(&pane)?.shown().screen.link_at(x, y);
        cell().and_then(link).is_some()
    }

    /// The address in the cell under the mouse.
    fn address_under(&self, pane: PaneId, rect: Rect, mouse: Mouse) -> Option<String> {
        let shown = self.panes.get(&pane)?.shown();
        let (x, y) = (mouse.x.checked_sub(rect.x)?, mouse.y.checked_sub(rect.y)?);
        shown.screen.address_at(x, y)
    }

    /// A button is moved or let go that was pressed in a pane. A click opens what it was made on; with a key that is
    /// held to select, but without a movement, it is the program's after all.
    fn let_go(&mut self, pane: PaneId, rect: Rect, mouse: Mouse) {
        let Some(press) = self.withheld else {
            return self.tell(pane, rect, mouse);
        };
        if mouse.gesture() != Gesture::Release {
            return;
        }
        self.withheld = None;
        if (press.x, press.y) != (mouse.x, mouse.y) {
            return;
        }
        match self
            .address_under(pane, rect, press)
            .filter(|_| !press.selects())
        {
            Some(address) => self.open_address(pane, address),
            None => {
                self.tell(pane, rect, press);
                self.tell(pane, rect, mouse);
            }
        }
    }

    /// The mouse where one looks back, or is about to: it scrolls, selects, and copies what was selected.
    fn back_mouse(&mut self, mouse: Mouse) -> bool {
        let gesture = mouse.gesture();
        let selects = self.withheld.is_some_and(|press| press.selects());
        if let (Some(pane), Gesture::Drag(0)) = (self.pressed, gesture)
            && !self.back.contains_key(&pane)
            && self
                .panes
                .get(&pane)
                .is_some_and(|p| selects || !p.shown().screen.mouse().any())
        {
            self.withheld = None;
            self.look_back(false);
            let (x, y) = self.pressed_at;
            if let (Some(copy), Some(rect)) = (self.back.get_mut(&pane), self.places.of(pane)) {
                copy.select(x.saturating_sub(rect.x), y.saturating_sub(rect.y), true);
            }
        }
        let held = self.pressed.and_then(|id| Some((id, self.places.of(id)?)));
        let found = held.or_else(|| self.places.pane_at(mouse.x, mouse.y));
        let Some((id, rect)) = found.filter(|_| self.view == View::Tabs) else {
            return false;
        };
        let Some(copy) = self.back.get_mut(&id) else {
            return false;
        };
        let within =
            |at: u16, from: u16, len: u16| at.saturating_sub(from).min(len.saturating_sub(1));
        let (x, y) = (
            within(mouse.x, rect.x, rect.w),
            within(mouse.y, rect.y, rect.h),
        );
        let lines = isize::try_from(WHEEL).unwrap_or(1);
        match gesture {
            Gesture::WheelUp => drop(copy.scroll(-lines)),
            Gesture::WheelDown if !copy.scroll(lines) => drop(self.back.remove(&id)),
            Gesture::Press(0) if mouse.ctrl() => {
                if let Some(address) = copy.point(x, y) {
                    self.open_address(id, address);
                }
            }
            Gesture::Press(0) => {
                self.tabs.focus(id);
                self.pressed = Some(id);
                self.pressed_at = (mouse.x, mouse.y);
            }
            Gesture::Drag(0) => copy.select(x, y, false),
            Gesture::Release
                if self.pressed.take().is_some() && self.pressed_at != (mouse.x, mouse.y) =>
            {
                if let Some(text) = copy.selected() {
                    self.copied(id, text);
                }
            }
            _ => {}
        }
        true
    }

    /// A pane's program hears of it, in the way it asked for; the wheel is arrow keys for one that did not.
    fn tell(&self, id: PaneId, rect: Rect, mouse: Mouse) {
        let Some(pane) = self.panes.get(&id) else {
            return;
        };
        let (wish, arrows, app) = {
            let shown = pane.shown();
            let screen = &shown.screen;
            (
                screen.mouse(),
                screen.wheel_is_arrows(),
                screen.app_cursor(),
            )
        };
        if let Some(bytes) = encode(mouse, wish, rect) {
            return pane.send(&bytes);
        }
        let arrow = match mouse.gesture() {
            Gesture::WheelUp => b'A',
            Gesture::WheelDown => b'B',
            _ => return,
        };
        if arrows && !wish.any() {
            let key = [0x1b, if app { b'O' } else { b'[' }, arrow];
            pane.send(&key.repeat(WHEEL));
        }
    }

    fn hit(&mut self, hit: Hit, rect: Rect, mouse: Mouse) {
        let scroll = match mouse.gesture() {
            Gesture::WheelUp => -1,
            Gesture::WheelDown => 1,
            Gesture::Press(0) => 0,
            _ => return,
        };
        match hit {
            Hit::List(_) if scroll != 0 => self.home.go(scroll),
            _ if scroll != 0 => {}
            Hit::Home => self.act(crate::config::Action::List),
            Hit::Tab(tab) => {
                self.tabs.show(tab);
                self.drop_preview();
                self.view = View::Tabs;
            }
            Hit::Task => self.home.focus = Focus::Task,
            Hit::List(first) => {
                let row = usize::from(mouse.y.saturating_sub(rect.y));
                let Some(agent) = agent_at(&self.home, first, row) else {
                    return;
                };
                if self.home.focus == Focus::List && self.home.chosen() == Some(&agent) {
                    return self.open_chosen();
                }
                self.home.focus = Focus::List;
                self.home.choose(agent);
            }
            Hit::Preview => self.open_chosen(),
        }
    }

    /// The terminal got the focus or lost it: the pane with the keys hears of it where it wants to.
    pub(super) fn tell_focus(&mut self, on: bool) {
        let focus = self.focus();
        let wants = focus.and_then(|id| self.panes.get(&id));
        if let Some(pane) = wants.filter(|p| p.shown().screen.focus_events()) {
            pane.send(if on { b"\x1b[I" } else { b"\x1b[O" });
        }
    }

    /// Another pane has the keys by now: both are told.
    pub(super) fn pass_focus(&mut self) {
        let focus = self.focus();
        if focus == self.focused {
            return;
        }
        for (pane, bytes) in [(self.focused, b"\x1b[O"), (focus, b"\x1b[I")] {
            let pane = pane.and_then(|id| self.panes.get(&id));
            if let Some(pane) = pane.filter(|p| p.shown().screen.focus_events()) {
                pane.send(bytes);
            }
        }
        self.focused = focus;
    }
}
