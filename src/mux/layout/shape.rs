//! What changes a tree's shape, with its invariants: two parts at least, and no split within one of its axis.

use super::{Axis, Node, PaneId, Part, Preset};

impl Node {
    pub(super) fn collect(&self, all: &mut Vec<PaneId>) {
        match self {
            Self::Pane(pane) => all.push(*pane),
            Self::Split { parts, .. } => parts.iter().for_each(|p| p.node.collect(all)),
        }
    }

    /// Each split has two parts at least, and none of its own axis.
    pub(super) fn is_sound(&self, above: Option<Axis>) -> bool {
        match self {
            Self::Pane(_) => true,
            Self::Split { axis, parts } => {
                let within = |p: &Part| p.node.is_sound(Some(*axis));
                above != Some(*axis) && parts.len() > 1 && parts.iter().all(within)
            }
        }
    }

    pub(super) fn contains(&self, pane: PaneId) -> bool {
        match self {
            Self::Pane(own) => *own == pane,
            Self::Split { parts, .. } => parts.iter().any(|p| p.node.contains(pane)),
        }
    }

    pub(super) fn rename(&mut self, name: &dyn Fn(PaneId) -> PaneId) {
        match self {
            Self::Pane(pane) => *pane = name(*pane),
            Self::Split { parts, .. } => parts.iter_mut().for_each(|p| p.node.rename(name)),
        }
    }

    /// Puts `new` behind `pane`, which has `length` cells along the axis.
    pub(super) fn split(&mut self, pane: PaneId, along: Axis, new: PaneId, length: u16) {
        let second = u32::from(length.saturating_sub(1) / 2);
        let first = u32::from(length.saturating_sub(1)).saturating_sub(second);
        let part = |share: u32, node| Part {
            share: share.saturating_sub(1),
            node,
        };
        match self {
            Self::Pane(own) if *own == pane => {
                *self = Self::Split {
                    axis: along,
                    parts: vec![part(first, Self::Pane(pane)), part(second, Self::Pane(new))],
                };
            }
            Self::Pane(_) => {}
            Self::Split { axis, parts } => {
                let Some(at) = parts.iter().position(|p| p.node.contains(pane)) else {
                    return;
                };
                let own = parts.get(at).is_some_and(|p| p.node == Self::Pane(pane));
                if own && *axis == along {
                    if let Some(before) = parts.get_mut(at) {
                        before.share = first.saturating_sub(1);
                    }
                    parts.insert(at + 1, part(second, Self::Pane(new)));
                } else if let Some(inner) = parts.get_mut(at) {
                    inner.node.split(pane, along, new, length);
                }
            }
        }
    }

    /// Takes a pane out; its room goes to the parts beside it.
    pub(super) fn remove(&mut self, pane: PaneId) {
        let Self::Split { axis, parts } = self else {
            return;
        };
        let axis = *axis;
        if let Some(at) = parts.iter().position(|p| p.node == Self::Pane(pane)) {
            let gone = parts.remove(at);
            let heir = at.saturating_sub(1);
            if let Some(heir) = parts.get_mut(heir) {
                heir.share = heir.share.saturating_add(gone.share).saturating_add(1);
            }
        } else {
            parts.iter_mut().for_each(|p| p.node.remove(pane));
        }
        // A part that became a split of this axis is dissolved in this one.
        let mut flat = Vec::with_capacity(parts.len());
        for part in std::mem::take(parts) {
            match part.node {
                Self::Split {
                    axis: inner,
                    parts: within,
                } if inner == axis => {
                    let sum: u64 = within.iter().map(|p| u64::from(p.share) + 1).sum();
                    flat.extend(within.into_iter().map(|p| {
                        let share = (u64::from(p.share) + 1) * u64::from(part.share) / sum.max(1);
                        Part {
                            share: u32::try_from(share).unwrap_or(u32::MAX),
                            node: p.node,
                        }
                    }));
                }
                node => flat.push(Part {
                    share: part.share,
                    node,
                }),
            }
        }
        if flat.len() == 1
            && let Some(only) = flat.pop()
        {
            *self = only.node;
            return;
        }
        *parts = flat;
    }

    /// All panes in one of the arrangements; `None` for none.
    pub(super) fn arranged(all: &[PaneId], preset: Preset) -> Option<Self> {
        let (main, rest) = all.split_first()?;
        let panes = |panes: &[PaneId], axis| {
            let parts = panes.iter().map(|p| Self::Pane(*p)).collect();
            Self::even(parts, axis)
        };
        Some(match preset {
            _ if rest.is_empty() => Self::Pane(*main),
            Preset::EvenHorizontal => panes(all, Axis::Across),
            Preset::EvenVertical => panes(all, Axis::Down),
            Preset::MainHorizontal => Self::with_main(*main, panes(rest, Axis::Across), Axis::Down),
            Preset::MainVertical => Self::with_main(*main, panes(rest, Axis::Down), Axis::Across),
            Preset::Tiled => {
                let (mut rows, mut cols) = (1, 1);
                while rows * cols < all.len() {
                    rows += 1;
                    if rows * cols < all.len() {
                        cols += 1;
                    }
                }
                let lines = all.chunks(cols.max(1));
                Self::even(
                    lines.map(|line| panes(line, Axis::Across)).collect(),
                    Axis::Down,
                )
            }
        })
    }

    fn even(mut nodes: Vec<Self>, axis: Axis) -> Self {
        if nodes.len() == 1
            && let Some(only) = nodes.pop()
        {
            return only;
        }
        let parts = nodes.into_iter().map(|node| Part { share: 100, node });
        Self::Split {
            axis,
            parts: parts.collect(),
        }
    }

    fn with_main(main: PaneId, rest: Self, axis: Axis) -> Self {
        let part = |share, node| Part { share, node };
        Self::Split {
            axis,
            parts: vec![part(60, Self::Pane(main)), part(40, rest)],
        }
    }
}
