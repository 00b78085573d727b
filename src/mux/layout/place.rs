//! From a tree and an area to rectangles, and from cells back to shares: panes and the borders between them
//! fill the area exactly, however small it is. What has no room is left out, never drawn over another.

use super::{Axis, Direction, LEAST, Node, PaneId, Rect, Tree};

/// The line between two parts of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Border {
    pub rect: Rect,
    /// Parts lie so on its two sides.
    pub axis: Axis,
    /// The split, by the parts that lead to it, and the part before the line.
    path: Vec<usize>,
    index: usize,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Those that have room.
    pub panes: Vec<(PaneId, Rect)>,
    pub borders: Vec<Border>,
}

impl Places {
    pub fn of(&self, pane: PaneId) -> Option<Rect> {
        let found = self.panes.iter().find(|(own, _)| *own == pane);
        found.map(|(_, rect)| *rect)
    }

    pub fn pane_at(&self, x: u16, y: u16) -> Option<(PaneId, Rect)> {
        self.panes.iter().find(|(_, r)| r.contains(x, y)).copied()
    }

    /// The same border, where it is now.
    pub fn again(&self, border: &Border) -> Option<&Border> {
        let same = |b: &&Border| b.path == border.path && b.index == border.index;
        self.borders.iter().find(same)
    }

    pub fn border_at(&self, x: u16, y: u16) -> Option<&Border> {
        self.borders.iter().find(|b| b.rect.contains(x, y))
    }
}

/// How `length` cells are shared out, a border between each two parts.
fn lengths(length: u16, shares: &[u32]) -> Vec<u16> {
    let parts = u16::try_from(shares.len()).unwrap_or(u16::MAX);
    let borders = parts.saturating_sub(1);
    if u32::from(length) < u32::from(parts) + u32::from(borders) {
        let fit = length.div_ceil(2);
        let left = length.saturating_sub((2 * fit).saturating_sub(1));
        let one = |at: u16| match at {
            at if at + 1 == fit => 1 + left,
            at if at < fit => 1,
            _ => 0,
        };
        return (0..parts).map(one).collect();
    }
    let free = u64::from(length - parts - borders);
    let even = shares.iter().all(|s| *s == 0);
    let weight = |share: u32| if even { 1 } else { u64::from(share) };
    let total: u64 = shares.iter().map(|s| weight(*s)).sum();
    let (mut seen, mut given) = (0, 0);
    let mut all = Vec::with_capacity(shares.len());
    for share in shares {
        seen += weight(*share);
        let upto = (free * seen * 2 + total) / (2 * total.max(1));
        all.push(1 + u16::try_from(upto - given).unwrap_or(u16::MAX - 1));
        given = upto;
    }
    all
}

impl Node {
    /// The fewest cells along an axis in which all panes have their least size.
    fn least(&self, along: Axis) -> u16 {
        match self {
            Self::Pane(_) => match along {
                Axis::Across => LEAST.0,
                Axis::Down => LEAST.1,
            },
            Self::Split { axis, parts } => {
                let each = parts.iter().map(|p| p.node.least(along));
                if *axis == along {
                    each.fold(0, |sum: u16, n| sum.saturating_add(n).saturating_add(1))
                        .saturating_sub(1)
                } else {
                    each.max().unwrap_or(0)
                }
            }
        }
    }

    fn place(&self, area: Rect, path: &mut Vec<usize>, to: &mut Places) {
        if area.is_empty() {
            return;
        }
        match self {
            Self::Pane(pane) => to.panes.push((*pane, area)),
            Self::Split { axis, .. } => {
                let mut before: Option<usize> = None;
                for (index, (node, rect)) in self.inside(area).into_iter().enumerate() {
                    if rect.is_empty() {
                        continue;
                    }
                    if let Some(before) = before {
                        let line = match axis {
                            Axis::Across => Rect::new(rect.x - 1, rect.y, 1, rect.h),
                            Axis::Down => Rect::new(rect.x, rect.y - 1, rect.w, 1),
                        };
                        to.borders.push(Border {
                            rect: line,
                            axis: *axis,
                            path: path.clone(),
                            index: before,
                        });
                    }
                    before = Some(index);
                    path.push(index);
                    node.place(rect, path, to);
                    path.pop();
                }
            }
        }
    }

    /// The parts of a split with their rectangles.
    fn inside(&self, area: Rect) -> Vec<(&Self, Rect)> {
        let Self::Split { axis, parts } = self else {
            return Vec::new();
        };
        let shares: Vec<u32> = parts.iter().map(|p| p.share).collect();
        let length = match axis {
            Axis::Across => area.w,
            Axis::Down => area.h,
        };
        let mut at = 0u16;
        let rects = lengths(length, &shares).into_iter().map(|n| {
            let rect = match axis {
                Axis::Across => Rect::new(area.x.saturating_add(at), area.y, n, area.h),
                Axis::Down => Rect::new(area.x, area.y.saturating_add(at), area.w, n),
            };
            at = at.saturating_add(n).saturating_add(1);
            rect
        });
        parts.iter().map(|p| &p.node).zip(rects).collect()
    }

    /// Makes shares of the cells that there are within `area`.
    pub(super) fn freeze(&mut self, area: Rect) {
        let rects: Vec<Rect> = self.inside(area).into_iter().map(|(_, r)| r).collect();
        let Self::Split { axis, parts } = self else {
            return;
        };
        for (part, rect) in parts.iter_mut().zip(rects) {
            let length = match axis {
                Axis::Across => rect.w,
                Axis::Down => rect.h,
            };
            part.share = u32::from(length.saturating_sub(1));
            part.node.freeze(rect);
        }
    }

    /// Moves the border behind part `index` of the split at `path` by so many cells, as far as it goes.
    fn push(&mut self, path: &[usize], index: usize, by: i32) {
        let Self::Split { axis, parts } = self else {
            return;
        };
        if let [first, rest @ ..] = path {
            if let Some(part) = parts.get_mut(*first) {
                part.node.push(rest, index, by);
            }
            return;
        }
        let axis = *axis;
        let Some([first, second, ..]) = parts.get_mut(index..) else {
            return;
        };
        let (grows, shrinks) = match by > 0 {
            true => (first, second),
            false => (second, first),
        };
        let least = u32::from(shrinks.node.least(axis).saturating_sub(1));
        let by = by.unsigned_abs().min(shrinks.share.saturating_sub(least));
        grows.share = grows.share.saturating_add(by);
        shrinks.share -= by;
    }

    /// The border that a pane moves in a direction: its far one, or the near one where it lies at the edge.
    fn border_of(&self, pane: PaneId, along: Axis) -> Option<(Vec<usize>, usize)> {
        let Self::Split { axis, parts } = self else {
            return None;
        };
        let at = parts.iter().position(|p| p.node.contains(pane))?;
        if let Some((mut path, index)) = parts.get(at)?.node.border_of(pane, along) {
            path.insert(0, at);
            return Some((path, index));
        }
        (*axis == along).then(|| (Vec::new(), at.min(parts.len().saturating_sub(2))))
    }
}

impl Tree {
    /// Where everything is within `area`. The pane with the keys always has room, if there is any: where it
    /// would have none, it is shown as if it were zoomed.
    pub fn places(&self, area: Rect) -> Places {
        let mut places = Places::default();
        if !self.zoomed() {
            self.root.place(area, &mut Vec::new(), &mut places);
            if places.of(self.focus()).is_some() {
                return places;
            }
        }
        let mut alone = Places::default();
        if !area.is_empty() {
            alone.panes.push((self.focus(), area));
        }
        alone
    }

    /// Makes the pane with the keys larger or smaller by moving a border in that direction.
    pub fn resize(&mut self, direction: Direction, cells: u16, area: Rect) {
        let found = self.root.border_of(self.focus(), direction.axis());
        if let Some((path, index)) = found {
            let by = if direction.forward() {
                i32::from(cells)
            } else {
                -i32::from(cells)
            };
            self.root.freeze(area);
            self.root.push(&path, index, by);
        }
    }

    /// Moves a border to where the mouse is.
    pub fn drag(&mut self, border: &Border, x: u16, y: u16, area: Rect) {
        let by = match border.axis {
            Axis::Across => i32::from(x) - i32::from(border.rect.x),
            Axis::Down => i32::from(y) - i32::from(border.rect.y),
        };
        self.root.freeze(area);
        self.root.push(&border.path, border.index, by);
    }

    /// The pane that lies in that direction from the one with the keys; at the edge, the one at the other end.
    pub fn neighbour(&self, direction: Direction, area: Rect) -> Option<PaneId> {
        // A zoomed pane still has its neighbours.
        let mut whole = self.clone();
        whole.zoomed = false;
        let places = whole.places(area);
        let from = places.of(self.focus())?;
        let ends = |r: Rect| match direction {
            Direction::Left => (r.x, r.x.saturating_add(r.w)),
            Direction::Right => (r.x.saturating_add(r.w), r.x),
            Direction::Up => (r.y, r.y.saturating_add(r.h)),
            Direction::Down => (r.y.saturating_add(r.h), r.y),
        };
        // How much of the side they share, the border's cell included.
        let shared = |r: Rect| {
            let (a, al, b, bl) = match direction.axis() {
                Axis::Across => (from.y, from.h, r.y, r.h),
                Axis::Down => (from.x, from.w, r.x, r.w),
            };
            let end = a.saturating_add(al).min(b.saturating_add(bl));
            end.saturating_sub(a.max(b))
        };
        let (own, _) = ends(from);
        let others = || {
            places
                .panes
                .iter()
                .filter(|(p, r)| *p != self.focus() && shared(*r) > 0)
        };
        let near = others().filter(|(_, r)| ends(*r).1.abs_diff(own) == 1);
        // Back to where one came from, else to the one beside which one is most.
        let best = near.max_by_key(|(pane, r)| {
            let came = self.last == Some(*pane);
            (came, shared(*r), std::cmp::Reverse((r.y, r.x)))
        });
        let far = || {
            others().max_by_key(|(_, r)| {
                let (_, end) = ends(*r);
                let distance = end.abs_diff(own);
                (distance, shared(*r))
            })
        };
        best.or_else(far).map(|(pane, _)| *pane)
    }
}
