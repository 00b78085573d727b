//! When a budget is used up: the arithmetic by which a host ends its own machine, for AWS tells of spend
//! hours too late. Without a clock of its own; the answer is an absolute time, and moves when the rate does.

use serde::{Deserialize, Serialize};

use crate::model::{Millis, Money};

const HOUR: u128 = 3_600_000;
/// A launch is billed for no less.
const LEAST: Millis = 60_000;

/// What a machine has cost so far and costs from then on. Plain data, so that it survives its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Spent up to `since`.
    spent: Money,
    since: Millis,
    /// An hour from then on.
    hour: Money,
    launched: Millis,
}

impl Meter {
    /// A machine launched at `launched` that costs `hour` an hour, all that is billed included.
    pub fn new(launched: Millis, hour: Money) -> Self {
        Self {
            spent: Money::ZERO,
            since: launched,
            hour,
            launched,
        }
    }

    /// It costs `hour` an hour from `at` on. A time before the last change counts as that.
    #[must_use]
    pub fn changed(self, at: Millis, hour: Money) -> Self {
        let at = at.max(self.since);
        Self {
            spent: self.exactly(at),
            since: at,
            hour,
            ..self
        }
    }

    /// What it has cost at `now`: a minute at least.
    pub fn spent(&self, now: Millis) -> Money {
        self.exactly(now.max(self.launched.saturating_add(LEAST)))
    }

    fn exactly(&self, now: Millis) -> Money {
        self.spent
            .plus(self.hour.for_ms(now.saturating_sub(self.since)))
    }

    /// The last millisecond at which no more than `budget` is spent; `None` where that never ends. A budget
    /// that was used up before this rate began is over at its beginning.
    pub fn used_up(&self, budget: Money) -> Option<Millis> {
        let left = budget.minus(self.spent);
        if self.spent > budget {
            return Some(self.since);
        }
        if self.hour.is_zero() {
            return None;
        }
        let ms = u128::from(left.as_micros()) * HOUR / u128::from(self.hour.as_micros());
        u64::try_from(ms)
            .ok()
            .and_then(|ms| self.since.checked_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: Millis = 1_800_000_000_000;

    #[test]
    fn two_dollars_at_fifty_cents_last_four_hours() {
        let meter = Meter::new(T, Money::micros(500_000));
        let budget = Money::micros(2_000_000);
        assert_eq!(meter.used_up(budget), Some(T + 4 * 3_600_000));
        // Twice the price after two hours: one hour for the other dollar.
        let dearer = meter.changed(T + 2 * 3_600_000, Money::micros(1_000_000));
        assert_eq!(dearer.used_up(budget), Some(T + 3 * 3_600_000));
        // Half of it: another four hours.
        let cheaper = meter.changed(T + 2 * 3_600_000, Money::micros(250_000));
        assert_eq!(cheaper.used_up(budget), Some(T + 6 * 3_600_000));
        // Nothing: never.
        assert_eq!(meter.changed(T + 1, Money::ZERO).used_up(budget), None);
        // Less than was spent already: at once.
        assert_eq!(cheaper.used_up(Money::micros(1)), Some(T + 2 * 3_600_000));
        assert_eq!(Meter::new(T, Money::ZERO).spent(T + 9), Money::ZERO);
    }

    #[test]
    fn a_minute_is_billed_however_short_it_was() {
        let meter = Meter::new(T, Money::micros(3_600_000));
        assert_eq!(meter.spent(T), Money::micros(60_000));
        assert_eq!(meter.spent(T + 90_000), Money::micros(90_000));
    }

    #[test]
    fn it_survives_its_host() -> Result<(), serde_json::Error> {
        let meter = Meter::new(T, Money::micros(5)).changed(T + 7, Money::micros(6));
        let text = serde_json::to_string(&meter)?;
        assert_eq!(serde_json::from_str::<Meter>(&text)?, meter);
        Ok(())
    }

    proptest! {
        #[test]
        fn it_is_used_up_then_and_no_later(
            hour in 1..50_000_000_u64,
            budget in 0..1_000_000_000_u64,
            changes in prop::collection::vec((0..100_000_000_u64, 0..50_000_000_u64), 0..6),
        ) {
            let mut meter = Meter::new(T, Money::micros(hour));
            for (after, hour) in changes {
                meter = meter.changed(meter.since + after, Money::micros(hour));
            }
            let budget = Money::micros(budget);
            match meter.used_up(budget) {
                None => prop_assert!(meter.hour.is_zero() && meter.spent <= budget),
                Some(at) if meter.spent > budget => prop_assert_eq!(at, meter.since),
                Some(at) => {
                    prop_assert!(at >= meter.since);
                    prop_assert!(meter.exactly(at) <= budget);
                    prop_assert!(meter.exactly(at + 1) > budget);
                }
            }
        }

        #[test]
        fn nothing_overflows(launched: u64, hour: u64, at: u64, other: u64, budget: u64) {
            let meter = Meter::new(launched, Money::micros(hour)).changed(at, Money::micros(other));
            let _ = (meter.used_up(Money::micros(budget)), meter.spent(at));
        }
    }
}
