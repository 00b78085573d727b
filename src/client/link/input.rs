//! What was typed and is not yet known to be applied: numbered, sent again after a new connection, and
//! held for a person's word where it has become old.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::{InputState, Now};
use crate::model::Millis;

/// The most bytes one input frame carries.
pub(super) const MAX_FRAME: usize = 16 * 1024;
/// The most bytes sent and not yet applied, so that a host need never stop reading.
const MAX_IN_FLIGHT: usize = 64 * 1024;
/// The most bytes kept in all.
const MAX_KEPT: usize = 8 * 1024 * 1024;
/// Undelivered input older than this is sent only after a person says so.
const STALE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Item {
    number: u64,
    bytes: Bytes,
    typed: Now,
    sent: Option<Duration>,
}

/// The queue of input, numbered from 1.
#[derive(Debug)]
pub(super) struct Input {
    items: VecDeque<Item>,
    next: u64,
    applied: u64,
    echoed: u64,
    kept: usize,
    in_flight: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            items: VecDeque::new(),
            next: 1,
            applied: 0,
            echoed: 0,
            kept: 0,
            in_flight: 0,
        }
    }

    /// Takes what was typed; false where too much is waiting, and then none of it is kept.
    pub(super) fn push(&mut self, mut bytes: Bytes, now: Now) -> bool {
        if self.kept.saturating_add(bytes.len()) > MAX_KEPT {
            return false;
        }
        self.kept += bytes.len();
        while !bytes.is_empty() {
            let head = bytes.split_to(bytes.len().min(MAX_FRAME));
            self.items.push_back(Item {
                number: self.next,
                bytes: head,
                typed: now,
                sent: None,
            });
            self.next = self.next.saturating_add(1);
        }
        true
    }

    /// The next frame to send, if there is one and room in flight.
    pub(super) fn next_to_send(&mut self, now: Now) -> Option<(u64, Bytes)> {
        let in_flight = self.in_flight;
        let item = self.items.iter_mut().find(|i| i.sent.is_none())?;
        if in_flight > 0 && in_flight + item.bytes.len() > MAX_IN_FLIGHT {
            return None;
        }
        item.sent = Some(now.mono);
        self.in_flight += item.bytes.len();
        Some((item.number, item.bytes.clone()))
    }

    /// The host has applied `number` and all before it; the round trip, where that can be told.
    pub(super) fn acked(&mut self, number: u64, now: Now) -> Option<Duration> {
        self.applied = self.applied.max(number);
        let mut trip = None;
        while self.items.front().is_some_and(|i| i.number <= number) {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            self.kept = self.kept.saturating_sub(item.bytes.len());
            if let Some(sent) = item.sent {
                self.in_flight = self.in_flight.saturating_sub(item.bytes.len());
                trip = Some(now.mono.saturating_sub(sent));
            }
        }
        trip
    }

    /// What `number` and all before it were answered with has arrived.
    pub(super) fn echoed(&mut self, number: u64) {
        self.applied = self.applied.max(number);
        self.echoed = self.echoed.max(number);
    }

    pub(super) fn state(&self) -> InputState {
        InputState {
            last: self.next.saturating_sub(1),
            applied: self.applied,
            echoed: self.echoed,
        }
    }

    /// A new stream begins, on which the host says `applied`: the rest is to be sent again.
    /// Numbers never fall behind what the host has seen.
    pub(super) fn reconnected(&mut self, applied: u64, now: Now) {
        self.acked(applied, now);
        for item in &mut self.items {
            item.sent = None;
        }
        self.in_flight = 0;
        if self.items.is_empty() {
            self.next = self.next.max(applied.saturating_add(1));
        }
    }

    /// How old the oldest waiting input is.
    pub(super) fn age(&self, now: Now) -> Duration {
        self.items.front().map_or(Duration::ZERO, |item| {
            // A sleeping machine's monotonic clock stands still: the wall clock counts too.
            let wall: Millis = now.wall.saturating_sub(item.typed.wall);
            now.mono
                .saturating_sub(item.typed.mono)
                .max(Duration::from_millis(wall))
        })
    }

    pub(super) fn is_stale(&self, now: Now) -> bool {
        self.age(now) > STALE
    }

    /// Everything that waits, as it was typed.
    pub(super) fn text(&self) -> Vec<u8> {
        self.items.iter().flat_map(|i| i.bytes.to_vec()).collect()
    }

    /// Forgets all that waits. Only where none of it can be under way: its numbers are used again.
    pub(super) fn drop_all(&mut self) {
        if let Some(first) = self.items.front() {
            self.next = first.number;
        }
        self.items.clear();
        self.kept = 0;
        self.in_flight = 0;
    }

    /// What was sent needs no more care: the stream ends in good order.
    pub(super) fn forget_sent(&mut self) {
        self.items.retain(|i| i.sent.is_none());
        self.kept = self.items.iter().map(|i| i.bytes.len()).sum();
    }

    /// Bytes that the host is not known to have applied.
    pub(super) fn waiting(&self) -> usize {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            mono: Duration::from_secs(seconds),
            wall: 1_000_000 + seconds * 1000,
        }
    }

    #[test]
    fn what_was_not_applied_is_sent_again_under_its_number() {
        let mut input = Input::new();
        for word in ["a", "b", "c"] {
            assert!(input.push(Bytes::from(word), at(0)));
        }
        assert_eq!(input.next_to_send(at(0)), Some((1, Bytes::from("a"))));
        assert_eq!(input.next_to_send(at(0)), Some((2, Bytes::from("b"))));
        assert_eq!(input.acked(1, at(1)), Some(Duration::from_secs(1)));
        input.reconnected(1, at(2));
        assert_eq!(input.next_to_send(at(2)), Some((2, Bytes::from("b"))));
        assert_eq!(input.next_to_send(at(2)), Some((3, Bytes::from("c"))));
        assert_eq!(input.next_to_send(at(2)), None);
    }

    #[test]
    fn pastes_are_cut_and_bounded_in_flight_and_in_all() {
        let mut input = Input::new();
        assert!(input.push(Bytes::from(vec![b'x'; 100_000]), at(0)));
        let mut sent = Vec::new();
        while let Some((number, bytes)) = input.next_to_send(at(0)) {
            assert!(bytes.len() <= MAX_FRAME);
            sent.push(number);
        }
        assert_eq!(sent, [1, 2, 3, 4]);
        input.acked(2, at(0));
        assert!(input.next_to_send(at(0)).is_some());
        assert!(!input.push(Bytes::from(vec![b'x'; MAX_KEPT]), at(0)));
    }

    #[test]
    fn sleep_makes_input_stale_and_dropped_numbers_are_used_again() {
        let mut input = Input::new();
        input.push(Bytes::from("y"), at(0));
        let slept = Now {
            mono: Duration::from_secs(1),
            wall: 5_000_000,
        };
        assert!(input.is_stale(slept) && !input.is_stale(at(30)));
        assert_eq!(input.text(), b"y");
        input.drop_all();
        input.push(Bytes::from("n"), slept);
        assert_eq!(input.next_to_send(slept), Some((1, Bytes::from("n"))));
    }
}
