//! The files that git does not know and does not ignore: listed, and looked at before they travel. A forgotten
//! disk image must not make a dispatch take an hour, and a repository inside of this one is not ours to take apart.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::find::to_path;
use super::{Git, GitFailed, RepoError};

/// How much of untracked files travels. Tracked ones have no limit: somebody meant them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub one_file: u64,
    pub in_all: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            one_file: 100_000_000,
            in_all: 1_000_000_000,
        }
    }
}

impl Limits {
    /// For what an agent left: nothing of that is ever lost for its size.
    pub const NONE: Self = Self {
        one_file: u64::MAX,
        in_all: u64::MAX,
    };
}

/// What there is, as git names it, relative to the top.
#[derive(Debug, Default)]
pub(super) struct Untracked {
    pub files: Vec<PathBuf>,
    /// Directories that are repositories of their own.
    pub nested: Vec<PathBuf>,
}

impl Untracked {
    /// As git sees it with the index that `git` is set to.
    pub async fn list(git: &Git) -> Result<Self, RepoError> {
        let args = ["ls-files", "--others", "--exclude-standard", "-z"];
        let (list, said) = git.both(args, &[]).await?;
        refuse_unreadable(&said)?;
        let mut found = Self::default();
        for name in list.split(|b| *b == 0).filter(|n| !n.is_empty()) {
            match name.strip_suffix(b"/") {
                Some(dir) => found.nested.push(to_path(dir.to_vec())),
                None => found.files.push(to_path(name.to_vec())),
            }
        }
        Ok(found)
    }

    /// For `git update-index -z --stdin`.
    pub fn input(&self) -> Vec<u8> {
        let mut input = Vec::new();
        for file in &self.files {
            input.extend_from_slice(file.as_os_str().as_bytes());
            input.push(0);
        }
        input
    }

    /// # Errors
    /// What is too big, by name, the biggest first.
    pub fn check(&self, top: &Path, limits: Limits) -> Result<(), RepoError> {
        let mut sizes: Vec<(PathBuf, u64)> = self
            .files
            .iter()
            .filter_map(|file| {
                let meta = top.join(file).symlink_metadata().ok()?;
                Some((file.clone(), meta.len()))
            })
            .collect();
        sizes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let total = sizes.iter().fold(0_u64, |sum, f| sum.saturating_add(f.1));
        let huge = sizes.iter().take_while(|f| f.1 > limits.one_file).count();
        if huge > 0 {
            sizes.truncate(huge);
            return Err(RepoError::Huge { files: sizes });
        }
        if total > limits.in_all {
            return Err(RepoError::HugeInAll {
                total,
                files: sizes,
            });
        }
        Ok(())
    }
}

/// git passes over what it may not read, and says so on stderr only.
///
/// # Errors
/// There is something of that.
pub(super) fn refuse_unreadable(said: &str) -> Result<(), RepoError> {
    match unreadable(said) {
        files if files.is_empty() => Ok(()),
        files => Err(RepoError::Unreadable(files)),
    }
}

/// The files in git's complaints: `error: open("a"): Permission denied`, `warning: could not open directory
/// 'a/': Permission denied`, `a: Permission denied`.
fn unreadable(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|l| l.strip_suffix(": Permission denied"))
        .map(|l| {
            let quoted = l.split_once(['"', '\'']).map(|(_, rest)| rest);
            let name = quoted.map_or(l, |q| q.trim_end_matches([')', '"', '\'', '/']));
            PathBuf::from(
                name.trim_start_matches("error: ")
                    .trim_start_matches("fatal: "),
            )
        })
        .collect()
}

/// Why the tree could not be put into the index, from what git said.
pub(super) fn sorted(e: RepoError) -> RepoError {
    let RepoError::Git(GitFailed { said, .. }) = &e else {
        return e;
    };
    let files = unreadable(said);
    if !files.is_empty() {
        return RepoError::Unreadable(files);
    }
    // error: 'm' does not have a commit checked out
    let bare = |l: &str| {
        let rest = l.strip_prefix("error: '")?;
        let path = rest.strip_suffix("' does not have a commit checked out")?;
        Some(PathBuf::from(path.trim_end_matches('/')))
    };
    if let Some(path) = said.lines().find_map(bare) {
        let why = "it has no commit".to_owned();
        return RepoError::Submodule { path, why };
    }
    if said.contains("No space left on device") {
        return RepoError::NoSpace {
            what: "the commit of the working tree",
        };
    }
    let filter = |l: &&str| l.contains("external filter") || l.contains("clean filter");
    if let Some(line) = said.lines().find(filter) {
        // error: external filter 'x' failed 1; fatal: a.bin: clean filter 'x' failed
        let fatal = said.lines().find_map(|l| l.strip_prefix("fatal: "));
        let path = fatal.and_then(|f| f.split_once(": clean filter"));
        return RepoError::Filter {
            path: path.map(|(p, _)| p.to_owned()),
            said: line.trim_start_matches("error: ").to_owned(),
        };
    }
    e
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_read_is_named() {
        for (said, expected) in [
            (
                "error: open(\"a b\"): Permission denied\nerror: unable to index file 'a b'",
                "a b",
            ),
            (
                "warning: could not open directory 'x/y/': Permission denied",
                "x/y",
            ),
            ("x/y: Permission denied", "x/y"),
        ] {
            let refused = refuse_unreadable(said).expect_err(said).to_string();
            assert_eq!(refused, format!("`{expected}` cannot be read"));
        }
        assert!(refuse_unreadable("warning: nothing of that").is_ok());
    }

    #[test]
    fn a_filter_that_fails_is_named_with_its_file() {
        let e = sorted(RepoError::Git(GitFailed {
            verb: "add".into(),
            code: Some(128),
            said:
                "error: external filter 'false' failed 1\nfatal: a.bin: clean filter 'x' failed\n"
                    .into(),
        }));
        assert!(e.to_string().contains("the filter of a.bin failed"), "{e}");
    }

    #[test]
    fn the_biggest_are_named_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut files = Vec::new();
        for (name, len) in [("small", 10), ("big", 300), ("bigger", 400)] {
            std::fs::write(dir.path().join(name), vec![0; len]).expect("written");
            files.push(PathBuf::from(name));
        }
        let untracked = Untracked {
            files,
            nested: Vec::new(),
        };
        let check = |one_file, in_all| untracked.check(dir.path(), Limits { one_file, in_all });
        assert!(check(400, 710).is_ok());
        let said = check(100, 1000).expect_err("two are too big").to_string();
        assert_eq!(
            said,
            "2 untracked files are too big to bring along: `bigger` (400 B), `big` (300 B)"
        );
        let said = check(400, 709).expect_err("too much").to_string();
        assert!(
            said.contains("710 B") && said.contains("`bigger`"),
            "{said}"
        );
    }
}
