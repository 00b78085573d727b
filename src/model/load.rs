//! How busy a machine is: what its host measures of it, for people to look at. Nothing is decided by it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Millis;

/// The whole machine's, all that runs there included, as its host saw it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Percent of all its CPUs together, 0 to 100, since the look before.
    pub cpu_percent: u8,
    /// Bytes that nothing else could be given.
    pub memory_used: u64,
    /// All its memory, in bytes.
    pub memory: u64,
    /// When it was looked at, by the host's clock.
    pub at: Millis,
}

impl Load {
    /// Whether somebody who saw `self` has to be told of `now`.
    pub fn differs(&self, now: &Self) -> bool {
        let memory = self.memory_used.abs_diff(now.memory_used);
        self.cpu_percent.abs_diff(now.cpu_percent) >= 5
            || u128::from(memory) * 50 >= u128::from(now.memory.max(1))
            || self.memory != now.memory
    }
}

/// `cpu 34% mem 2.1/7.6G`
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = |bytes: u64| {
            let tenths = (u128::from(bytes) * 10 + (1 << 29)) >> 30;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let (used, all) = (gib(self.memory_used), gib(self.memory));
        write!(f, "cpu {}% mem {used}/{all}G", self.cpu_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_gib_and_anew_when_it_has_changed_by_more_than_a_little() {
        let load = Load {
            cpu_percent: 34,
            memory_used: 2_254_857_830,
            memory: 8_160_437_862,
            at: 0,
        };
        assert_eq!(load.to_string(), "cpu 34% mem 2.1/7.6G");
        let other = |cpu_percent, more| Load {
            cpu_percent,
            memory_used: load.memory_used + more,
            ..load
        };
        assert!(!load.differs(&other(38, 100 << 20)));
        assert!(load.differs(&other(39, 0)) && load.differs(&other(34, 160 << 20)));
    }
}
