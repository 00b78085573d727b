//! The command line: one verb per file, its help text the doc comment of its `Args`. Nothing here decides
//! what a verb means; that is in client/ and host/. A verb is one line in each of three places below.

mod alert;
mod aliases;
pub mod allow;
mod answer;
mod attach;
mod auto_pull;
mod broadcast;
mod call;
mod compare;
pub mod complete;
mod completions;
mod config;
mod cost;
mod cp;
mod ctx;
mod device;
mod diff;
mod digest;
mod discard;
mod dispatch;
mod doctor;
mod extend;
mod forward;
mod gc;
mod grep;
mod host;
mod init;
mod kill;
mod lend;
mod log;
mod logs;
mod merge;
mod mux;
mod notices;
mod prices;
mod prune;
mod pull;
mod rename;
mod replay;
mod report;
mod restart;
mod results;
mod resume;
mod secret;
mod send;
mod ssh;
mod ssh_config;
mod stages;
mod status;
mod target;
mod terminal;
mod terminate;
mod ui;
mod util;
mod wait;
mod waiting;
mod words;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

pub use ctx::Ctx;
pub use ui::{Cell, Color, ColorChoice, Stage, Table, Ui, age, confirm, prompt, span};

use crate::error::{Error, Result};

/// Run AI coding agents on machines that are not your laptop: dispatch, attach, leave, resume
///
/// `remote.x.y` is `remote x y`: as a link to this program of that name, or as the shell function that
/// `remote aliases` makes.
#[derive(Debug, Parser)]
#[command(
    name = "remote",
    bin_name = "remote",
    version,
    propagate_version = false
)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Globals {
    /// When to use colours; by itself on a terminal, unless NO_COLOR is set or TERM is dumb
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    #[arg(help_heading = "Global options")]
    pub color: ColorChoice,
    /// Set a configuration value for this run only; may be repeated
    #[arg(long = "config", global = true, value_name = "KEY=VALUE")]
    #[arg(help_heading = "Global options")]
    pub config: Vec<String>,
}

/// The verbs, in the order of `remote --help`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Dispatch(Box<dispatch::Args>),
    Status(status::Args),
    Attach(attach::Args),
    Mux(mux::Args),
    Digest(digest::Args),
    Logs(logs::Args),
    Grep(grep::Args),
    Replay(replay::Args),
    Send(send::Args),
    Answer(answer::Args),
    Broadcast(broadcast::Args),
    Wait(wait::Args),
    Kill(kill::Args),
    Restart(restart::Args),
    Resume(Box<resume::Args>),
    Extend(extend::Args),
    Terminate(terminate::Args),
    Discard(discard::Args),
    Prune(prune::Args),
    Gc(gc::Args),
    Device(device::Args),
    Rename(rename::Args),
    Pull(pull::Args),
    Diff(diff::Args),
    Log(log::Args),
    Merge(merge::Args),
    Compare(compare::Args),
    Ssh(ssh::Args),
    SshConfig(ssh_config::Args),
    Cp(cp::Args),
    Forward(forward::Args),
    Workspace(workspace::Args),
    Cost(cost::Args),
    Prices(prices::Args),
    Alert(alert::Args),
    Secret(secret::Args),
    Init(init::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Aliases(aliases::Args),
    #[command(hide = true)]
    Host(host::Args),
    #[command(hide = true)]
    Util(util::Args),
}

impl Verb {
    /// Needs no runtime with workers: reads and prints only.
    fn is_light(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Completions(_) | Self::Aliases(_) | Self::Util(_)
        )
    }

    /// Must work where the configuration is wrong: it gets the built-in one then.
    fn is_lenient(&self) -> bool {
        self.is_light() || matches!(self, Self::Doctor(_) | Self::Init(_) | Self::Host(_))
    }

    async fn run(self, ctx: &Ctx) -> Result<ExitCode> {
        match self {
            Self::Dispatch(args) => dispatch::run(*args, ctx).await,
            Self::Status(args) => status::run(args, ctx).await,
            Self::Attach(args) => attach::run(args, ctx).await,
            Self::Mux(args) => mux::run(args, ctx).await,
            Self::Digest(args) => digest::run(args, ctx).await,
            Self::Logs(args) => logs::run(args, ctx).await,
            Self::Grep(args) => grep::run(args, ctx).await,
            Self::Replay(args) => replay::run(args, ctx).await,
            Self::Send(args) => send::run(args, ctx).await,
            Self::Answer(args) => answer::run(args, ctx).await,
            Self::Broadcast(args) => broadcast::run(args, ctx).await,
            Self::Wait(args) => wait::run(args, ctx).await,
            Self::Kill(args) => kill::run(args, ctx).await,
            Self::Restart(args) => restart::run(args, ctx).await,
            Self::Resume(args) => resume::run(*args, ctx).await,
            Self::Extend(args) => extend::run(args, ctx).await,
            Self::Terminate(args) => terminate::run(args, ctx).await,
            Self::Device(args) => device::run(args, ctx).await,
            Self::Gc(args) => gc::run(args, ctx).await,
            Self::Discard(args) => discard::run(args, ctx).await,
            Self::Prune(args) => prune::run(args, ctx).await,
            Self::Rename(args) => rename::run(args, ctx).await,
            Self::Pull(args) => pull::run(args, ctx).await,
            Self::Diff(args) => diff::run(args, ctx).await,
            Self::Log(args) => log::run(args, ctx).await,
            Self::Merge(args) => merge::run(args, ctx).await,
            Self::Compare(args) => compare::run(args, ctx).await,
            Self::Ssh(args) => ssh::run(args, ctx).await,
            Self::SshConfig(args) => ssh_config::run(args, ctx).await,
            Self::Cp(args) => cp::run(args, ctx).await,
            Self::Forward(args) => forward::run(args, ctx).await,
            Self::Workspace(args) => workspace::run(args, ctx).await,
            Self::Cost(args) => cost::run(args, ctx).await,
            Self::Prices(args) => prices::run(args, ctx).await,
            Self::Alert(args) => alert::run(args, ctx).await,
            Self::Secret(args) => secret::run(args, ctx).await,
            Self::Host(args) => host::run(args, ctx).await,
            Self::Init(args) => init::run(args, ctx).await,
            Self::Config(args) => config::run(args, ctx).await,
            Self::Doctor(args) => doctor::run(args, ctx).await,
            Self::Completions(args) => completions::run(args, ctx).await,
            Self::Aliases(args) => aliases::run(args, ctx).await,
            Self::Util(args) => util::run(args, ctx).await,
        }
    }
}

/// The command line as clap knows it: for help, man pages and completion.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
pub fn run(argv: Vec<OsString>) -> ExitCode {
    match complete::answer(&argv) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(e) => return report::print(&Error::user(e.to_string()), ColorChoice::Auto),
    }
    let mut argv = call::expand(argv);
    if argv.len() == 1 && mux::shows_sessions() {
        argv.extend(["mux", "--list"].map(OsString::from));
    } else if argv.len() == 2 && argv.get(1).is_some_and(|a| a == "--screen-reader") {
        argv.insert(1, "mux".into());
    }
    let cli = match Cli::try_parse_from(argv) {
        Ok(cli) => cli,
        Err(e) => {
            // Where even printing fails there is nobody to tell.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    let color = cli.globals.color;
    execute(cli).unwrap_or_else(|e| report::print(&e, color))
}

fn execute(cli: Cli) -> Result<ExitCode> {
    let ctx = Ctx::new(&cli.globals, cli.verb.is_lenient())?;
    let runtime = if cli.verb.is_light() {
        tokio::runtime::Builder::new_current_thread().build()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
    }
    .map_err(|e| Error::internal("cannot start the runtime").because(e))?;
    let outcome = runtime.block_on(cli.verb.run(&ctx));
    // A thread that still reads stdin must not keep us here.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    #[test]
    fn clap_agrees_with_itself() {
        super::command().debug_assert();
    }
}
