//! One session: prepared, started here, and given to whoever shows it; or agents added to a live one.

use std::process::ExitCode;

use serde::Serialize;

use super::crew::joined;
use super::machine::tell;
use super::place::Clocks;
use super::repo::{Brings, no_homes};
use super::workspace::{on_directory, on_workspace};
use super::{Args, Ctx, secrets};
use crate::cli::notices::hand_over;
use crate::cli::stages::Stages;
use crate::cli::target::{interrupted, person};
use crate::client::cloud::{Plan, began, undone};
use crate::client::dispatch::{Order, Place, Started, fresh_id};
use crate::client::reach::reach;
use crate::client::repo::bring::spawn;
use crate::client::secrets::send;
use crate::client::site::Site;
use crate::client::unpulled::keep;
use crate::client::{Known, Registry};
use crate::config::{Paths, WORK};
use crate::error::{Error, Result};
use crate::model::{AgentSpec, OnWorkspace, SessionId, now_ms};

/// A session as it is decided before anything is started.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub task: String,
    pub agents: Vec<AgentSpec>,
    /// What is rented for it.
    pub plan: Option<Plan>,
    pub place: Place,
    pub clocks: Clocks,
    pub budget_microusd: Option<u64>,
}

/// What `--detach --json` prints.
#[derive(Debug, Serialize)]
struct Detached<'a> {
    session: &'a SessionId,
    name: Option<&'a str>,
    provider: &'a str,
    agents: &'a [u32],
}

impl Prepared {
    pub fn order(&self, id: SessionId, name: Option<String>) -> Order {
        let plan = self.plan.as_ref();
        Order {
            id,
            name,
            task: self.task.clone(),
            place: self.place.clone(),
            ends: self.clocks.begun(),
            agents: self.agents.clone(),
            wish: plan.map(|p| p.wish.clone()),
            microusd_per_hour: plan.map_or(0, |p| p.rate.hour_at_most().as_micros()),
            budget_microusd: self.budget_microusd,
            workspace: plan
                .and_then(|p| p.wish.workspace())
                .map(|name| OnWorkspace {
                    name: name.to_owned(),
                    dir: WORK.into(),
                }),
        }
    }

    pub fn numbers(&self) -> Vec<u32> {
        self.agents.iter().map(|a| a.number).collect()
    }

    /// Writes down what a session of this kind costs, now that it has begun.
    pub fn began(&self, paths: &Paths, known: &Known, brings: Option<&Brings>) -> Result<()> {
        match (&self.plan, known.spec()) {
            (Some(plan), Some(spec)) => {
                let rented = known.rented.as_ref();
                began(
                    paths,
                    plan,
                    &spec,
                    brings.map(Brings::name),
                    rented,
                    now_ms(),
                )
            }
            _ => Ok(()),
        }
    }

    /// Writes down that it was taken back, machine and volume, where it was.
    pub fn taken_back(&self, paths: &Paths, registry: &Registry, id: &SessionId) -> Result<()> {
        match self.plan.is_some() && registry.ledger().get(id).is_none() {
            true => undone(paths, id, now_ms()),
            false => Ok(()),
        }
    }
}

impl Args {
    /// Says what would be rented, and rents nothing.
    pub(super) async fn rehearse(&self, ctx: &Ctx) -> Result<ExitCode> {
        let place = self.rented_place(ctx)?;
        let tasks = self.all_tasks(ctx)?;
        let prepared = self.prepare(ctx, &place, tasks).await?;
        if let Some(plan) = &prepared.plan {
            tell(ctx, plan, prepared.clocks.ttl, &prepared.agents, self.json)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// For a dry run: where something is rented at all.
    pub(super) fn rented_place(&self, ctx: &Ctx) -> Result<Place> {
        let place = self.place(ctx)?;
        if matches!(place, Place::Ec2(_)) {
            return Ok(place);
        }
        Err(Error::user(format!(
            "nothing is rented on provider `{}`",
            place.provider()
        ))
        .hint("leave out `--dry-run`, or say `--provider ec2`"))
    }

    /// All that a session of these tasks needs, one for each agent, or of what runs where there is none.
    pub(super) async fn prepare(
        &self,
        ctx: &Ctx,
        place: &Place,
        tasks: Vec<Option<String>>,
    ) -> Result<Prepared> {
        let rented = matches!(place, Place::Ec2(_));
        let clocks = self.ends(ctx, rented)?;
        let agents = self.specs(ctx, place.provider(), &tasks)?;
        let text = joined(&tasks).unwrap_or_else(|| self.what());
        let count = u32::try_from(agents.len()).unwrap_or(u32::MAX);
        let plan = match rented {
            true => {
                let repository = self.measured().await;
                let machine = match (&self.workspace, place) {
                    (Some(name), Place::Ec2(cloud)) => {
                        on_workspace(ctx, name, &self.machine, cloud).await?
                    }
                    _ => self.machine.clone(),
                };
                let plan = machine.plan(ctx, &text, count, repository);
                Some(plan.await?)
            }
            false => self.machine.none().map(|()| None)?,
        };
        if let (Some(plan), Place::Ec2(cloud)) = (&plan, place) {
            plan.affords(self.machine.budget)?;
            cloud.fits(&plan.shape)?;
        }
        Ok(Prepared {
            task: text,
            agents,
            plan,
            place: place.clone(),
            clocks,
            budget_microusd: self.machine.budget_microusd(),
        })
    }

    /// For who has chosen no provider, once.
    pub(super) fn say_where(&self, ctx: &Ctx) {
        if !ctx.config.provider_is_chosen() && self.provider.is_none() && self.host.is_none() {
            ctx.ui
                .note("This runs on this machine; `remote init` moves it to the cloud.");
        }
    }

    pub(super) async fn begin(
        &self,
        ctx: &Ctx,
        registry: &Registry,
    ) -> Result<(Started, Vec<u32>)> {
        let place = self.place(ctx)?;
        // Before anybody is asked or writes a task.
        self.ends(ctx, matches!(place, Place::Ec2(_)))?;
        self.allowed(ctx)?;
        let tasks = self.all_tasks(ctx)?;
        let prepared = self.prepare(ctx, &place, tasks).await?;
        self.say_where(ctx);
        if let Some(plan) = &prepared.plan {
            let line = plan.line(prepared.clocks.ttl);
            ctx.ui.note(format!("  sizing    {line}"));
        }
        let values = secrets::take(ctx, &prepared.agents, prepared.clocks.ttl).await?;
        let stages = Stages::new(ctx.ui);
        let step = |step: &str| stages.step(step);
        let brings = self.brings(ctx, &place, values, &stages).await?;
        let id = fresh_id(registry)?;
        let site = Site::open(&ctx.paths, &place, person(ctx), &step).await?;
        let mut order = prepared.order(id.clone(), self.name.clone());
        let held = on_directory(ctx, self.workspace.as_ref(), &place, &id).await?;
        if let Some(held) = &held {
            if self.cwd.is_none() {
                let agents = order.agents.iter_mut();
                agents.for_each(|a| a.cwd.clone_from(&held.on.dir));
            }
            order.workspace = Some(held.on.clone());
        }
        // Where something is brought or set up, agents begin once that is done.
        let later = match &brings {
            Some(_) => std::mem::take(&mut order.agents),
            None => Vec::new(),
        };
        let started = match prepared.plan {
            // A person's Ctrl-C is the end of us: nothing costs.
            None => {
                let never = std::future::pending();
                let started = site.start(registry, order, now_ms(), &step, never).await;
                if let (Err(_), Some(held)) = (&started, &held) {
                    held.give_back().await;
                }
                started?
            }
            Some(_) => {
                let cut = interrupted();
                site.start(registry, order, now_ms(), &step, cut).await?
            }
        };
        let taken_back = || Error::user(format!("{id} was taken back before it began"));
        let started = started.ok_or_else(taken_back)?;
        // It costs from now on, whatever becomes of this device. A record must not stop what it is a record of.
        if let Err(e) = prepared.began(&ctx.paths, &started.known, brings.as_ref()) {
            ctx.ui.warn(format!("its cost is not written down: {e}"));
        }
        hand_over(ctx, &started.known, started.host.as_ref()).await;
        let (started, said) = match &brings {
            None => (started, Vec::new()),
            Some(brings) => {
                let cut = interrupted();
                let brought = brings.give_to(registry, &site, started, later, &stages, cut);
                let brought = brought.await;
                if !matches!(brought, Ok(Some(_))) {
                    prepared.taken_back(&ctx.paths, registry, &id)?;
                }
                let brought = brought?.ok_or_else(taken_back)?;
                (brought.started, brought.said)
            }
        };
        stages.finish();
        for line in &said {
            ctx.ui.note(format!("  repo      {line}"));
        }
        Ok((started, prepared.numbers()))
    }

    /// Adds the agents to a live session.
    pub(super) async fn join(
        &self,
        ctx: &Ctx,
        registry: &Registry,
        into: &str,
    ) -> Result<(Started, Vec<u32>)> {
        let known = registry.resolve(into)?;
        self.allowed(ctx)?;
        let tasks = self.all_tasks(ctx)?;
        let mut specs = self.specs(ctx, &known.provider, &tasks)?;
        if self.cwd.is_some() && self.own_homes(ctx)? {
            return Err(no_homes());
        }
        let values = secrets::take(ctx, &specs, None).await?;
        // What they make is nowhere else.
        keep(&ctx.paths, registry, &known, person(ctx)).await?;
        let host = reach(&known, person(ctx)).await?;
        let mut control = host.control().await?;
        send(&mut control, &values).await?;
        let spec = match known.spec().filter(|s| !s.agents.is_empty()) {
            Some(spec) => spec,
            // Known by its tags alone.
            None => control.status().await?.spec,
        };
        let first = spec.agents.first().filter(|_| self.cwd.is_none());
        for spec in &mut specs {
            spec.number = 0;
            if let Some(first) = first {
                spec.cwd.clone_from(&first.cwd);
            }
        }
        if self.cwd.is_none() {
            self.join_repository(ctx, &known, &host, &mut control, &mut specs)
                .await?;
        }
        self.set_up(ctx, &known, &host, &mut control, &specs)
            .await?;
        let numbers = spawn(&mut control, specs).await?;
        // Whoever was about to let it go has not seen them.
        keep(&ctx.paths, registry, &known, person(ctx)).await?;
        let started = Started {
            known,
            host: Some(host),
            repository: false,
        };
        Ok((started, numbers))
    }
}

/// Tells what runs, for who does not stay.
pub(super) fn detached(ctx: &Ctx, known: &Known, agents: &[u32], args: &Args) -> Result<ExitCode> {
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
