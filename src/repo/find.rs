//! Which repository a directory is in, and what is unusual about it. Reads only.

use std::path::{Path, PathBuf};

use super::names::{identity, store_name};
use super::{Git, GitFailed, Oid, RepoError, without_credentials};

/// What was begun in a repository and is not through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Rebase,
    Merge,
    CherryPick,
    Revert,
    Bisect,
}

impl Doing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rebase => "rebase",
            Self::Merge => "merge",
            Self::CherryPick => "cherry-pick",
            Self::Revert => "revert",
            Self::Bisect => "bisect",
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The working tree's top; `None` for a bare repository.
    pub top: Option<PathBuf>,
    /// This working tree's own directory: index, HEAD.
    pub git_dir: PathBuf,
    /// Shared by all its working trees.
    pub objects: PathBuf,
    /// Not found by git but named to it: a directory that is no repository, looked at as if it were one.
    pub named: bool,
    /// From the top to where the person stands.
    pub prefix: PathBuf,
    /// `sha1` or `sha256`.
    pub format: String,
    /// `None` before the first commit.
    pub head: Option<Oid>,
    /// `None` where HEAD is detached.
    pub branch: Option<String>,
    /// Where it comes from, without credentials.
    pub origin: Option<String>,
    pub shallow: bool,
    /// Some objects are on a remote only.
    pub partial: bool,
    pub sparse: bool,
    pub doing: Option<Doing>,
    /// Name and address of its author, where git knows one.
    pub author: Option<(String, String)>,
}

impl Repository {
    /// The repository that `dir` is in; `None` where it is in none.
    ///
    /// # Errors
    /// git is missing though there is a repository, or refuses it.
    pub async fn find(dir: &Path) -> Result<Option<Self>, RepoError> {
        match Self::read(dir).await {
            Ok(repository) => Ok(Some(repository)),
            Err(RepoError::NotARepository(_)) => Ok(None),
            Err(RepoError::NoGit) if !below_a_repository(dir) => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn read(dir: &Path) -> Result<Self, RepoError> {
        let git = Git::at(dir);
        let path = |flag: &'static str| {
            let git = &git;
            async move {
                let path = git.run(["rev-parse", "--path-format=absolute", flag]).await;
                path.map(to_path).map_err(|e| sorted(e, dir))
            }
        };
        let git_dir = path("--absolute-git-dir").await?;
        let yes = |flag: &'static str| {
            let git = &git;
            async move { Ok::<_, RepoError>(git.text(["rev-parse", flag]).await? == "true") }
        };
        let (top, prefix) = if yes("--is-inside-work-tree").await? {
            let prefix = git.run(["rev-parse", "--show-prefix"]).await?;
            (Some(path("--show-toplevel").await?), to_path(prefix))
        } else if yes("--is-bare-repository").await? {
            (None, PathBuf::new())
        } else {
            return Err(RepoError::InsideGitDir(dir.to_owned()));
        };
        let objects = git
            .run([
                "rev-parse",
                "--path-format=absolute",
                "--git-path",
                "objects",
            ])
            .await?;
        let setting = async |name: &str| git.ask(["config", "--get", name]).await;
        let promisor = git
            .ask(["config", "--get-regexp", r"^remote\..*\.promisor$"])
            .await?;
        let partial = setting("extensions.partialClone").await?.is_some() || promisor.is_some();
        let origin = git.ask(["config", "--get", "remote.origin.url"]).await?;
        let sparse = git
            .ask(["config", "--type=bool", "--get", "core.sparseCheckout"])
            .await?;
        let author = match git.text(["var", "GIT_AUTHOR_IDENT"]).await {
            Ok(line) => parse_ident(&line),
            // Nobody has told git who they are.
            Err(RepoError::Git(_)) => None,
            Err(e) => return Err(e),
        };
        let branch = git
            .ask(["symbolic-ref", "--quiet", "--short", "HEAD"])
            .await?;
        Ok(Self {
            format: git.text(["rev-parse", "--show-object-format"]).await?,
            head: git.resolve("HEAD").await?,
            branch,
            origin: origin.map(|o| without_credentials(&o)),
            shallow: yes("--is-shallow-repository").await?,
            partial,
            sparse: sparse.as_deref() == Some("true"),
            doing: doing(&git_dir),
            author,
            named: false,
            top,
            git_dir,
            objects: to_path(objects),
            prefix,
        })
    }

    /// git at the top of its working tree, or in the bare repository.
    pub fn git(&self) -> Git {
        match &self.top {
            Some(top) if self.named => Git::at(top)
                .env("GIT_DIR", &self.git_dir)
                .env("GIT_WORK_TREE", top),
            Some(top) => Git::at(top),
            None => Git::bare(&self.git_dir),
        }
    }

    fn place(&self) -> &Path {
        self.top.as_deref().unwrap_or(&self.git_dir)
    }

    /// What tells it from other repositories.
    pub fn identity(&self) -> String {
        identity(self.origin.as_deref(), self.place())
    }

    /// The name of its store on other machines.
    pub fn store_name(&self) -> String {
        store_name(&self.identity(), &self.format)
    }

    /// What it is called: its directory's name.
    pub fn name(&self) -> String {
        super::names::name_of(&self.place().to_string_lossy()).to_owned()
    }
}

/// A path that git printed, with one newline at its end.
pub(super) fn to_path(mut bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    std::ffi::OsString::from_vec(bytes).into()
}

fn sorted(e: RepoError, dir: &Path) -> RepoError {
    let RepoError::Git(GitFailed { said, .. }) = &e else {
        return e;
    };
    let dir = dir.to_owned();
    if said.contains("dubious ownership") {
        RepoError::Untrusted {
            dir,
            said: said.trim().to_owned(),
        }
    } else if said.contains("not a git repository") {
        RepoError::NotARepository(dir)
    } else {
        e
    }
}

/// Whether somebody's repository is here or above, which git would have found.
fn below_a_repository(dir: &Path) -> bool {
    dir.ancestors().any(|d| d.join(".git").exists())
}

fn doing(git_dir: &Path) -> Option<Doing> {
    [
        ("rebase-merge", Doing::Rebase),
        ("rebase-apply", Doing::Rebase),
        ("MERGE_HEAD", Doing::Merge),
        ("CHERRY_PICK_HEAD", Doing::CherryPick),
        ("REVERT_HEAD", Doing::Revert),
        ("BISECT_LOG", Doing::Bisect),
    ]
    .into_iter()
    .find(|(file, _)| git_dir.join(file).exists())
    .map(|(_, doing)| doing)
}

/// `A U Thor <a@b> 1700000000 +0000`
pub(super) fn parse_ident(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once(" <")?;
    let (email, _) = rest.rsplit_once('>')?;
    Some((name.to_owned(), email.to_owned()))
}

/// The most of a person's own ignore rules that travels.
const RULES: u64 = 64 << 10;

/// What the person has git ignore besides the repository's own .gitignore files: of this repository, and of all.
///
/// # Errors
/// git's.
pub async fn ignore_rules(repository: &Repository) -> Result<String, RepoError> {
    use std::io::Read;
    let git = repository.git();
    let args = [
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "info/exclude",
    ];
    let own = to_path(git.run(args).await?);
    let args = ["config", "--type=path", "--get", "core.excludesFile"];
    let all = match git.ask(args).await? {
        Some(path) => Some(PathBuf::from(path)),
        None => {
            let home = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
            let base = home("XDG_CONFIG_HOME").map(PathBuf::from);
            let base = base.or_else(|| home("HOME").map(|h| PathBuf::from(h).join(".config")));
            base.map(|b| b.join("git/ignore"))
        }
    };
    let mut rules = String::new();
    for file in all.into_iter().chain([own]) {
        // Not there, or not text: then there are no rules in it.
        if let Ok(file) = std::fs::File::open(file) {
            let mut text = String::new();
            if file.take(RULES).read_to_string(&mut text).is_ok() && !text.is_empty() {
                rules.push_str(&text);
                rules.push('\n');
            }
        }
    }
    Ok(rules)
}
