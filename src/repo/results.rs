//! On the session's machine: what agents made. Commits are on their branches already; what they have not committed
//! becomes one commit on a ref of its own, by the same copy of the index as on the way there, so that an agent at
//! work never notices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::RecordAgent;
use super::{
    Git, Limits, Oid, Options, Record, Refs, RepoError, Repository, Snapshot, Store, snapshot,
};
use crate::model::{SessionId, Work};

/// All that a session has to give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    pub session: SessionId,
    pub store: PathBuf,
    /// The repository, for people.
    pub name: String,
    pub base: Oid,
    #[serde(default)]
    pub branch: Option<String>,
    pub agents: Vec<Results>,
    /// What could not be collected, and why.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One agent's results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Results {
    pub number: u32,
    /// Where it began.
    pub start: Oid,
    /// Where its branch is.
    pub tip: Oid,
    /// What is not on the branch: uncommitted, or committed elsewhere.
    #[serde(default)]
    pub wip: Option<Oid>,
    /// Commits on the branch since it began.
    pub commits: u64,
    /// Objects since it began, of `tip` and `wip`: what a fetch of them must bring.
    pub objects: u64,
    /// Commits in submodules: path, ref in the store, commit.
    #[serde(default)]
    pub modules: Vec<(PathBuf, String, Oid)>,
    /// All of it has been fetched and verified by a client.
    #[serde(default)]
    pub pulled: bool,
    /// How much it is, what is not committed included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

impl Results {
    /// The refs to fetch and where they must then be.
    pub fn refs(&self, session: &SessionId) -> BTreeMap<String, Oid> {
        let refs = Refs(session);
        let mut all = BTreeMap::from([(refs.head(self.number), self.tip.clone())]);
        if let Some(wip) = &self.wip {
            all.insert(refs.wip(self.number), wip.clone());
        }
        for (_, name, commit) in &self.modules {
            all.insert(name.clone(), commit.clone());
        }
        all
    }
}

/// Objects that are in `tips` and were not where the agent began.
///
/// # Errors
/// git's: one of them is not whole.
pub async fn count(git: &Git, start: &Oid, tips: &[&Oid]) -> Result<u64, RepoError> {
    let mut args = vec!["rev-list", "--objects", "--count"];
    args.extend(tips.iter().map(|t| t.as_str()));
    args.extend(["--not", start.as_str(), "--"]);
    number(&git.text(args).await?)
}

fn number(text: &str) -> Result<u64, RepoError> {
    text.parse()
        .map_err(|_| RepoError::Unexpected(format!("`{text}` is no count")))
}

/// Collects what a session's agents made; `only` one of them, or all.
///
/// # Errors
/// A branch cannot be read. Leftovers that cannot be collected are a warning: the commits are there all the same.
pub async fn collect(
    store: &Store,
    record: &Record,
    only: Option<u32>,
) -> Result<Collected, RepoError> {
    let mut collected = Collected {
        session: record.session.clone(),
        store: store.dir().to_owned(),
        name: record.name.clone(),
        base: record.base.clone(),
        branch: record.branch.clone(),
        agents: Vec::new(),
        warnings: Vec::new(),
    };
    for agent in &record.agents {
        if only.is_some_and(|n| n != agent.number) {
            continue;
        }
        let results = results(store, record, agent, &mut collected.warnings).await?;
        collected.agents.extend(results);
    }
    Ok(collected)
}

async fn results(
    store: &Store,
    record: &Record,
    agent: &RecordAgent,
    warnings: &mut Vec<String>,
) -> Result<Option<Results>, RepoError> {
    let git = store.git();
    let refs = Refs(&record.session);
    let number_ = agent.number;
    if agent.dir.is_dir() {
        match leftovers(store, record, agent).await {
            Ok(nested) => warnings.extend(nested.iter().map(|dir| {
                format!(
                    "agent {number_}: `{}` is a repository of its own, and stays there",
                    dir.display()
                )
            })),
            Err(e) => warnings.push(format!(
                "agent {number_}: what it has not committed could not be collected: {e}"
            )),
        }
    }
    let Some(tip) = git.resolve(&refs.head(number_)).await? else {
        warnings.push(format!("agent {number_}: its branch is gone"));
        return Ok(None);
    };
    let wip = git.resolve(&refs.wip(number_)).await?;
    let mut modules = Vec::new();
    for (index, (path, _)) in record.modules.iter().enumerate() {
        let name = module_ref(record, number_, index);
        if let Some(commit) = git.resolve(&name).await? {
            modules.push((path.clone(), name, commit));
        }
    }
    let tips: Vec<&Oid> = [Some(&tip), wip.as_ref()].into_iter().flatten().collect();
    let range = format!("{}..{tip}", agent.start);
    let commits = number(&git.text(["rev-list", "--count", &range, "--"]).await?)?;
    let work = amount(&git, &agent.start, wip.as_ref().unwrap_or(&tip), commits).await?;
    let mut results = Results {
        number: number_,
        start: agent.start.clone(),
        commits,
        objects: count(&git, &agent.start, &tips).await?,
        tip,
        wip,
        modules,
        pulled: false,
        work: Some(work),
    };
    let nothing = results.tip == agent.start && results.wip.is_none() && results.modules.is_empty();
    results.pulled = nothing || results.refs(&record.session) == agent.pulled;
    Ok(Some(results))
}

/// How much has changed, as `git diff --shortstat` counts it.
async fn amount(git: &Git, start: &Oid, end: &Oid, commits: u64) -> Result<Work, RepoError> {
    let args = ["diff", "--shortstat", "--no-ext-diff", "--no-textconv"];
    let (start, end) = (start.as_str(), end.as_str());
    let text = git.text(args.into_iter().chain([start, end, "--"])).await?;
    Ok(parsed(&text, commits))
}

/// `3 files changed, 10 insertions(+), 2 deletions(-)`, of which parts are left out where they would be 0.
fn parsed(text: &str, commits: u64) -> Work {
    let mut work = Work {
        commits,
        ..Work::default()
    };
    for part in text.split(',') {
        let (number, what) = part.trim().split_once(' ').unwrap_or_default();
        let number = number.parse().unwrap_or(0);
        if what.starts_with("file") {
            work.files = number;
        } else if what.starts_with("insertion") {
            work.insertions = number;
        } else if what.starts_with("deletion") {
            work.deletions = number;
        }
    }
    work
}

fn module_ref(record: &Record, agent: u32, index: usize) -> String {
    format!("refs/remote/{}/{agent}/module-{index}", record.session)
}

/// Makes the wip ref say what is in the working tree and not on the branch; gives the nested repositories.
async fn leftovers(
    store: &Store,
    record: &Record,
    agent: &RecordAgent,
) -> Result<Vec<PathBuf>, RepoError> {
    let git = store.git();
    let refs = Refs(&record.session);
    let Some(repository) = Repository::find(&agent.dir).await? else {
        return Err(RepoError::NotARepository(agent.dir.clone()));
    };
    let options = Options {
        dirty: true,
        limits: Limits::NONE,
        scratch: store.scratch(),
        own: true,
        message: format!("Uncommitted work of {}/{}", record.session, agent.number),
    };
    let taken = snapshot(&repository, &options).await?;
    publish_modules(store, record, agent, &taken).await?;
    let wip = refs.wip(agent.number);
    let head = refs.head(agent.number);
    let args = ["merge-base", "--is-ancestor", taken.commit.as_str(), &head];
    // On the branch, or where it began: nothing is left over.
    if git.ask(args).await?.is_some() {
        if git.resolve(&wip).await?.is_some() {
            git.run(["update-ref", "-d", &wip]).await?;
        }
    } else {
        git.run(["update-ref", &wip, taken.commit.as_str()]).await?;
    }
    Ok(taken.nested)
}

/// Submodules' commits lie in their own repositories: those that were not brought go into the store.
async fn publish_modules(
    store: &Store,
    record: &Record,
    agent: &RecordAgent,
    taken: &Snapshot,
) -> Result<(), RepoError> {
    let mut found = Vec::new();
    flatten(Path::new(""), taken, &mut found);
    for (index, (path, brought)) in record.modules.iter().enumerate() {
        let Some((_, module)) = found.iter().find(|(p, _)| p == path) else {
            continue;
        };
        if module.commit == *brought {
            continue;
        }
        let name = module_ref(record, agent.number, index);
        let refspec = format!("+{}:{name}", module.commit);
        let args = ["push", "--quiet", "--no-verify", "--"];
        let to = [store.dir().as_os_str(), refspec.as_ref()];
        let args = args.iter().map(AsRef::as_ref).chain(to);
        module.git().run(args).await?;
    }
    Ok(())
}

/// A snapshot's submodules with those inside of them: paths from the top, parents first.
pub(super) fn flatten<'a>(
    below: &Path,
    taken: &'a Snapshot,
    all: &mut Vec<(PathBuf, &'a Snapshot)>,
) {
    for (path, module) in &taken.modules {
        let path = below.join(path);
        all.push((path.clone(), module));
        flatten(&path, module, all);
    }
}

/// Writes down what a client has fetched and verified: refs and where they were.
///
/// # Errors
/// The session has nothing here, or the record cannot be written.
pub fn mark_pulled(
    store: &Store,
    record: &mut Record,
    pulled: &BTreeMap<u32, BTreeMap<String, Oid>>,
) -> Result<(), RepoError> {
    for agent in &mut record.agents {
        if let Some(refs) = pulled.get(&agent.number) {
            agent.pulled.clone_from(refs);
        }
    }
    store.put(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_stat_is_read_whatever_it_leaves_out() {
        let work = |text| {
            let w = parsed(text, 1);
            (w.files, w.insertions, w.deletions)
        };
        assert_eq!(work(""), (0, 0, 0));
        assert_eq!(work(" 1 file changed, 1 insertion(+)\n"), (1, 1, 0));
        assert_eq!(work(" 3 files changed, 2 deletions(-)"), (3, 0, 2));
        let all = " 12 files changed, 345 insertions(+), 67 deletions(-)";
        assert_eq!(work(all), (12, 345, 67));
        assert_eq!(work(" 2 files changed"), (2, 0, 0));
    }
}
