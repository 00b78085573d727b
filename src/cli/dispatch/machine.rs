//! The flags that say which machine is rented, and what they come to together with the configuration.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::aws::region;
use crate::cli::Ctx;
use crate::client::cloud::{Plan, Wanted, plan};
use crate::error::{Error, Result};
use crate::model::{AgentSpec, Certainty, Money, now_ms};
use crate::provision::sizing::{self, parse_size};
use crate::provision::{Existing, MachineWish};

const GIB: u64 = 1 << 30;
/// EBS volumes end here.
const DISK: std::ops::RangeInclusive<u64> = 1..=65_536;

/// Only of provider `ec2`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "The machine (ec2)")]
pub struct MachineArgs {
    /// The EC2 instance type, such as m6i.4xlarge
    #[arg(long, value_name = "TYPE", conflicts_with = "into")]
    pub instance: Option<String>,
    /// At least this much memory, such as 64gb
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["into", "instance"])]
    pub memory: Option<String>,
    /// At least so many vCPUs
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["into", "instance"])]
    pub cpu: Option<u32>,
    /// The size of the work volume, such as 50gb
    #[arg(long, value_name = "SIZE", conflicts_with = "into")]
    pub disk: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION", conflicts_with = "into")]
    pub region: Option<String>,
    /// The availability zone
    #[arg(long, value_name = "ZONE", conflicts_with = "into")]
    pub az: Option<String>,
    /// Rent spare capacity: cheaper, and taken back at two minutes' notice
    #[arg(long, conflicts_with = "into")]
    pub spot: bool,
    /// Where there is no spot capacity, rent on demand instead, within --max-price
    #[arg(long, requires = "spot")]
    pub or_on_demand: bool,
    /// Where there is no capacity for the type, take a larger one of its family, within --max-price
    #[arg(long, conflicts_with = "into")]
    pub or_larger: bool,
    /// What an hour of the machine may cost at most, such as 0.50
    #[arg(long, value_name = "USD", conflicts_with = "into")]
    pub max_price: Option<Money>,
    /// End the session before it has cost more than this, such as 2usd
    #[arg(long, value_name = "USD", conflicts_with = "into")]
    pub budget: Option<Money>,
    /// Say what would be rented and what it costs, and rent nothing
    #[arg(long, conflicts_with = "into")]
    pub dry_run: bool,
    /// The image: ubuntu-24.04, debian-12, amazon-linux-2023, ami-… or resolve:ssm:…
    #[arg(long, value_name = "IMAGE", conflicts_with = "into")]
    pub image: Option<String>,
    /// The volume that is there already.
    #[arg(skip)]
    pub volume: Option<Existing>,
    /// Its size, in GiB.
    #[arg(skip)]
    pub volume_gib: Option<u32>,
}

impl MachineArgs {
    /// One that only a rented machine has was given.
    pub fn any(&self) -> bool {
        !self.given().is_empty()
    }

    /// The flags that were given, by name.
    fn given(&self) -> Vec<&'static str> {
        [
            ("--instance", self.instance.is_some()),
            ("--memory", self.memory.is_some()),
            ("--cpu", self.cpu.is_some()),
            ("--disk", self.disk.is_some()),
            ("--region", self.region.is_some()),
            ("--az", self.az.is_some()),
            ("--spot", self.spot),
            ("--or-larger", self.or_larger),
            ("--max-price", self.max_price.is_some()),
            ("--budget", self.budget.is_some()),
            ("--image", self.image.is_some()),
            ("--dry-run", self.dry_run),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// For a provider that rents nothing.
    ///
    /// # Errors
    /// A flag that means a rented machine was given.
    pub fn none(&self) -> Result<()> {
        match self.given().first() {
            None => Ok(()),
            Some(flag) => Err(Error::user(format!(
                "`{flag}` is about a machine that is rented, and this session runs on one that is there"
            ))
            .hint("leave it out, or say `--provider ec2`")),
        }
    }

    /// What is to be rented, chosen by the task where nobody said it, and what it costs.
    ///
    /// # Errors
    /// A value that cannot be, or a machine that costs more than is allowed.
    pub async fn plan(
        &self,
        ctx: &Ctx,
        task: &str,
        agents: u32,
        repository: Option<sizing::Repository>,
    ) -> Result<Plan> {
        let config = &ctx.config;
        let disk = self.disk.as_deref().or(config.text("ec2.disk"));
        let image = self.image.as_deref().or(config.text("ec2.image"));
        let sized = |flag: &str, text: &str| {
            parse_size(text).map_err(|why| Error::user(format!("{flag}: {why}")))
        };
        let memory = self.memory.as_deref().map(|m| sized("--memory", m));
        // `--memory` and `--cpu` are said for this task, the configuration for all.
        let said = self.memory.is_some() || self.cpu.is_some();
        let instance = match &self.instance {
            Some(name) => Some(name.as_str()),
            None if said => None,
            None => config.text("instance"),
        };
        let region = match self.region.as_deref().or(config.text("region")) {
            Some(region) => region.to_owned(),
            None => region(config.text("profile")).await.ok_or_else(|| {
                Error::config("no AWS region is set")
                    .hint("run `remote init`, or say `--region eu-west-1`")
            })?,
        };
        let wanted = Wanted {
            region,
            task: task.to_owned(),
            agents,
            repository,
            memory_mib: memory.transpose()?.map(|bytes| bytes >> 20),
            vcpus: self.cpu,
            wish: MachineWish {
                instance_type: instance.unwrap_or_default().to_owned(),
                zone: self.az.clone(),
                spot: self.spot,
                max_microusd_per_hour: self.max_price.map(Money::as_micros),
                other_sizes: self.or_larger,
                on_demand_too: self.or_on_demand,
                disk_gib: match self.volume_gib {
                    Some(gib) => gib,
                    None => gib(sized("--disk", disk.unwrap_or("20gb"))?)?,
                },
                image: image.unwrap_or("ubuntu-24.04").to_owned(),
                sudo: config.text("ec2.sudo") != Some("no"),
                volume: self.volume.clone(),
            },
        };
        plan(&ctx.paths, config, wanted, now_ms()).await
    }

    pub fn budget_microusd(&self) -> Option<u64> {
        self.budget.map(Money::as_micros)
    }
}

/// What `--dry-run --json` prints.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    machine: &'a MachineWish,
    why: &'a str,
    microusd_per_hour: Money,
    microusd_at_most: Option<Money>,
    estimate: bool,
    agents: usize,
}

impl<'a> Told<'a> {
    pub fn of(plan: &'a Plan, ttl: Option<Duration>, agents: usize) -> Self {
        Self {
            machine: &plan.wish,
            why: &plan.why,
            microusd_per_hour: plan.rate.hour(),
            microusd_at_most: ttl.map(|ttl| ceiling(plan, ttl)),
            estimate: plan.rate.certainty != Certainty::Exact,
            agents,
        }
    }
}

/// What a machine can cost in all with this TTL.
pub fn ceiling(plan: &Plan, ttl: Duration) -> Money {
    let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    plan.rate.ceiling(ms)
}

/// Prints a plan that is not carried out.
pub fn tell(
    ctx: &Ctx,
    plan: &Plan,
    ttl: Option<Duration>,
    agents: &[AgentSpec],
    json: bool,
) -> Result<()> {
    if json {
        return ctx.ui.json(&Told::of(plan, ttl, agents.len()));
    }
    let sure = plan.rate.certainty;
    let lines = [
        format!("machine   {}", plan.line(ttl)),
        format!("image     {}", plan.wish.image),
        match plan.wish.workspace() {
            Some(name) => format!(
                "volumes   8 GB root: {} a month; workspace {name}, {} GB, which costs with a machine and without",
                sure.of(plan.rate.volumes_month),
                plan.wish.disk_gib
            ),
            None => format!(
                "volumes   8 GB root, {} GB work, kept until its results are safe: {} a month",
                plan.wish.disk_gib,
                sure.of(plan.rate.volumes_month)
            ),
        },
        format!("address   {} an hour", sure.of(plan.rate.address)),
        format!("agents    {}", agents.len()),
        format!("not in it: {}", crate::cost::NOT_COUNTED),
        "Nothing was rented.".to_owned(),
    ];
    lines.iter().try_for_each(|l| ctx.ui.line(l))
}

/// A volume's size in whole GiB.
fn gib(bytes: u64) -> Result<u32> {
    let gib = bytes.div_ceil(GIB);
    u32::try_from(gib)
        .ok()
        .filter(|_| DISK.contains(&gib))
        .ok_or_else(|| {
            Error::user(format!("a volume of {gib} GiB cannot be"))
                .hint("EBS volumes have 1 to 65536 GiB: say for example `--disk 50gb`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_have_whole_gibibytes_within_what_ebs_has() {
        for (bytes, expected) in [(1, 1), (GIB, 1), (GIB + 1, 2), (65_536 * GIB, 65_536)] {
            assert_eq!(gib(bytes).ok(), Some(expected), "{bytes}");
        }
        for bytes in [0, 65_537 * GIB, u64::MAX] {
            assert!(gib(bytes).is_err(), "{bytes}");
        }
    }
}
