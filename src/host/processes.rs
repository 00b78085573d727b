//! What /proc tells of the agents' processes: which belong to a session, and whether they use the CPU.
//! A process belongs to an agent by its session id, or, where it made a session of its own (daemons do), by
//! the marks in its environment.

use std::collections::HashMap;
use std::fs;

/// A tick is 10 ms; an agent at rest draws a spinner for less than this share of one CPU, in percent.
const BUSY_PERCENT: u64 = 2;

/// One line of /proc/PID/stat, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub session: u32,
    pub zombie: bool,
    /// CPU time used so far, that of reaped children included, in ticks.
    pub ticks: u64,
}

/// The CPU time that a process group has used so far, where each of its processes waits for something: none would
/// go on if it had a CPU. `None` where one would, or where that cannot be told.
pub fn asleep(group: u32) -> Option<u64> {
    let mut ticks: Option<u64> = None;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next();
        if fields.nth(1).and_then(|g| g.parse().ok()) != Some(group) {
            continue;
        }
        if state != Some("S") {
            return None;
        }
        let used = parse(pid, &stat)?.ticks;
        ticks = Some(ticks.unwrap_or(0).saturating_add(used));
    }
    ticks
}

/// All processes; empty where there is no /proc.
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// The name may hold anything, parentheses too: the fields begin after the last one.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: u32::try_from(number(1)?).ok()?,
        session: u32::try_from(number(3)?).ok()?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
        ticks: (11..=14).filter_map(number).fold(0, u64::saturating_add),
    })
}

/// The process session that a process is in.
pub fn session_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(parse(pid, &stat)?.session)
}

/// The session and agent that a process's environment names, and whether it is a session's host itself
/// (one that an agent started: its sessions are not ours to end).
pub fn marks(pid: u32) -> Option<(String, u32)> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let (mut session, mut agent) = (None, None);
    for entry in environ.split(|b| *b == 0) {
        if let Some(value) = entry.strip_prefix(b"REMOTE_SESSION=") {
            session = Some(String::from_utf8_lossy(value).into_owned());
        } else if let Some(value) = entry.strip_prefix(b"REMOTE_AGENT=") {
            agent = std::str::from_utf8(value).ok()?.parse().ok();
        }
    }
    let found = (session?, agent?);
    (!is_host(pid)).then_some(found)
}

fn is_host(pid: u32) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
    words
        .windows(2)
        .any(|w| w == [b"host".as_slice(), b"run".as_slice()])
}

/// Finds out which sessions used the CPU between two looks.
#[derive(Debug, Default)]
pub struct CpuWatch {
    last: HashMap<u32, u64>,
}

impl CpuWatch {
    /// Of the process sessions `pids`, those that used more than a little in the `elapsed_ms` since the
    /// last look.
    pub fn busy(&mut self, pids: &[u32], processes: &[Process], elapsed_ms: u64) -> Vec<u32> {
        let mut now: HashMap<u32, u64> = pids.iter().map(|p| (*p, 0)).collect();
        for process in processes {
            if let Some(sum) = now.get_mut(&process.session) {
                *sum = sum.saturating_add(process.ticks);
            }
        }
        let enough = (elapsed_ms / 10 * BUSY_PERCENT / 100).max(2);
        let mut busy: Vec<u32> = now
            .iter()
            .filter(|(pid, ticks)| {
                let before = self.last.get(pid).copied().unwrap_or(**ticks);
                ticks.saturating_sub(before) >= enough
            })
            .map(|(pid, _)| *pid)
            .collect();
        busy.sort_unstable();
        self.last = now;
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_are_read() {
        let stat = "42 (a) b (c)) S 1 42 40 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(
            parse(42, stat),
            Some(Process {
                pid: 42,
                parent: 1,
                session: 40,
                zombie: false,
                ticks: 100
            })
        );
        assert_eq!(parse(1, "garbage"), None);
    }

    #[test]
    fn this_process_is_found() {
        let me = std::process::id();
        assert!(all().iter().any(|p| p.pid == me && !p.zombie));
    }

    #[test]
    fn a_group_that_is_at_work_is_not_asleep() {
        let group = |script: &str| {
            std::os::unix::process::CommandExt::process_group(
                std::process::Command::new("sh").args(["-c", script]),
                0,
            )
            .spawn()
            .expect("sh")
        };
        let mut waits = group("sleep 600 & wait");
        let mut works = group("while :; do :; done");
        let begun = std::time::Instant::now();
        while asleep(waits.id()).is_none() {
            assert!(begun.elapsed().as_secs() < 30, "it sleeps");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(asleep(works.id()), None);
        for child in [&mut waits, &mut works] {
            let pid = i32::try_from(child.id())
                .ok()
                .and_then(rustix::process::Pid::from_raw);
            let pid = pid.expect("a group");
            rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).expect("ended");
            child.wait().expect("reaped");
            assert_eq!(asleep(child.id()), None);
        }
    }

    #[test]
    fn only_growth_beyond_a_little_is_busy() {
        let process = |pid, session, ticks| Process {
            pid,
            parent: 1,
            session,
            zombie: false,
            ticks,
        };
        let mut watch = CpuWatch::default();
        assert!(watch.busy(&[1, 2], &[process(1, 1, 500)], 5000).is_empty());
        let later = [process(1, 1, 505), process(9, 1, 4), process(2, 2, 30)];
        assert_eq!(watch.busy(&[1, 2], &later, 5000), [2]);
        let later = [process(1, 1, 600), process(2, 2, 31)];
        assert_eq!(watch.busy(&[1, 2], &later, 5000), [1]);
    }
}
