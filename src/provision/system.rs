//! What a system is called, in the words of Rust's targets (`linux-x86_64`, `macos-aarch64`): by what it says of itself,
//! and by the head of a program that runs on it.

/// By `uname -sm`'s answer.
pub fn system_name(uname: &str) -> String {
    let lower = uname.trim().to_lowercase();
    let (system, machine) = lower.split_once(' ').unwrap_or((&lower, "unknown"));
    let system = match system {
        "darwin" => "macos",
        other => other,
    };
    let machine = match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    };
    format!("{system}-{machine}")
}

/// By a program's first bytes (20 do); `None` for what is no program of a system that is known here: a script is
/// anybody's.
pub(super) fn system_of(head: &[u8]) -> Option<&'static str> {
    let at = |from: usize| head.get(from..)?.first_chunk::<4>().copied();
    match at(0)? {
        // ELF, 64 bits, little-endian; then its operating system's ABI, which Linux leaves 0 or says, and the machine.
        [0x7f, b'E', b'L', b'F'] => match (head.get(4..6)?, head.get(7)?, head.get(18..20)?) {
            ([2, 1], 0 | 3, [62, 0]) => Some("linux-x86_64"),
            ([2, 1], 0 | 3, [183, 0]) => Some("linux-aarch64"),
            _ => Some("another system"),
        },
        // Mach-O, 64 bits, little-endian; then the processor.
        [0xcf, 0xfa, 0xed, 0xfe] => match at(4)? {
            [7, 0, 0, 1] => Some("macos-x86_64"),
            [12, 0, 0, 1] => Some("macos-aarch64"),
            _ => Some("another system"),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named_as_rust_names_them() {
        assert_eq!(system_name("Darwin arm64\n"), "macos-aarch64");
        assert_eq!(system_name("FreeBSD amd64"), "freebsd-x86_64");
    }

    #[test]
    fn a_program_says_where_it_runs() {
        let own = std::fs::read("/proc/self/exe").expect("this program");
        let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        assert_eq!(system_of(&own), Some(here.as_str()));
        let mut arm = own;
        arm[18..20].copy_from_slice(&183_u16.to_le_bytes());
        assert_eq!(system_of(&arm), Some("linux-aarch64"));
        arm[18] = 243;
        assert_eq!(system_of(&arm), Some("another system"));
        let mac = [0xcf, 0xfa, 0xed, 0xfe, 12, 0, 0, 1, 0];
        assert_eq!(system_of(&mac), Some("macos-aarch64"));
        assert_eq!(system_of(b"#!/bin/sh\nexit 0\n"), None);
        for cut in 0..20 {
            assert!(system_of(&arm[..cut]).is_none(), "{cut}");
        }
    }
}
