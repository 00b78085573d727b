//! Other terminals' tests in a pane of `remote mux`: what passes goes on passing. docs/TERMINAL.md has the counts
//! beside other multiplexers'; `make bench-terminal` makes them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::suites::pane::Peer;
use crate::suites::{Outcome, recordings, scripts};

/// Recordings that alacritty alone draws so, and why they are drawn otherwise here.
const RECORDINGS: [(&str, &str); 4] = [
    (
        "decaln_reset",
        "DECALN puts the cursor home, as on DEC's terminals",
    ),
    (
        "deccolm_reset",
        "DECCOLM erases nothing where it does not change the columns, as in xterm",
    ),
    (
        "saved_cursor_alt",
        "the alternate screen begins with no saved cursor, and charsets of its own",
    ),
    ("underline", "SGR 21 is a double underline, as in ECMA-48"),
];

/// Lines of libvterm's scripts.
const SCRIPTS: [(&str, &[usize], &str); 14] = [
    (
        "11state_movecursor",
        &[178, 194],
        "HPB and VPB are not known",
    ),
    (
        "12state_scroll",
        &[73, 77],
        "DECRQSS is not answered; no left and right margins",
    ),
    ("13state_edit", &[271], "DECRQSS is not answered"),
    (
        "14state_encoding",
        &[15, 41, 52],
        "no UK set; no shifts to G2 and G3",
    ),
    ("15state_mode", &[72], "no left and right margins"),
    (
        "16state_resize",
        &[36],
        "the cursor goes with its line, which is wrapped anew",
    ),
    (
        "17state_mouse",
        &[132, 148, 163, 175, 178],
        "1005 and 1006 are modes of their own, and 1015 is not offered in a pane",
    ),
    (
        "22state_save",
        &[32, 46, 56, 63],
        "DECSC does not save the cursor's shape, as in xterm",
    ),
    (
        "26state_query",
        &[29, 34, 39, 44, 49, 54, 59],
        "DECXCPR tells the page, as in xterm; DECRQSS is not answered",
    ),
    ("28state_dbl_wh", &[27], "no lines of double width"),
    (
        "31state_rep",
        &[44, 128],
        "REP repeats the last code point, and wraps",
    ),
    (
        "63screen_resize",
        &[53, 54, 55, 103, 104, 105, 106],
        "lines below the cursor go first; no scrollback comes back",
    ),
    ("64screen_pen", &[51], "DECSCNM is not drawn"),
    ("65screen_protect", &[9], "no selective erase"),
];

/// The names, and the numbers of lines, of what failed.
fn failed(outcomes: &[Outcome]) -> BTreeSet<(String, usize)> {
    let line = |text: &str| text.strip_prefix("line ")?.split(':').next()?.parse().ok();
    let all = outcomes
        .iter()
        .flat_map(|o| o.failed.iter().map(move |f| (o, f)));
    all.map(|(o, f)| (o.name.clone(), line(f).unwrap_or(0)))
        .collect()
}

/// What fails against expectation is run alone and waited for: this machine may be busy.
fn once_more(
    outcomes: &mut [Outcome],
    expected: &BTreeSet<(String, usize)>,
    run: impl Fn(&str) -> Vec<Outcome>,
) {
    let new = failed(outcomes)
        .into_iter()
        .filter(|f| !expected.contains(f));
    let names: BTreeSet<String> = new.map(|(name, _)| name).collect();
    for outcome in outcomes.iter_mut().filter(|o| names.contains(&o.name)) {
        let again = run(&outcome.name).pop();
        *outcome = again.expect("an outcome");
    }
}

fn same(outcomes: &[Outcome], expected: BTreeSet<(String, usize)>) {
    let failed = failed(outcomes);
    let new: Vec<_> = failed.difference(&expected).collect();
    let of = |o: &&Outcome| new.iter().any(|(name, _)| *name == o.name);
    let why: Vec<_> = outcomes
        .iter()
        .filter(of)
        .map(|o| (&o.name, &o.failed))
        .collect();
    assert!(new.is_empty(), "fails now: {new:?}\n{why:#?}");
    let passes: Vec<_> = expected.difference(&failed).collect();
    assert!(
        passes.is_empty(),
        "passes now, take it off the list: {passes:?}"
    );
}

#[test]
fn recordings_of_alacritty_are_drawn_as_it_draws_them() {
    let env = TestEnv::new();
    let mut outcomes = recordings::run(&env, Peer::Remote, None, |_| true);
    assert!(outcomes.len() >= 45, "{} recordings", outcomes.len());
    let fail = RECORDINGS.iter().map(|(name, _)| ((*name).to_owned(), 0));
    let expected = fail.collect();
    once_more(&mut outcomes, &expected, |name| {
        recordings::run(&TestEnv::new(), Peer::Remote, Some(SOON), |n| n == name)
    });
    same(&outcomes, expected);
}

#[test]
fn scripts_of_libvterm_see_what_they_want() {
    let env = TestEnv::new();
    let mut outcomes = scripts::run(&env, Peer::Remote, None, |_| true);
    assert!(outcomes.len() >= 43, "{} scripts", outcomes.len());
    let lines = SCRIPTS
        .iter()
        .flat_map(|(name, lines, _)| lines.iter().map(|l| ((*name).to_owned(), *l)));
    let expected = lines.collect();
    once_more(&mut outcomes, &expected, |name| {
        let patience = Duration::from_secs(5);
        scripts::run(&TestEnv::new(), Peer::Remote, Some(patience), |n| n == name)
    });
    same(&outcomes, expected);
    let passed: usize = outcomes.iter().map(|o| o.passed).sum();
    assert!(passed >= 723, "{passed} checks passed");
}
