//! A repository of a test's own, and what of it must never change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo::*;

pub struct Fixture {
    _dir: tempfile::TempDir,
    /// The working tree.
    pub top: PathBuf,
    /// Beside it.
    pub side: PathBuf,
}

/// Every file below a directory, but for `except`: mode, time of change and content.
fn files(dir: &Path, except: &[&str]) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let mut all = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in std::fs::read_dir(&at).expect("a directory").flatten() {
            let path = entry.path();
            let meta = path.symlink_metadata().expect("its metadata");
            let inside = path.strip_prefix(dir).expect("below").to_owned();
            if except.iter().any(|e| inside == Path::new(e)) {
                continue;
            }
            let bytes = match meta.file_type() {
                kind if kind.is_dir() => {
                    dirs.push(path.clone());
                    Vec::new()
                }
                kind if kind.is_symlink() => {
                    let to = std::fs::read_link(&path).expect("a link");
                    to.as_os_str().as_bytes().to_vec()
                }
                _ => std::fs::read(&path).expect("a file"),
            };
            all.insert(
                inside,
                (meta.mode(), meta.mtime(), meta.mtime_nsec(), bytes),
            );
        }
    }
    all
}

/// What a person would notice.
#[derive(PartialEq, Eq)]
pub struct State {
    files: BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>,
    status: Vec<u8>,
}

impl State {
    /// # Panics
    /// Where something differs, with its name.
    pub fn assert_same(&self, other: &Self) {
        for (path, was) in &self.files {
            let is = other.files.get(path);
            assert!(is == Some(was), "{} has changed", path.display());
        }
        for path in other.files.keys() {
            assert!(self.files.contains_key(path), "{} is new", path.display());
        }
        assert_eq!(
            String::from_utf8_lossy(&self.status),
            String::from_utf8_lossy(&other.status)
        );
    }
}

pub fn git_in(dir: &Path, args: &[&str]) -> Vec<u8> {
    let out = git_command(dir).args(args).output().expect("git");
    assert!(
        out.status.success(),
        "git {args:?} in {}: {}",
        dir.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A U Thor")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_COMMITTER_NAME", "A U Thor")
        .env("GIT_COMMITTER_EMAIL", "author@example.com")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
        ]);
    command
}

impl Fixture {
    /// An empty repository.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (top, side) = (dir.path().join("top"), dir.path().join("side"));
        std::fs::create_dir_all(&top).expect("the top");
        std::fs::create_dir_all(&side).expect("a place beside it");
        git_in(&top, &["init", "--quiet"]);
        let this = Self {
            _dir: dir,
            top,
            side,
        };
        this.identify(&this.top);
        this
    }

    /// One with a commit.
    pub fn new() -> Self {
        let this = Self::empty();
        this.write("a.txt", "one\n");
        this.write("src/lib.rs", "// lib\n");
        this.commit("first");
        this
    }

    pub fn identify(&self, dir: &Path) {
        git_in(dir, &["config", "user.name", "A U Thor"]);
        git_in(dir, &["config", "user.email", "author@example.com"]);
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.top.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its directory");
        std::fs::write(path, text).expect("written");
    }

    pub fn git(&self, args: &[&str]) -> String {
        let out = git_in(&self.top, args);
        String::from_utf8_lossy(&out).trim_end().to_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
    }

    pub fn state(&self) -> State {
        let mut files = files(&self.top, &[".git"]);
        let git_dir = self.git(&["rev-parse", "--absolute-git-dir"]);
        for (path, mut file) in super::fixture::files(Path::new(&git_dir), &[]) {
            let text = path.to_string_lossy();
            if text.contains("objects/") || text.starts_with("sharedindex") {
                // git marks what it meets again as used.
                (file.1, file.2) = (0, 0);
            }
            files.insert(Path::new(".git").join(path), file);
        }
        State {
            files,
            status: git_in(&self.top, &["status", "--porcelain=v2", "--branch", "-z"]),
        }
    }

    pub async fn repository(&self) -> Repository {
        let found = Repository::find(&self.top).await.expect("it can be read");
        found.expect("there is one")
    }

    pub fn options(&self) -> Options {
        Options {
            dirty: true,
            limits: Limits::default(),
            scratch: self.side.join("scratch"),
            own: false,
            message: "Work tree".to_owned(),
        }
    }

    /// Takes a snapshot and sees that nobody can tell.
    pub async fn snapshot(&self) -> Snapshot {
        let before = self.state();
        let taken = snapshot(&self.repository().await, &self.options()).await;
        before.assert_same(&self.state());
        taken.unwrap_or_else(|e| panic!("{e:?}"))
    }

    /// A refusal, in a person's words; nobody can tell either.
    pub async fn refused(&self, options: &Options) -> String {
        let before = self.state();
        let repository = self.repository().await;
        let refused = snapshot(&repository, options).await.expect_err("a refusal");
        before.assert_same(&self.state());
        let error: crate::error::Error = refused.into();
        assert!(!error.hints.is_empty(), "{error} has no hint");
        format!("{error}\n{}", error.hints.join("\n"))
    }

    /// What `git add --all` in a copy of the repository makes of its tree: found by git's own hand.
    pub fn tree_by_hand(&self) -> String {
        let copy = self.side.join("copy");
        let status = Command::new("cp")
            .arg("-a")
            .arg(&self.top)
            .arg(&copy)
            .status();
        assert!(status.expect("cp").success());
        git_in(&copy, &["add", "--all", "--sparse", "."]);
        let tree = String::from_utf8_lossy(&git_in(&copy, &["write-tree"]))
            .trim()
            .to_owned();
        std::fs::remove_dir_all(&copy).expect("removed");
        tree
    }
}

/// A snapshot on another machine: pushed into a store, with working trees for `agents`.
pub struct There {
    pub store: Store,
    pub begun: Begun,
    pub record: Record,
    pub trees: PathBuf,
}

pub fn session(tail: &str) -> crate::model::SessionId {
    format!("session-{tail}").parse().expect("a name")
}

/// Brings a snapshot there.
pub async fn bring(fixture: &Fixture, taken: &Snapshot, tail: &str, agents: &[u32]) -> There {
    let id = session(tail);
    let repository = &taken.repository;
    let open = Open {
        name: repository.store_name(),
        format: repository.format.clone(),
        workspace: None,
    };
    let (store, _) = Store::open(&fixture.side.join("repo"), &open)
        .await
        .expect("a store");
    let url = store.dir().display().to_string();
    let specs = transfer::push_refs(taken, &id).await.expect("refs");
    transfer::push(taken, taken.git(), &url, &specs, &|_| {})
        .await
        .expect("pushed");
    let mut modules = Vec::new();
    for (index, (path, module)) in taken.all_modules().into_iter().enumerate() {
        let spec = format!("+{}:refs/remote/{id}/module-{index}", module.commit);
        transfer::push(module, module.git(), &url, &[spec], &|_| {})
            .await
            .expect("pushed");
        modules.push((path, module.commit.clone()));
    }
    let trees = fixture.side.join("work").join(tail);
    let ask = Begin {
        session: id.clone(),
        store: store.dir().to_owned(),
        name: repository.name(),
        agents: agents.to_vec(),
        brought: Some(taken.commit.clone()),
        url: None,
        workspace: false,
        choice: base::Choice::Ahead,
        prefix: repository.prefix.clone(),
        branch: repository.branch.clone(),
        origin: repository.origin.clone(),
        author: repository.author.clone(),
        ignore: String::new(),
        modules,
        homes: false,
    };
    let begun = begin(&trees, &ask)
        .await
        .unwrap_or_else(|e| panic!("{e:?}"));
    let record = store.record(&id).expect("a record");
    There {
        store,
        begun,
        record,
        trees,
    }
}

impl There {
    /// The working tree of an agent.
    pub fn tree(&self, agent: u32) -> PathBuf {
        let agents = &self.record.agents;
        agents
            .iter()
            .find(|a| a.number == agent)
            .expect("the agent")
            .dir
            .clone()
    }

    pub async fn collect(&self) -> Collected {
        collect(&self.store, &self.record, None)
            .await
            .expect("collected")
    }
}

impl Fixture {
    /// Without looking before and after, where a look would itself run hooks.
    pub async fn snapshot_quietly(&self) -> Snapshot {
        let taken = snapshot(&self.repository().await, &self.options()).await;
        taken.unwrap_or_else(|e| panic!("{e:?}"))
    }
}
