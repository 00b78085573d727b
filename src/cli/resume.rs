//! `remote resume`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::dispatch::machine::MachineArgs;
use super::dispatch::workspace::on_workspace;
use super::notices::hand_over;
use super::secret::send_missing;
use super::stages::Stages;
use super::target::{Target, interrupted, person, time};
use super::{Ctx, complete};
use crate::client::cloud::{self, Plan};
use crate::client::dispatch::{Cloud, Place, checked};
use crate::client::handover::revive;
use crate::client::reach::{HostConn, reach};
use crate::client::resume::{Left, Order, cut_off, left, put_back};
use crate::client::status::{PATIENCE, Presence, report};
use crate::client::unpulled::keep;
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::{AgentRef, EndKind, Millis, Money, NewsKind, SessionId, SessionStatus, now_ms};
use crate::proto::Op;
use crate::provision::{Binaries, Existing, Machine, MachineState};
use crate::workspace::Name;

/// Put a session back that has ended: a new machine, its files, its agents where they left off
///
/// Of one on EC2 its work volume is attached to a new machine, in the zone where the volume is. Its agents that were
/// at work when it ended are started with their `resume` command (`claude --continue`); their histories go on. Those
/// that had ended by themselves stay so: `remote restart` starts one again.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote resume abc\n  \
    remote resume abc --instance m6i.4xlarge --ttl 2h")]
pub struct Args {
    /// The session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: String,
    /// Begin agents anew instead of where they left off
    #[arg(long)]
    fresh: bool,
    /// How long it may run from now on
    #[arg(long, value_name = "TIME", value_parser = time)]
    ttl: Option<Duration>,
    /// Another EC2 instance type than before
    #[arg(long, value_name = "TYPE", help_heading = "The machine (ec2)")]
    instance: Option<String>,
    /// At least this much memory, such as 64gb
    #[arg(long, value_name = "SIZE", conflicts_with = "instance")]
    #[arg(help_heading = "The machine (ec2)")]
    memory: Option<String>,
    /// At least so many vCPUs
    #[arg(long, value_name = "COUNT", conflicts_with = "instance")]
    #[arg(help_heading = "The machine (ec2)")]
    cpu: Option<u32>,
    /// On spare capacity [default: as before]
    #[arg(long, help_heading = "The machine (ec2)")]
    spot: bool,
    /// Not on spare capacity, though it was before
    #[arg(long, conflicts_with = "spot", help_heading = "The machine (ec2)")]
    on_demand: bool,
    /// Where there is no spot capacity, rent on demand instead, within --max-price
    #[arg(long, conflicts_with = "on_demand", help_heading = "The machine (ec2)")]
    or_on_demand: bool,
    /// Where there is no capacity for the type, take a larger one of its family, within --max-price
    #[arg(long, help_heading = "The machine (ec2)")]
    or_larger: bool,
    /// What an hour of the machine may cost at most, such as 0.50
    #[arg(long, value_name = "USD", help_heading = "The machine (ec2)")]
    max_price: Option<Money>,
    /// End the session before this run of it has cost more, such as 2usd [default: what is left of its budget]
    #[arg(long, value_name = "USD", help_heading = "The machine (ec2)")]
    budget: Option<Money>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Resumed<'a> {
    session: &'a SessionId,
    /// Those that were started again.
    agents: &'a [u32],
}

/// Puts a session back that was to be, and that EC2 has taken the machine of: for whoever follows it. `None` where it
/// was not, or its time is over.
///
/// # Errors
/// As [`run`].
pub async fn taken_away(ctx: &Ctx, registry: &Registry, id: &SessionId) -> Result<Option<Known>> {
    let Some(known) = registry.get(id) else {
        return Ok(None);
    };
    let last = known.last.as_ref();
    let interrupted = last.is_some_and(was_interrupted);
    let ends = last.map(|l| l.spec.ends).unwrap_or_default();
    let left = ends.deadline.map_or(DEFAULT_TTL, |deadline| {
        Duration::from_millis(deadline.saturating_sub(now_ms()))
    });
    if known.provider != "ec2" || !interrupted || !ends.resume || left < WORTH_IT {
        return Ok(None);
    }
    // Somebody else who follows it may have been quicker.
    let registry = &ctx.registry_of(id.as_str()).await?;
    let now = registry.known(id)?;
    let instance = |k: &Known| k.rented.as_ref().map(|r| r.instance.clone());
    if now.live && instance(&now) != instance(&known) {
        return Ok(Some(now));
    }
    let budget = left_of_budget(ctx, &known)?;
    if budget == Some(Money::ZERO) {
        return Ok(None);
    }
    ctx.ui.note(format!(
        "EC2 has taken the machine of {} back. It goes on on another one, until its time is over.",
        known.label()
    ));
    let args = Args {
        session: id.to_string(),
        ttl: Some(left),
        // As it was allowed when it was dispatched.
        max_price: ends.resume_max_microusd.map(Money::micros),
        or_on_demand: ends.resume_on_demand,
        budget,
        ..Args::default()
    };
    args.put_back(ctx, registry, known)
        .await
        .map(|(known, _)| Some(known))
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry_of(&args.session).await?;
    let typed = AgentRef {
        session: args.session.clone(),
        agent: None,
    };
    let known = Target::find(&registry, Some(&typed))?.known;
    let (known, agents) = args.put_back(ctx, &registry, known).await?;
    if args.json {
        ctx.ui.json(&Resumed {
            session: &known.id,
            agents: &agents,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is left of a session's budget, where it has one.
fn left_of_budget(ctx: &Ctx, known: &Known) -> Result<Option<Money>> {
    let Some(budget) = known.spec().and_then(|s| s.budget_microusd) else {
        return Ok(None);
    };
    let spent = cloud::spent(&ctx.paths, &known.id, now_ms())?.unwrap_or_default();
    Ok(Some(Money::micros(budget).minus(spent)))
}

/// Its machine was taken away. The last word of its host may be lost with it; that it was told to end is said before.
fn was_interrupted(status: &SessionStatus) -> bool {
    match &status.ended {
        Some(ended) => ended.kind == EndKind::Interrupted,
        // Not of an earlier machine.
        None => status.news.iter().any(|n| {
            let since = status.agents.iter().all(|a| a.started < n.at);
            n.event == NewsKind::Interrupted && since
        }),
    }
}

/// Fails where its host runs.
async fn must_be_over(ctx: &Ctx, registry: &Registry, known: &Known) -> Result<()> {
    if known.live {
        let seen = report(registry, known, person(ctx), PATIENCE).await;
        if matches!(seen.presence, Presence::Live | Presence::Unreachable) {
            return Err(runs(known));
        }
    }
    Ok(())
}

fn runs(known: &Known) -> Error {
    let id = &known.id;
    Error::user(format!("{} has not ended", known.label())).hint(format!(
        "run `remote attach {id}` to see it, or `remote restart {id}` for agents of it that have ended"
    ))
}

impl Args {
    /// Its machine, its host, and the agents that were cut off: which.
    async fn put_back(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        known: Known,
    ) -> Result<(Known, Vec<u32>)> {
        let stages = Stages::new(ctx.ui);
        let step = |step: &str| stages.step(step);
        let (known, host) = match known.provider.as_str() {
            "ec2" => self.on_ec2(ctx, registry, known, &stages).await?,
            _ => {
                self.means_no_machine()?;
                must_be_over(ctx, registry, &known).await?;
                let known = revive(&ctx.paths, registry, &known, person(ctx), &step).await?;
                (known, None)
            }
        };
        stages.finish();
        hand_over(ctx, &known, host.as_ref()).await;
        let host = match host {
            Some(host) => host,
            None => reach(&known, person(ctx)).await?,
        };
        let agents = self.go_on(ctx, &known, &host).await?;
        Ok((known, agents))
    }

    fn means_no_machine(&self) -> Result<()> {
        let given = self.instance.is_some()
            || self.memory.is_some()
            || self.cpu.is_some()
            || self.spot
            || self.or_larger
            || self.max_price.is_some();
        if given {
            return Err(Error::user(
                "this session's machine is not rented, and no other one can be had for it",
            )
            .hint("leave the flags about the machine out"));
        }
        Ok(())
    }

    async fn on_ec2(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        known: Known,
        stages: &Stages,
    ) -> Result<(Known, Option<HostConn>)> {
        let step = |step: &str| stages.step(step);
        let place = place_of(ctx, &known);
        step("look");
        let machine = match self.left(ctx, &known, &place, stages).await? {
            Left::Machine(machine) if machine.state == MachineState::Stopped => {
                self.means_no_machine()?;
                let known = revive(&ctx.paths, registry, &known, person(ctx), &step).await?;
                return Ok((known, None));
            }
            Left::Machine(_) => return Err(runs(&known)),
            Left::Volume(machine) => machine,
        };
        let workspace = known.rented.as_ref().and_then(|r| r.workspace.as_deref());
        let flags = match (workspace.map(str::parse::<Name>), machine, &place) {
            // Whoever has it now is asked of itself.
            (Some(Ok(name)), _, Place::Ec2(cloud)) => {
                let flags = self.flags(&known);
                on_workspace(ctx, &name, &flags, cloud).await?
            }
            (_, Some(machine), _) => self.on_volume(&known, &machine)?,
            _ => return Err(nothing_left(&known)),
        };
        let plan = plan(ctx, &known, &flags).await?;
        let budget = match self.budget {
            Some(budget) => Some(budget),
            None => left_of_budget(ctx, &known)?,
        };
        if budget == Some(Money::ZERO) {
            return Err(
                Error::user(format!("the budget of {} is used up", known.label()))
                    .hint("say what it may cost from now on: `--budget 2usd`"),
            );
        }
        plan.affords(budget)?;
        if let Place::Ec2(cloud) = &place {
            cloud.fits(&plan.shape)?;
        }
        let ttl = self.ttl.or(ctx.config.ttl()).unwrap_or(DEFAULT_TTL);
        let ttl = checked("--ttl", ttl)?;
        ctx.ui.note(format!("  sizing    {}", plan.line(Some(ttl))));
        let now = now_ms();
        let order = Order {
            known: known.clone(),
            place,
            plan: plan.clone(),
            deadline: Some(now.saturating_add(ms(ttl))),
            budget_microusd: budget.map(Money::as_micros),
        };
        let put = put_back(
            &ctx.paths,
            registry,
            order,
            now,
            person(ctx),
            &step,
            interrupted(),
        );
        let Some((known, host)) = put.await? else {
            return Err(Error::user(format!(
                "{} was not put back; its volume is as it was",
                known.label()
            )));
        };
        let written = known
            .spec()
            .map(|spec| cloud::resumed(&ctx.paths, &plan, &spec, known.rented.as_ref(), now));
        if let Some(Err(e)) = written {
            ctx.ui.warn(format!("its cost is not written down: {e}"));
        }
        Ok((known, host))
    }

    /// What is left of it. A machine whose host has ended is on its way down, and waited for.
    async fn left(&self, ctx: &Ctx, known: &Known, place: &Place, stages: &Stages) -> Result<Left> {
        let ended = known
            .last
            .as_ref()
            .is_some_and(|l| l.ended.is_some() || was_interrupted(l));
        let begun = Instant::now();
        loop {
            match left(&ctx.paths, known, place, person(ctx)).await? {
                Left::Machine(machine)
                    if ended
                        && machine.state == MachineState::Running
                        && begun.elapsed() < DOWN =>
                {
                    stages.waits("its machine ends");
                    tokio::time::sleep(LOOK).await;
                }
                told => return Ok(told),
            }
        }
    }

    /// In the zone of the volume that it left.
    fn on_volume(&self, known: &Known, machine: &Machine) -> Result<MachineArgs> {
        let now = machine.rented.clone();
        let now = now.ok_or_else(|| Error::internal("a rented machine is not told of"))?;
        Ok(MachineArgs {
            region: Some(now.region),
            az: Some(now.zone),
            volume: now.volume.map(|id| Existing {
                id,
                workspace: now.workspace,
                blank: false,
            }),
            volume_gib: Some(now.volume_gib.max(1)),
            ..self.flags(known)
        })
    }

    /// As before, where nothing else is said.
    fn flags(&self, known: &Known) -> MachineArgs {
        let before = known.rented.as_ref();
        let sized = self.memory.is_some() || self.cpu.is_some();
        let same = before
            .map(|r| r.instance_type.clone())
            .filter(|t| !t.is_empty() && !sized);
        let was_spot = before.is_some_and(|r| r.spot);
        MachineArgs {
            instance: self.instance.clone().or(same),
            memory: self.memory.clone(),
            cpu: self.cpu,
            spot: self.spot || (was_spot && !self.on_demand),
            or_on_demand: self.or_on_demand,
            or_larger: self.or_larger,
            max_price: self.max_price,
            budget: self.budget,
            ..MachineArgs::default()
        }
    }

    /// Starts those again that were cut off.
    async fn go_on(&self, ctx: &Ctx, known: &Known, host: &HostConn) -> Result<Vec<u32>> {
        let mut control = host.control().await?;
        let status = control.status().await?;
        let registry = Registry::open(&ctx.paths)?;
        registry.ledger().saw(&status, now_ms());
        let agents = cut_off(&status);
        let id = &known.id;
        if agents.is_empty() {
            ctx.ui.note(format!(
                "{} is back. Its agents had ended before it did: `remote restart {id}` starts them again.",
                known.label()
            ));
            return Ok(agents);
        }
        // What was pulled before is not all any more.
        keep(&ctx.paths, &registry, known, person(ctx)).await?;
        send_missing(ctx, &mut control, &status.spec, &agents).await?;
        for agent in &agents {
            let (agent, fresh) = (*agent, self.fresh);
            control.ask(Op::Restart { agent, fresh }).await?;
        }
        let numbers: Vec<String> = agents.iter().map(u32::to_string).collect();
        ctx.ui.note(format!(
            "{} goes on: agent {}. `remote attach {id}` shows it.",
            known.label(),
            numbers.join(", ")
        ));
        Ok(agents)
    }
}

const DEFAULT_TTL: Duration = Duration::from_secs(3600);
/// Of a time that is nearly over a machine would not make anything.
const WORTH_IT: Duration = Duration::from_secs(120);
/// How long a machine may take to end after its host, and how often is looked.
const DOWN: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_secs(1);

async fn plan(ctx: &Ctx, known: &Known, flags: &MachineArgs) -> Result<Plan> {
    let task = known.last.as_ref().map_or("", |l| l.spec.task.as_str());
    let agents = known.last.as_ref().map_or(1, |l| l.agents.len().max(1));
    let agents = u32::try_from(agents).unwrap_or(u32::MAX);
    flags.plan(ctx, task, agents, None).await
}

fn ms(time: Duration) -> Millis {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn nothing_left(known: &Known) -> Error {
    Error::user(format!(
        "nothing of {} is left on AWS: its work volume is gone",
        known.label()
    ))
    .hint(format!(
        "`remote logs {}` shows what is known of it here; `remote pull` has put its results on branches, if it ran",
        known.id
    ))
}

/// Where it was.
fn place_of(ctx: &Ctx, known: &Known) -> Place {
    Place::Ec2(Box::new(Cloud {
        config: ctx.config.clone(),
        region: known.rented.as_ref().map(|r| r.region.clone()),
        binaries: Binaries {
            by_system: ctx.config.host_binaries().clone(),
            ..Binaries::default()
        },
    }))
}
