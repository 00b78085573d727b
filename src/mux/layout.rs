//! Panes on a screen: a tree of splits, its rectangles for any area, and what a person does with them. Pure:
//! it knows numbers of panes and no terminal. Sizes are shares, so that a tree outlives its terminal's size.

mod place;
mod shape;
mod tabs;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use place::{Border, Places};
pub use tabs::{Tab, Tabs};

/// A pane, named by a number that stays its own.
pub type PaneId = u32;

/// The smallest pane that anything can be read in, columns and rows.
pub const LEAST: (u16, u16) = (2, 1);

/// Cells: the column and row of the upper left corner, width and height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rect {
    pub x: u16,
    pub y: u16,
    pub w: u16,
    pub h: u16,
}

impl Rect {
    pub fn new(x: u16, y: u16, w: u16, h: u16) -> Self {
        Self { x, y, w, h }
    }

    pub fn is_empty(self) -> bool {
        self.w == 0 || self.h == 0
    }

    pub fn contains(self, x: u16, y: u16) -> bool {
        let within = |at: u16, from: u16, len: u16| at >= from && at - from < len;
        within(x, self.x, self.w) && within(y, self.y, self.h)
    }

    /// A rectangle of that size in the middle, cut to this one.
    pub fn middle(self, w: u16, h: u16) -> Self {
        let (w, h) = (w.min(self.w), h.min(self.h));
        Self::new(self.x + (self.w - w) / 2, self.y + (self.h - h) / 2, w, h)
    }

    /// Without a frame of one cell.
    pub fn inner(self) -> Self {
        Self::new(
            self.x.saturating_add(1),
            self.y.saturating_add(1),
            self.w.saturating_sub(2),
            self.h.saturating_sub(2),
        )
    }
}

/// How the parts of a split lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Side by side.
    Across,
    /// One below the other.
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Left,
    Right,
    Up,
    Down,
}

impl Direction {
    pub(super) fn axis(self) -> Axis {
        match self {
            Self::Left | Self::Right => Axis::Across,
            Self::Up | Self::Down => Axis::Down,
        }
    }

    pub(super) fn forward(self) -> bool {
        matches!(self, Self::Right | Self::Down)
    }
}

/// Arrangements of all panes of a tree, in tmux's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    EvenHorizontal,
    EvenVertical,
    MainHorizontal,
    MainVertical,
    Tiled,
}

impl Preset {
    /// What follows it when one goes through them.
    pub fn next(self) -> Self {
        match self {
            Self::EvenHorizontal => Self::EvenVertical,
            Self::EvenVertical => Self::MainHorizontal,
            Self::MainHorizontal => Self::MainVertical,
            Self::MainVertical => Self::Tiled,
            Self::Tiled => Self::EvenHorizontal,
        }
    }
}

/// A pane, or a split of at least two parts, none of which is a split along the same axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Node {
    Pane(PaneId),
    Split { axis: Axis, parts: Vec<Part> },
}

/// A part of a split and its share of what is left once each part has its first cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub share: u32,
    pub node: Node,
}

/// All panes of one tab, at least one of them, and which has the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    pub(super) root: Node,
    focus: PaneId,
    /// Had the keys before.
    pub(super) last: Option<PaneId>,
    #[serde(default)]
    pub(super) zoomed: bool,
    #[serde(default)]
    preset: Option<Preset>,
}

/// There is no room for another pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for another pane here")]
pub struct TooSmall;

impl Tree {
    pub fn new(pane: PaneId) -> Self {
        Self {
            root: Node::Pane(pane),
            focus: pane,
            last: None,
            zoomed: false,
            preset: None,
        }
    }

    /// Whether it is one that could have been made here: it may come from a file, or from elsewhere.
    fn is_sound(&self) -> bool {
        let panes = self.panes();
        panes.contains(&self.focus) && self.root.is_sound(None)
    }

    fn raise(&mut self, by: PaneId) {
        let raised = |pane: PaneId| pane.saturating_add(by);
        self.root.rename(&raised);
        self.focus = raised(self.focus);
        self.last = self.last.map(raised);
    }

    /// All panes, in the order of their places.
    pub fn panes(&self) -> Vec<PaneId> {
        let mut all = Vec::new();
        self.root.collect(&mut all);
        all
    }

    pub fn contains(&self, pane: PaneId) -> bool {
        self.panes().contains(&pane)
    }

    /// The pane that has the keys.
    pub fn focus(&self) -> PaneId {
        self.focus
    }

    /// Gives a pane the keys; a zoomed one is zoomed no more by that.
    pub fn set_focus(&mut self, pane: PaneId) {
        if pane != self.focus && self.contains(pane) {
            self.last = Some(self.focus);
            self.focus = pane;
            self.zoomed = false;
        }
    }

    pub fn zoomed(&self) -> bool {
        self.zoomed
    }

    /// One pane takes all the room; or all are shown again.
    pub fn zoom(&mut self) {
        self.zoomed = !self.zoomed && self.panes().len() > 1;
    }

    /// Splits `pane` in two, the new one to its right or below it, and gives that one the keys.
    ///
    /// # Errors
    /// Within `area` there would be no room for both.
    pub fn split(
        &mut self,
        pane: PaneId,
        axis: Axis,
        new: PaneId,
        area: Rect,
    ) -> Result<(), TooSmall> {
        if self.contains(new) || !self.contains(pane) {
            return Err(TooSmall);
        }
        let mut whole = self.clone();
        whole.zoomed = false;
        let place = whole.places(area).of(pane).unwrap_or_default();
        let (have, need) = match axis {
            Axis::Across => (place.w, 2 * LEAST.0 + 1),
            Axis::Down => (place.h, 2 * LEAST.1 + 1),
        };
        if have < need {
            return Err(TooSmall);
        }
        self.root.freeze(area);
        self.root.split(pane, axis, new, have);
        self.zoomed = false;
        self.set_focus(new);
        Ok(())
    }

    /// Puts a pane beside all others, whatever room there is: for layouts that are made at once.
    pub fn add(&mut self, new: PaneId, preset: Preset) {
        if !self.contains(new) {
            let mut all = self.panes();
            all.push(new);
            self.arrange_as(&all, preset);
        }
    }

    /// Takes a pane away; false for the last one, which stays.
    pub fn remove(&mut self, pane: PaneId) -> bool {
        let all = self.panes();
        let Some(at) = all.iter().position(|p| *p == pane) else {
            return true;
        };
        if all.len() == 1 {
            return false;
        }
        self.root.remove(pane);
        self.last = self.last.filter(|last| *last != pane);
        if self.focus == pane {
            let beside = all.get(at + 1).or_else(|| all.get(at.saturating_sub(1)));
            let next = self.last.take().or(beside.copied());
            self.focus = next.unwrap_or(self.focus);
        }
        self.zoomed = false;
        true
    }

    /// The next pane (or the one before) gets the keys.
    pub fn cycle(&mut self, forward: bool) {
        if let Some(next) = self.beside(forward) {
            self.set_focus(next);
        }
    }

    /// The pane that had the keys before gets them.
    pub fn focus_last(&mut self) {
        if let Some(last) = self.last {
            self.set_focus(last);
        }
    }

    fn beside(&self, forward: bool) -> Option<PaneId> {
        let all = self.panes();
        let at = all.iter().position(|p| *p == self.focus)?;
        let step = if forward { 1 } else { all.len() - 1 };
        all.get((at + step) % all.len()).copied()
    }

    /// The pane with the keys changes places with the next one or the one before; it keeps the keys.
    pub fn swap(&mut self, forward: bool) {
        if let Some(other) = self.beside(forward) {
            let focus = self.focus;
            self.root.rename(&|pane| match pane {
                p if p == focus => other,
                p if p == other => focus,
                p => p,
            });
        }
    }

    /// All panes move on by one place.
    pub fn rotate(&mut self, forward: bool) {
        let all = self.panes();
        let step = if forward { all.len() - 1 } else { 1 };
        self.root.rename(&|pane| {
            let at = all.iter().position(|p| *p == pane);
            at.and_then(|at| all.get((at + step) % all.len()).copied())
                .unwrap_or(pane)
        });
    }

    /// The next arrangement of all panes.
    pub fn next_preset(&mut self) {
        let next = self.preset.map_or(Preset::EvenHorizontal, Preset::next);
        self.arrange(next);
    }

    /// Arranges all panes anew.
    pub fn arrange(&mut self, preset: Preset) {
        let all = self.panes();
        self.arrange_as(&all, preset);
    }

    fn arrange_as(&mut self, all: &[PaneId], preset: Preset) {
        if let Some(root) = Node::arranged(all, preset) {
            self.root = root;
            self.preset = Some(preset);
            self.zoomed = false;
        }
    }
}
