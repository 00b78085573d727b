//! `remote diff`.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Ctx;
use super::results::{Found, Whose, git};
use crate::error::Result;

/// Show what an agent has changed, as git does
///
/// From what it was given to where it is, work that it has not committed included, as of the last `remote pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote diff abc/2\n  \
    remote diff abc/2 --stat\n  \
    remote diff abc/2 -- src/")]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
    /// Only what it has committed
    #[arg(long)]
    committed: bool,
    /// More for `git diff`
    #[arg(
        value_name = "GIT-ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    more: Vec<OsString>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let found = Found::find(ctx, "diff", &args.whose).await?;
    let to = found.wip.as_ref().filter(|_| !args.committed);
    let to = to.unwrap_or(&found.tip);
    let (flags, paths) = split(args.more);
    let ends = [found.start.as_str(), to.as_str()].map(OsString::from);
    let first = std::iter::once(OsString::from("diff"));
    git(first.chain(flags).chain(ends).chain(paths)).await
}

/// Flags go before the commits, paths behind them.
pub fn split(mut more: Vec<OsString>) -> (Vec<OsString>, Vec<OsString>) {
    let flags = more
        .iter()
        .position(|w| !w.to_string_lossy().starts_with('-') || *w == *"--");
    let mut paths = more.split_off(flags.unwrap_or(more.len()));
    if paths.first().is_none_or(|w| *w != *"--") {
        paths.insert(0, "--".into());
    }
    (more, paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_commits_and_paths_behind() {
        let words = |list: &[&str]| list.iter().map(OsString::from).collect::<Vec<_>>();
        for (more, flags, paths) in [
            (&[][..], &[][..], &["--"][..]),
            (&["--stat"], &["--stat"], &["--"]),
            (&["--stat", "--", "src"], &["--stat"], &["--", "src"]),
            (&["src", "-x"], &[], &["--", "src", "-x"]),
            (&["--", "--stat"], &[], &["--", "--stat"]),
        ] {
            assert_eq!(split(words(more)), (words(flags), words(paths)), "{more:?}");
        }
    }
}
