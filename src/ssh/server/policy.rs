//! What the server lets clients name: variables, hosts, sizes.

use std::net::IpAddr;

use crate::model::Size;

/// A size within the bounds of terminals.
pub fn size(cols: u32, rows: u32) -> Size {
    let bound = |n: u32| u16::try_from(n.clamp(1, 1000)).unwrap_or(1000);
    Size {
        cols: bound(cols),
        rows: bound(rows),
    }
}

/// What clients may set: how text looks, nothing that changes what runs.
pub fn harmless(name: &str) -> bool {
    matches!(name, "LANG" | "TERM" | "COLORTERM") || name.starts_with("LC_")
}

/// Whether a name or address stays on this machine.
pub fn loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_only_how_text_looks() {
        assert!(loopback("localhost") && loopback("127.9.9.9") && loopback("::1"));
        assert!(!loopback("0.0.0.0") && !loopback("example.org") && !loopback("169.254.169.254"));
        assert!(harmless("LC_ALL") && harmless("TERM"));
        assert!(!harmless("LD_PRELOAD") && !harmless("PATH") && !harmless("BASH_ENV"));
        assert_eq!(
            size(0, 100_000),
            Size {
                cols: 1,
                rows: 1000
            }
        );
    }
}
