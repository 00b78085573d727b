//! `remote host`: the role on the session's machine, and what clients ask of it there over SSH.

mod here;
mod notify;
mod repo;
mod upgrade;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::Ctx;
use crate::config::{MACHINE_FILE, SessionDir};
use crate::error::Result;
use crate::host::{self, RunOptions};
use crate::model::SessionId;

/// The role on the session's machine
///
/// Most of these are run by `remote` itself. For people: `notify` from an agent's hooks, and `upgrade`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a session's host
    Run {
        /// The session's directory
        #[arg(long)]
        dir: PathBuf,
        /// Leave the terminal at once, and close stdout as soon as it listens
        #[arg(long)]
        detach: bool,
        /// Go on with what an earlier binary of this process left
        #[arg(long, value_name = "FILE")]
        handover: Option<PathBuf>,
    },
    /// Say what an agent is doing, from its hooks
    Notify(notify::Args),
    /// Answer an agent's git, which asks for credentials
    GitCredential {
        /// What git wants: `get`, `store` or `erase`
        operation: String,
    },
    /// Replace a running host's binary; its agents notice nothing
    Upgrade(upgrade::Args),
    /// Carry streams to a host's socket over stdin and stdout
    Bridge {
        /// The session's directory
        #[arg(long)]
        dir: PathBuf,
    },
    /// Start a session on this machine; the request is JSON on stdin, the endpoint JSON on stdout
    Launch,
    /// List this machine's sessions as JSON
    List,
    /// Say how to reach a running host, as JSON
    Endpoint { session: SessionId },
    /// Start the host of a dead session again
    Start { session: SessionId },
    /// Start the host of a session that was on another machine before; what is new of it is JSON on stdin
    Renew,
    /// End a host that does not answer
    End { session: SessionId },
    /// Say which version this is, as JSON: proof that the binary runs here
    Check,
    /// Write an agent's history to stdout, in the wire's records
    Logs(here::LogsArgs),
    /// A session's repository: its store, working trees and results
    Repo(repo::Args),
    /// Answer a question about this machine's workspaces; it is JSON on stdin
    Workspace,
}

impl Verb {
    /// Whether it needs what is root's on a rented machine.
    fn is_roots(&self) -> bool {
        match self {
            Self::Bridge { .. } | Self::Launch | Self::List | Self::Logs(_) => true,
            Self::Endpoint { .. } | Self::Start { .. } | Self::Renew | Self::End { .. } => true,
            Self::Run { .. } | Self::Notify(_) | Self::Upgrade(_) | Self::Check => false,
            // The agents' user's, not root's.
            Self::Workspace | Self::Repo(_) | Self::GitCredential { .. } => false,
        }
    }
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    if args.verb.is_roots() {
        here::become_root()?;
    }
    match args.verb {
        Verb::Run {
            dir,
            detach,
            handover,
        } => {
            let options = RunOptions {
                detach,
                handover,
                machine: Some(MACHINE_FILE.into()),
                metadata: Some(host::imds::ADDRESS.to_owned()),
            };
            host::run(SessionDir::new(dir), options).await?;
        }
        Verb::Notify(args) => notify::run(args, ctx).await?,
        Verb::GitCredential { operation } => {
            let lines = host::credential::answer(&operation, std::io::stdin()).await?;
            lines.iter().try_for_each(|line| ctx.ui.line(line))?;
        }
        Verb::Upgrade(args) => upgrade::run(args, ctx).await?,
        Verb::Bridge { dir } => host::bridge::serve(&SessionDir::new(dir)).await?,
        Verb::Launch => return here::launch(ctx).await,
        Verb::List => here::answer(ctx, &host::list(&here::sessions(ctx)?))?,
        Verb::Endpoint { session } => return here::endpoint(ctx, &session).await,
        Verb::Start { session } => return here::start(ctx, &session).await,
        Verb::Renew => return here::renew(ctx).await,
        Verb::End { session } => return here::end(ctx, &session).await,
        Verb::Check => here::answer(ctx, &host::check())?,
        Verb::Logs(args) => here::logs(args, ctx)?,
        Verb::Workspace => return workspace::run(ctx).await,
        Verb::Repo(args) => return repo::run(args, ctx).await,
    }
    Ok(ExitCode::SUCCESS)
}
