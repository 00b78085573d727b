//! `remote merge`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Ctx;
use super::results::{Found, Whose, git};
use crate::error::{Error, Result};

/// Merge an agent's branch into the one you are on, as git does
///
/// As of the last `remote pull`. What you had not committed when you dispatched is in the branch: commit it or
/// put it away (`git stash --include-untracked`) first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote merge abc/2\n  \
    remote merge abc/2 --squash")]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// More for `git merge`
    #[arg(
        value_name = "GIT-ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    more: Vec<OsString>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let found = Found::find(ctx, "merge", &args.whose).await?;
    if found.start == found.tip {
        let error = Error::user(format!("{} has committed nothing", found.label()));
        return Err(match &found.wip {
            Some(wip) => error.hint(format!(
                "what it has not committed: `git merge {}`, or `git cherry-pick --no-commit {0}`",
                wip.short()
            )),
            None => error,
        });
    }
    // The branch by its name, for the merge's own message; what was fetched where it is not there.
    let branch = found.branch();
    let there = found
        .repository
        .git()
        .resolve(&format!("refs/heads/{branch}"))
        .await?;
    let what = match there {
        Some(_) => branch,
        None => found.tip.as_str().to_owned(),
    };
    let first = std::iter::once(OsString::from("merge"));
    let code = git(first.chain(args.more).chain([OsString::from(what)])).await?;
    if let Some(wip) = found.wip.as_ref().filter(|_| code == ExitCode::SUCCESS) {
        ctx.ui.hint(format!(
            "{} has uncommitted work, which is not in it: `git show {}`",
            found.label(),
            wip.short()
        ));
    }
    Ok(code)
}
