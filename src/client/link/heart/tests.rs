//! Tests of `heart`.

use super::*;

fn s(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

#[test]
fn silence_is_pinged_and_found_dead_in_under_ten_seconds() {
    let mut heart = Heart::new(s(0.0));
    assert_eq!(heart.beat(s(1.9)), Beat::Fine);
    assert_eq!(heart.beat(s(2.0)), Beat::Ping(1));
    assert_eq!(heart.pong(1, s(2.1)), Some(s(2.1) - s(2.0)));
    heart.heard(s(2.1));
    assert_eq!(heart.beat(s(4.0)), Beat::Fine);
    assert_eq!(heart.beat(s(4.2)), Beat::Ping(2));
    assert_eq!(heart.beat(s(6.2)), Beat::Ping(3));
    assert_eq!(heart.beat(s(10.2)), Beat::Dead);
}

#[test]
fn a_probe_has_two_seconds_whatever_came_before() {
    let mut heart = Heart::new(s(0.0));
    let nonce = heart.probe(s(100.0));
    assert_eq!(heart.beat(s(101.9)), Beat::Fine);
    assert_eq!(heart.beat(s(102.0)), Beat::Dead);
    heart.heard(s(101.0));
    assert_eq!(heart.beat(s(102.0)), Beat::Fine);
    assert_eq!(heart.pong(nonce, s(101.0)), Some(s(1.0)));
}

#[test]
fn we_speak_at_least_every_ten_seconds_though_much_is_heard() {
    let mut heart = Heart::new(s(0.0));
    heart.heard(s(9.9));
    assert_eq!(heart.beat(s(9.9)), Beat::Fine);
    assert_eq!(heart.beat(s(10.0)), Beat::Ping(1));
}

#[test]
fn sleep_and_stops_are_seen_and_a_clock_set_back_is_not() {
    let mut clock = Clock::default();
    let at = |mono: f64, wall| Now {
        mono: s(mono),
        wall,
    };
    assert!(!clock.lost_time(at(1.0, 1_000_000)));
    assert!(!clock.lost_time(at(2.0, 1_001_500)));
    assert!(clock.lost_time(at(2.1, 1_900_000)));
    assert!(!clock.lost_time(at(3.0, 0)));
    assert!(clock.lost_time(at(13.0, 10_000)));
}
