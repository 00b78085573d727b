//! `cargo bench --bench peers -- [--write] [FILTER…]`: `remote` beside what people use today, all in one run,
//! through a real PTY and a real sshd on loopback. `--write` puts the result into docs/PERFORMANCE.md.
//! A peer that is not installed is named as missing; nothing is taken from an earlier run.

// Tables print themselves and their header is one line: these lints are for other code.
#![allow(clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

mod attach;
mod dispatch;
mod echo;
mod flood;
mod interrupt;
mod lab;
mod memory;
mod report;

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
    let lab = Lab::new();
    let mut sections = Vec::new();
    for (name, measure) in MEASURES {
        if wanted(name) {
            let begun = Instant::now();
            for section in measure(&lab) {
                println!("{section}");
                sections.push(section);
            }
            println!("({name}: {:.0} s)\n", begun.elapsed().as_secs_f64());
        }
    }
    lab.end();
    println!("{:.0} s in all", begun.elapsed().as_secs_f64());
    if write {
        assert!(
            filters.is_empty(),
            "--write wants a whole run, without filters"
        );
        report::write(&sections);
    }
}
