//! Other terminals' tests in a pane of each multiplexer, counted, into docs/TERMINAL.md.

use std::fmt::Write as _;

use crate::common::env::TestEnv;
use crate::report;
use crate::suites::pane::Peer;
use crate::suites::{Outcome, recordings, scripts};

/// Runs all, prints what fails, and with `write` puts the counts into docs/TERMINAL.md.
pub fn measure(write: bool) {
    // For work on one of them: REMOTE_BENCH_PEERS=remote; of the tests, REMOTE_BENCH_TESTS=vttest.
    let variable = |name| std::env::var(name).unwrap_or_default();
    let (only, tests) = (
        variable("REMOTE_BENCH_PEERS"),
        variable("REMOTE_BENCH_TESTS"),
    );
    let asked = |peer: &Peer| only.is_empty() || only.split(',').any(|o| peer.name().contains(o));
    let wanted = |name: &str| name.contains(&tests);
    let mut columns = Vec::new();
    for peer in Peer::ALL.into_iter().filter(asked) {
        if !peer.is_installed() {
            println!("{}: not installed", peer.name());
            columns.push(Column { peer, suites: None });
            continue;
        }
        let env = TestEnv::new();
        let recordings = recordings::run(&env, peer, None, wanted);
        let scripts = scripts::run(&env, peer, None, wanted);
        told(peer, "recordings", &recordings);
        told(peer, "scripts", &scripts);
        let suites = Some((recordings, scripts));
        columns.push(Column { peer, suites });
    }
    if write {
        assert!(only.is_empty() && tests.is_empty(), "--write wants all");
        report::write_into("docs/TERMINAL.md", "terminal", &table(&columns));
    }
}

/// What came of one multiplexer; nothing where it is not installed.
struct Column {
    peer: Peer,
    suites: Option<(Vec<Outcome>, Vec<Outcome>)>,
}

fn table(columns: &[Column]) -> String {
    let mut out = format!(
        "Run {} on {}, all in one run of `make bench-terminal`.\n\n|",
        report::date(),
        report::machine()
    );
    for column in columns {
        let _ = write!(out, " | {}", column.peer.version());
    }
    let _ = writeln!(out, " |\n|---|{}", "---:|".repeat(columns.len()));
    let row = |what: &str, value: &dyn Fn(&[Outcome], &[Outcome]) -> String| {
        let mut row = format!("| {what}");
        for column in columns {
            let text = column.suites.as_ref().map(|(a, b)| value(a, b));
            let _ = write!(
                row,
                " | {}",
                text.unwrap_or_else(|| "not installed".to_owned())
            );
        }
        row + " |\n"
    };
    let whole = |all: &[Outcome]| {
        let judged = all.iter().filter(|o| o.passed + o.failed.len() > 0);
        let passed = judged.clone().filter(|o| o.failed.is_empty()).count();
        format!("{passed} of {}", judged.count())
    };
    out += &row("alacritty's recordings", &|a, _| whole(a));
    out += &row("libvterm's scripts, checks", &|_, b| {
        let passed: usize = b.iter().map(|o| o.passed).sum();
        let failed: usize = b.iter().map(|o| o.failed.len()).sum();
        format!("{passed} of {}", passed + failed)
    });
    out += &row("libvterm's scripts, whole", &|_, b| whole(b));
    let skipped = columns.iter().find_map(|c| c.suites.as_ref());
    if let Some((_, scripts)) = skipped {
        let skipped: usize = scripts.iter().map(|o| o.skipped).sum();
        let unseen = scripts
            .iter()
            .filter(|o| o.passed + o.failed.len() == 0)
            .count();
        let _ = writeln!(
            out,
            "\nOf libvterm's {} scripts {unseen} hold nothing that can be seen from outside, and {skipped} \
             lines of all were left out. Not as alacritty or libvterm have it:\n",
            scripts.len()
        );
    }
    for column in columns {
        let Some((recordings, scripts)) = &column.suites else {
            continue;
        };
        let names = |all: &[Outcome]| {
            let failed = all.iter().filter(|o| !o.failed.is_empty());
            let names: Vec<String> = failed
                .map(|o| match o.failed.len() {
                    1 => format!("`{}`", o.name),
                    n => format!("`{}` ({n})", o.name),
                })
                .collect();
            match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            }
        };
        let _ = writeln!(
            out,
            "- {}: recordings: {}; scripts: {}.",
            column.peer.name(),
            names(recordings),
            names(scripts)
        );
    }
    out
}

fn told(peer: Peer, what: &str, outcomes: &[Outcome]) {
    for outcome in outcomes.iter().filter(|o| !o.failed.is_empty()) {
        println!(
            "{} {what} {}: {} passed",
            peer.name(),
            outcome.name,
            outcome.passed
        );
        for failed in &outcome.failed {
            println!("    {failed}");
        }
    }
    let passed: usize = outcomes.iter().map(|o| o.passed).sum();
    let failed: usize = outcomes.iter().map(|o| o.failed.len()).sum();
    let skipped: usize = outcomes.iter().map(|o| o.skipped).sum();
    println!(
        "{} {what}: {passed} passed, {failed} failed, {skipped} skipped",
        peer.name()
    );
}
