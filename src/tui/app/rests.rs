//! Images are drawn once they have stood still for a moment: one that scrolls by is not sent again with each line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::mux::canvas::{Canvas, Picture};
use crate::mux::images::Mark;
use crate::mux::layout::Rect;

/// How long.
const STILL: Duration = Duration::from_millis(60);

/// Where images are, and since when.
#[derive(Default)]
pub struct Rests {
    now: BTreeMap<Mark, (Rect, Instant)>,
    before: BTreeMap<Mark, (Rect, Instant)>,
}

impl Rests {
    /// Another frame is put together.
    pub fn begin(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// An image's place in this frame; it is drawn if it was there before.
    pub fn draw(&mut self, canvas: &mut Canvas, picture: Picture) {
        let was = self
            .before
            .get(&picture.mark)
            .filter(|(rect, _)| *rect == picture.rect);
        let since = was.map_or_else(Instant::now, |(_, since)| *since);
        self.now.insert(picture.mark, (picture.rect, since));
        if since.elapsed() >= STILL {
            canvas.picture(picture);
        }
    }

    /// A part of the screen stays as it was.
    pub fn keep(&mut self, before: &Canvas, rect: Rect) {
        for picture in before.pictures_in(rect) {
            let since = self.before.get(&picture.mark).copied();
            self.now.insert(
                picture.mark,
                since.unwrap_or((picture.rect, Instant::now())),
            );
        }
    }

    /// When they are to be drawn.
    pub fn due(&self) -> impl Iterator<Item = Instant> {
        self.now.values().map(|(_, since)| *since + STILL)
    }
}
