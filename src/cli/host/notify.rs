//! `remote host notify`: an agent's hook says what the agent is doing.

use crate::cli::Ctx;
use crate::error::Result;
use crate::host::notify::{Notification, Place, send};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the agent is doing now: `idle`, `working`, `blocked`, `done` or `error`
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// What it waits for, with `blocked`: `permission`, `question` or `auth`
    #[arg(long, value_name = "WHAT")]
    on: Option<String>,
    /// A line about it
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// How far it is, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    progress: Option<u8>,
    /// Read what the hook says of itself as JSON from stdin
    #[arg(long)]
    hook: bool,
    /// What the hook says of itself as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "hook")]
    json: Option<String>,
}

/// Prints what the host wants the agent to know, such as an end that nears.
///
/// # Errors
/// Not run by an agent, or its host does not take it.
pub async fn run(args: Args, ctx: &Ctx) -> Result<()> {
    let notification = Notification {
        state: args.state,
        on: args.on,
        message: args.message,
        progress: args.progress,
        hook: args.hook,
        json: args.json,
    };
    let lines = send(&Place::from_env()?, &notification).await?;
    lines.iter().try_for_each(|line| ctx.ui.line(line))
}
