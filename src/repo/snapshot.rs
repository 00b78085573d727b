//! The working tree as a commit, made so that nobody can tell: through a copy of the index, and into an object
//! directory of its own that reads the repository's as its alternate. Index, refs, stash, configuration and objects
//! of the repository are byte for byte what they were (git marks objects that it meets again as used, by their
//! time); what is made goes with its directory.
//!
//! One tree on one HEAD gives one commit, whenever it is made: its dates are HEAD's. So a second dispatch of the same
//! tree is known to bring nothing new.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::find::to_path;
use super::untracked::{Untracked, refuse_unreadable, sorted};
use super::{Git, GitFailed, Limits, Oid, RepoError, Repository};

const GITLINK: &[u8] = b"160000 ";
/// No push takes longer.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// How to take one.
#[derive(Debug, Clone)]
pub struct Options {
    /// Uncommitted and untracked files too.
    pub dirty: bool,
    pub limits: Limits,
    /// Where the temporary files go; made where it is not there.
    pub scratch: PathBuf,
    /// Objects go into the repository itself, which is ours.
    pub own: bool,
    pub message: String,
}

/// A working tree that is a commit now. Dropped, it is gone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub repository: Repository,
    /// HEAD itself, where there was nothing to add to it.
    pub commit: Oid,
    /// It holds what HEAD does not.
    pub dirty: bool,
    /// Repositories inside of this one that it does not know: left out.
    pub nested: Vec<PathBuf>,
    /// Submodules that are checked out, parents before what is inside of them.
    pub modules: Vec<(PathBuf, Snapshot)>,
    /// Where new objects are; the repository's own, where none.
    objects: Option<PathBuf>,
    _scratch: Arc<TempDir>,
}

impl Snapshot {
    /// git that reads the repository and what was made for this commit.
    pub fn git(&self) -> Git {
        reading(self.repository.git(), self.objects.as_deref())
    }

    /// The submodules with those inside of them: paths from the top, parents first.
    pub fn all_modules(&self) -> Vec<(PathBuf, &Snapshot)> {
        let mut all = Vec::new();
        super::results::flatten(Path::new(""), self, &mut all);
        all
    }
}

fn reading(git: Git, objects: Option<&Path>) -> Git {
    match objects {
        Some(objects) => git.env("GIT_OBJECT_DIRECTORY", objects),
        None => git,
    }
}

/// Makes the commit.
///
/// # Errors
/// What in the tree cannot travel, and why.
pub async fn snapshot(repository: &Repository, options: &Options) -> Result<Snapshot, RepoError> {
    let scratch = scratch(options)?;
    let scratch = Arc::new(scratch);
    take(repository, options, &scratch, scratch.path().to_owned()).await
}

/// A directory that is in no repository, as if it were one: what it would ignore stays.
///
/// # Errors
/// As [`snapshot`].
pub async fn plain_directory(dir: &Path, options: &Options) -> Result<Snapshot, RepoError> {
    let scratch = scratch(options)?;
    let git_dir = scratch.path().join("git");
    let git = Git::at(scratch.path());
    let args = ["init", "--quiet", "--bare", "--template=", "git"];
    git.run(args).await?;
    let author = match git.text(["var", "GIT_AUTHOR_IDENT"]).await {
        Ok(line) => super::find::parse_ident(&line),
        Err(_) => None,
    };
    let repository = Repository {
        top: Some(dir.to_owned()),
        objects: git_dir.join("objects"),
        git_dir,
        named: true,
        prefix: PathBuf::new(),
        format: "sha1".to_owned(),
        head: None,
        branch: None,
        origin: None,
        shallow: false,
        partial: false,
        sparse: false,
        doing: None,
        author,
    };
    let at = scratch.path().to_owned();
    take(&repository, options, &Arc::new(scratch), at).await
}

/// A new directory for temporary files. Those of processes that were killed long ago go.
fn scratch(options: &Options) -> Result<TempDir, RepoError> {
    let root = &options.scratch;
    std::fs::create_dir_all(root).map_err(|e| RepoError::io("make", root, e))?;
    for old in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let age = old
            .metadata()
            .and_then(|m| m.modified())
            .map(|t| t.elapsed());
        if matches!(age, Ok(Ok(age)) if age > FORGOTTEN) {
            let _ = std::fs::remove_dir_all(old.path());
        }
    }
    tempfile::Builder::new()
        .prefix("snapshot-")
        .tempdir_in(root)
        .map_err(|e| RepoError::io("make a directory in", root, e))
}

async fn take(
    repository: &Repository,
    options: &Options,
    scratch: &Arc<TempDir>,
    at: PathBuf,
) -> Result<Snapshot, RepoError> {
    let as_it_is = |commit: Oid| Snapshot {
        repository: repository.clone(),
        commit,
        dirty: false,
        nested: Vec::new(),
        modules: Vec::new(),
        objects: None,
        _scratch: scratch.clone(),
    };
    let top = match (&repository.top, options.dirty, &repository.head) {
        (Some(top), true, _) => top,
        (_, _, Some(head)) => return Ok(as_it_is(head.clone())),
        (_, _, None) => return Err(RepoError::NothingCommitted),
    };
    let objects = match options.own {
        true => None,
        false => Some(quarantine(&repository.objects, &at)?),
    };
    let index = at.join("index");
    copy_index(&repository.git_dir.join("index"), &index)?;
    let git = reading(repository.git(), objects.as_deref()).env("GIT_INDEX_FILE", &index);
    // What is missing in a partial clone is missing for a reason; nothing here needs it.
    let git = git.env("GIT_NO_LAZY_FETCH", "1");
    let (_, said) = git.both(["add", "--update"], &[]).await.map_err(sorted)?;
    refuse_unreadable(&said)?;
    let untracked = Untracked::list(&git).await?;
    untracked.check(top, options.limits)?;
    let args = ["update-index", "--add", "--replace", "-z", "--stdin"];
    if !untracked.files.is_empty() {
        git.with_input(args, &untracked.input())
            .await
            .map_err(sorted)?;
    }
    let modules = modules(&git, top, options, scratch, &at).await?;
    let tree = git.oid(["write-tree"]).await.map_err(sorted)?;
    let head_tree = match &repository.head {
        Some(head) => Some(git.oid(["rev-parse", &format!("{head}^{{tree}}")]).await?),
        None => None,
    };
    let mut taken = match (&repository.head, head_tree) {
        (Some(head), Some(was)) if was == tree => as_it_is(head.clone()),
        (head, _) => Snapshot {
            dirty: true,
            ..as_it_is(commit(&git, repository, head.as_ref(), &tree, &options.message).await?)
        },
    };
    taken.nested = untracked.nested;
    taken.modules = modules;
    taken.objects = objects;
    Ok(taken)
}

/// Commits `tree`; by the person, at the time of what it stands on.
async fn commit(
    git: &Git,
    repository: &Repository,
    parent: Option<&Oid>,
    tree: &Oid,
    message: &str,
) -> Result<Oid, RepoError> {
    let date = match parent {
        Some(parent) => {
            let args = [
                "log",
                "-1",
                "--no-show-signature",
                "--format=%ct",
                parent.as_str(),
                "--",
            ];
            git.text(args).await?
        }
        None => "0".to_owned(),
    };
    let date = format!("@{date} +0000");
    let (name, email) = repository
        .author
        .clone()
        .unwrap_or_else(|| ("remote".to_owned(), "remote@localhost".to_owned()));
    let git = ["AUTHOR", "COMMITTER"]
        .iter()
        .fold(git.clone(), |git, who| {
            git.env(format!("GIT_{who}_NAME"), &name)
                .env(format!("GIT_{who}_EMAIL"), &email)
                .env(format!("GIT_{who}_DATE"), &date)
        });
    let mut args = vec!["commit-tree", "-m", message];
    if let Some(parent) = parent {
        args.extend(["-p", parent.as_str()]);
    }
    args.push(tree.as_str());
    git.oid(args).await
}

/// The submodules that are checked out, each a commit of its own that its parent's index is made to name.
async fn modules(
    git: &Git,
    top: &Path,
    options: &Options,
    scratch: &Arc<TempDir>,
    at: &Path,
) -> Result<Vec<(PathBuf, Snapshot)>, RepoError> {
    let staged = git.run(["ls-files", "--stage", "-z"]).await?;
    let mut found = Vec::new();
    for entry in staged.split(|b| *b == 0).filter(|e| e.starts_with(GITLINK)) {
        let Some(tab) = entry.iter().position(|b| *b == b'\t') else {
            continue;
        };
        let path = to_path(entry.get(tab + 1..).unwrap_or_default().to_vec());
        let dir = top.join(&path);
        // One that is not checked out here is not there either. An index may have been made to name what is elsewhere.
        if !is_inside(top, &path) || !dir.join(".git").exists() {
            continue;
        }
        let broken = |why: &str| RepoError::Submodule {
            path: path.clone(),
            why: why.to_owned(),
        };
        let Some(module) = Repository::find(&dir).await? else {
            return Err(broken("its repository is gone"));
        };
        let inner = at.join(format!("m{}", found.len()));
        std::fs::create_dir(&inner).map_err(|e| RepoError::io("make", &inner, e))?;
        let taken = match Box::pin(take(&module, options, scratch, inner)).await {
            Err(RepoError::NothingCommitted) => return Err(broken("it has no commit")),
            taken => taken?,
        };
        let mut info = format!("160000,{},", taken.commit).into_bytes();
        use std::os::unix::ffi::{OsStrExt, OsStringExt};
        info.extend_from_slice(path.as_os_str().as_bytes());
        let info = std::ffi::OsString::from_vec(info);
        git.run([
            "update-index".as_ref(),
            "--cacheinfo".as_ref(),
            info.as_os_str(),
        ])
        .await?;
        found.push((path, taken));
    }
    Ok(found)
}

/// Whether a path stays below `top`: by no `..`, and through no link.
fn is_inside(top: &Path, path: &Path) -> bool {
    let mut at = top.to_owned();
    path.components().all(|part| {
        at.push(part);
        let normal = matches!(part, std::path::Component::Normal(_));
        normal && at.symlink_metadata().is_ok_and(|m| m.is_dir())
    })
}

/// An object directory that reads another.
fn quarantine(objects: &Path, at: &Path) -> Result<PathBuf, RepoError> {
    let new = at.join("objects");
    let info = new.join("info");
    std::fs::create_dir_all(&info).map_err(|e| RepoError::io("make", &info, e))?;
    let alternates = info.join("alternates");
    std::fs::write(&alternates, quoted(objects))
        .map_err(|e| RepoError::io("write", &alternates, e))?;
    Ok(new)
}

/// A path as `info/alternates` takes any: in C's quotes.
pub(super) fn quoted(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut line = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            b'\n' => line.extend(b"\\n"),
            _ => line.push(*byte),
        }
    }
    line.extend(b"\"\n");
    line
}

/// The time goes along: git takes an entry for unchanged only where it is older than the index.
fn copy_index(from: &Path, to: &Path) -> Result<(), RepoError> {
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(RepoError::io("read", from, e)),
    };
    let copied = || -> std::io::Result<()> {
        let modified = source.metadata()?.modified()?;
        let mut copy = File::create_new(to)?;
        std::io::copy(&mut source, &mut copy)?;
        copy.set_times(FileTimes::new().set_modified(modified))
    };
    let mut copied = copied;
    copied().map_err(|e| RepoError::io("copy the index", from, e))
}

/// Whether a failure is git missing objects that a partial clone left on its remote.
pub(super) fn lacks_objects(failed: &GitFailed) -> bool {
    [
        "promisor",
        "missing blob",
        "unable to read",
        "lazy fetching",
    ]
    .iter()
    .any(|w| failed.said.contains(w))
}
