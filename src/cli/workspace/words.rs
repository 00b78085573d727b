//! Sizes, amounts and states as all of these verbs read and say them.

use crate::error::{Error, Result};
use crate::model::Money;
use crate::provision::sizing::parse_size;
use crate::workspace::{State, Workspace};

const GIB: u64 = 1 << 30;
/// What a volume of EBS may have.
const SIZES: std::ops::RangeInclusive<u64> = 1..=65_536;

/// A size in whole GB, as EBS counts them (1024 MB).
///
/// # Errors
/// It is none, or more than a volume can have.
pub fn gib(text: &str) -> Result<u32> {
    let bytes = parse_size(text).map_err(|why| Error::user(why).hint("say for example `100gb`"))?;
    let gib = bytes.div_ceil(GIB);
    u32::try_from(gib)
        .ok()
        .filter(|_| SIZES.contains(&gib))
        .ok_or_else(|| {
            Error::user(format!("a workspace of {gib} GB cannot be"))
                .hint("volumes have 1 to 65536 GB: say for example `100gb`")
        })
}

/// `1.2 GB`
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        1_048_576..GIB => format!("{} MB", bytes >> 20),
        _ => format!("{:.1} GB", bytes as f64 / GIB as f64),
    }
}

/// `≈$8.00`; `-` where no price is known.
pub fn month(microusd: u64) -> String {
    match microusd {
        0 => "-".to_owned(),
        some => format!("≈{}", Money::micros(some)),
    }
}

/// `free`, `blank`, `attached`
pub fn state(workspace: &Workspace) -> &'static str {
    match workspace.state {
        State::Creating => "creating",
        State::Free if workspace.blank => "blank",
        State::Free => "free",
        State::Attached => "attached",
        State::Failed => "failed",
    }
}

/// `100 GB gp3 in us-east-1b, ≈$8.00 a month`; `a directory of 10 GB on this machine`
pub fn about(workspace: &Workspace) -> String {
    let mut about = match (workspace.kind.as_str(), workspace.place.as_str()) {
        ("directory", "local") => format!("a directory of {} GB on this machine", workspace.gib),
        ("directory", place) => format!("a directory of {} GB on {place}", workspace.gib),
        (kind, zone) => format!("{} GB {kind} in {zone}", workspace.gib),
    };
    if workspace.microusd_per_month > 0 {
        about += &format!(", {} a month", month(workspace.microusd_per_month));
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_and_within_what_ebs_has() {
        assert_eq!(gib("100gb").ok(), Some(100));
        assert_eq!(gib("1.5 GiB").ok(), Some(2));
        assert_eq!(gib("1tb").ok(), Some(1024));
        for bad in ["100", "0gb", "65tb", "-1gb", ""] {
            assert!(gib(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes(1), "1 KB");
        assert_eq!(bytes(5 << 20), "5 MB");
        assert_eq!(bytes(3 * GIB / 2), "1.5 GB");
    }
}
