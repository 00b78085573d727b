//! Getting `remote` onto another machine: what that machine says of itself, which binary belongs there,
//! and the commands that put it in place.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Which binary goes to which system.
#[derive(Debug, Clone, Default)]
pub struct Binaries {
    /// For any system: `--host-binary`.
    pub given: Option<PathBuf>,
    /// By system, `linux-aarch64` and its like: `[host.binaries]`.
    pub by_system: BTreeMap<String, PathBuf>,
}

impl Binaries {
    /// The file for `system`; this program itself where it runs on such a one.
    pub(super) fn file(&self, system: &str) -> Option<PathBuf> {
        if let Some(given) = &self.given {
            return Some(given.clone());
        }
        if let Some(file) = self.by_system.get(system) {
            return Some(file.clone());
        }
        let own = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        (system == own)
            .then(std::env::current_exe)
            .and_then(Result::ok)
    }
}

/// Printed before what we read: a profile may print too.
const MARK: &str = "remote-probe";

/// Where binaries lie on a machine of one's own.
const OF_THE_USER: &str = "${XDG_DATA_HOME:-$HOME/.local/share}/remote/bin";

/// Asks for what [`Probe`] holds; `dir` is where binaries lie, if not in the user's own place.
pub(super) fn probe(dir: Option<&str>) -> String {
    let dir = dir.map_or_else(|| OF_THE_USER.to_owned(), quote);
    format!(
        "echo {MARK}; uname -sm; command -v gzip >/dev/null 2>&1 && echo gzip || echo cat; \
         d={dir}; echo \"$d\"; ls \"$d\" 2>/dev/null; true"
    )
}

/// What a machine says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Probe {
    /// `linux-x86_64`.
    pub system: String,
    pub gzip: bool,
    /// Where binaries lie there.
    pub dir: String,
    /// Names in that directory.
    pub present: Vec<String>,
}

impl Probe {
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip_while(|l| *l != MARK).skip(1);
        let system = system_name(lines.next()?);
        let gzip = lines.next()? == "gzip";
        let dir = lines.next().filter(|d| d.starts_with('/'))?.to_owned();
        let present = lines.map(str::to_owned).collect();
        Some(Self {
            system,
            gzip,
            dir,
            present,
        })
    }
}

/// `uname -sm`'s answer in the words of Rust's targets: `linux-x86_64`, `macos-aarch64`.
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

/// `remote-0.1.0-1a2b3c4d`: one name for one content.
pub(super) fn binary_name(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let sha: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("remote-{}-{sha}", env!("CARGO_PKG_VERSION"))
}

pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Removes binaries that no session needs: older than 30 days, not among the newest two, not running, and
/// named by no session's directory (`binary`, which its host writes). While a directory there says nothing of
/// its binary, as those of early versions do not, none is removed.
const CLEAN: &str = "(s=${XDG_STATE_HOME:-$HOME/.local/state}/remote/sessions; n=0; \
     for f in $(ls -t | grep '^remote-[0-9][-.0-9a-z]*$'); do \
     n=$((n+1)); [ $n -gt 2 ] && [ -n \"$(find \"$f\" -mtime +30)\" ] || continue; \
     for d in \"$s\"/*/; do [ -e \"$d/session.json\" ] || continue; [ -f \"$d/binary\" ] || exit 0; \
     grep -q \"/$f\\$\" \"$d/binary\" && continue 2; done; \
     for p in /proc/[0-9]*/exe; do case $(readlink \"$p\") in */\"$f\") continue 2;; esac; done; \
     rm -f \"$f\"; done) 2>/dev/null; true";

/// The final name appears only once what lies there has run: half an upload is never taken for a whole one.
/// `shared`: other users run it too, by the name `remote`.
pub(super) fn upload_script(dir: &str, name: &str, gzip: bool, shared: bool) -> String {
    let unpack = if gzip { "gzip -dc" } else { "cat" };
    let (dir, name) = (quote(dir), quote(name));
    let (umask, mode, link, clean) = match shared {
        true => ("022", "755", format!(" && ln -sfn {name} remote"), "true"),
        false => ("077", "700", String::new(), CLEAN),
    };
    format!(
        "umask {umask}; mkdir -p {dir} && cd {dir} && t=.{name}.$$ && {unpack} > \"$t\" && chmod {mode} \"$t\" \
         && \"./$t\" host check && mv -f \"$t\" {name}{link} || {{ rm -f \"$t\"; exit 1; }}; {clean}"
    )
}

/// `text` as one word of a POSIX shell.
pub fn quote(text: &str) -> String {
    shell_words::quote(text).into_owned()
}

/// A command line that runs `script` in /bin/sh, whatever the login shell is.
pub fn sh(script: &str) -> String {
    format!("exec /bin/sh -c {}", quote(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_behind_a_talkative_profile() {
        let text =
            "welcome!\nremote-probe\nLinux aarch64\ngzip\n/home/me/bin\nremote-0.1.0-00000000\n";
        let probe = Probe::parse(text).expect("a probe");
        assert_eq!(probe.system, "linux-aarch64");
        assert!(probe.gzip && probe.present.len() == 1);
        assert_eq!(Probe::parse("remote-probe\nLinux x86_64\n"), None);
        assert_eq!(system_name("Darwin arm64\n"), "macos-aarch64");
        assert_eq!(system_name("FreeBSD amd64"), "freebsd-x86_64");
    }
}
