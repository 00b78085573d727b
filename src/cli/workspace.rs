//! `remote workspace`.

mod cat;
mod create;
mod delete;
mod diff;
mod export;
mod from_dir;
mod held;
mod list;
mod ls;
mod moving;
mod progress;
mod reading;
mod resize;
mod restore;
mod site;
mod snapshot;
mod words;

pub use held::{held, line as held_line};

use std::process::ExitCode;

use clap::Subcommand;

use super::Ctx;
use crate::error::Result;

/// Volumes with a name, which outlive the machines that use them
///
/// On EC2 an EBS volume that is attached to whichever machine needs it; on this machine, or one of your own, a
/// directory. One session has it at a time; everything that its agents left under /work is there the next time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote workspace create --name project-alpha --size 100gb\n  \
    remote dispatch \"continue the auth feature\" --workspace project-alpha\n  \
    remote workspace snapshot project-alpha --note 'before the upgrade' --wait\n  \
    remote workspace restore project-alpha --name project-alpha-2\n  \
    remote workspace export project-alpha /repo -o here\n  \
    remote workspace delete project-alpha-2")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Create(create::Args),
    List(list::Args),
    Snapshot(snapshot::Args),
    Restore(restore::Args),
    Resize(resize::Args),
    Move(moving::Args),
    Ls(ls::Args),
    Cat(cat::Args),
    Export(export::Args),
    #[command(alias = "rm")]
    Delete(delete::Args),
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    match args.verb {
        Verb::Create(args) => create::run(args, ctx).await,
        Verb::List(args) => list::run(args, ctx).await,
        Verb::Snapshot(args) => snapshot::run(args, ctx).await,
        Verb::Restore(args) => restore::run(args, ctx).await,
        Verb::Resize(args) => resize::run(args, ctx).await,
        Verb::Move(args) => moving::run(args, ctx).await,
        Verb::Ls(args) => ls::run(args, ctx).await,
        Verb::Cat(args) => cat::run(args, ctx).await,
        Verb::Export(args) => export::run(args, ctx).await,
        Verb::Delete(args) => delete::run(args, ctx).await,
    }
}
