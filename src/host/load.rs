//! How busy the machine is, from /proc/stat and /proc/meminfo; nothing where there are none.

use std::fs;

use crate::model::{Load, Millis};

/// CPU time of all CPUs together, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
}

/// Tells CPU time between two looks.
#[derive(Debug)]
pub struct Watch(Option<Ticks>);

impl Watch {
    /// What is used from now on counts.
    pub fn begin() -> Self {
        Self(
            fs::read_to_string("/proc/stat")
                .ok()
                .and_then(|s| ticks(&s)),
        )
    }

    /// The load since the look before; `None` where the system does not tell, or no time has passed.
    pub fn look(&mut self, now: Millis) -> Option<Load> {
        let ticks = ticks(&fs::read_to_string("/proc/stat").ok()?)?;
        let before = self.0.replace(ticks)?;
        let (memory, free) = memory(&fs::read_to_string("/proc/meminfo").ok()?)?;
        Some(Load {
            cpu_percent: percent(before, ticks)?,
            memory_used: memory.saturating_sub(free),
            memory,
            at: now,
        })
    }
}

/// The line `cpu user nice system idle iowait irq softirq steal guest…`; guests' time is in `user` already.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line
        .split_ascii_whitespace()
        .take(8)
        .map_while(|f| f.parse().ok())
        .collect();
    // Waiting for a disk is no use of the CPU.
    let idle = fields.get(3)?.saturating_add(*fields.get(4).unwrap_or(&0));
    let all = fields.iter().fold(0_u64, |sum, f| sum.saturating_add(*f));
    Some(Ticks { all, idle })
}

fn percent(before: Ticks, now: Ticks) -> Option<u8> {
    let all = now.all.checked_sub(before.all).filter(|t| *t > 0)?;
    // The kernel's idle time may go back a little.
    let idle = now.idle.saturating_sub(before.idle).min(all);
    let used = u128::from(all - idle) * 100 / u128::from(all);
    u8::try_from(used).ok()
}

/// All memory and what could still be given to somebody, in bytes.
fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let rest = meminfo.lines().find_map(|l| l.strip_prefix(name))?;
        let kib: u64 = rest
            .trim_start_matches(':')
            .split_ascii_whitespace()
            .next()?
            .parse()
            .ok()?;
        Some(kib.saturating_mul(1024))
    };
    Some((field("MemTotal")?, field("MemAvailable")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_files_are_read() {
        let stat = "cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3 4\n";
        let later = "cpu  130 0 60 850 60 0 0 0 9 0\n";
        let (before, now) = (ticks(stat).expect("one"), ticks(later).expect("another"));
        assert_eq!((before.all, before.idle), (1000, 850));
        assert_eq!(percent(before, now), Some(40));
        // Nothing is told of no time, nor of one that went back.
        assert_eq!((percent(now, now), percent(now, before)), (None, None));
        assert_eq!(ticks("intr 1 2"), None);
        let text = "MemTotal:  8000 kB\nMemFree: 1 kB\nMemAvailable:   6000 kB\n";
        assert_eq!(memory(text), Some((8_192_000, 6_144_000)));
        assert_eq!(memory("MemTotal: x kB"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_a_load() {
        let mut watch = Watch(Some(Ticks { all: 0, idle: 0 }));
        let load = watch.look(7).expect("a load");
        assert!(load.cpu_percent <= 100 && load.at == 7);
        assert!(0 < load.memory_used && load.memory_used < load.memory);
    }
}
