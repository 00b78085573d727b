//! Tests of `rules`.

use super::*;
use proptest::prelude::*;

fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).expect("a range")
}

fn rule(range: &str, description: &str) -> Rule {
    Rule {
        cidr: cidr(range),
        description: description.to_owned(),
    }
}

#[test]
fn ranges_are_written_as_ec2_does() {
    assert_eq!(cidr("203.0.113.7").as_str(), "203.0.113.7/32");
    assert_eq!(cidr("203.0.113.7/24").as_str(), "203.0.113.0/24");
    assert_eq!(cidr("0.0.0.0/0").as_str(), "0.0.0.0/0");
    assert_eq!(cidr("2001:DB8::1").as_str(), "2001:db8::1/128");
    assert_eq!(cidr("2001:db8::1/32").as_str(), "2001:db8::/32");
    assert_eq!(cidr("::/0").as_str(), "::/0");
    for bad in ["", "x", "1.2.3.4/33", "1.2.3/24", "::1/129", "1.2.3.4/-1"] {
        assert_eq!(Cidr::parse(bad), None, "{bad}");
    }
    let mapped: IpAddr = "::ffff:203.0.113.7".parse().expect("an address");
    assert_eq!(Cidr::of(mapped).as_str(), "203.0.113.7/32");
}

#[test]
fn a_range_covers_what_is_in_it_and_nothing_of_the_other_family() {
    let covers =
        |range: &str, address: &str| cidr(range).covers(address.parse().expect("an address"));
    assert!(covers("203.0.113.7", "203.0.113.7"));
    assert!(covers("203.0.113.7", "::ffff:203.0.113.7"));
    assert!(!covers("203.0.113.7", "203.0.113.8"));
    assert!(covers("203.0.113.0/24", "203.0.113.255"));
    assert!(!covers("203.0.113.0/24", "203.0.114.0"));
    assert!(covers("0.0.0.0/0", "198.51.100.1") && !covers("0.0.0.0/0", "2001:db8::1"));
    assert!(covers("::/0", "2001:db8::1") && !covers("::/0", "198.51.100.1"));
    assert!(covers("2001:db8::/32", "2001:db8:1::1") && !covers("2001:db8::1", "2001:db8::2"));
}

#[test]
fn a_device_that_moved_takes_its_rule_along_and_no_other() {
    let there = [
        rule("203.0.113.1", "remote laptop 2026-11-03T10:00:00Z"),
        rule("203.0.113.2", "remote tower 2026-11-03T10:00:00Z"),
        rule("203.0.113.3", "office, by hand"),
        rule("203.0.113.4", "remote laptop"),
    ];
    let now = 1_793_700_000_000;
    let same = change(&there, &[cidr("203.0.113.1")], "laptop", now);
    assert_eq!(same, Change::default());
    let moved = change(
        &there,
        &[cidr("203.0.113.9"), cidr("2001:db8::9")],
        "laptop",
        now,
    );
    let added: Vec<&str> = moved.add.iter().map(|r| r.cidr.as_str()).collect();
    assert_eq!(added, ["203.0.113.9/32", "2001:db8::9/128"]);
    assert_eq!(moved.remove, there[..1]);
    let shared = change(&there, &[cidr("203.0.113.2")], "laptop", now);
    assert!(
        shared.add.is_empty(),
        "another device's rule lets us in as well"
    );
}

proptest! {
    #[test]
    fn a_devices_own_rule_is_known_again(device in "(?s).{1,40}", now in 0u64..4_000_000_000_000) {
        let made = change(&[], &[cidr("203.0.113.1")], &device, now).add;
        prop_assert!(made[0].description.len() <= 255);
        let left = change(&made, &[cidr("203.0.113.2")], &device, now);
        prop_assert_eq!(left.remove, made);
    }
}
