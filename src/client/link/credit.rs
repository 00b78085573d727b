//! How much output may be under way: enough to keep the path and the terminal busy, and so little that
//! what answers a key is never far behind.

use std::time::Duration;

const FIRST: u32 = 64 * 1024;
const LEAST: u32 = 32 * 1024;
const MOST: u32 = 1024 * 1024;
/// What should be in flight, in time at the measured rate: the larger of this and the round trip with some room.
const IN_FLIGHT: Duration = Duration::from_millis(55);
const ROOM: Duration = Duration::from_millis(20);
/// Credit for a short burst is given back after this pause.
const PAUSE: Duration = Duration::from_millis(25);
/// Bytes of a finished burst whose credit is given back at once.
const BURST: u64 = 4096;
/// A rate measured over less than this says nothing.
const SHORTEST_SAMPLE: Duration = Duration::from_millis(4);

/// The credit of one stream, and the window that is learnt across streams.
#[derive(Debug)]
pub(super) struct Credit {
    consumed: u64,
    reported: u64,
    window: u32,
    sample: Option<(Duration, u64)>,
    trip: Option<Duration>,
    due: Option<Duration>,
}

impl Credit {
    pub(super) fn new() -> Self {
        Self {
            consumed: 0,
            reported: 0,
            window: FIRST,
            sample: None,
            trip: None,
            due: None,
        }
    }

    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// A new stream: nothing is consumed of it; its path may be another.
    pub(super) fn reset(&mut self) {
        self.consumed = 0;
        self.reported = 0;
        self.sample = None;
        self.trip = None;
        self.due = None;
    }

    /// A measured round trip; the least one counts, for the others waited behind output.
    pub(super) fn round_trip(&mut self, trip: Duration) {
        self.trip = Some(self.trip.map_or(trip, |t| t.min(trip)));
    }

    /// Output arrives while nothing was waiting: a burst begins here.
    pub(super) fn burst(&mut self, now: Duration) {
        if self.due.is_none() || self.sample.is_none() {
            self.sample = Some((now, self.consumed));
        }
    }

    /// `n` bytes of this stream reached the terminal, `waiting` have not. `Some` is the credit to send.
    pub(super) fn written(
        &mut self,
        n: usize,
        waiting: usize,
        now: Duration,
    ) -> Option<(u64, u32)> {
        self.consumed = self.consumed.saturating_add(n as u64);
        self.measure(now);
        let unreported = self.consumed.saturating_sub(self.reported);
        let enough = unreported >= u64::from(self.window / 8);
        if enough || (waiting == 0 && unreported >= BURST) {
            return Some(self.report());
        }
        if unreported > 0 && self.due.is_none() {
            self.due = Some(now + PAUSE);
        }
        None
    }

    /// The credit that is due by time.
    pub(super) fn tick(&mut self, now: Duration) -> Option<(u64, u32)> {
        (self.due? <= now).then(|| self.report())
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.due
    }

    fn report(&mut self) -> (u64, u32) {
        self.due = None;
        self.reported = self.consumed;
        (self.consumed, self.window)
    }

    fn measure(&mut self, now: Duration) {
        let (since, from) = *self.sample.get_or_insert((now, self.consumed));
        let bytes = self.consumed.saturating_sub(from);
        let elapsed = now.saturating_sub(since);
        if bytes < u64::from(self.window / 4) || elapsed < SHORTEST_SAMPLE {
            return;
        }
        self.sample = Some((now, self.consumed));
        let target = IN_FLIGHT.max(self.trip.unwrap_or_default() + ROOM);
        let micros = u64::try_from(elapsed.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let ideal =
            bytes.saturating_mul(u64::try_from(target.as_micros()).unwrap_or(u64::MAX)) / micros;
        let window = u64::from(self.window);
        // Grow quickly, shrink slowly: one pause of the program is not a slow path.
        let next = if ideal > window {
            ideal.min(window * 2)
        } else {
            ideal.max(window - window / 8)
        };
        self.window = u32::try_from(next).unwrap_or(MOST).clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests;
