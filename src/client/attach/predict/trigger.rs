//! Whether guesses are worth showing, and whether they are marked as such: by the round trip, each with some room
//! between on and off, and by single answers that take long.

use std::time::Duration;

const SHOW: Duration = Duration::from_millis(60);
const SHOW_NO_MORE: Duration = Duration::from_millis(40);
const MARK: Duration = Duration::from_millis(80);
const MARK_NO_MORE: Duration = Duration::from_millis(50);
/// An answer that takes so long is a hitch: guesses are shown for a while, whatever the round trip.
const HITCH: Duration = Duration::from_millis(250);
/// Quick answers that end it, no two of them closer together than this.
const HITCH_OVER: u8 = 10;
const QUICK_APART: Duration = Duration::from_millis(150);
/// A hitch that is marked too.
const LONG_HITCH: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Trigger {
    far: bool,
    mark: bool,
    /// Quick answers still wanted.
    hitch: u8,
    last_quick: Duration,
}

impl Trigger {
    pub(super) fn shows(&self) -> bool {
        self.far || self.hitch > 0
    }

    pub(super) fn underlines(&self) -> bool {
        self.mark || self.hitch > HITCH_OVER
    }

    /// The round trip now. Showing ends only while nothing is shown.
    pub(super) fn round_trip(&mut self, trip: Option<Duration>, active: bool) {
        let Some(trip) = trip else { return };
        if trip > SHOW {
            self.far = true;
        } else if trip <= SHOW_NO_MORE && !active {
            self.far = false;
        }
        if trip > MARK {
            self.mark = true;
        } else if trip <= MARK_NO_MORE {
            self.mark = false;
        }
    }

    /// A guess has been waiting for so long.
    pub(super) fn waited(&mut self, age: Duration) {
        if age >= LONG_HITCH {
            self.hitch = 2 * HITCH_OVER;
        } else if age >= HITCH {
            self.hitch = self.hitch.max(HITCH_OVER);
        }
    }

    /// A guess was confirmed after so long.
    pub(super) fn answered(&mut self, age: Duration, now: Duration) {
        if age < HITCH && self.hitch > 0 && now >= self.last_quick + QUICK_APART {
            self.hitch -= 1;
            self.last_quick = now;
        }
    }

    /// When a guess made at `at` changes anything by its age alone.
    pub(super) fn due(&self, at: Duration) -> Option<Duration> {
        match self.hitch {
            0 if !self.far => Some(at + HITCH),
            n if n <= HITCH_OVER && !self.mark => Some(at + LONG_HITCH),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn shown_and_marked_by_the_round_trip_with_room_between() {
        let mut t = Trigger::default();
        let mut at = |trip, active| {
            t.round_trip(Some(ms(trip)), active);
            (t.shows(), t.underlines())
        };
        assert_eq!(at(60, false), (false, false));
        assert_eq!(at(61, false), (true, false));
        assert_eq!(at(81, false), (true, true));
        assert_eq!(at(51, false), (true, true));
        assert_eq!(at(50, false), (true, false));
        assert_eq!(at(40, true), (true, false));
        assert_eq!(at(40, false), (false, false));
    }

    #[test]
    fn a_hitch_is_bridged_and_ends_with_quick_answers() {
        let mut t = Trigger::default();
        t.waited(ms(249));
        assert!(!t.shows());
        assert_eq!(t.due(ms(1000)), Some(ms(1250)));
        t.waited(ms(250));
        assert!(t.shows() && !t.underlines());
        t.waited(ms(5000));
        assert!(t.underlines());
        for n in 1..=20 {
            assert!(t.shows());
            t.answered(ms(100), ms(10_000 + 150 * n));
            t.answered(ms(100), ms(10_001 + 150 * n));
        }
        assert!(!t.shows());
    }
}
