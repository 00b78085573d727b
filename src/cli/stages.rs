//! The steps of a launch, told as they come; those that took no time at all are not worth a line.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Stage, Ui, span};
use crate::client::repo::bring::Tell;

/// Names of two words; of what else is told the first word is the name.
const NAMES: [&str; 3] = ["hand over", "clean up", "take back"];
/// What takes less is not told.
const WORTH_TELLING: Duration = Duration::from_secs(1);

fn named(text: &str) -> (&str, &str) {
    let two = NAMES.iter().find(|n| text.starts_with(**n));
    let at = two.map_or_else(|| text.find(' '), |n| Some(n.len()));
    let (name, detail) = text.split_at(at.unwrap_or(text.len()));
    (name, detail.trim_start())
}

impl Tell for Stages {
    fn step(&self, text: &str) {
        Self::step(self, text);
    }

    fn waits(&self, detail: &str) {
        Self::waits(self, detail);
    }
}

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
        // No step, but why the next one is another than was planned.
        if text.starts_with("no capacity") {
            self.next(None);
            self.ui.note(format!("  {text}"));
            return;
        }
        let (name, detail) = named(text);
        let stage = self.ui.stage(name);
        if !detail.is_empty() {
            stage.waits(detail);
        }
        self.next(Some((stage, detail.to_owned(), Instant::now())));
    }

    /// How the step under way gets on; shown on a terminal only.
    pub fn waits(&self, detail: &str) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stage, _, begun)) = &*now {
            stage.waits(&format!("{detail}  {}", span(begun.elapsed())));
        }
    }

    /// All is over.
    pub fn finish(&self) {
        self.next(None);
    }

    fn next(&self, next: Option<(Stage, String, Instant)>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        // What took no time, because it was there, is worth telling too.
        if let Some((stage, detail, begun)) = std::mem::replace(&mut *now, next)
            && (begun.elapsed() >= WORTH_TELLING || detail.ends_with("reused from the volume)"))
        {
            stage.done(&detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_name_and_what_may_be_said_of_it() {
        assert_eq!(named("boot i-0abc b"), ("boot", "i-0abc b"));
        assert_eq!(named("hand over remote 6 MB"), ("hand over", "remote 6 MB"));
        assert_eq!(named("take back"), ("take back", ""));
        assert_eq!(named("start"), ("start", ""));
    }
}
