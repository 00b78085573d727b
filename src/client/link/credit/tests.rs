//! Tests of `credit`.

use super::*;

/// Runs a flood at `rate` bytes a second for three seconds over a path of `trip`, limited by the window.
fn settle(rate: u64, trip: u64) -> u32 {
    let mut credit = Credit::new();
    credit.round_trip(Duration::from_millis(trip));
    let mut now = Duration::ZERO;
    while now < Duration::from_secs(3) {
        let by_window = u64::from(credit.window()) * 1_000_000 / (trip * 1000).max(1);
        let rate = rate.min(by_window).max(1);
        now += Duration::from_micros(4096 * 1_000_000 / rate);
        credit.written(4096, 1, now);
    }
    credit.window()
}

#[test]
fn the_window_holds_about_sixty_milliseconds_of_the_rate() {
    assert_eq!(settle(100_000_000, 0), MOST);
    let slow = settle(1_250_000, 50);
    assert!((75_000..110_000).contains(&slow), "{slow}");
    let far = settle(1_250_000, 200);
    assert!((240_000..330_000).contains(&far), "{far}");
    assert_eq!(settle(100_000, 50), LEAST);
}

#[test]
fn credit_comes_in_steps_and_never_stays_away() {
    let mut credit = Credit::new();
    let at = Duration::from_millis;
    assert_eq!(credit.written(10, 0, at(0)), None);
    assert_eq!(credit.tick(at(24)), None);
    assert_eq!(credit.tick(at(25)), Some((10, FIRST)));
    assert_eq!(credit.next(), None);
    assert_eq!(credit.written(5000, 0, at(60)), Some((5010, FIRST)));
    assert_eq!(credit.written(4000, 9, at(61)), None);
    assert!(credit.written(8000, 9, at(62)).is_some());
}
