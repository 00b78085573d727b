//! Images that a pane's program has drawn: kept while they may be seen, and given to the frame where they are whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::mux::Screen;
use crate::mux::canvas::Picture;
use crate::mux::images::{Image, Images, Mark, Part, Protocol, Takes};
use crate::mux::layout::Rect;

/// Images kept, and their bytes.
const KEPT: usize = 16;
const MOST: usize = 32 << 20;

/// Kitty's terminal knows them by these numbers too; from where no program counts.
static NEXT: AtomicU32 = AtomicU32::new(0x7265_0001);

/// All of one pane's.
#[derive(Default)]
pub struct Pictures {
    images: Images,
    kept: Vec<Kept>,
}

struct Kept {
    mark: Mark,
    cells: (u16, u16),
    protocol: Protocol,
    bytes: Arc<Vec<u8>>,
    remove: Arc<Vec<u8>>,
}

impl Pictures {
    /// Feeds a screen with output, the images in it apart.
    pub fn feed(&mut self, bytes: &bytes::Bytes, screen: &mut Screen, takes: Takes) {
        let mut parts = Vec::new();
        self.images.feed(bytes, &mut parts);
        for part in parts {
            match part {
                Part::Bytes(bytes) => screen.feed(&bytes),
                Part::Image(image) => self.place(&image, screen, takes),
                Part::Unknown => screen.feed(b"[image]"),
                Part::RemoveAll => {
                    screen.remove_images();
                    self.kept.clear();
                }
            }
        }
    }

    fn place(&mut self, image: &Image, screen: &mut Screen, takes: Takes) {
        let size = screen.size();
        let Some(cells) = image.cells(takes.cell, (size.cols, size.rows)) else {
            return screen.feed(b"[image]");
        };
        let mark = Mark(NEXT.fetch_add(1, Ordering::Relaxed));
        let after = image.protocol != Protocol::Sixel;
        let whole = screen.place_image(mark, cells, after, image.stays);
        if !whole || !takes.takes(image.protocol) {
            return;
        }
        self.kept.push(Kept {
            mark,
            cells,
            protocol: image.protocol,
            bytes: Arc::new(image.draw(mark.0, cells)),
            remove: Arc::new(image.remove(mark.0)),
        });
        let all = |kept: &[Kept]| kept.iter().map(|k| k.bytes.len()).sum::<usize>();
        while self.kept.len() > KEPT || all(&self.kept) > MOST {
            self.kept.remove(0);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Those that are whole, in a pane's place.
    pub fn seen(&self, screen: &Screen, rect: Rect, takes: Takes) -> Vec<Picture> {
        let takes = self.kept.iter().filter(|k| takes.takes(k.protocol));
        let places = takes.filter_map(|k| {
            let (x, y) = screen.find_image(k.mark, k.cells)?;
            let (w, h) = k.cells;
            let fits = x + w <= rect.w && y + h <= rect.h;
            fits.then(|| Picture {
                mark: k.mark,
                rect: Rect::new(rect.x + x, rect.y + y, w, h),
                bytes: k.bytes.clone(),
                remove: k.remove.clone(),
            })
        });
        places.collect()
    }
}

/// The answer to kitty's question whether its images are taken.
pub fn answer(query: &[u8], takes: Takes) -> Vec<u8> {
    let control = query
        .strip_prefix(b"\x1b_G")
        .and_then(|q| q.split(|b| *b == b';').next());
    let Some(control) = control.filter(|_| takes.kitty && takes.cell.is_some()) else {
        return Vec::new();
    };
    let id = control
        .split(|b| *b == b',')
        .find_map(|kv| kv.strip_prefix(b"i="));
    let id = id.and_then(|id| std::str::from_utf8(id).ok()?.parse::<u32>().ok());
    id.map_or_else(Vec::new, |id| format!("\x1b_Gi={id};OK\x1b\\").into_bytes())
}
