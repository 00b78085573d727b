//! `remote log`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Ctx;
use super::diff::split;
use super::results::{Found, Whose, git};
use crate::error::Result;

/// Show what an agent has committed, as git does (for its output see `remote logs`)
///
/// As of the last `remote pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote log abc/2\n  \
    remote log abc/2 --oneline")]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// More for `git log`
    #[arg(
        value_name = "GIT-ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    more: Vec<OsString>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let found = Found::find(ctx, "log", &args.whose).await?;
    if found.start == found.tip {
        ctx.ui
            .note(format!("{} has committed nothing.", found.label()));
        if found.wip.is_some() {
            ctx.ui.hint(format!(
                "what it has not committed: `remote diff {}`",
                found.label()
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (flags, paths) = split(args.more);
    let range = OsString::from(format!("{}..{}", found.start, found.tip));
    let first = std::iter::once(OsString::from("log"));
    git(first.chain(flags).chain([range]).chain(paths)).await
}
