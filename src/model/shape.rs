//! What a machine of some type has: vCPUs, memory, architecture, and its price where it is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Money;

/// A processor's instruction set, by EC2's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    #[serde(rename = "x86_64")]
    X86_64,
    Arm64,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// A type of machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// `m6i.large`
    pub name: String,
    pub vcpus: u32,
    pub memory_mib: u64,
    pub arch: Arch,
    /// It runs at a fraction of its speed once its credits are used up, or costs more (T types).
    pub burstable: bool,
    /// On demand, per hour; absent where nobody could tell.
    #[serde(default)]
    pub od_microusd_per_hour: Option<u64>,
}

impl Shape {
    /// `m6i` of `m6i.large`.
    pub fn family(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// `large` of `m6i.large`.
    pub fn size(&self) -> &str {
        self.name.split_once('.').map_or("", |(_, size)| size)
    }

    /// The price on demand, per hour.
    pub fn price(&self) -> Option<Money> {
        self.od_microusd_per_hour.map(Money::micros)
    }

    /// `2 vCPU, 8 GiB`
    pub fn told(&self) -> String {
        let gib = self.memory_mib as f64 / 1024.0;
        format!("{} vCPU, {gib} GiB", self.vcpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_says_what_it_is() {
        let shape = Shape {
            name: "t3.nano".to_owned(),
            vcpus: 2,
            memory_mib: 512,
            arch: Arch::X86_64,
            burstable: true,
            od_microusd_per_hour: Some(5_200),
        };
        assert_eq!((shape.family(), shape.size()), ("t3", "nano"));
        assert_eq!(shape.told(), "2 vCPU, 0.5 GiB");
        assert_eq!(
            shape.price().map(|p| p.to_string()).as_deref(),
            Some("$0.0052")
        );
        let json = serde_json::to_string(&shape).expect("plain data");
        assert!(json.contains(r#""arch":"x86_64""#), "{json}");
    }
}
