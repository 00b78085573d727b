//! Images on the whole screen: drawn where all of their cells are still theirs, however many things were put over the
//! panes, and drawn again where something was written through them.

use std::io::Write as _;
use std::sync::Arc;

use super::Canvas;
use crate::mux::frame::{Frame, changes};
use crate::mux::images::{Mark, is_mark, label};
use crate::mux::layout::Rect;

/// An image at its place.
#[derive(Debug, Clone)]
pub struct Picture {
    pub mark: Mark,
    pub rect: Rect,
    /// The bytes that draw it at the cursor.
    pub bytes: Arc<Vec<u8>>,
    /// The bytes that take it away, where writing over it does not.
    pub remove: Arc<Vec<u8>>,
}

impl PartialEq for Picture {
    /// What bears a mark is always the same image.
    fn eq(&self, other: &Self) -> bool {
        (self.mark, self.rect) == (other.mark, other.rect)
    }
}

impl Picture {
    /// Whether a change of cells writes over some of it.
    pub(super) fn is_touched(&self, old: &Frame, new: &Frame) -> bool {
        let (left, right) = (
            usize::from(self.rect.x),
            usize::from(self.rect.x + self.rect.w),
        );
        let rows = old
            .rows
            .iter()
            .zip(&new.rows)
            .skip(usize::from(self.rect.y));
        let mut touched = false;
        for (was, is) in rows.take(usize::from(self.rect.h)) {
            changes(was, is, |from, to| touched |= from < right && to > left);
        }
        touched
    }

    pub(super) fn draw(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "\x1b7\x1b[{};{}H", self.rect.y + 1, self.rect.x + 1);
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(b"\x1b8");
    }
}

impl Canvas {
    /// There are cells that are marked as an image's, whether it is drawn or not.
    pub fn has_marks(&mut self) {
        self.marked = true;
    }

    /// An image is to be drawn over the cells that are marked with it, if they stay so.
    pub fn picture(&mut self, picture: Picture) {
        self.pictures.push(picture);
    }

    /// The images within a rectangle.
    pub fn pictures_in(&self, rect: Rect) -> impl Iterator<Item = &Picture> {
        let within = move |p: &&Picture| {
            let inner = p.rect;
            rect.contains(inner.x, inner.y)
                && rect.contains(inner.x + inner.w - 1, inner.y + inner.h - 1)
        };
        self.pictures.iter().filter(within)
    }

    pub(super) fn keep_pictures(&mut self, other: &Self, rect: Rect) {
        self.marked |= other.marked;
        self.pictures.extend(other.pictures_in(rect).cloned());
    }

    /// All is put together: an image that something covers is not drawn, its size stands there. What is drawn stands on
    /// blank cells; no other cell stays marked, so that a cell tells whether there is a piece of an image on it.
    pub(super) fn settle(&mut self) {
        if !self.marked && self.pictures.is_empty() {
            return;
        }
        let rows = &mut self.frame.rows;
        let (mut kept, mut owned) = (Vec::new(), Vec::new());
        for picture in std::mem::take(&mut self.pictures) {
            let Rect { x, y, w, h } = picture.rect;
            let cells = usize::from(x)..usize::from(x + w);
            let mut whole = true;
            for n in 0..usize::from(h) {
                let link = picture.mark.link(n);
                let row = rows
                    .get(usize::from(y) + n)
                    .and_then(|row| row.get(cells.clone()));
                let own = |c: &super::Cell| c.hyperlink().is_some_and(|l| l == link);
                whole &= row.is_some_and(|row| row.iter().all(own));
            }
            let label = label(w, h);
            for n in 0..usize::from(h) {
                let link = picture.mark.link(n);
                let mut text = label.chars().filter(|_| n == 0 && !whole);
                let row = rows
                    .get_mut(usize::from(y) + n)
                    .and_then(|row| row.get_mut(cells.clone()));
                for cell in row.into_iter().flatten() {
                    let c = text.next().unwrap_or(' ');
                    if cell.hyperlink().is_some_and(|l| l == link) {
                        cell.c = c;
                    }
                }
            }
            if whole {
                owned.push(picture.rect);
                kept.push(picture);
            }
        }
        for (y, row) in rows.iter_mut().enumerate() {
            for (x, cell) in row.iter_mut().enumerate() {
                if cell.hyperlink().is_some_and(|link| is_mark(&link)) {
                    let at = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
                    if !owned.iter().any(|rect| rect.contains(at(x), at(y))) {
                        cell.set_hyperlink(None);
                    }
                }
            }
        }
        self.pictures = kept;
    }
}
