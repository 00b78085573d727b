//! Words to the person that nobody asked for: one at a time for some seconds, and the last ones kept to be read
//! again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::Millis;

/// How long one is shown.
const SHOWN: Duration = Duration::from_secs(5);
/// And where others wait behind it.
const HURRIED: Duration = Duration::from_secs(2);
/// More would only be behind the times.
const WAITING: usize = 8;
/// So many can be read again.
const KEPT: usize = 100;

/// What one is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A person is wanted.
    Wanted,
    Good,
    Bad,
    Plain,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub at: Millis,
    pub tone: Tone,
    pub text: String,
}

/// Those that wait, the one that is shown, and the last ones.
#[derive(Debug, Default)]
pub struct Toasts {
    shown: Option<(Toast, Instant)>,
    waiting: VecDeque<Toast>,
    kept: VecDeque<Toast>,
}

impl Toasts {
    /// To be read later.
    pub fn keep(&mut self, toast: Toast) {
        self.kept.push_back(toast);
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// To be shown, now or after those before it; where too many wait, the oldest of them is not.
    pub fn show(&mut self, toast: Toast, now: Instant) {
        self.keep(toast.clone());
        self.waiting.push_back(toast);
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
        }
        self.turn(now);
    }

    /// Time has passed; whether that shows another one, or none.
    pub fn turn(&mut self, now: Instant) -> bool {
        if self.until().is_some_and(|until| now < until) {
            return false;
        }
        let before = self.shown.take();
        self.shown = self.waiting.pop_front().map(|toast| (toast, now));
        before.is_some() || self.shown.is_some()
    }

    /// When the one that is shown has been seen.
    pub fn until(&self) -> Option<Instant> {
        let (_, since) = self.shown.as_ref()?;
        Some(
            *since
                + if self.waiting.is_empty() {
                    SHOWN
                } else {
                    HURRIED
                },
        )
    }

    /// The one to be seen now, and how many wait behind it.
    pub fn shown(&self) -> Option<(&Toast, usize)> {
        let (toast, _) = self.shown.as_ref()?;
        Some((toast, self.waiting.len()))
    }

    /// The last ones, the newest last.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &Toast> {
        self.kept.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toast(text: &str) -> Toast {
        Toast {
            at: 0,
            tone: Tone::Plain,
            text: text.to_owned(),
        }
    }

    #[test]
    fn they_come_one_after_the_other_and_stay_to_be_read() {
        let mut toasts = Toasts::default();
        let begin = Instant::now();
        let shown = |t: &Toasts| t.shown().map(|(t, n)| (t.text.clone(), n));
        toasts.show(toast("a"), begin);
        assert_eq!(toasts.until(), Some(begin + SHOWN));
        toasts.show(toast("b"), begin);
        assert_eq!(shown(&toasts), Some(("a".into(), 1)));
        assert!(!toasts.turn(begin + HURRIED / 2));
        let later = begin + HURRIED;
        assert!(toasts.turn(later));
        assert_eq!(shown(&toasts), Some(("b".into(), 0)));
        assert!(toasts.turn(later + SHOWN) && toasts.shown().is_none());
        assert!(!toasts.turn(later + SHOWN) && toasts.until().is_none());
        for n in 0..KEPT * 2 {
            toasts.show(toast(&n.to_string()), later);
        }
        assert_eq!(shown(&toasts), Some(("0".into(), WAITING)));
        assert_eq!(toasts.kept().count(), KEPT);
        assert_eq!(toasts.kept().last().map(|t| t.text.as_str()), Some("199"));
    }
}
