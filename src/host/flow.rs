//! How much output may be under way to one client: its own credit window, and within it what it consumes in
//! a short time, measured as BBR does, so that what it typed is never answered behind seconds of old output.

use std::collections::VecDeque;
use std::time::Duration;

/// In flight before anything was measured.
const INITIAL: u64 = 64 * 1024;
/// In flight however slow the client is.
const FLOOR: u64 = 16 * 1024;
/// Queueing that is allowed on top of the round trip.
const QUEUE: Duration = Duration::from_millis(30);
/// How long the least round trip seen stays good.
const RTT_AGE: Duration = Duration::from_secs(10);
/// A client that gives no credit for so long may get the rest of its window: it may hand out credit in
/// larger steps than we thought.
const PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy)]
struct Sent {
    /// Bytes sent in all, this frame included.
    total: u64,
    at: Duration,
    consumed_then: u64,
    /// More was waiting to be sent: the time it took tells the client's rate.
    busy: bool,
}

/// The credit of one stream. Times are of any monotonic clock.
#[derive(Debug)]
pub struct Flow {
    window: u64,
    sent: u64,
    consumed: u64,
    in_flight: VecDeque<Sent>,
    /// Bytes a second.
    rate: Option<f64>,
    rtt: Option<(Duration, Duration)>,
    last: Duration,
}

impl Flow {
    pub fn new(window: u32) -> Self {
        Self {
            window: u64::from(window),
            sent: 0,
            consumed: 0,
            in_flight: VecDeque::new(),
            rate: None,
            rtt: None,
            last: Duration::ZERO,
        }
    }

    /// Bytes sent and not yet consumed.
    pub fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.consumed)
    }

    /// What may be in flight at most, by what was measured.
    pub fn limit(&self) -> u64 {
        let measured = match (self.rate, self.rtt) {
            (Some(rate), Some((rtt, _))) => {
                let bytes = rate * (rtt.mul_f64(1.25) + QUEUE).as_secs_f64();
                // A float to integer cast saturates; that is what is wanted.
                (bytes as u64).max(FLOOR)
            }
            _ => INITIAL,
        };
        measured.min(self.window)
    }

    /// Bytes that may be sent now; and if none, when to ask again without having heard of credit.
    pub fn available(&self, now: Duration) -> (u64, Option<Duration>) {
        let room = self.limit().saturating_sub(self.in_flight());
        let rest = self.window.saturating_sub(self.in_flight());
        if room > 0 || rest == 0 {
            return (room, None);
        }
        let patience = self.last.saturating_add(PATIENCE);
        if now >= patience {
            (rest, None)
        } else {
            (0, Some(patience))
        }
    }

    /// Notes that `bytes` went out; `busy`: and that more was waiting.
    pub fn sent(&mut self, bytes: usize, busy: bool, now: Duration) {
        self.sent = self.sent.saturating_add(bytes as u64);
        self.last = now;
        self.in_flight.push_back(Sent {
            total: self.sent,
            at: now,
            consumed_then: self.consumed,
            busy,
        });
    }

    /// Takes the client's credit. What goes backwards or beyond what was sent is ignored.
    pub fn credit(&mut self, consumed: u64, window: u32, now: Duration) {
        self.window = u64::from(window);
        let consumed = consumed.clamp(self.consumed, self.sent);
        if consumed == self.consumed {
            return;
        }
        self.consumed = consumed;
        self.last = now;
        let mut newest = None;
        while let Some(first) = self.in_flight.front().copied() {
            if first.total > consumed {
                break;
            }
            self.in_flight.pop_front();
            newest = Some(first);
        }
        if let Some(sent) = newest {
            self.measure(sent, now);
        }
    }

    fn measure(&mut self, sent: Sent, now: Duration) {
        let took = now.saturating_sub(sent.at).max(Duration::from_micros(20));
        match self.rtt {
            Some((least, at)) if took >= least && now.saturating_sub(at) < RTT_AGE => {}
            _ => self.rtt = Some((took, now)),
        }
        let sample = (self.consumed.saturating_sub(sent.consumed_then)) as f64 / took.as_secs_f64();
        // A burst that was shorter than the line tells only what the line can do at least.
        self.rate = match self.rate {
            None => sent.busy.then_some(sample),
            Some(rate) if sample >= rate => Some(sample),
            Some(rate) if sent.busy => Some(rate * 0.75 + sample * 0.25),
            known => known,
        };
    }

    /// What the client consumes, in bytes a second; `None` while nothing is known.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How long the client will take for `bytes` more than what is in flight, the line's own delay left out;
    /// `None` while nothing is known.
    pub fn drain(&self, bytes: u64, now: Duration) -> Option<Duration> {
        let lag = bytes.saturating_add(self.in_flight());
        let usual = self.rtt.map_or(Duration::ZERO, |(least, _)| least);
        let by_rate = self.rate.map(|rate| {
            Duration::try_from_secs_f64(lag as f64 / rate.max(1.0))
                .unwrap_or(Duration::MAX)
                .saturating_sub(usual)
        });
        // A client that stopped consuming has a good rate of old: the age of what it owes tells.
        let owed = self
            .in_flight
            .front()
            .map(|s| now.saturating_sub(s.at).saturating_sub(usual * 2));
        match (by_rate, owed) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (None, Some(b)) if b > PATIENCE => Some(b),
            (a, _) => a,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A client behind `rtt` that consumes `rate` bytes a millisecond; returns the flow after `ms` of flood
    /// and the most that was in flight in the last half.
    fn flood(rate: u64, rtt: u32, window: u32, ms: u32) -> (Flow, u64) {
        let mut flow = Flow::new(window);
        let mut arrivals: VecDeque<(Duration, u64)> = VecDeque::new();
        let (mut free, mut most) = (Duration::ZERO, 0);
        for t in 0..ms {
            let now = MS * t;
            while arrivals.front().is_some_and(|(at, _)| *at <= now) {
                if let Some((_, total)) = arrivals.pop_front() {
                    flow.credit(total, window, now);
                }
            }
            while let (room @ 1.., _) = flow.available(now) {
                let n = room.min(8192);
                flow.sent(n as usize, true, now);
                free = free.max(now) + Duration::from_micros(n * 1000 / rate);
                arrivals.push_back((free + MS * rtt, flow.sent));
            }
            if t > ms / 2 {
                most = most.max(flow.in_flight());
            }
        }
        (flow, most)
    }

    #[test]
    fn a_slow_line_is_filled_but_not_stuffed() {
        // 10 Mbit/s, 50 ms: the line holds 62 KiB.
        let (flow, most) = flood(1250, 50, 1 << 20, 4000);
        assert!(flow.consumed > 1250 * 3200, "{}", flow.consumed);
        assert!(most > 50_000 && most < 180_000, "{most}");
    }

    #[test]
    fn a_fast_line_gets_its_window() {
        let (flow, _) = flood(500_000, 1, 1 << 20, 300);
        assert_eq!(flow.limit(), 1 << 20);
    }

    #[test]
    fn the_window_is_never_exceeded_and_nonsense_credit_is_ignored() {
        let mut flow = Flow::new(1000);
        assert_eq!(flow.available(MS).0, 1000);
        flow.sent(1000, true, MS);
        assert_eq!(flow.available(MS * 1000), (0, None));
        flow.credit(u64::MAX, 1000, MS * 2);
        assert_eq!(flow.in_flight(), 0);
        flow.credit(1, 0, MS * 3);
        assert_eq!(flow.available(MS * 3), (0, None));
    }

    #[test]
    fn a_client_that_stops_is_found_slow() {
        let mut flow = Flow::new(1 << 20);
        flow.sent(1000, true, MS);
        flow.credit(1000, 1 << 20, MS * 2);
        assert!(flow.drain(1000, MS * 3).is_some_and(|d| d < MS * 10));
        flow.sent(1000, true, MS * 10);
        assert!(flow.drain(0, MS * 500).is_some_and(|d| d > MS * 400));
    }
}
