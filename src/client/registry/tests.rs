//! Tests of `registry`.

use super::*;

fn known(id: &str, name: Option<&str>, live: bool) -> Known {
    Known {
        id: id.parse().expect("a good id"),
        name: name.map(str::to_owned),
        provider: "local".into(),
        dir: None,
        ssh: None,
        rented: None,
        last: None,
        last_seen: 0,
        created: 0,
        live,
    }
}

#[test]
fn prefixes_names_and_live_ones_first() {
    let all = [
        known("session-abc234", Some("auth"), true),
        known("session-abd234", None, true),
        known("session-seeeee", Some("session"), true),
        known("session-abcccc", None, false),
        known("session-zzzzzz", None, false),
    ];
    let found = |typed: &str| pick(typed, &all).ok();
    assert_eq!(found("abc"), Some(0), "the live one of two");
    assert_eq!(found("session-abc"), Some(0));
    assert_eq!(found("abcc"), Some(3));
    assert_eq!(found("auth"), Some(0));
    assert_eq!(found("au"), Some(0));
    assert_eq!(found("se"), Some(2), "a name is tried before `session-`");
    assert_eq!(found("session"), Some(2));
    assert_eq!(found("z"), Some(4));
    let ambiguous = pick("ab", &all).expect_err("two");
    assert!(ambiguous.hints[0].contains("session-abc234 (auth), session-abd234"));
    let unknown = pick("nope", &all).expect_err("none");
    assert!(unknown.message.contains("`nope`") && unknown.hints[0].contains("auth"));
    let mut twice = [all[3].clone(), all[4].clone()];
    for (created, known) in [9, 3].into_iter().zip(&mut twice) {
        (known.created, known.name) = (created, Some("auth".into()));
    }
    assert_eq!(pick("auth", &twice).ok(), Some(0), "the last of two ended");
    assert!(pick("au", &twice).is_err());
    assert!(pick("x", &[]).is_err());
    assert!(pick("", &all).is_err());
}

#[test]
fn a_dead_host_says_what_can_be_done() {
    let error = known("session-abc234", None, false);
    let error = error.must_live().expect_err("dead");
    for verb in ["logs", "restart", "prune"] {
        assert!(
            error.hints[0].contains(&format!("`remote {verb}")),
            "{verb}"
        );
    }
}
