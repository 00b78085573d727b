//! On the session's machine: from what was brought to a working tree and a branch for each agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::base::Choice;
use super::choose::{choose, clone};
use super::ports::port_range;
use super::snapshot::quoted;
use super::store::{RecordAgent, private_dir};
use super::{Git, Oid, Record, Refs, RepoError, Store};
use crate::model::SessionId;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    pub session: SessionId,
    pub store: PathBuf,
    /// The repository, for people and for the directory's name.
    pub name: String,
    /// The agents' numbers.
    pub agents: Vec<u32>,
    /// What was brought; where nothing was, `url` is cloned.
    #[serde(default)]
    pub brought: Option<Oid>,
    #[serde(default)]
    pub url: Option<String>,
    /// The store is a workspace: earlier sessions' work there goes on.
    #[serde(default)]
    pub workspace: bool,
    #[serde(default)]
    pub choice: Choice,
    /// Where below the top the agents work.
    #[serde(default)]
    pub prefix: PathBuf,
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub origin: Option<String>,
    /// Name and address of who asks.
    #[serde(default)]
    pub author: Option<(String, String)>,
    /// What the person has git ignore besides the repository's own rules.
    #[serde(default)]
    pub ignore: String,
    #[serde(default)]
    pub modules: Vec<(PathBuf, Oid)>,
    /// Each agent has a home of its own, empty, beside its tree.
    #[serde(default)]
    pub homes: bool,
}

impl Begin {
    /// More agents for a session, on what it has; to be filled in for anything else.
    pub fn new(session: SessionId) -> Self {
        Self {
            session,
            store: PathBuf::new(),
            name: String::new(),
            agents: Vec::new(),
            brought: None,
            url: None,
            workspace: false,
            choice: Choice::Ahead,
            prefix: PathBuf::new(),
            branch: None,
            origin: None,
            author: None,
            ignore: String::new(),
            modules: Vec::new(),
            homes: false,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub base: Oid,
    pub agents: Vec<BegunAgent>,
    /// What the person should know.
    #[serde(default)]
    pub say: Option<String>,
    /// What a login on this machine has for a PATH, where that is not ours.
    #[serde(default)]
    pub path: Option<String>,
}

/// One agent's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunAgent {
    pub number: u32,
    pub cwd: PathBuf,
    pub branch: String,
    pub env: BTreeMap<String, String>,
}

/// Makes the working trees, below `trees`.
///
/// # Errors
/// What was brought is not there, the clone or a merge fails, or git and the file system do. What was made is taken
/// away then.
pub async fn begin(trees: &Path, ask: &Begin) -> Result<Begun, RepoError> {
    let store = Store::at(&ask.store)?;
    let git = store.git();
    // Trees that went with their session's directory.
    git.run(["worktree", "prune"]).await?;
    configure(&store, ask).await?;
    let (came, branch) = match (&ask.brought, &ask.url) {
        (Some(commit), _) => (commit.clone(), ask.branch.clone()),
        (None, Some(url)) => clone(&git, url).await?,
        (None, None) => match store.record(&ask.session) {
            // More agents for a session that is there.
            Some(record) => (record.base, record.branch),
            None => return Err(RepoError::Unexpected("nothing was brought".to_owned())),
        },
    };
    let (base, say) = match ask.workspace {
        true => choose(&store, &came, ask).await?,
        false => (came, None),
    };
    let refs = Refs(&ask.session);
    git.run(["update-ref", &refs.base(), base.as_str()]).await?;
    let earlier = store.record(&ask.session);
    let modules = match &earlier {
        Some(record) if ask.modules.is_empty() => record.modules.clone(),
        _ => ask.modules.clone(),
    };
    let mut record = Record {
        session: ask.session.clone(),
        name: ask.name.clone(),
        base: base.clone(),
        branch,
        agents: earlier.map(|r| r.agents).unwrap_or_default(),
        modules,
    };
    for number in &ask.agents {
        let before = record.agents.iter().find(|a| a.number == *number);
        if let Some(before) = before.filter(|b| b.dir.exists()) {
            // An agent that was given a place and never began has left nothing; any other's is not to be touched.
            if !is_untouched(before).await {
                return Err(RepoError::Taken(*number));
            }
            remove(&store, trees, &ask.session, *number).await;
        }
    }
    let mut agents = Vec::new();
    for number in &ask.agents {
        match agent(&store, trees, ask, &record, *number).await {
            Ok((place, entry)) => {
                agents.push(place);
                record.agents.retain(|a| a.number != *number);
                record.agents.push(entry);
            }
            Err(e) => {
                for number in &ask.agents {
                    remove(&store, trees, &ask.session, *number).await;
                }
                return Err(e);
            }
        }
    }
    store.put(&record)?;
    Ok(Begun {
        base,
        agents,
        say,
        path: None,
    })
}

async fn agent(
    store: &Store,
    trees: &Path,
    ask: &Begin,
    record: &Record,
    number: u32,
) -> Result<(BegunAgent, RecordAgent), RepoError> {
    let refs = Refs(&ask.session);
    let place = trees.join(number.to_string());
    let (dir, tmp) = (place.join(directory_name(&ask.name)), place.join("tmp"));
    private_dir(&tmp)?;
    // The contents of large files are the agent's to fetch, should it want them.
    let git = store.git().env("GIT_LFS_SKIP_SMUDGE", "1");
    let (branch, base) = (refs.branch(number), record.base.as_str());
    git.run([
        "worktree".as_ref(),
        "add".as_ref(),
        "--quiet".as_ref(),
        "--no-track".as_ref(),
        "-B".as_ref(),
        branch.as_ref(),
        "--".as_ref(),
        dir.as_os_str(),
        base.as_ref(),
    ])
    .await
    .map_err(super::untracked::sorted)?;
    git.run(["update-ref", &refs.start(number), base]).await?;
    for (path, commit) in &record.modules {
        module(store, &dir.join(path), commit).await?;
    }
    let cwd: PathBuf = dir.join(&ask.prefix).components().collect();
    private_dir(&cwd)?;
    let port = port_range(&ask.session, number).to_string();
    let mut env = BTreeMap::from([
        ("PORT".to_owned(), port.clone()),
        ("REMOTE_PORT_BASE".to_owned(), port),
        ("TMPDIR".to_owned(), tmp.display().to_string()),
    ]);
    if ask.homes {
        let home = place.join("home");
        private_dir(&home)?;
        env.insert("HOME".to_owned(), home.display().to_string());
    }
    let begun = BegunAgent {
        number,
        cwd,
        branch,
        env,
    };
    let entry = RecordAgent {
        number,
        dir,
        start: record.base.clone(),
        pulled: BTreeMap::new(),
    };
    Ok((begun, entry))
}

/// A submodule's own repository, which reads the store's objects: nothing is copied.
async fn module(store: &Store, dir: &Path, commit: &Oid) -> Result<(), RepoError> {
    std::fs::create_dir_all(dir).map_err(|e| RepoError::io("make", dir, e))?;
    let git = Git::at(dir);
    let format = format!(
        "--object-format={}",
        match commit.as_str().len() {
            64 => "sha256",
            _ => "sha1",
        }
    );
    git.run(["init", "--quiet", "--template=", &format, "."])
        .await?;
    let info = dir.join(".git/objects/info");
    std::fs::create_dir_all(&info).map_err(|e| RepoError::io("make", &info, e))?;
    let alternates = info.join("alternates");
    std::fs::write(&alternates, quoted(&store.dir().join("objects")))
        .map_err(|e| RepoError::io("write", &alternates, e))?;
    git.run(["config", "commit.gpgSign", "false"]).await?;
    for setting in ["user.name", "user.email"] {
        if let Some(value) = store
            .git()
            .ask(["config", "--local", "--get", setting])
            .await?
        {
            git.run(["config", setting, &value]).await?;
        }
    }
    git.env("GIT_LFS_SKIP_SMUDGE", "1")
        .run(["checkout", "--quiet", "--detach", commit.as_str(), "--"])
        .await?;
    Ok(())
}

/// Takes back the places of agents that will not be.
///
/// # Errors
/// The record cannot be written.
pub async fn forget(
    store: &Store,
    trees: &Path,
    session: &SessionId,
    agents: &[u32],
) -> Result<(), RepoError> {
    for number in agents {
        remove(store, trees, session, *number).await;
    }
    match store.record(session) {
        Some(mut record) => {
            record.agents.retain(|a| !agents.contains(&a.number));
            store.put(&record)
        }
        None => Ok(()),
    }
}

/// Whether a place is as it was made.
async fn is_untouched(place: &RecordAgent) -> bool {
    let git = Git::at(&place.dir);
    let head = git.text(["rev-parse", "HEAD"]).await;
    let status = git.text(["status", "--porcelain"]).await;
    head.is_ok_and(|h| h.trim() == place.start.as_str())
        && status.is_ok_and(|s| s.trim().is_empty())
}

/// Takes away what was made for an agent.
async fn remove(store: &Store, trees: &Path, session: &SessionId, number: u32) {
    let _ = std::fs::remove_dir_all(trees.join(number.to_string()));
    let git = store.git();
    let refs = Refs(session);
    let _ = git.run(["worktree", "prune"]).await;
    for name in [refs.head(number), refs.start(number)] {
        let _ = git.run(["update-ref", "-d", &name]).await;
    }
}

async fn configure(store: &Store, ask: &Begin) -> Result<(), RepoError> {
    let git = store.git();
    if let Some((name, email)) = &ask.author {
        git.run(["config", "user.name", name]).await?;
        git.run(["config", "user.email", email]).await?;
    }
    let origin = ask.origin.as_deref().or(ask.url.as_deref());
    if let Some(origin) = origin {
        git.run(["config", "remote.origin.url", origin]).await?;
        let all = "+refs/heads/*:refs/remotes/origin/*";
        git.run(["config", "remote.origin.fetch", all]).await?;
    }
    if !ask.ignore.is_empty() {
        let info = store.dir().join("info");
        private_dir(&info)?;
        let exclude = info.join("exclude");
        std::fs::write(&exclude, &ask.ignore).map_err(|e| RepoError::io("write", &exclude, e))?;
    }
    Ok(())
}

/// A directory's name as people know the repository by, safe in a path.
fn directory_name(name: &str) -> String {
    let safe: String = name
        .chars()
        .filter(|c| !c.is_control() && *c != '/')
        .take(60)
        .collect();
    match safe.as_str() {
        "" | "." | ".." | "tmp" | "home" => "repo".to_owned(),
        _ => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_as_the_repository_unless_that_cannot_be() {
        assert_eq!(directory_name("my api"), "my api");
        for odd in ["", ".", "..", "tmp", "home", "/", "\n"] {
            assert_eq!(directory_name(odd), "repo", "{odd:?}");
        }
    }
}
