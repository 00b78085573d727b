//! When what a client typed counts as answered: a client that guesses at echoes needs to know when one that has not
//! come will not come. A program has 50 ms, and the client must have all that it wrote until then.

use std::collections::VecDeque;
use std::time::Duration;

/// How long a program has to answer what it was given.
const ANSWER: Duration = Duration::from_millis(50);
/// Inputs waited for one by one; of more, the newest are taken together.
const MOST: usize = 64;

#[derive(Debug)]
struct Waiting {
    number: u64,
    due: Duration,
    /// Where the agent's output ended then.
    end: Option<u64>,
}

/// The inputs of one stream that are not known to be answered.
#[derive(Debug, Default)]
pub struct Echoes {
    waiting: VecDeque<Waiting>,
}

impl Echoes {
    /// The program was given input `number`.
    pub fn given(&mut self, number: u64, now: Duration) {
        self.waiting.truncate(MOST - 1);
        self.waiting.push_back(Waiting {
            number,
            due: now.saturating_add(ANSWER),
            end: None,
        });
    }

    /// The newest input that is answered, if that has changed. `end` is where the agent's output ends, `sent` how
    /// much of it the client was sent in full.
    pub fn answered(&mut self, end: u64, sent: Option<u64>, now: Duration) -> Option<u64> {
        for waiting in self.waiting.iter_mut().filter(|w| w.due <= now) {
            waiting.end.get_or_insert(end);
        }
        let mut answered = None;
        let is_sent = |w: &Waiting| w.end.is_some_and(|end| sent.is_some_and(|s| s >= end));
        while self.waiting.front().is_some_and(is_sent) {
            answered = self.waiting.pop_front().map(|w| w.number);
        }
        answered
    }

    /// When the next of them is due.
    pub fn next(&self) -> Option<Duration> {
        self.waiting.iter().find(|w| w.end.is_none()).map(|w| w.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn answered_is_what_was_given_50_ms_ago_and_whose_output_is_sent() {
        let mut e = Echoes::default();
        e.given(1, ms(0));
        e.given(2, ms(30));
        assert_eq!(e.next(), Some(ms(50)));
        assert_eq!(e.answered(100, Some(100), ms(49)), None);
        assert_eq!(e.answered(110, Some(100), ms(50)), None);
        assert_eq!(e.next(), Some(ms(80)));
        // What came later than that is not waited for.
        assert_eq!(e.answered(500, Some(110), ms(60)), Some(1));
        assert_eq!(e.answered(500, None, ms(80)), None);
        assert_eq!(e.next(), None);
        assert_eq!(e.answered(900, Some(600), ms(90)), Some(2));
        assert_eq!(e.answered(900, Some(900), ms(200)), None);
    }

    #[test]
    fn a_flood_of_input_is_taken_together() {
        let mut e = Echoes::default();
        for number in 1..=1000 {
            e.given(number, ms(number));
        }
        assert_eq!(e.waiting.len(), MOST);
        assert_eq!(e.answered(0, Some(0), ms(1050)), Some(1000));
    }
}
