//! A session's results into the person's repository: fetched to refs of our own, verified, and only then put on
//! branches, which are moved forward and never back or aside. Done twice it changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::bridge::Bridge;
use super::record::{Pulls, Seen, Starts};
use super::{Way, bring::Tell};
use crate::error::{Error, Result};
use crate::model::{SessionId, now_ms};
use crate::repo::{Collected, Git, Oid, Refs, RepoError, Repository, Results, count, transfer};

/// What became of an agent's branch here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// It has made no commit.
    Nothing,
    New,
    Forward,
    Same,
    /// It was made before, and the person has removed it.
    Removed,
    /// It is checked out here, or has commits of the person's: left as it is.
    Kept,
}

/// One agent's results, here now.
#[derive(Debug, Clone, Serialize)]
pub struct PulledAgent {
    pub agent: u32,
    pub branch: String,
    pub state: Branch,
    pub commits: u64,
    pub tip: Oid,
    /// What it has not committed, at `refs/remote/SESSION/N/wip`.
    pub wip: Option<Oid>,
    pub objects: u64,
    /// It was not here before.
    pub new: bool,
}

/// One session's.
#[derive(Debug, Clone, Serialize)]
pub struct Pulled {
    pub session: SessionId,
    pub repository: PathBuf,
    pub agents: Vec<PulledAgent>,
    /// Everything that its agents have made is here, whole.
    pub safe: bool,
    /// And nothing comes after: they had all ended.
    pub over: bool,
    pub warnings: Vec<String>,
}

/// Asks the session's machine what there is, leftovers included; `None` where the session brought no repository.
///
/// # Errors
/// It cannot be reached, or its repository cannot be read.
pub async fn collect(
    way: &Way,
    session: &SessionId,
    only: Option<u32>,
) -> Result<Option<Collected>> {
    let number = only.map(|n| n.to_string());
    let mut words = vec!["collect", session.as_str()];
    if let Some(number) = &number {
        words.extend(["--agent", number]);
    }
    way.ask(&words, &()).await
}

/// How much of a session it is.
#[derive(Debug, Clone)]
pub struct How {
    /// All of its agents.
    pub whole: bool,
    /// They had all ended before they were asked: when each had been started.
    pub over: Option<Starts>,
    /// What could not be read of what they left.
    pub unread: Vec<String>,
}

/// Fetches what was collected.
///
/// # Errors
/// It is of another repository, the connection is lost, or what came is not whole.
pub async fn pull(
    way: &Way,
    collected: Collected,
    here: &Repository,
    how: How,
    pulls: &Pulls,
    tell: &dyn Tell,
) -> Result<Pulled> {
    transfer::check_names(here).await?;
    let session = &collected.session;
    let git = here.git();
    let refs = Refs(session);
    let mut specs = Vec::new();
    for results in &collected.agents {
        let agent = results.number;
        specs.push(format!("+{}:{}", results.start, refs.start(agent)));
        specs.push(format!("+{}:{}", results.tip, refs.tip(agent)));
        if let Some(wip) = &results.wip {
            specs.push(format!("+{wip}:{}", refs.wip(agent)));
        }
    }
    let bridge = Bridge::open(way, &collected.store)?;
    if !specs.is_empty() {
        transfer::fetch(
            bridge.git(git.clone()),
            &bridge.url(),
            &specs,
            &|t: &str| tell.waits(t),
        )
        .await
        .map_err(|e| bridge.explain(e.into()))?;
    }
    let before = pulls.get(session);
    let mut seen = before.clone().unwrap_or_else(|| Seen {
        session: session.clone(),
        repository: PathBuf::new(),
        at: 0,
        agents: BTreeMap::new(),
        safe: false,
        over: None,
    });
    let mut agents = Vec::new();
    for results in &collected.agents {
        modules(&bridge, here, session, results).await?;
        verify(&git, session, results).await?;
        let earlier = before.as_ref().and_then(|b| b.agents.get(&results.number));
        let state = put_on_branch(&git, session, results, earlier).await?;
        let nothing = results.commits == 0 && results.wip.is_none() && results.modules.is_empty();
        seen.agents.insert(results.number, results.refs(session));
        agents.push(PulledAgent {
            agent: results.number,
            branch: refs.branch(results.number),
            state,
            commits: results.commits,
            tip: results.tip.clone(),
            wip: results.wip.clone(),
            objects: results.objects,
            new: !nothing && earlier != Some(&results.refs(session)),
        });
    }
    let repository = here.top.clone().unwrap_or_else(|| here.git_dir.clone());
    seen.repository.clone_from(&repository);
    seen.at = now_ms();
    let mut warnings = collected.warnings;
    warnings.extend(how.unread);
    // Of one agent alone nothing new changes nothing.
    if how.whole || !warnings.is_empty() || agents.iter().any(|a| a.new) {
        seen.safe = how.whole && warnings.is_empty();
        seen.over = how.over.filter(|over| {
            let known = |n: &u32| agents.iter().any(|a| a.agent == *n);
            over.keys().all(known)
        });
    }
    pulls.put(&seen)?;
    let fetched: BTreeMap<u32, BTreeMap<String, Oid>> = collected
        .agents
        .iter()
        .map(|r| (r.number, r.refs(session)))
        .collect();
    let _: bool = way.ask(&["pulled", session.as_str()], &fetched).await?;
    Ok(Pulled {
        session: session.clone(),
        repository,
        agents,
        safe: seen.safe,
        over: seen.over.is_some(),
        warnings,
    })
}

/// Submodules' commits go into the submodules that are checked out here.
async fn modules(
    bridge: &Bridge,
    here: &Repository,
    session: &SessionId,
    results: &Results,
) -> Result<()> {
    let Some(top) = &here.top else { return Ok(()) };
    for (path, name, commit) in &results.modules {
        let dir = top.join(path);
        if !dir.join(".git").exists() {
            return Err(Error::user(format!(
                "agent {} of {session} has committed in the submodule {}, which is not checked out here",
                results.number,
                path.display()
            ))
            .hint(format!("run `git submodule update --init --recursive -- {}`, then again", path.display())));
        }
        let git = Git::at(&dir);
        let spec = format!("+{commit}:{name}");
        transfer::fetch(bridge.git(git), &bridge.url(), &[spec], &|_| {})
            .await
            .map_err(|e| bridge.explain(e.into()))?;
    }
    Ok(())
}

/// What came is what was announced: each ref where it was, and as many objects.
async fn verify(
    git: &Git,
    session: &SessionId,
    results: &Results,
) -> std::result::Result<(), RepoError> {
    let refs = Refs(session);
    let mut tips = vec![(refs.tip(results.number), &results.tip)];
    if let Some(wip) = &results.wip {
        tips.push((refs.wip(results.number), wip));
    }
    for (name, commit) in &tips {
        if git.resolve(name).await?.as_ref() != Some(*commit) {
            return Err(RepoError::Incomplete(format!(
                "{name} is not at {}",
                commit.short()
            )));
        }
    }
    let tips: Vec<&Oid> = tips.iter().map(|(_, commit)| *commit).collect();
    let objects = count(git, &results.start, &tips).await?;
    if objects != results.objects {
        return Err(RepoError::Incomplete(format!(
            "agent {} made {} objects, and {objects} are here",
            results.number, results.objects
        )));
    }
    Ok(())
}

async fn put_on_branch(
    git: &Git,
    session: &SessionId,
    results: &Results,
    earlier: Option<&BTreeMap<String, Oid>>,
) -> std::result::Result<Branch, RepoError> {
    let head = Refs(session).head(results.number);
    let tip = &results.tip;
    let Some(now) = git.resolve(&head).await? else {
        if results.commits == 0 {
            return Ok(Branch::Nothing);
        }
        if earlier.and_then(|e| e.get(&head)) == Some(tip) {
            return Ok(Branch::Removed);
        }
        git.run(["update-ref", &head, tip.as_str(), ""]).await?;
        return Ok(Branch::New);
    };
    if now == *tip {
        return Ok(Branch::Same);
    }
    let args = ["for-each-ref", "--format=%(worktreepath)", &head];
    let checked_out = !git.text(args).await?.is_empty();
    let forward = git
        .ask(["merge-base", "--is-ancestor", now.as_str(), tip.as_str()])
        .await?;
    if checked_out || forward.is_none() {
        return Ok(Branch::Kept);
    }
    git.run(["update-ref", &head, tip.as_str(), now.as_str()])
        .await?;
    Ok(Branch::Forward)
}
