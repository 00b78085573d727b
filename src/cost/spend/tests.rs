//! Sums that can be checked with a pencil, and what must hold of all of them.

use proptest::prelude::*;

use super::*;
use crate::cost::book;

const HOUR: Millis = 3_600_000;

fn rate(micros: u64) -> Rate {
    Rate::new(
        Money::micros(micros),
        Certainty::Exact,
        &[Volume::plain(20)],
        GP3_GIB_MONTH,
    )
}

#[test]
fn an_hour_of_an_m6i_large() {
    let rate = rate(96_000);
    // $0.096 + $0.005 + 20 GB x $0.08 / 730
    assert_eq!(rate.hour(), Money::micros(96_000 + 5_000 + 2_192));
    let spent = spend(
        &rate,
        &[Span { from: 0, to: HOUR }],
        Some(Span { from: 0, to: HOUR }),
    );
    assert_eq!(spent.total(), rate.hour());
    assert_eq!(spent.told(), "$0.10");
    assert_eq!(rate.ceiling(HOUR), rate.hour_at_most());
}

#[test]
fn each_launch_is_a_minute_at_least_and_then_by_the_second() {
    let rate = Rate {
        instance: Money::micros(3_600_000),
        ..Rate::default()
    };
    let of = |launches: &[Millis]| {
        let spans: Vec<_> = launches
            .iter()
            .map(|ms| Span {
                from: 5,
                to: 5 + ms,
            })
            .collect();
        spend(&rate, &spans, None).total().as_micros()
    };
    assert_eq!(of(&[]), 0);
    assert_eq!(of(&[0]), 60_000);
    assert_eq!(of(&[59_999]), 60_000);
    assert_eq!(of(&[60_001]), 61_000);
    assert_eq!(of(&[1, 1]), 120_000);
}

#[test]
fn a_burstable_types_ceiling_has_its_surplus_credits() {
    let surplus_of = |name| book::shape(name, book::HOME).map(|s| surplus(&s).as_micros());
    // 1.4 vCPU-hours at $0.05, so that a full t3.large is $0.15 an hour.
    assert_eq!(surplus_of("t3.large"), Some(70_000));
    assert_eq!(surplus_of("t3.small"), Some(80_000));
    assert_eq!(surplus_of("t4g.2xlarge"), Some(192_000));
    assert_eq!(surplus_of("m6i.large"), Some(0));
    assert_eq!(surplus_of("t2.large"), Some(0));
    let shape = book::shape("t3.large", book::HOME).expect("in the book");
    let rate = rate(83_200).with_surplus(&shape);
    assert_eq!(
        rate.hour_at_most().minus(rate.hour()),
        Money::micros(70_000)
    );
}

#[test]
fn performance_beyond_the_baseline_is_priced() {
    let plain = Volume::plain(100);
    assert_eq!(plain.month(GP3_GIB_MONTH), Money::micros(8_000_000));
    let fast = Volume {
        iops: 4_000,
        mbps: 225,
        ..plain
    };
    assert_eq!(
        fast.month(GP3_GIB_MONTH),
        Money::micros(8_000_000 + 5_000_000 + 4_000_000)
    );
    let dearer = fast.month(Money::micros(88_000));
    assert_eq!(dearer, Money::micros(8_800_000 + 9_900_000));
}

#[test]
fn a_span_is_cut_to_a_window() {
    let span = Span { from: 10, to: 20 };
    assert_eq!(span.within(0, 15), Span { from: 10, to: 15 });
    assert_eq!(span.within(25, 30).ms(), 0);
    assert_eq!(span.within(0, 5).ms(), 0);
}

proptest! {
    #[test]
    fn spend_never_exceeds_the_ceiling_of_its_time(
        micros in 0..50_000_000_u64, gib in 1..16_000_u64, ms in 0..400 * HOUR,
    ) {
        let rate = Rate::new(Money::micros(micros), Certainty::Exact, &[Volume::plain(gib)], GP3_GIB_MONTH);
        let span = Span { from: 7, to: 7 + ms };
        let spent = spend(&rate, &[span], Some(span)).total();
        // Each of the three is rounded up by itself.
        prop_assert!(spent <= rate.ceiling(ms).plus(Money::micros(3)));
    }

    #[test]
    fn a_longer_life_never_costs_less(a in 0..400 * HOUR, b in 0..400 * HOUR) {
        let rate = rate(96_000);
        let of = |ms| spend(&rate, &[Span { from: 0, to: ms }], None).total();
        prop_assert!((a <= b) == (of(a) <= of(b)) || of(a) == of(b));
    }

    #[test]
    fn nothing_overflows(micros: u64, month: u64, from: u64, to: u64) {
        let rate = Rate {
            instance: Money::micros(micros),
            surplus: Money::micros(micros),
            volumes_month: Money::micros(month),
            address: ADDRESS,
            certainty: Certainty::About,
        };
        let span = Span { from, to };
        let _ = (spend(&rate, &[span, span], Some(span)).told(), rate.ceiling(to));
    }
}
