//! The commands that put `remote` in place on another machine: what that machine says of itself and has already, and
//! an upload that goes on where the last one was cut off.

use std::collections::BTreeMap;

use super::binaries::{Packed, Ready};
use super::system::system_name;

/// Printed before what we read: a profile may print too.
const MARK: &str = "remote-probe";

/// Where binaries lie on a machine of one's own.
const OF_THE_USER: &str = "${XDG_DATA_HOME:-$HOME/.local/share}/remote/bin";

/// Asks for what [`Probe`] holds, in the words of sh; `dir` is where binaries lie, if not in the user's own place.
pub(super) fn probe(dir: Option<&str>) -> String {
    let dir = dir.map_or_else(|| OF_THE_USER.to_owned(), quote);
    format!(
        "echo {MARK}; uname -sm; command -v gzip >/dev/null 2>&1 && echo gzip || echo cat; \
         d={dir}; echo \"$d\"; LC_ALL=C ls -lnA \"$d\" 2>/dev/null; true"
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
    /// The files in that directory, and how long they are.
    present: BTreeMap<String, u64>,
}

/// The beginning of an upload that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub name: &'a str,
    pub size: u64,
}

impl Probe {
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().skip_while(|l| *l != MARK).skip(1);
        let system = system_name(lines.next()?);
        let gzip = lines.next()? == "gzip";
        let dir = lines.next().filter(|d| d.starts_with('/'))?.to_owned();
        Some(Self {
            system,
            gzip,
            dir,
            present: lines.filter_map(listed).collect(),
        })
    }

    /// Whether the binary is there. A power cut may have left less of it.
    pub fn has(&self, ready: &Ready) -> bool {
        self.present.get(&ready.name) == Some(&ready.size())
    }

    /// The most that has arrived of it.
    pub fn part(&self, packed: &Packed) -> Option<Part<'_>> {
        let stem = stem(packed);
        let parts = self.present.iter().filter(|(name, size)| {
            name.starts_with(&stem) && (1..=packed.bytes.len() as u64).contains(*size)
        });
        let (name, size) = parts.max_by_key(|(_, size)| **size)?;
        Some(Part { name, size: *size })
    }
}

/// A line of `ls -ln` about a file: its name, which has no blanks where it is ours, and its length.
fn listed(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace();
    let file = words.next()?.starts_with('-');
    let size = words.nth(3)?.parse().ok()?;
    let name = words.last()?.to_owned();
    file.then_some((name, size))
}

/// Uploads are written to a file of their own each, which begins with this.
fn stem(packed: &Packed) -> String {
    format!(".{}.part.", packed.mark)
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
     rm -f \"$f\"; done) 2>/dev/null; ";
/// Removes what was cut off and never gone on with.
const CLEAN_PARTS: &str = "find . -name '.*.part.*' -mtime +1 -exec rm -f {} + 2>/dev/null; true";

/// One upload.
pub(super) struct Upload<'a> {
    pub ready: &'a Ready,
    pub packed: &'a Packed,
    pub probe: &'a Probe,
    /// What is not sent again.
    pub part: Option<Part<'a>>,
    /// Other users run it too, by the name `remote`.
    pub shared: bool,
}

impl Upload<'_> {
    /// The command that takes the rest on stdin. What arrives is kept as it comes, so that the next upload goes on
    /// there; the final name appears only once what lies there has the right length and SHA-256, and has run. Two
    /// uploads at once do not meet: each copies what it begins with.
    pub fn script(&self) -> String {
        let (ready, probe) = (self.ready, self.probe);
        let unpack = if probe.gzip { "gzip -dc" } else { "cat" };
        let (dir, name, stem) = (quote(&probe.dir), quote(&ready.name), stem(self.packed));
        let (size, sha256) = (ready.size(), &ready.sha256);
        let whole = self.packed.bytes.len();
        let (begin, old) = match self.part {
            Some(part) => {
                let old = quote(part.name);
                (format!("head -c {} {old} && ", part.size), old)
            }
            None => Default::default(),
        };
        let (umask, mode, link, clean) = match self.shared {
            true => ("022", "755", format!(" && ln -sfn {name} remote"), ""),
            false => ("077", "700", String::new(), CLEAN),
        };
        format!(
            "umask {umask}; mkdir -p {dir} && cd {dir} || exit 1; t=.{name}.$$; p={stem}$$; \
             {{ {begin}cat; }} | tee \"$p\" | {unpack} > \"$t\"; r=$?; \
             s=$( {{ sha256sum \"$t\" || shasum -a 256 \"$t\"; }} 2>/dev/null | cut -c1-64); \
             if [ $r -eq 0 ] && [ $(wc -c < \"$t\") -eq {size} ] && case $s in {sha256}|'') ;; \
             *) echo \"what arrived is not what was sent: its SHA-256 is $s\" >&2; false;; esac \
             && chmod {mode} \"$t\" && \"./$t\" host check && mv -f \"$t\" {name}{link}; \
             then rm -f \"$p\" {old}; {clean}{CLEAN_PARTS}; exit 0; fi; \
             rm -f \"$t\" {old}; [ -f \"$p\" ] && [ $(wc -c < \"$p\") -lt {whole} ] || rm -f \"$p\"; exit 1"
        )
    }
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
        let text = "welcome!\nremote-probe\nLinux aarch64\ngzip\n/home/me/bin\ntotal 8\n\
             -rwx------ 1 1000 1000 42 Nov 28 14:00 remote-0.1.0-00000000\n\
             lrwxrwxrwx 1 1000 1000 21 Nov 28 14:00 remote -> remote-0.1.0-00000000\n";
        let probe = Probe::parse(text).expect("a probe");
        assert_eq!(probe.system, "linux-aarch64");
        let only = ("remote-0.1.0-00000000".to_owned(), 42);
        assert!(probe.gzip && probe.present == BTreeMap::from([only]));
        assert_eq!(Probe::parse("remote-probe\nLinux x86_64\n"), None);
    }
}
