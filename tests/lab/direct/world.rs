//! A lab whose volumes have file systems, and directories to compare.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use remote_compute::provision::ec2::Ec2;
use remote_compute::workspace::direct::open;
use remote_compute::workspace::export::{Exported, export, walk};
use remote_compute::workspace::{Files, WorkspaceError};

use crate::common::process::run;
use crate::ec2_world::World;
use crate::harness::{Call, Lab, Machines, REGION};

pub const BLOCK: u64 = 524_288;
/// What remote-root's mkfs makes, but for the label.
pub const FEATURES: &str = "metadata_csum,64bit";

/// A lab, the provider on it, and directories of the test's own.
pub struct Direct {
    pub world: World,
    pub ec2: Ec2,
    pub dir: tempfile::TempDir,
}

impl Direct {
    pub async fn new() -> Self {
        Self::with(Lab::start(Machines::None)).await
    }

    pub async fn with(lab: Lab) -> Self {
        let world = World::with(lab).await;
        Self {
            ec2: world.ec2(),
            world,
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    /// A volume of so many GiB with this image on it.
    pub async fn volume(&self, gib: u32, image: &Path) -> String {
        let sdk = self.world.lab.ec2(REGION);
        let made = sdk.create_volume().availability_zone(format!("{REGION}a"));
        let made = made.size(i32::try_from(gib).expect("a size")).send().await;
        let id = made.expect("a volume").volume_id.expect("an id");
        self.fill(&id, gib, image);
        id
    }

    /// Puts an image onto a volume.
    pub fn fill(&self, volume: &str, gib: u32, image: &Path) {
        let file = self.world.lab.state.join(format!("disks/{volume}.raw"));
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(image).arg(&file);
        assert!(copy.status().expect("cp").success());
        let file = File::options().write(true).open(file).expect("the disk");
        file.set_len(u64::from(gib) << 30).expect("its size");
    }

    pub async fn snapshot(&self, volume: &str) -> String {
        let sdk = self.world.lab.ec2(REGION);
        let made = sdk.create_snapshot().volume_id(volume).send().await;
        made.expect("a snapshot").snapshot_id.expect("an id")
    }

    /// The snapshot of a volume with this image.
    pub async fn photographed(&self, gib: u32, image: &Path) -> String {
        let volume = self.volume(gib, image).await;
        self.snapshot(&volume).await
    }

    pub async fn open(&self, snapshot: &str) -> Result<Box<dyn Files>, WorkspaceError> {
        open(&self.ec2, snapshot, &self.cache(), &|_| {}).await
    }

    /// Brings all below `from` to `to`.
    pub async fn export(&self, snapshot: &str, from: &str, to: &Path) -> Exported {
        let files = self.open(snapshot).await.expect("files");
        let done = exported(files, from, to, None).await;
        done.expect("exported")
    }

    /// The calls of an action so far.
    pub fn calls(&self, action: &str) -> Vec<Call> {
        let calls = self.world.control.calls().into_iter();
        calls.filter(|c| c.action == action).collect()
    }

    /// The blocks that were fetched so far, in order.
    pub fn fetched(&self) -> Vec<u64> {
        let calls = self.calls("GetSnapshotBlock").into_iter();
        calls
            .map(|c| c.parameters["BlockIndex"].as_u64().expect("a number"))
            .collect()
    }
}

/// Brings all below `from` to `to`, or stops once so many bytes are there.
pub async fn exported(
    mut files: Box<dyn Files>,
    from: &str,
    to: &Path,
    until: Option<u64>,
) -> Result<Exported, WorkspaceError> {
    let (from, to) = (PathBuf::from(from), to.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        let tree = walk(files.as_mut(), &from, &mut |_| {})?;
        export(files.as_mut(), &tree, &to, "test", &mut |now| match until
            .is_some_and(|u| now.bytes >= u)
        {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    });
    work.await.expect("no panic")
}

/// A file system on a file of so many MiB, from a directory if there is one.
pub fn mkfs(file: &Path, mib: u64, features: &str, from: Option<&Path>) {
    let mut command = Command::new("mke2fs");
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command.args(["-q", "-F", "-t", "ext4", "-L", "remote-work", "-m", "0"]);
    command.args(["-O", features, "-E", "nodiscard,lazy_itable_init=1"]);
    if let Some(from) = from {
        command.arg("-d").arg(from);
    }
    command.arg(file).arg(format!("{mib}M"));
    let ran = run(&mut command, b"", Duration::from_secs(120));
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// Bytes that look like no others: by a seed, quickly.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Files of all kinds: empty, small, large, sparse, links, deep directories, one with thousands of names.
pub fn assorted(top: &Path) {
    let put = |path: &str, bytes: &[u8]| {
        let path = top.join(path);
        fs::create_dir_all(path.parent().expect("above")).expect("made");
        fs::write(path, bytes).expect("written");
    };
    put("empty", b"");
    put("small", b"a line\n");
    put("repo/src/main.rs", b"fn main() {}\n");
    put("repo/large", &noise(1, 3 << 20));
    put("repo/just", &noise(2, 4096));
    put("repo/over", &noise(3, 4097));
    put("a/b/c/d/e/f/g/deep", b"deep\n");
    put("names/\u{65e5}\u{672c} \n'\"", b"odd\n");
    for n in 0..3000 {
        put(
            &format!("many/file-with-a-rather-long-name-{n:05}"),
            n.to_string().as_bytes(),
        );
    }
    let sparse = File::create(top.join("repo/sparse")).expect("made");
    sparse.write_all_at(b"begin", 0).expect("written");
    sparse
        .write_all_at(&noise(4, 5000), 5 << 20)
        .expect("written");
    sparse.set_len(9 << 20).expect("longer");
    // More extents than an inode has room for.
    let holes = File::create(top.join("repo/holes")).expect("made");
    for n in 0..600 {
        holes
            .write_all_at(&noise(n, 4096), n * 8192)
            .expect("written");
    }
    let link = |target: &str, path: &str| {
        std::os::unix::fs::symlink(target, top.join(path)).expect("a link");
    };
    link("main.rs", "repo/src/short");
    link(&format!("../{}/x", "long/".repeat(40)), "repo/src/long");
    link("/etc/passwd", "outside");
    link("repo/../repo/src", "to-src");
    fs::hard_link(top.join("repo/large"), top.join("repo/same")).expect("a hard link");
    let mode = |path: &str, mode| {
        fs::set_permissions(top.join(path), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode("small", 0o755);
    mode("empty", 0o400);
    mode("a/b", 0o500);
    let old = Duration::from_secs(1_000_000_000) + Duration::from_millis(250);
    let small = File::options()
        .write(true)
        .open(top.join("small"))
        .expect("open");
    small
        .set_modified(std::time::UNIX_EPOCH + old)
        .expect("a time");
}

/// All of a tree as one can compare it: kind, mode, time in units of so many milliseconds, content or target.
pub fn seen(top: &Path, unit: i64) -> Vec<String> {
    fn below(top: &Path, dir: &Path, unit: i64, all: &mut Vec<String>) {
        for entry in fs::read_dir(dir).expect("readable").flatten() {
            let (path, meta) = (
                entry.path(),
                entry.path().symlink_metadata().expect("there"),
            );
            let name = path.strip_prefix(top).expect("below").to_owned();
            if name == Path::new("lost+found") {
                continue;
            }
            let millis = (meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000) / unit;
            let mode = meta.mode() & 0o7777;
            let what = if meta.is_symlink() {
                format!("-> {:?}", fs::read_link(&path).expect("a link"))
            } else if meta.is_dir() {
                below(top, &path, unit, all);
                format!("dir {mode:o} {millis}")
            } else {
                let bytes = fs::read(&path).expect("readable");
                format!("{mode:o} {millis} {} {:x}", bytes.len(), crc(&bytes))
            };
            all.push(format!("{name:?} {what}"));
        }
    }
    let mut all = Vec::new();
    below(top, top, unit, &mut all);
    all.sort();
    all
}

fn crc(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(7, |sum: u64, part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        (sum ^ u64::from_le_bytes(word))
            .wrapping_mul(0x100_0000_01b3)
            .rotate_left(9)
    })
}

/// Two trees are one, but for parts of a second, which `mke2fs -d` drops.
pub fn assert_same(left: &Path, right: &Path) {
    assert_same_in(left, right, 1000);
}

/// Two trees are one, times in units of so many milliseconds.
pub fn assert_same_in(left: &Path, right: &Path, unit: i64) {
    let (left, right) = (seen(left, unit), seen(right, unit));
    let differ = left.iter().zip(&right).find(|(l, r)| l != r);
    assert!(
        left == right,
        "{} and {} files; {differ:?}",
        left.len(),
        right.len()
    );
}

/// A file's content, through `Files`.
pub async fn read(mut files: Box<dyn Files>, path: &str) -> Result<Vec<u8>, WorkspaceError> {
    let path = PathBuf::from(path);
    let work = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        files.read(&path, &mut bytes as &mut dyn Write)?;
        Ok(bytes)
    });
    work.await.expect("no panic")
}
