//! `remote dispatch`.

mod agents;
mod machine;
mod name;
mod output;
mod task;

pub use output::Printer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::attach::How;
use super::stages::Stages;
use super::target::{interrupted, person, time};
use super::{Ctx, allow, complete};
use crate::client::cloud;
use crate::client::dispatch::{Cloud, Order, Place, Started, checked, fresh_id, start, undo};
use crate::client::follow::Following;
use crate::client::reach::{Hosts, reach};
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::{Ends, Mode, SessionId, now_ms};
use crate::proto::{Op, Outcome};
use crate::provision::Binaries;
use crate::ssh::Flow;

/// Start a session: run an agent, or any command, where it goes on without you
///
/// On a terminal one agent is attached to at once (`~.` leaves it running); several, or output that goes
/// into a pipe, are followed line by line. Ctrl-C while following leaves the session running. The exit
/// status is the agent's; of several, the first that is not 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote dispatch \"fix the flaky test\"\n  \
    remote dispatch --command 'cargo test'\n  \
    remote dispatch --agents 4 --command 'make test' --detach\n  \
    remote dispatch --provider ssh --host me@box \"update the dependencies\"")]
pub struct Args {
    /// What to do: text, `-` for stdin, or `@FILE`; nothing opens $EDITOR
    #[arg(value_name = "TASK", conflicts_with_all = ["command", "argv", "file"])]
    task: Option<String>,
    /// Read the task from a file
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["command", "argv"])]
    file: Option<PathBuf>,
    /// Run this shell command instead of an agent
    #[arg(long, short, value_name = "COMMAND", conflicts_with_all = ["argv", "agent"])]
    command: Option<String>,
    /// Run this program instead of an agent, without a shell
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "agent")]
    argv: Vec<String>,
    /// Which configured agent runs the task
    #[arg(long, short, value_name = "NAME", add = ArgValueCandidates::new(complete::agent_kinds))]
    agent: Option<String>,
    /// How many of them run side by side
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    agents: u32,
    /// Whether agents may act without asking
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// A name for the session
    #[arg(long, value_name = "NAME", conflicts_with = "into")]
    name: Option<String>,
    /// Where it runs: `local` or `ssh`
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
    /// Set a variable for the agents; stored with the session, so no place for secrets
    #[arg(long, short, value_name = "NAME=VALUE", action = ArgAction::Append)]
    env: Vec<String>,
    /// Where the agents run [default: here, or the home directory on another machine]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    #[command(flatten)]
    machine: machine::MachineArgs,
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

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Autonomous => Self::Autonomous,
            ModeArg::Careful => Self::Careful,
        }
    }
}

/// What `--detach --json` prints.
#[derive(Debug, Serialize)]
struct Detached<'a> {
    session: &'a SessionId,
    name: Option<&'a str>,
    provider: &'a str,
    agents: &'a [u32],
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = Registry::open(&ctx.paths)?;
    // What is wrong there is better said before anything runs.
    How::configured(ctx)?;
    if args.machine.dry_run {
        return args.rehearse(ctx).await;
    }
    let (started, agents) = match &args.into {
        Some(into) => args.join(ctx, &registry, into).await?,
        None => args.begin(ctx, &registry).await?,
    };
    let known = started.known.clone();
    if args.detach {
        return detached(ctx, &known, &agents, &args);
    }
    let hosts = Arc::new(Hosts::new(person(ctx), Flow::Bulk));
    if let Some(host) = started.host {
        hosts.put(known.id.clone(), host).await;
    }
    let following = Following {
        registry,
        known,
        hosts,
    };
    output::show(ctx, following, &agents, args.json).await
}

impl Args {
    fn ends(&self, ctx: &Ctx, rented: bool) -> Result<Ends> {
        let config = &ctx.config;
        let time = |flag: &str, given: Option<Duration>, set: Option<Duration>| {
            given.or(set).map(|t| checked(flag, t)).transpose()
        };
        let ms = |time: Option<Duration>| time.and_then(|t| u64::try_from(t.as_millis()).ok());
        // What costs ends by itself.
        let or = |minutes: u64| rented.then(|| Duration::from_secs(minutes * 60));
        let ttl = time("--ttl", self.ttl, config.ttl())?.or(or(60));
        let idle = time("--idle", self.idle, config.idle())?.or(or(15));
        let linger = time("--linger", self.linger, config.linger())?.or(or(2));
        let wait_limit = time("--wait-limit", self.wait_limit, config.wait_limit())?.or(or(30));
        let ends = Ends {
            deadline: None,
            linger_ms: ms(linger),
            idle_ms: ms(idle),
            wait_limit_ms: ms(wait_limit),
            keep: self.keep,
        };
        Ok(match ttl {
            Some(ttl) => ends.with_ttl(now_ms(), ttl),
            None => ends,
        })
    }

    fn place(&self, ctx: &Ctx) -> Result<Place> {
        let provider = match (&self.provider, &self.host) {
            (Some(provider), _) => provider.as_str(),
            (None, Some(_)) => "ssh",
            (None, None) if self.machine.any() => "ec2",
            (None, None) => ctx.config.provider(),
        };
        match provider {
            "local" if self.host.is_some() => Err(Error::user(
                "`--host` names another machine, and `--provider local` is this one",
            )
            .hint("leave one of them out")),
            "local" if self.host_binary.is_some() => Err(Error::user(
                "`--host-binary` is for another machine, and this session runs on this one",
            )
            .hint("leave it out, or say which machine: `--host me@box`")),
            "local" => Ok(Place::Local),
            "ssh" => {
                let host = self.host.as_deref().or(ctx.config.host()).ok_or_else(|| {
                    Error::user("provider `ssh` needs a machine").hint(
                        "say `--host me@box`, or run `remote init --provider ssh --host me@box` once",
                    )
                })?;
                Ok(Place::Ssh {
                    destination: host.to_owned(),
                    binaries: Binaries {
                        given: self.host_binary.clone(),
                        by_system: ctx.config.host_binaries().clone(),
                    },
                })
            }
            "ec2" => Ok(Place::Ec2(Box::new(Cloud {
                config: ctx.config.clone(),
                region: self.machine.region.clone(),
                binaries: Binaries {
                    given: self.host_binary.clone(),
                    by_system: ctx.config.host_binaries().clone(),
                },
            }))),
            other => Err(Error::user(format!("there is no provider `{other}`"))
                .hint("there are `local`, `ssh` and `ec2`")),
        }
    }

    fn env(&self) -> Result<BTreeMap<String, String>> {
        self.env
            .iter()
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) if is_identifier(name) => {
                    Ok((name.to_owned(), value.to_owned()))
                }
                Some((name, _)) if !name.is_empty() => Err(Error::user(format!(
                    "`--env {pair}`: `{name}` is no variable's name"
                ))
                .hint("names are letters, digits and `_`, and begin with no digit")),
                _ => Err(Error::user(format!("`--env {pair}` is no NAME=VALUE"))
                    .hint("say for example `--env RUST_LOG=debug`")),
            })
            .collect()
    }

    /// Says what would be rented, and rents nothing.
    async fn rehearse(&self, ctx: &Ctx) -> Result<ExitCode> {
        let place = self.place(ctx)?;
        if !matches!(place, Place::Ec2(_)) {
            return Err(Error::user(format!(
                "nothing is rented on provider `{}`",
                place.provider()
            ))
            .hint("leave out `--dry-run`, or say `--provider ec2`"));
        }
        let task = self.task_text(ctx)?;
        let agents = self.specs(ctx, place.provider(), task.as_deref())?;
        let ends = self.ends(ctx, true)?;
        let text = task.unwrap_or_else(|| self.what());
        let plan = self.machine.plan(ctx, &text, self.agents).await?;
        machine::tell(ctx, &plan, &ends, &agents, self.json)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn begin(&self, ctx: &Ctx, registry: &Registry) -> Result<(Started, Vec<u32>)> {
        let place = self.place(ctx)?;
        let ends = self.ends(ctx, matches!(place, Place::Ec2(_)))?;
        if ctx.config.setup().is_some() {
            allow::ensure(ctx)?;
        }
        let task = self.task_text(ctx)?;
        let agents = self.specs(ctx, place.provider(), task.as_deref())?;
        let numbers = agents.iter().map(|a| a.number).collect();
        if !ctx.config.provider_is_chosen() && self.provider.is_none() && self.host.is_none() {
            ctx.ui
                .note("This runs on this machine; `remote init` moves it to the cloud.");
        }
        let text = task.clone().unwrap_or_else(|| self.what());
        let plan = match &place {
            Place::Ec2(_) => Some(self.machine.plan(ctx, &text, self.agents).await?),
            Place::Local | Place::Ssh { .. } => self.machine.none().map(|()| None)?,
        };
        let ttl = ends
            .deadline
            .map(|d| d.saturating_sub(now_ms()).div_ceil(1000));
        if let Some(plan) = &plan {
            let line = plan.line(ttl.map(Duration::from_secs));
            ctx.ui.note(format!("  sizing    {line}"));
        }
        let order = Order {
            id: fresh_id(registry)?,
            name: self.name.clone(),
            task: text,
            place,
            ends,
            agents,
            wish: plan.as_ref().map(|p| p.wish.clone()),
            microusd_per_hour: plan
                .as_ref()
                .map_or(0, |p| p.rate.hour_at_most().as_micros()),
            budget_microusd: self.machine.budget_microusd(),
        };
        let stages = Stages::new(ctx.ui);
        let rented = order
            .wish
            .is_some()
            .then(|| (order.id.clone(), order.place.clone()));
        let step = |step: &str| stages.step(step);
        let starting = start(&ctx.paths, registry, order, now_ms(), person(ctx), &step);
        let started = match rented {
            None => starting.await?,
            Some((id, place)) => tokio::select! {
                started = starting => started?,
                () = interrupted() => {
                    stages.step("take back");
                    undo(&ctx.paths, registry, &place, &id, person(ctx)).await?;
                    return Err(Error::user(format!("{id} was taken back before it began")));
                }
            },
        };
        stages.finish();
        if let (Some(plan), Some(spec)) = (&plan, started.known.spec()) {
            cloud::began(&ctx.paths, plan, &plan.region, &spec, now_ms())?;
        }
        Ok((started, numbers))
    }

    /// Adds the agents to a live session.
    async fn join(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        into: &str,
    ) -> Result<(Started, Vec<u32>)> {
        let known = registry.resolve(into)?;
        let task = self.task_text(ctx)?;
        let mut specs = self.specs(ctx, &known.provider, task.as_deref())?;
        if self.cwd.is_none()
            && let Some(first) = known.last.as_ref().and_then(|l| l.spec.agents.first())
        {
            for spec in &mut specs {
                spec.cwd.clone_from(&first.cwd);
            }
        }
        let host = reach(&known, person(ctx)).await?;
        let mut control = host.control().await?;
        let mut numbers = Vec::new();
        for mut agent in specs {
            agent.number = 0;
            match control.ask(Op::Spawn { agent }).await? {
                Outcome::Agent { agent } => numbers.push(agent.number),
                _ => {
                    return Err(Error::connection(format!(
                        "{} did not say which agent it started",
                        known.label()
                    )));
                }
            }
        }
        let host = Some(host);
        Ok((Started { known, host }, numbers))
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn detached(ctx: &Ctx, known: &Known, agents: &[u32], args: &Args) -> Result<ExitCode> {
    if args.json {
        ctx.ui.json(&Detached {
            session: &known.id,
            name: known.name.as_deref(),
            provider: &known.provider,
            agents,
        })?;
    } else if args.into.is_some() {
        let id = &known.id;
        agents
            .iter()
            .try_for_each(|agent| ctx.ui.line(format!("{id}/{agent}")))?;
    } else {
        ctx.ui.line(known.id.as_str())?;
    }
    Ok(ExitCode::SUCCESS)
}
