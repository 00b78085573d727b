//! Whether the other side still lives: pings into silence, a quick probe after the laptop woke, and the
//! round-trip time that both measure.

use std::time::Duration;

use super::Now;

/// Silence after which a ping is sent, and between pings.
const EVERY: Duration = Duration::from_secs(2);
/// Silence after which the other side is dead.
const DEAD: Duration = Duration::from_secs(8);
/// How long a probe may stay unanswered.
const PROBE: Duration = Duration::from_secs(2);
/// We ourselves are never silent for longer, so that the host does not drop us.
const SPEAK: Duration = Duration::from_secs(10);
/// The wall clock ahead of the monotonic one by more than this: the machine slept.
const JUMP_MS: u64 = 3000;
/// No event for this long though timers were due: the process was stopped.
const STOPPED: Duration = Duration::from_secs(6);

/// What is to be done about the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    Fine,
    Ping(u64),
    Dead,
}

/// The heartbeat of one stream.
#[derive(Debug)]
pub(super) struct Heart {
    heard: Duration,
    sent: Duration,
    pinged: Option<(u64, Duration)>,
    last_ping: Duration,
    probe_until: Option<Duration>,
    nonce: u64,
}

impl Heart {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            heard: now,
            sent: now,
            pinged: None,
            last_ping: now,
            probe_until: None,
            nonce: 0,
        }
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.heard = now;
        self.probe_until = None;
    }

    pub(super) fn sent(&mut self, now: Duration) {
        self.sent = now;
    }

    /// How long nothing has been heard.
    pub(super) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.heard)
    }

    pub(super) fn last_heard(&self) -> Duration {
        self.heard
    }

    /// A ping at once, to be answered within two seconds.
    pub(super) fn probe(&mut self, now: Duration) -> u64 {
        self.probe_until = Some(now + PROBE);
        self.ping(now)
    }

    fn ping(&mut self, now: Duration) -> u64 {
        self.nonce = self.nonce.wrapping_add(1);
        self.last_ping = now;
        self.pinged = Some((self.nonce, now));
        self.nonce
    }

    /// The round trip, if `nonce` answers the newest ping.
    pub(super) fn pong(&mut self, nonce: u64, now: Duration) -> Option<Duration> {
        let (sent, at) = self.pinged?;
        if sent != nonce {
            return None;
        }
        self.pinged = None;
        Some(now.saturating_sub(at))
    }

    pub(super) fn beat(&mut self, now: Duration) -> Beat {
        if now >= self.deadline() {
            return Beat::Dead;
        }
        if now >= self.next_ping() {
            return Beat::Ping(self.ping(now));
        }
        Beat::Fine
    }

    /// When [`Heart::beat`] next has something to do.
    pub(super) fn next(&self) -> Duration {
        self.deadline().min(self.next_ping())
    }

    fn deadline(&self) -> Duration {
        // While a probe is out its limit alone counts: the silence before it was sleep.
        self.probe_until.unwrap_or(self.heard + DEAD)
    }

    fn next_ping(&self) -> Duration {
        let silent = self.heard.max(self.last_ping) + EVERY;
        silent.min(self.sent.max(self.last_ping) + SPEAK)
    }
}

/// The round trip over all that measures it, each of the newest counting an eighth, as TCP smooths it.
#[derive(Debug, Default)]
pub(super) struct RoundTrip(Option<Duration>);

impl RoundTrip {
    pub(super) fn measured(&mut self, trip: Duration) {
        self.0 = Some(self.0.map_or(trip, |old| old * 7 / 8 + trip / 8));
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.0
    }
}

/// Sees that the machine slept or the process was stopped, from the clocks that events carry.
#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<Now>,
}

impl Clock {
    /// Whether time was lost before this event.
    pub(super) fn lost_time(&mut self, now: Now) -> bool {
        let Some(last) = self.last.replace(now) else {
            return false;
        };
        let mono = now.mono.saturating_sub(last.mono);
        let mono_ms = u64::try_from(mono.as_millis()).unwrap_or(u64::MAX);
        let wall_ms = now.wall.saturating_sub(last.wall);
        wall_ms > mono_ms.saturating_add(JUMP_MS) || mono > STOPPED
    }
}

#[cfg(test)]
mod tests;
