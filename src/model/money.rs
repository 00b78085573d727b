//! US dollars in millionths, and how sure an amount is: what prices, spend and budgets are told in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MICRO: u64 = 1_000_000;

/// An amount of US dollars, in micro-dollars. Arithmetic saturates: a sum too large to hold is still large.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Money(u64);

/// What was typed is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no amount of dollars such as 2usd, $2 or 0.50")]
pub struct MoneyError(String);

impl Money {
    pub const ZERO: Self = Self(0);

    pub const fn micros(micros: u64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> u64 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Dollars as a number: for JSON and for ratios, never for sums.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }

    /// The nearest amount to so many dollars; nothing for what is negative or no number.
    pub fn from_dollars(dollars: f64) -> Self {
        // `as` saturates, and makes 0 of NaN and of what is negative.
        Self((dollars * MICRO as f64).round() as u64)
    }

    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// With all its places, two at least: `$0.0208`. For prices, where [`Display`](fmt::Display) is for sums.
    pub fn exact(self) -> String {
        told(self.0)
    }

    /// Rounded up to whole cents.
    pub fn whole_cents(self) -> Self {
        Self(self.0.div_ceil(10_000).saturating_mul(10_000))
    }

    /// `self` so many times.
    pub const fn times(self, n: u64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// `self * part / whole`, rounded up: a cost is never told too low. Nothing where `whole` is 0.
    pub fn share(self, part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self::ZERO;
        }
        let exact = (u128::from(self.0) * u128::from(part)).div_ceil(u128::from(whole));
        Self(u64::try_from(exact).unwrap_or(u64::MAX))
    }

    /// What `self` an hour comes to in so many milliseconds.
    pub fn for_ms(self, ms: u64) -> Self {
        self.share(ms, 3_600_000)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Money {
    /// `$0.38`; below ten cents with as many places as two figures need: `$0.0042`, `$0.096`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 10_000;
        while self.0 > 0 && self.0 < 10 * unit && unit > 1 {
            unit /= 10;
        }
        f.pad(&told(self.0.saturating_add(unit / 2) / unit * unit))
    }
}

/// No trailing zeros beyond the cents.
fn told(micros: u64) -> String {
    let fraction = format!("{:06}", micros % MICRO);
    let kept = fraction.trim_end_matches('0').len().max(2);
    let places = fraction.get(..kept).unwrap_or("00");
    format!("${}.{places}", micros / MICRO)
}

impl FromStr for Money {
    type Err = MoneyError;

    /// `2usd`, `2 USD`, `$2`, `0.50`, `.5`: digits, at most one point, at most six places.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        let bare = match lower.strip_prefix('$') {
            Some(rest) => rest,
            None => lower.strip_suffix("usd").unwrap_or(&lower),
        };
        let bare = bare.trim();
        let (whole, places) = bare.split_once('.').unwrap_or((bare, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && places.is_empty())
            || places.len() > 6
            || !digits(whole)
            || !digits(places)
        {
            return Err(wrong());
        }
        let number = |s: &str| match s {
            "" => Some(0),
            s => s.parse::<u64>().ok(),
        };
        number(whole)
            .and_then(|n| n.checked_mul(MICRO))
            .zip(number(&format!("{places:0<6}")))
            .and_then(|(whole, part)| whole.checked_add(part))
            .map(Self)
            .ok_or_else(wrong)
    }
}

/// How sure an amount is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// As AWS says it, or said it lately.
    #[default]
    Exact,
    /// From a dated table, or reckoned from such: `≈ $0.10`.
    About,
    /// It may be less, and cannot be more: `≤ $0.38`.
    AtMost,
}

impl Certainty {
    /// `amount` with its mark.
    pub fn of(self, amount: Money) -> String {
        format!("{}{amount}", self.mark())
    }

    /// What goes before an amount: ``, `≈`, `≤`.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::About => "≈",
            Self::AtMost => "≤",
        }
    }

    /// Of a sum: the less sure of two. A bound made of estimates is an estimate still, but the bound is what
    /// a reader must know.
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (micros, text) in [
            (0, "$0.00"),
            (380_000, "$0.38"),
            (4_200, "$0.0042"),
            (96_000, "$0.096"),
            (768_000, "$0.77"),
            (100_000, "$0.10"),
            (99_999, "$0.10"),
            (12_345_678, "$12.35"),
            (7, "$0.000007"),
            (1_600_000, "$1.60"),
            (u64::MAX, "$18446744073709.55"),
        ] {
            assert_eq!(Money::micros(micros).to_string(), text);
        }
        assert_eq!(Money::micros(20_800).exact(), "$0.0208");
        assert_eq!(format!("{:>7}", Money::micros(380_000)), "  $0.38");
        assert_eq!(Certainty::AtMost.of(Money::micros(380_000)), "≤$0.38");
    }

    #[test]
    fn amounts_are_typed_in_several_ways() {
        for text in ["2usd", "2 USD", "$2", "2", "2.", "2.00", " $2.000000 "] {
            assert_eq!(text.parse(), Ok(Money::micros(2_000_000)), "{text}");
        }
        assert_eq!(".5".parse(), Ok(Money::micros(500_000)));
        for text in [
            "",
            ".",
            "$",
            "usd",
            "-1",
            "1e3",
            "1.2.3",
            "1,5",
            "2eur",
            "0.1234567",
            "99999999999999999",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_told_is_near_to_what_it_is(micros in 0..u64::MAX / 2) {
            let told: Money = Money::micros(micros).to_string().parse().expect("an amount");
            let off = told.as_micros().abs_diff(micros);
            prop_assert!(off <= 5_000 && off <= micros / 10);
        }

        #[test]
        fn nothing_typed_panics(text in ".*") {
            let _ = text.parse::<Money>();
        }

        #[test]
        fn a_share_is_never_too_low(micros in 0..1_u64 << 40, ms in 0..1_u64 << 40) {
            let cost = u128::from(Money::micros(micros).for_ms(ms).as_micros());
            let exact = u128::from(micros) * u128::from(ms);
            prop_assert!(cost * 3_600_000 >= exact && cost * 3_600_000 < exact + 3_600_000);
        }
    }
}
