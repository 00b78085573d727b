//! What agents begin from: what was brought, what is cloned, or the work that a workspace holds already.

use super::base::{Relation, Step, decide};
use super::{Begin, Git, Oid, Refs, RepoError, Store};
use crate::model::SessionId;

/// Fetches all of a repository from elsewhere; its HEAD, and that branch's name.
pub(super) async fn clone(git: &Git, url: &str) -> Result<(Oid, Option<String>), RepoError> {
    let sorted = |e| match e {
        RepoError::Git(failed) => RepoError::Clone(super::without_credentials(url), failed),
        e => e,
    };
    let heads = "+refs/heads/*:refs/remotes/origin/*";
    let fetch = [
        "fetch",
        "--quiet",
        "--no-auto-gc",
        "--no-write-fetch-head",
        "--prune",
        "--tags",
    ];
    let args = fetch.into_iter().chain(["--", url, heads]);
    git.run(args).await.map_err(sorted)?;
    let said = git
        .text(["ls-remote", "--symref", "--", url, "HEAD"])
        .await
        .map_err(sorted)?;
    let branch = said
        .lines()
        .find_map(|l| l.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
    let head = said.lines().find_map(|l| l.strip_suffix("\tHEAD"));
    let head = said
        .lines()
        .filter_map(|l| l.strip_suffix("\tHEAD"))
        .find_map(|l| Oid::try_from(l.to_owned()).ok())
        .ok_or_else(|| RepoError::Unexpected(format!("{url} has no commit ({head:?})")))?;
    Ok((head, branch.map(str::to_owned)))
}

/// What agents begin from, where earlier sessions' work is there.
pub(super) async fn choose(
    store: &Store,
    came: &Oid,
    ask: &Begin,
) -> Result<(Oid, Option<String>), RepoError> {
    let git = store.git();
    let Some(work) = newest(store, &ask.session).await? else {
        return Ok((came.clone(), None));
    };
    let ancestor = async |a: &Oid, b: &Oid| {
        let args = ["merge-base", "--is-ancestor", a.as_str(), b.as_str()];
        git.ask(args).await.map(|yes| yes.is_some())
    };
    let common = git
        .ask(["merge-base", came.as_str(), work.as_str()])
        .await?;
    let relation = Relation::of(
        ancestor(came, &work).await?,
        ancestor(&work, came).await?,
        common.is_some(),
    );
    let decision = decide(Some(relation), ask.choice);
    let base = match decision.step {
        Step::Laptop => came.clone(),
        Step::Workspace => work,
        Step::Merge => merge(&git, &work, came).await?,
    };
    Ok((base, decision.say.map(str::to_owned)))
}

/// The work that was touched last: of all agents of other sessions that went beyond where they began, what they
/// left uncommitted included.
async fn newest(store: &Store, session: &SessionId) -> Result<Option<Oid>, RepoError> {
    let git = store.git();
    let mut newest: Option<(u64, Oid)> = None;
    for record in store.records() {
        if record.session == *session {
            continue;
        }
        let refs = Refs(&record.session);
        for agent in &record.agents {
            let tip = match git.resolve(&refs.wip(agent.number)).await? {
                Some(wip) => Some(wip),
                None => git.resolve(&refs.head(agent.number)).await?,
            };
            let Some(tip) = tip.filter(|t| *t != agent.start) else {
                continue;
            };
            let time = git
                .text(["log", "-1", "--format=%ct", tip.as_str(), "--"])
                .await?;
            let time = time.parse().unwrap_or(0);
            if newest.as_ref().is_none_or(|(t, _)| time >= *t) {
                newest = Some((time, tip));
            }
        }
    }
    Ok(newest.map(|(_, tip)| tip))
}

/// Merges without a working tree.
async fn merge(git: &Git, work: &Oid, came: &Oid) -> Result<Oid, RepoError> {
    let args = [
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        "-z",
    ];
    let both = ["--allow-unrelated-histories", work.as_str(), came.as_str()];
    let tree = match git.run(args.into_iter().chain(both)).await {
        Ok(said) => said,
        // With 1 the tree has conflicts, and its files follow; without any output there would be no naming them.
        Err(RepoError::Git(failed)) if failed.code == Some(1) => {
            return Err(RepoError::Conflict(conflicts(git, work, came).await));
        }
        Err(e) => return Err(e),
    };
    let tree = tree.split(|b| *b == 0).next().unwrap_or_default();
    let tree = Oid::try_from(String::from_utf8_lossy(tree).trim().to_owned())
        .map_err(RepoError::Unexpected)?;
    let message = "Merge what was brought into the workspace's work";
    let args = ["commit-tree", "-m", message, "-p", work.as_str(), "-p"];
    git.oid(args.into_iter().chain([came.as_str(), tree.as_str()]))
        .await
}

async fn conflicts(git: &Git, work: &Oid, came: &Oid) -> Vec<String> {
    let args = ["merge-tree", "--write-tree", "--name-only", "--no-messages"];
    let both = ["--allow-unrelated-histories", work.as_str(), came.as_str()];
    let said = git
        .any(args.into_iter().chain(both))
        .await
        .unwrap_or_default();
    said.lines().skip(1).map(str::to_owned).collect()
}
