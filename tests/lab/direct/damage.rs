//! Images that are damaged, by chance or on purpose: an error with a name, never a panic, an endless walk, or a byte
//! written elsewhere.

use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use remote_compute::workspace::export::walk;
use remote_compute::workspace::ext4::{Disk, Ext4, Ext4Files};
use remote_compute::workspace::{FileKind, Files, WorkspaceError};

use super::world::{Direct, assert_same, exported, mkfs, noise};

/// An image in memory with some bytes changed.
struct Changed {
    bytes: Arc<Vec<u8>>,
    changes: Vec<(u64, u8)>,
}

impl Disk for Changed {
    fn name(&self) -> &str {
        "the image"
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), WorkspaceError> {
        let range = at as usize..(at as usize).saturating_add(into.len());
        let Some(part) = self.bytes.get(range) else {
            return Err(WorkspaceError::Damaged {
                what: "the image".to_owned(),
                why: "it ends before".to_owned(),
            });
        };
        into.copy_from_slice(part);
        for (place, byte) in &self.changes {
            if let Some(n) = place.checked_sub(at).filter(|n| *n < into.len() as u64) {
                into[n as usize] = *byte;
            }
        }
        Ok(())
    }

    fn want(&mut self, _: &[Range<u64>]) -> Result<(), WorkspaceError> {
        Ok(())
    }
}

/// Takes so many bytes and then no more.
struct Least(u64);

impl Write for Least {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len() as u64)
            .ok_or(std::io::ErrorKind::WriteZero)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens it and reads all that can be; how many files could be.
fn reads(disk: Changed) -> usize {
    let Ok(fs) = Ext4::open(Box::new(disk)) else {
        return 0;
    };
    let mut files = Ext4Files::new(fs);
    let Ok(tree) = walk(&mut files, Path::new("/"), &mut |_| {}) else {
        return 0;
    };
    let _ = files.want(&tree.contents());
    let whole = tree.entries.iter().filter(|e| e.kind == FileKind::File);
    whole
        .filter(|e| files.read(&e.path, &mut Least(8 << 20)).is_ok())
        .count()
}

#[test]
fn any_damage_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().expect("a directory");
    let (tree, image) = (dir.path().join("tree"), dir.path().join("image"));
    for n in 0..400_u64 {
        let sub = tree.join(format!("d{}", n % 5));
        fs::create_dir_all(&sub).expect("made");
        fs::write(
            sub.join(format!("a-name-that-takes-room-{n}")),
            noise(n, 300),
        )
        .expect("written");
    }
    std::os::unix::fs::symlink("x/".repeat(60), tree.join("link")).expect("a link");
    for features in ["^metadata_csum", "metadata_csum"] {
        mkfs(&image, 8, features, Some(&tree));
        let bytes = Arc::new(fs::read(&image).expect("the image"));
        let whole = reads(Changed {
            bytes: bytes.clone(),
            changes: vec![],
        });
        assert_eq!(whole, 400);
        // Where something is: what is zeros says little.
        let places: Vec<u64> = (0..bytes.len() as u64)
            .filter(|n| bytes[*n as usize] != 0)
            .collect();
        let (begun, mut damaged) = (Instant::now(), 0);
        let tries = 250;
        for n in 0..tries {
            let random = noise(n + 1, 64);
            let mut changes = Vec::new();
            for part in random.chunks(16).take(1 + n as usize % 4) {
                let number = u64::from_le_bytes(part[..8].try_into().unwrap());
                // The superblock and what follows it as often as all else.
                let at = match n % 3 {
                    0 => 1024 + number % 1024,
                    1 => places[number as usize % places.len().min(60_000)],
                    _ => places[number as usize % places.len()],
                };
                changes.push((at, part[9]));
            }
            let read = reads(Changed {
                bytes: bytes.clone(),
                changes,
            });
            damaged += usize::from(read < 400);
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "try {n} of {features}"
            );
        }
        eprintln!(
            "direct: {features}: {damaged} of {tries} damaged images had files that could not be read"
        );
        assert!(damaged > 5);
    }
}

/// Writes `to` over each `from` in a file.
fn patch(image: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(image).expect("the image");
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, w)| *w == from)
        .map(|(n, _)| n)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(image, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_lead_nowhere() {
    let direct = Direct::new().await;
    let outside = direct.path("outside");
    fs::create_dir(&outside).expect("made");
    // Without checksums, so that the names themselves are what is refused.
    let hostile: [(&str, &[u8]); 3] = [("upXX", b"../x"), ("rootX", b"/evil"), ("nulX", b"nu\0X")];
    for (n, (name, patched)) in hostile.into_iter().enumerate() {
        let (tree, image) = (direct.path(&format!("tree-{n}")), direct.path("image"));
        fs::create_dir_all(tree.join("bad")).expect("made");
        fs::write(tree.join("bad").join(name), "evil").expect("written");
        fs::write(tree.join("good"), "good").expect("written");
        mkfs(&image, 8, "^metadata_csum", Some(&tree));
        patch(&image, name.as_bytes(), patched);
        let snapshot = direct.photographed(1, &image).await;
        let to = direct.path(&format!("inner/to-{n}"));
        let done = direct.export(&snapshot, "/", &to).await;
        let failed: Vec<_> = done.failed.iter().map(|(p, _)| p.clone()).collect();
        assert_eq!(failed, [PathBuf::from("/bad")], "{name}");
        assert_eq!(fs::read(to.join("good")).expect("there"), b"good");
        assert_eq!(fs::read_dir(to.join("bad")).expect("there").count(), 0);
    }
    // A link and a directory of one name: what is in the directory must not go through the link.
    let (tree, image) = (direct.path("tree-twice"), direct.path("image"));
    fs::create_dir_all(tree.join("top/twicX")).expect("made");
    fs::write(tree.join("top/twicX/evil"), "evil").expect("written");
    std::os::unix::fs::symlink(&outside, tree.join("top/twice")).expect("a link");
    mkfs(&image, 8, "^metadata_csum", Some(&tree));
    patch(&image, b"twicX", b"twice");
    let snapshot = direct.photographed(1, &image).await;
    let done = direct
        .export(&snapshot, "/", &direct.path("inner/twice"))
        .await;
    assert_eq!(done.failed.len(), 1, "{done:?}");
    assert_eq!(fs::read_dir(&outside).expect("read").count(), 0);
    let beside = fs::read_dir(direct.path("inner")).expect("read").flatten();
    assert!(beside.count() == 4 && !direct.path("x").exists() && !Path::new("/evil").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_in_itself_is_not_walked_for_ever() {
    let direct = Direct::new().await;
    let (tree, image) = (direct.path("tree"), direct.path("image"));
    fs::create_dir_all(tree.join("a/b")).expect("made");
    fs::create_dir_all(tree.join("good")).expect("made");
    fs::write(tree.join("good/file"), "good").expect("written");
    mkfs(&image, 8, "^metadata_csum", Some(&tree));
    // Hard links to directories, which no kernel makes: `/a/b/again` is `/a`, `/good/other` is `/a/b`.
    let mut command = std::process::Command::new("debugfs");
    command
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .arg("-w")
        .arg(&image);
    let ran =
        crate::common::process::run(&mut command, b"ln a a/b/again\n", Duration::from_secs(60));
    assert_eq!(ran.code, 0, "{}", ran.all());
    let snapshot = direct.photographed(1, &image).await;
    let files = direct.open(&snapshot).await.expect("files");
    let to = direct.path("to");
    let done = exported(files, "/", &to, None).await.expect("an end");
    assert_eq!(done.failed.len(), 1, "{done:?}");
    assert_same(&tree.join("good"), &to.join("good"));
}
