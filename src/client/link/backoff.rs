//! How long to wait before the next dial, and the small seeded generator its jitter comes from.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// The least wait after a server that asks for patience, and the most it grows to.
const PATIENT: Duration = Duration::from_secs(2);
const MOST_PATIENT: Duration = Duration::from_secs(15);

/// Whether and how soon a failed dial is worth repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Soon,
    /// The server is limiting us (MaxStartups, penalties): quick redials make it worse.
    Later,
    /// Nothing that waiting could mend.
    Never,
}

/// splitmix64: enough for jitter, and the same for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `0` up to, not including, `n` (0 for 0).
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next().checked_rem(n).unwrap_or(0)
    }
}

/// The growing wait between dials.
#[derive(Debug)]
pub(super) struct Backoff {
    rng: Rng,
    failures: u32,
    refusals: u32,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            failures: 0,
            refusals: 0,
        }
    }

    /// The connection held: the next trouble starts small again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// The wait before the next dial: doubling, with a quarter of jitter either way.
    pub(super) fn wait(&mut self, retry: Retry) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let percent = 75 + u32::try_from(self.rng.below(51)).unwrap_or(0);
        let wait = (doubled.saturating_mul(percent) / 100).min(LONGEST);
        if retry != Retry::Later {
            return wait;
        }
        let patient = PATIENT
            .saturating_mul(1 << self.refusals.min(4))
            .min(MOST_PATIENT);
        self.refusals = self.refusals.saturating_add(1);
        wait.max(patient.saturating_mul(25 + percent) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_five_seconds_and_are_patient_with_a_limiting_server() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<_> = (0..12).map(|_| backoff.wait(Retry::Soon)).collect();
        assert!(waits[0] >= FIRST * 3 / 4 && waits[0] <= FIRST * 5 / 4);
        assert!(waits[3] > waits[0] * 4);
        assert!(waits.iter().all(|w| *w <= LONGEST) && waits[11] > LONGEST * 7 / 10);
        backoff.reset();
        assert!((0..20).all(|_| backoff.wait(Retry::Later) >= PATIENT));
        assert!(backoff.wait(Retry::Later) <= MOST_PATIENT * 2);
    }
}
