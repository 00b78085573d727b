//! A repository's way to a machine, beside `rsync -a` of the same tree: the first time, and again with one file
//! changed. What counts is bytes on the line, which a proxy before sshd counts; with a part of its own in
//! docs/PERFORMANCE.md.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::env::session_in;
use crate::common::find_program;
use crate::common::process::run;
use crate::common::proxy::{Proxy, Way};
use crate::lab::Lab;
use crate::report::{Goal, Row, Section};

const FILES: usize = 5000;
const FILE: usize = 100_000;
const LIMIT: Duration = Duration::from_secs(900);
const RSYNC: &str = "rsync -a";
const REMOTE: &str = "remote dispatch";

/// Bytes on the line, both ways, and seconds.
type Cost = (f64, f64);

pub fn measure() -> Vec<Section> {
    let lab = Lab::new();
    let top = lab.client.work().join("big");
    fill(&lab, &top);
    let proxy = Proxy::to(lab.sshd.port);
    lab.client.use_sshd(&lab.sshd, proxy.port);
    // The binary is there already; its way is measured elsewhere.
    let warm = [
        "dispatch",
        "--host",
        "box",
        "--detach",
        "--no-repo",
        "--command",
        "true",
    ];
    timed(&proxy, lab.client.remote(&warm).current_dir(&top));
    let (mut rsync, mut ours) = (Vec::new(), Vec::new());
    for round in 0..2 {
        if round == 1 {
            std::fs::write(top.join("d07/f0042"), changed(7 * 100 + 42)).expect("a changed file");
        }
        if find_program("rsync").is_some() {
            rsync.push(timed(&proxy, &mut by_rsync(&lab, &top)));
        }
        let args = ["dispatch", "--host", "box", "--detach", "--command", "true"];
        ours.push(timed(&proxy, lab.client.remote(&args).current_dir(&top)));
    }
    lab.end();
    sections(&rsync, &ours)
}

fn sections(rsync: &[Cost], ours: &[Cost]) -> Vec<Section> {
    let how = [
        format!(
            "{FILES} files of {} kB that do not compress, 500 MB, one commit, in one pack as a clone has it; `remote dispatch --detach` to a real \
             sshd that has the binary, and `rsync -a` of the tree without .git through the same sshd. MB: on the \
             line, both ways, SSH's own included.",
            FILE / 1000
        ),
        "The same again after 100 bytes of one file have changed, not committed.".to_owned(),
    ];
    let titles = [
        "A repository of 500 MB, the first time",
        "A repository of 500 MB, one file changed",
    ];
    let mut sections = Vec::new();
    for (round, (title, how)) in titles.into_iter().zip(how).enumerate() {
        let row = |who: &str, all: &[Cost]| match all.get(round) {
            Some((bytes, seconds)) => Row::new(who, &[bytes / 1e6, *seconds]),
            None => Row::missing(who, "not installed"),
        };
        sections.push(Section {
            title,
            how,
            columns: vec!["MB", "seconds"],
            rows: vec![row(RSYNC, rsync), row(REMOTE, ours)],
            base: RSYNC,
            goals: Vec::new(),
        });
    }
    if let ([first, second], Some(section)) = (ours, sections.last_mut()) {
        let part = second.0 / first.0;
        section.goals.push(Goal {
            text: format!("under 1% of the first time ({:.3}%)", part * 100.0),
            met: Some(part < 0.01),
        });
        section.goal(REMOTE, 1.0, RSYNC);
    }
    sections
}

/// A hundred files to a directory, as different from each other as noise is.
fn fill(lab: &Lab, top: &Path) {
    for n in 0..FILES {
        let dir = top.join(format!("d{:02}", n / 100));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join(format!("f{:04}", n % 100)), noise(n)).expect("a file");
    }
    for args in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["config", "user.name", "A U Thor"],
        &["config", "user.email", "author@example.com"],
        &["config", "core.compression", "1"],
        &["add", "--all"],
        &["commit", "--quiet", "-m", "all"],
        // As a clone has it: in one pack, which is sent as it is.
        &["-c", "pack.window=0", "repack", "-a", "-d", "--quiet"],
    ] {
        let ran = run(
            lab.client.command("git").current_dir(top).args(args),
            b"",
            LIMIT,
        );
        assert_eq!(ran.code, 0, "git {args:?}: {}", ran.all());
    }
}

/// xorshift64*: the same in each run.
fn noise(n: usize) -> Vec<u8> {
    let mut state = (n as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(FILE + 8);
    while bytes.len() < FILE {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(FILE);
    bytes
}

fn changed(n: usize) -> Vec<u8> {
    let mut bytes = noise(n);
    bytes[50_000..50_100].fill(b'x');
    bytes
}

fn by_rsync(lab: &Lab, top: &Path) -> Command {
    let config = lab.client.home().join(".ssh/config");
    let ssh = find_program("ssh").expect("ssh");
    let mut command = lab.client.command("rsync");
    command
        .args(["-a", "--exclude=.git", "-e"])
        .arg(format!("{} -F {}", ssh.display(), config.display()))
        .arg(format!("{}/", top.display()))
        .arg(format!(
            "box:{}/",
            lab.server.work().join("rsync").display()
        ));
    command
}

fn timed(proxy: &Proxy, command: &mut Command) -> Cost {
    let passed = || {
        [Way::Up, Way::Down]
            .map(|way| proxy.passed(way))
            .iter()
            .sum::<u64>()
    };
    let (before, begun) = (passed(), Instant::now());
    let ran = run(command, b"", LIMIT);
    assert_eq!(ran.code, 0, "{command:?}: {}", ran.all());
    let cost = ((passed() - before) as f64, begun.elapsed().as_secs_f64());
    if let Some(session) = session_in(&ran.stdout) {
        eprintln!("{session}: {}", ran.stderr.trim());
    }
    cost
}
