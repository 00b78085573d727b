//! `remote dispatch`.

mod agents;
mod board;
mod crew;
mod from;
pub(super) mod machine;
mod name;
mod output;
mod place;
mod push;
mod repo;
mod secrets;
mod start;
mod task;
mod tasks;
mod told;
pub(super) mod workspace;

pub use output::Printer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::attach::{How, PredictArg};
use super::auto_pull::Auto;
use super::lend::LendArgs;
use super::target::{person, time};
use super::{Ctx, complete, resume};
use crate::client::Registry;
use crate::client::follow::Following;
use crate::client::reach::Hosts;
use crate::error::Result;
use crate::model::Mode;
use crate::ssh::Flow;
use crate::workspace::Name;
use start::detached;

/// Start a session: run an agent, or any command, where it goes on without you
///
/// On a terminal one agent is attached to at once (`~.` leaves it running); several, or output that goes
/// into a pipe, are followed line by line. Ctrl-C while following leaves the session running. The exit
/// status is the agent's; of several, the first that is not 0; where all are 0 and their work was checked and not found
/// good it is 1.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote dispatch \"fix the flaky test\"\n  \
    remote dispatch --command 'cargo test'\n  \
    remote dispatch --agents 4 --command 'make test' --detach\n  \
    remote dispatch --check 'make test' --task \"fix the parser\" --task \"fix the printer\"\n  \
    remote dispatch --from tasks.txt --name nightly-%n\n  \
    remote dispatch \"continue auth feature\" --workspace project-alpha\n  \
    remote dispatch --provider ssh --host me@box \"update the dependencies\"")]
pub struct Args {
    /// What to do: text, `-` for stdin, or `@FILE`; nothing opens $EDITOR
    #[arg(value_name = "TASK", conflicts_with_all = ["command", "argv", "file"])]
    task: Option<String>,
    /// Read the task from a file
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["command", "argv"])]
    file: Option<PathBuf>,
    /// One session, on a machine of its own, for each line of a file (`-` is stdin), side by side
    ///
    /// Empty lines and those that begin with `#` are passed over. The other options hold for each session:
    /// --max-price and --budget are each one's own, and `%n` in --name is the task's number. It attaches to
    /// none, and its exit status is 0 if all have begun.
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["task", "file", "command", "argv", "into"])]
    from: Option<PathBuf>,
    /// Run this shell command instead of an agent
    #[arg(long, short, value_name = "COMMAND", conflicts_with_all = ["argv", "agent"])]
    command: Option<String>,
    /// Run this program instead of an agent, without a shell
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "agent")]
    argv: Vec<String>,
    /// Which configured agent runs the task
    #[arg(long, short, value_name = "NAME", add = ArgValueCandidates::new(complete::agent_kinds))]
    agent: Option<String>,
    /// How many of them run side by side [default: 1, or one for each --task]
    #[arg(long, short = 'n', value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    agents: Option<u32>,
    /// Whether agents may act without asking
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// A name for the session; with --from one that holds `%n`
    #[arg(long, value_name = "NAME", conflicts_with = "into")]
    name: Option<String>,
    /// Where it runs: `local`, `ssh` or `ec2`
    #[arg(long, value_name = "PROVIDER", conflicts_with = "into")]
    provider: Option<String>,
    /// The machine of provider `ssh`, as one would type it after `ssh`
    #[arg(long, value_name = "HOST", conflicts_with = "into")]
    host: Option<String>,
    /// The `remote` binary to put on that machine
    #[arg(long, value_name = "FILE", conflicts_with = "into")]
    host_binary: Option<PathBuf>,
    /// Add to a live session instead of starting one
    #[arg(long, value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    into: Option<String>,
    /// Return as soon as it runs; prints the session's name, with --into the new agents'
    #[arg(long, short)]
    detach: bool,
    /// End the session after this time, whatever happens (1s to 365days)
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "into")]
    ttl: Option<Duration>,
    /// End it when nothing has happened for this long and nobody is attached
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "into")]
    idle: Option<Duration>,
    /// End it this long after the work is over
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "into")]
    linger: Option<Duration>,
    /// End it when an agent has waited this long for an answer
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "into")]
    wait_limit: Option<Duration>,
    /// Never end it by itself, but for its TTL
    #[arg(long, conflicts_with = "into")]
    keep: bool,
    /// Where EC2 takes a spot machine back: whoever follows the session puts it back on another one, or it ends there
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "into")]
    on_interrupt: Option<OnInterrupt>,
    /// Set a variable for the agents; stored with the session, so no place for secrets
    #[arg(long, short, value_name = "NAME=VALUE", action = ArgAction::Append)]
    env: Vec<String>,
    /// Where the agents run [default: here, or the home directory on another machine]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Work on this workspace: a named volume that outlives machines
    #[arg(long, value_name = "NAME", conflicts_with_all = ["into", "from", "disk"])]
    #[arg(add = ArgValueCandidates::new(complete::workspaces))]
    workspace: Option<Name>,
    #[command(flatten)]
    crew: crew::CrewArgs,
    #[command(flatten)]
    lend: LendArgs,
    #[command(flatten)]
    repo: repo::RepoArgs,
    #[command(flatten)]
    push: push::PushArgs,
    #[command(flatten)]
    secrets: secrets::SecretArgs,
    #[command(flatten)]
    machine: machine::MachineArgs,
    /// Where it is attached to: when what you type is shown before the host has answered [default: `predict` of the
    /// configuration, adaptive]
    #[arg(long, value_enum, value_name = "WHEN")]
    predict: Option<PredictArg>,
    /// Print the session, and with it the outcome unless detached, as JSON instead of the output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeArg {
    /// Never asks for permission
    Autonomous,
    /// Asks, as it would on your own machine
    Careful,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnInterrupt {
    /// On a new machine with the same volume, until its TTL is over
    Resume,
    /// It ends; `remote resume` puts it back
    End,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Autonomous => Self::Autonomous,
            ModeArg::Careful => Self::Careful,
        }
    }
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = match &args.into {
        Some(into) => ctx.registry(Some(into)).await?,
        None => Registry::open(&ctx.paths)?,
    };
    // What is wrong there is better said before anything runs.
    How::configured(ctx)?;
    if let Some(from) = &args.from {
        return args.dispatch_all(ctx, &registry, from).await;
    }
    if args.machine.dry_run {
        return args.rehearse(ctx).await;
    }
    let (started, agents) = match &args.into {
        Some(into) => args.join(ctx, &registry, into).await?,
        None => args.begin(ctx, &registry).await?,
    };
    let known = started.known.clone();
    let started_with_repository = started.repository;
    if args.detach {
        return detached(ctx, &known, &agents, &args);
    }
    let hosts = Arc::new(Hosts::new(person(ctx), Flow::Bulk));
    if let Some(host) = started.host {
        hosts.put(known.id.clone(), host).await;
    }
    let mut following = Following {
        registry: registry.clone(),
        known,
        hosts,
    };
    let id = following.known.id.clone();
    let (code, pulled) = loop {
        let mut auto = match started_with_repository || args.into.is_some() {
            true => Auto::begin(ctx, &following.known),
            false => None,
        };
        let shown = output::show(
            ctx,
            following,
            &agents,
            args.json,
            args.lend,
            args.predict,
            &mut auto,
        )
        .await;
        // It goes on elsewhere: what it made so far is there too.
        if let Some(known) = resume::taken_away(ctx, &registry, &id).await? {
            following = Following {
                registry: registry.clone(),
                known,
                hosts: Arc::new(Hosts::new(person(ctx), Flow::Bulk)),
            };
            continue;
        }
        let pulled = match auto {
            Some(auto) => auto.finish().await,
            None => false,
        };
        break (shown?, pulled);
    };
    if started_with_repository && !args.json && !pulled {
        ctx.ui
            .note(format!("Its branches: `remote pull {}`", id.short()));
    }
    Ok(code)
}
