//! The steps of a launch, told as they come; those that took no time at all are not worth a line.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Stage, Ui};

/// What takes less is not told.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// Steps on stderr, one line each once it is over, with its time.
pub struct Stages {
    ui: Ui,
    now: Mutex<Option<(Stage, String, Instant)>>,
}

impl Stages {
    pub fn new(ui: Ui) -> Self {
        Self {
            ui,
            now: Mutex::new(None),
        }
    }

    /// The step under way is over, and this one begins: its name, and what may be said of it.
    pub fn step(&self, text: &str) {
        let (name, detail) = text.split_once(' ').unwrap_or((text, ""));
        let stage = self.ui.stage(name);
        if !detail.is_empty() {
            stage.waits(detail);
        }
        self.next(Some((stage, detail.to_owned(), Instant::now())));
    }

    /// All is over.
    pub fn finish(&self) {
        self.next(None);
    }

    fn next(&self, next: Option<(Stage, String, Instant)>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stage, detail, begun)) = std::mem::replace(&mut *now, next)
            && begun.elapsed() >= WORTH_TELLING
        {
            stage.done(&detail);
        }
    }
}
