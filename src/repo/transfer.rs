//! Objects there and back by git's own transport. Which refs, with which options, how it gets on, and what its
//! failures mean; by which way the bytes go is the caller's.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::git::failed;
use super::snapshot::lacks_objects;
use super::{Git, GitFailed, Refs, RepoError, Repository, Snapshot};
use crate::model::SessionId;

/// Tags that travel at most, the newest first: for `git describe` and its like.
const TAGS: &str = "--count=200";
/// What is kept of what git says while it works.
const SAID: usize = 8 * 1024;

/// Pushes that were overtaken, before the last one.
const TRIES: usize = 15;

/// Told how it gets on: `Writing objects:  45% (45/100), 1.20 MiB`.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Branches and tags that an agent needs to find its way, and the commit itself.
///
/// # Errors
/// git's, or a branch in the way of the session's own.
pub async fn push_refs(snapshot: &Snapshot, session: &SessionId) -> Result<Vec<String>, RepoError> {
    let repository = &snapshot.repository;
    let git = snapshot.git();
    let refs = Refs(session);
    let mut specs = vec![format!("+{}:{}", snapshot.commit, refs.base())];
    let Some(head) = &repository.head else {
        return Ok(specs);
    };
    // By this one the next dispatch knows what is there, whatever becomes of branches.
    specs.push(format!("+{head}:refs/remote/{session}/head"));
    if let Some(branch) = &repository.branch {
        specs.push(format!("+{head}:refs/heads/{branch}"));
    }
    let main = [
        "symbolic-ref",
        "--quiet",
        "--short",
        "refs/remotes/origin/HEAD",
    ];
    if let Some(main) = git.ask(main).await?
        && let Some(name) = main.strip_prefix("origin/")
        && let Some(commit) = git.resolve(&format!("refs/remotes/{main}")).await?
    {
        specs.push(format!("+{commit}:refs/remotes/{main}"));
        if repository.branch.as_deref() != Some(name) {
            specs.push(format!("+{commit}:refs/heads/{name}"));
        }
    }
    if repository.shallow {
        // Their commits are not here.
        return Ok(specs);
    }
    let merged = format!("--merged={head}");
    let args = [
        "for-each-ref",
        "--sort=-creatordate",
        TAGS,
        "--format=%(refname)",
        &merged,
    ];
    let tags = git.text(args.into_iter().chain(["refs/tags"])).await?;
    specs.extend(tags.lines().map(|tag| format!("+{tag}:{tag}")));
    Ok(specs)
}

/// A branch of this name makes all of the sessions' impossible: a ref cannot be a file and a directory.
///
/// # Errors
/// It is there.
pub async fn check_names(repository: &Repository) -> Result<(), RepoError> {
    let git = repository.git();
    for name in ["refs/heads/remote", "refs/remote"] {
        if git.resolve(name).await?.is_some() {
            let short = name.trim_start_matches("refs/heads/").to_owned();
            return Err(RepoError::InTheWay(short));
        }
    }
    Ok(())
}

/// Pushes from a snapshot's repository to `url`.
///
/// # Errors
/// What git says; of a partial clone that its objects cannot be had.
pub async fn push(
    snapshot: &Snapshot,
    git: Git,
    url: &str,
    specs: &[String],
    progress: Progress<'_>,
) -> Result<(), RepoError> {
    // What a partial clone lacks is fetched with the person's own settings.
    let git = match snapshot.repository.partial {
        true => git,
        false => git.without_their_config(),
    };
    let options = [
        "push",
        "--no-verify",
        "--progress",
        "--no-follow-tags",
        "--recurse-submodules=no",
        "--no-signed",
        "--",
    ];
    // receive-pack takes one ref at a time that makes its own repository shallow, and drops the others.
    let at_once = match snapshot.repository.shallow {
        true => 1,
        false => specs.len().max(1),
    };
    for specs in specs.chunks(at_once) {
        until_through(progress, || run(&git, &options, url, specs, progress)).await?;
    }
    Ok(())
}

/// Others may push the same names at the same moment. A ref moves only from where it was when the push began, so all
/// but one are refused then; they look again, and have little left to send. A lock would hold everybody up for as long
/// as the slowest line of them takes, or sleeps.
async fn until_through<F>(progress: Progress<'_>, push: impl Fn() -> F) -> Result<(), RepoError>
where
    F: Future<Output = Result<(), RepoError>>,
{
    let mut pause = Duration::from_millis(10);
    for _ in 0..TRIES {
        match push().await {
            Err(RepoError::Git(failed)) if was_overtaken(&failed) => {
                progress("another dispatch came first; once more");
                // Not in step with the others.
                let part = getrandom::u32().unwrap_or_default() % 100;
                tokio::time::sleep(pause * part / 100).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            outcome => return outcome,
        }
    }
    push().await
}

/// What receive-pack says where a ref, or the list of a shallow repository's ends, is not as it was told of, or locked.
fn was_overtaken(failed: &GitFailed) -> bool {
    let said = &failed.said;
    let signs = [
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "incorrect old value",
        "reference already exists",
        "shallow file has changed",
    ];
    // A branch `a` where there is a branch `a/b` is no matter of time.
    let in_the_way = said.contains("; cannot create");
    !in_the_way && signs.iter().any(|sign| said.contains(sign))
}

/// Fetches from `url` into a repository. What comes is checked object by object before it is let in.
///
/// # Errors
/// What git says.
pub async fn fetch(
    git: Git,
    url: &str,
    specs: &[String],
    progress: Progress<'_>,
) -> Result<(), RepoError> {
    let git = git
        .without_their_config()
        .config("fetch.fsckObjects=true")
        .config("fetch.writeCommitGraph=false");
    let options = [
        "fetch",
        "--progress",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-gc",
        "--no-recurse-submodules",
        "--no-prune",
        "--refmap=",
        "--",
    ];
    run(&git, &options, url, specs, progress).await
}

async fn run(
    git: &Git,
    options: &[&str],
    url: &str,
    specs: &[String],
    progress: Progress<'_>,
) -> Result<(), RepoError> {
    let mut args: Vec<OsString> = options.iter().map(Into::into).collect();
    args.push(url.into());
    args.extend(specs.iter().map(Into::into));
    let mut command = git.command(&args);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| git.not_started(e))?;
    let said = match child.stderr.take() {
        Some(stderr) => listen(stderr, progress).await,
        None => Vec::new(),
    };
    let status = child
        .wait()
        .await
        .map_err(|e| RepoError::io("wait for git in", git.dir(), e))?;
    if status.success() {
        return Ok(());
    }
    let failed = failed(&args, status.code(), &said);
    Err(match failed {
        failed if lacks_objects(&failed) => RepoError::Missing(failed),
        failed if failed.said.contains("No space left on device") => RepoError::NoSpace {
            what: "the repository's objects",
        },
        failed => failed.into(),
    })
}

/// Tells the progress, and keeps the rest.
async fn listen(mut from: impl AsyncRead + Unpin, progress: Progress<'_>) -> Vec<u8> {
    let (mut kept, mut line) = (Vec::new(), Vec::new());
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read).filter(|b| !b.is_empty()) else {
            break;
        };
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    let text = text.trim_start_matches("remote: ").trim();
                    if text.contains("% (") {
                        progress(text);
                    } else if !text.is_empty() {
                        kept.extend_from_slice(text.as_bytes());
                        kept.push(b'\n');
                    }
                    line.clear();
                }
                byte if line.len() < SAID => line.push(*byte),
                _ => {}
            }
        }
        let over = kept.len().saturating_sub(SAID);
        kept.drain(..over);
    }
    kept.extend_from_slice(&line);
    kept
}
