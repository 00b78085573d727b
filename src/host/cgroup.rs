//! A cgroup for each agent, below the host's own, where cgroup v2 is there and writable (a unit with
//! Delegate=yes, or root): no process leaves it by a session of its own or an empty environment, so that at
//! the end all of them are found. Where there is none, the marks in the environment have to do.

use std::fs;
use std::path::{Path, PathBuf};

/// Deeper than anybody nests containers.
const MAX_DEPTH: usize = 16;

/// Where a session's agents have their cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups(PathBuf);

impl Cgroups {
    /// Makes the place for them; `None` where this system has none for us.
    pub fn make(session: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let dir = place(&mounts, &own)?.join(format!("remote-{session}"));
        fs::create_dir_all(&dir).ok()?;
        Some(Self(dir))
    }

    /// The cgroup of one agent, made if need be; a process enters it by writing its number to `cgroup.procs`.
    pub fn agent(&self, number: u32) -> Option<PathBuf> {
        let dir = self.0.join(number.to_string());
        fs::create_dir_all(&dir).ok()?;
        Some(dir)
    }

    /// The processes of one agent, those of cgroups below its own too.
    pub fn pids(&self, number: u32) -> Vec<u32> {
        let mut pids = Vec::new();
        visit(&self.0.join(number.to_string()), 0, &mut |dir| {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(text.lines().filter_map(|l| l.parse::<u32>().ok()));
        });
        // Of another pid namespace: not to be named from here.
        pids.retain(|pid| *pid != 0);
        pids
    }

    /// Takes the empty ones away.
    pub fn remove(&self) {
        visit(&self.0, 0, &mut |dir| {
            let _ = fs::remove_dir(dir);
        });
    }
}

/// A directory and all below it, the deepest first.
fn visit(dir: &Path, depth: usize, f: &mut impl FnMut(&Path)) {
    if depth > MAX_DEPTH {
        return;
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        visit(&entry.path(), depth + 1, f);
    }
    f(dir);
}

/// This process's cgroup as a directory: the mount, then the path that the line `0::/…` names.
fn place(mounts: &str, own: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (where_, kind) = (fields.nth(1)?, fields.next()?);
        (kind == "cgroup2").then_some(where_)
    })?;
    let path = own.lines().find_map(|l| l.strip_prefix("0::/"))?;
    // Seen from a namespace of its own, it may lie outside of what is mounted here.
    (!path.split('/').any(|part| part == "..")).then(|| Path::new(mount).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_mounts_and_the_own_line() {
        let mounts = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let own = "3:cpu:/x\n0::/system.slice/remote-host@x.service\n";
        assert_eq!(
            place(mounts, own).as_deref(),
            Some(Path::new(
                "/sys/fs/cgroup/system.slice/remote-host@x.service"
            ))
        );
        assert_eq!(
            place(mounts, "0::/\n").as_deref(),
            Some(Path::new("/sys/fs/cgroup/"))
        );
        assert_eq!(place(mounts, "0::/../../x\n"), None);
        assert_eq!(place(mounts, "3:cpu:/x\n"), None);
        assert_eq!(place("proc /proc proc rw 0 0\n", own), None);
    }
}
