//! `cargo bench --bench peers -- [--write] [FILTER…]`: `remote` beside what people use today, all in one run,
//! through a real PTY and a real sshd on loopback; with the word `ec2`, what it adds on rented machines, in the
//! lab instead; with `repository`, a large repository's way; with `typing`, what a person who types sees over a slow line;
//! with `panes`, those of `remote mux` beside tmux's; with `terminal`, other terminals' tests in a pane.
//! `--write` puts the result into docs/PERFORMANCE.md, or docs/TERMINAL.md, each into its part. A peer that is not installed is named as missing; nothing is taken from an earlier run.

// Tables print themselves and their header is one line: these lints are for other code.
#![allow(clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

#[path = "../tests/lab/harness.rs"]
#[allow(dead_code)]
mod harness;

#[path = "../tests/lab/crowd.rs"]
mod crowd;

#[path = "../tests/suites/mod.rs"]
mod suites;

mod attach;
mod dispatch;
mod ec2;
mod echo;
mod flood;
mod interrupt;
mod lab;
mod memory;
mod panes;
mod pictures;
mod relay;
mod report;
mod repository;
mod svg;
mod terminal;
mod typing;

use std::time::Instant;

use lab::Lab;
use report::Section;

type Measure = fn(&Lab) -> Vec<Section>;

const MEASURES: [(&str, Measure); 6] = [
    ("echo", echo::measure),
    ("flood", flood::measure),
    ("interrupt", interrupt::measure),
    ("attach", attach::measure),
    ("dispatch", dispatch::measure),
    ("memory", memory::measure),
];

fn main() {
    // cargo adds `--bench`.
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let write = args.iter().any(|a| a == "--write");
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()));
    let begun = Instant::now();
    let load = report::load();
    if filters.iter().any(|f| f.starts_with("ec2")) {
        let mut sections = Vec::new();
        for (name, measure) in ec2::MEASURES {
            if wanted(name) {
                sections.extend(shown(name, measure));
            }
        }
        println!("{:.0} s in all", begun.elapsed().as_secs_f64());
        if write {
            assert_eq!(filters, ["ec2"], "--write wants all measures of ec2");
            report::write("ec2", "`make bench-ec2`", &load, &sections);
        }
        return;
    }
    if filters == ["repository"] {
        let sections = shown("repository", repository::measure);
        if write {
            report::write("repository", "`make bench-repository`", &load, &sections);
        }
        return;
    }
    if filters == ["pictures"] {
        return pictures::all();
    }
    if filters == ["terminal"] {
        return terminal::measure(write);
    }
    let lab = Lab::new();
    if filters == ["typing"] {
        let sections = shown("typing", || typing::measure(&lab));
        lab.end();
        if write {
            report::write("typing", "`make bench-typing`", &load, &sections);
        }
        return;
    }
    if filters == ["panes"] {
        let sections = shown("panes", || panes::measure(&lab));
        lab.end();
        if write {
            report::write("panes", "`make bench-panes`", &load, &sections);
        }
        return;
    }
    let mut sections = Vec::new();
    for (name, measure) in MEASURES {
        if wanted(name) {
            sections.extend(shown(name, || measure(&lab)));
        }
    }
    lab.end();
    println!("{:.0} s in all", begun.elapsed().as_secs_f64());
    if write {
        assert!(
            filters.is_empty(),
            "--write wants a whole run, without filters"
        );
        report::write("bench", "`make bench`", &load, &sections);
    }
}

fn shown(name: &str, measure: impl FnOnce() -> Vec<Section>) -> Vec<Section> {
    let begun = Instant::now();
    let sections = measure();
    for section in &sections {
        println!("{section}");
    }
    println!("({name}: {:.0} s)\n", begun.elapsed().as_secs_f64());
    sections
}
