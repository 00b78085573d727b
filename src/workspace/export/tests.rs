//! Exports of trees that no file system would have.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::workspace::Listed;

/// Files in memory. What is listed is what is said, sense or not.
#[derive(Default)]
struct Said {
    entries: BTreeMap<PathBuf, FileEntry>,
    contents: BTreeMap<PathBuf, Vec<u8>>,
    damaged: Vec<PathBuf>,
    left_out: Vec<PathBuf>,
    reads: usize,
}

impl Said {
    fn new() -> Self {
        let mut said = Self::default();
        said.add("/", FileKind::Directory, None, b"");
        said
    }

    fn add(&mut self, path: &str, kind: FileKind, target: Option<&str>, content: &[u8]) {
        let path = PathBuf::from(path);
        let entry = FileEntry {
            path: path.clone(),
            kind,
            size: content.len() as u64,
            mode: if kind == FileKind::Directory {
                0o755
            } else {
                0o4640
            },
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            modified: 1_700_000_000_123,
            target: target.map(PathBuf::from),
        };
        self.entries.insert(path.clone(), entry);
        self.contents.insert(path, content.to_vec());
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        self.add(path, FileKind::File, None, content);
    }

    fn dir(&mut self, path: &str) {
        self.add(path, FileKind::Directory, None, b"");
    }
}

impl Files for Said {
    fn entry(&mut self, path: &Path) -> Result<FileEntry> {
        let found = self.entries.get(path).cloned();
        found.ok_or_else(|| WorkspaceError::NoFile(path.to_owned()))
    }

    fn list(&mut self, path: &Path) -> Result<Vec<FileEntry>> {
        let below = self.entries.values();
        Ok(below
            .filter(|e| e.path.parent() == Some(path))
            .cloned()
            .collect())
    }

    fn read(&mut self, path: &Path, to: &mut dyn Write) -> Result<u64> {
        self.reads += 1;
        let content = self.contents.get(path).cloned().unwrap_or_default();
        let damaged = self.damaged.iter().any(|d| d == path);
        let whole = if damaged {
            content.len() / 2
        } else {
            content.len()
        };
        to.write_all(&content[..whole])
            .map_err(WorkspaceError::io("write", path))?;
        if damaged {
            return Err(WorkspaceError::Damaged {
                what: "block 7".to_owned(),
                why: "its checksum".to_owned(),
            });
        }
        Ok(whole as u64)
    }

    fn want(&mut self, _: &[PathBuf]) -> Result<()> {
        Ok(())
    }

    fn list_sound(&mut self, path: &Path) -> Result<Listed> {
        let left_out = std::mem::take(&mut self.left_out).into_iter();
        let why = || WorkspaceError::Damaged {
            what: "inode 7".to_owned(),
            why: "its checksum".to_owned(),
        };
        Ok((self.list(path)?, left_out.map(|p| (p, why())).collect()))
    }
}

fn run(said: &mut Said, to: &Path) -> Result<Exported> {
    let tree = walk(said, Path::new("/"), &mut |_| {})?;
    export(said, &tree, to, "w /", &mut |_| ControlFlow::Continue(()))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("to");
    (dir, to)
}

#[test]
fn contents_modes_times_and_links_arrive() {
    let (_dir, to) = place();
    let mut said = Said::new();
    said.dir("/d");
    said.file("/d/f", b"text");
    said.add("/d/l", FileKind::Link, Some("../elsewhere"), b"");
    said.add("/s", FileKind::Other, None, b"");
    let done = run(&mut said, &to).expect("exported");
    assert_eq!(
        (done.bytes, done.others, done.failed),
        (4, vec!["/s".into()], vec![])
    );
    let file = fs::metadata(to.join("d/f")).expect("a file");
    assert_eq!(fs::read(to.join("d/f")).expect("read"), b"text");
    assert_eq!(file.permissions().mode() & 0o7777, 0o640, "no set-uid");
    assert_eq!(
        (file.mtime(), file.mtime_nsec()),
        (1_700_000_000, 123_000_000)
    );
    assert_eq!(
        fs::metadata(to.join("d")).expect("d").mtime(),
        1_700_000_000
    );
    assert_eq!(
        fs::read_link(to.join("d/l")).expect("a link"),
        Path::new("../elsewhere")
    );
    assert!(!to.join(place::MARK).exists());
    // A second one is refused: nothing there is its own any more.
    let again = run(&mut said, &to).expect_err("not empty").to_string();
    assert!(again.contains("not empty"), "{again}");
}

#[test]
fn nothing_is_written_outside_whatever_the_tree_says() {
    let (dir, to) = place();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    let mut said = Said::new();
    said.add("/link", FileKind::Link, outside.to_str(), b"");
    // Below a link, and beside the top.
    said.file("/link/evil", b"x");
    let mut tree = walk(&mut said, Path::new("/"), &mut |_| {}).expect("a tree");
    assert_eq!(tree.entries.len(), 2, "a link is not walked into");
    let evil = said.entry(Path::new("/link/evil")).expect("there");
    tree.entries.push(evil);
    let done = export(&mut said, &tree, &to, "w", &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(done.is_err(), "{done:?}");
    for path in ["/../evil", "/a/../../evil", "evil/../../evil"] {
        tree.entries.retain(|e| e.path == Path::new("/"));
        said.file(path, b"x");
        tree.entries
            .push(said.entry(Path::new(path)).expect("there"));
        let (_other, to) = place();
        let done = export(&mut said, &tree, &to, "w", &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(
            matches!(done, Err(WorkspaceError::Damaged { .. })),
            "{path}: {done:?}"
        );
    }
    assert_eq!(fs::read_dir(&outside).expect("read").count(), 0);
    let beside: Vec<_> = fs::read_dir(dir.path()).expect("read").flatten().collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn a_link_that_somebody_puts_in_the_way_is_not_followed() {
    let (dir, to) = place();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    let mut said = Said::new();
    said.dir("/d");
    said.file("/d/a", b"a");
    said.file("/d/b", b"b");
    let tree = walk(&mut said, Path::new("/"), &mut |_| {}).expect("a tree");
    let mut swapped = false;
    let done = export(&mut said, &tree, &to, "w", &mut |now| {
        // After the first file, its directory becomes a link.
        if now.bytes == 1 && !swapped {
            swapped = true;
            fs::rename(to.join("d"), to.join("moved")).expect("moved");
            symlink(&outside, to.join("d")).expect("a link");
        }
        ControlFlow::Continue(())
    });
    // Its last step opens the directory once more by its name.
    assert!(swapped && done.is_err(), "{done:?}");
    assert_eq!(fs::read_dir(&outside).expect("read").count(), 0);
}

#[test]
fn an_interrupted_export_goes_on_and_touches_nobody_elses() {
    let (_dir, to) = place();
    let mut said = Said::new();
    for n in 0..10 {
        said.file(&format!("/f{n}"), b"text");
    }
    let tree = walk(&mut said, Path::new("/"), &mut |_| {}).expect("a tree");
    let stopped = export(&mut said, &tree, &to, "w", &mut |now| match now.bytes {
        20.. => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(stopped.is_err() && said.reads == 5);
    // Of another source: refused, and nothing changed.
    let other = export(&mut said, &tree, &to, "x", &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(
        other
            .expect_err("refused")
            .to_string()
            .contains("an export of w")
    );
    // What was brought may be brought anew where it has changed meanwhile.
    said.file("/f0", b"longer text");
    let tree = walk(&mut said, Path::new("/"), &mut |_| {}).expect("a tree");
    // Somebody's own file is in the way of one that is still to come.
    fs::write(to.join("f9"), "mine").expect("written");
    let refused = export(&mut said, &tree, &to, "w", &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(refused.expect_err("refused").to_string().contains("f9"));
    assert_eq!(
        (said.reads, fs::read(to.join("f9")).expect("read")),
        (5, b"mine".to_vec())
    );
    fs::remove_file(to.join("f9")).expect("removed");
    let done = export(&mut said, &tree, &to, "w", &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("done");
    assert_eq!((done.had, said.reads), (4, 11));
    assert_eq!(fs::read(to.join("f0")).expect("read"), b"longer text");
    assert_eq!(fs::read_dir(&to).expect("read").count(), 10);
}

#[test]
fn what_is_damaged_is_named_and_nothing_of_it_written() {
    let (_dir, to) = place();
    let mut said = Said::new();
    said.file("/a", b"whole");
    said.file("/b", b"broken");
    said.file("/c", b"whole");
    said.damaged.push("/b".into());
    let done = run(&mut said, &to).expect("the others");
    let names: Vec<_> = fs::read_dir(&to)
        .expect("read")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let (path, why) = done.failed.first().expect("named");
    assert!(path == Path::new("/b") && why.contains("block 7"), "{why}");
}

#[test]
fn what_a_listing_leaves_out_is_told_and_the_rest_arrives() {
    let (_dir, to) = place();
    let mut said = Said::new();
    said.file("/f", b"text");
    said.left_out.push("/bad".into());
    let done = run(&mut said, &to).expect("exported");
    assert_eq!((done.bytes, done.failed.len()), (4, 1));
    assert_eq!(done.failed[0].0, Path::new("/bad"));
    assert!(done.failed[0].1.contains("inode 7"), "{:?}", done.failed);
    assert_eq!(fs::read(to.join("f")).expect("read"), b"text");
}

#[test]
fn of_two_exports_to_one_directory_the_second_is_refused() {
    let (_dir, to) = place();
    let first = Place::open(&to, "w /").expect("the first");
    let second = Place::open(&to, "w /").map(drop).expect_err("the second");
    assert!(second.to_string().contains("runs just now"), "{second}");
    drop(first);
    let mut said = Said::new();
    said.file("/f", b"text");
    // What was left there, with a second name elsewhere, is not written into.
    let other = to.with_file_name("other");
    fs::write(&other, "mine").expect("written");
    fs::hard_link(&other, to.join(place::MARK).join("part")).expect("linked");
    run(&mut said, &to).expect("exported");
    assert_eq!(fs::read(&other).expect("read"), b"mine");
    assert_eq!(fs::read(to.join("f")).expect("read"), b"text");
}
