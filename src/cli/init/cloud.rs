//! What EC2 says before anything is launched there: who we are, what we may, which region is near. Creates
//! nothing.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::aws;
use crate::cli::target::person;
use crate::cli::{Ctx, Stage, confirm};
use crate::client::cloud;
use crate::error::{Error, Result};
use crate::provision::ec2::{Quota, Rehearsal, Subnet};
use crate::provision::{Binaries, ProvisionError};

/// Regions whose distance is measured where none is known.
const REGIONS: [&str; 14] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-west-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "af-south-1",
];
const NEAR: Duration = Duration::from_secs(2);
/// What a task is given that nobody has sized.
const TYPE: &str = "m6i.large";

/// What looking came to.
pub(super) struct Look {
    pub region: String,
    /// How many things a dispatch needs that are not there; each has been told.
    pub lacking: usize,
}

/// Looks, and tells each thing. `yes`: the nearest region is taken without asking.
pub(super) async fn look(ctx: &Ctx, given: Option<&str>, yes: bool) -> Result<Look> {
    let profile = ctx.config.text("profile");
    let region = match given.or(ctx.config.text("region")) {
        Some(region) => region.to_owned(),
        None => match aws::find(profile, NEAR).await.region {
            Some(region) => region,
            None => nearest(ctx, yes).await?,
        },
    };
    let binaries = Binaries::default();
    let ec2 = cloud::open(
        &ctx.paths,
        &ctx.config,
        Some(&region),
        &binaries,
        person(ctx),
    )
    .await?;
    let stage = ctx.ui.stage("identity");
    stage.waits("AWS");
    let owner = ec2.owner().await?.to_owned();
    stage.done(&owner);
    let mut lacking = 0;
    let mut tell = |stage: Stage, told: std::result::Result<String, Error>| match told {
        Ok(told) => stage.done(&told),
        Err(e) => {
            drop(stage);
            lacking += 1;
            ctx.ui.warn(&e.message);
            e.hints.iter().for_each(|hint| ctx.ui.hint(hint));
        }
    };
    let name = ctx.config.text("instance").unwrap_or(TYPE);
    let stage = ctx.ui.stage("region");
    stage.waits(&region);
    let offering = ec2.offering(name).await;
    let (offering, told) = match offering {
        Ok(Some(shape)) => {
            let gib = shape.memory_mib / 1024;
            let told = format!("{region} has {name} ({} vCPU, {gib} GiB)", shape.vcpus);
            (Some(shape), Ok(told))
        }
        Ok(None) => {
            let none = Error::user(format!("{region} has no {name}")).hint(
                "set `instance` in config.toml to a type that it has, or choose another `--region`",
            );
            (None, Err(none))
        }
        Err(e) => (None, Err(e.into())),
    };
    tell(stage, told);

    let stage = ctx.ui.stage("network");
    stage.waits("subnets, and the address of this device");
    let (subnets, addresses) = tokio::join!(ec2.subnets(), ec2.addresses());
    let subnet = subnets.as_ref().ok().and_then(|s| s.first().cloned());
    tell(stage, subnets.map(|s| zones(&s)).map_err(Error::from));
    let stage = ctx.ui.stage("address");
    let told = addresses.map(|found| match found.as_slice() {
        [] => "as `ec2.ssh_from` says".to_owned(),
        some => some
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" and "),
    });
    tell(
        stage,
        told.map_err(|e| Error::from(e).hint("run `remote doctor` to see why")),
    );

    if let Some(shape) = &offering {
        let stage = ctx.ui.stage("quota");
        stage.waits("vCPUs");
        match ec2.quota(name, false).await {
            Ok(quota) => tell(stage, enough(&quota, name, shape.vcpus)),
            // To know it beforehand is a convenience: a launch beyond it says so too.
            Err(e) => stage.done(&format!("not known: {e}")),
        }
    }
    if let (Some(shape), Some(subnet)) = (&offering, &subnet) {
        let stage = ctx.ui.stage("rights");
        stage.waits("dry runs");
        let image = ctx.config.text("ec2.image").unwrap_or("ubuntu-24.04");
        let found = ec2.rehearse(shape, subnet, image).await;
        tell(stage, rights(&found));
    }
    let stage = ctx.ui.stage("sessions");
    stage.waits("what is there already");
    let machines = ec2.machines(false).await;
    let told = machines.map(|machines| match machines.len() {
        0 => "none yet".to_owned(),
        1 => "one machine of yours".to_owned(),
        n => format!("{n} machines of yours"),
    });
    tell(stage, told.map_err(Error::from));
    Ok(Look { region, lacking })
}

/// `3 zones of vpc-1: a, b, c`
fn zones(subnets: &[Subnet]) -> String {
    let mut zones: Vec<&str> = subnets.iter().map(|s| s.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let six = match subnets.iter().any(|s| s.ipv6) {
        true => ", with IPv6",
        false => "",
    };
    let vpc = subnets.first().map_or("", |s| &s.vpc);
    let many = if zones.len() == 1 { "zone" } else { "zones" };
    format!("{} {many} of {vpc}: {}{six}", zones.len(), zones.join(", "))
}

/// Whether a machine of `name` is within the quota, and how many are.
fn enough(quota: &Quota, name: &str, vcpus: u32) -> Result<String> {
    let Quota {
        code,
        vcpus: may,
        link,
    } = quota;
    match may / vcpus.max(1) {
        0 => Err(Error::user(format!(
            "the quota {code} allows {may} vCPUs, and {name} has {vcpus}"
        ))
        .hint(format!("ask for a higher quota: {link}"))),
        n => Ok(format!(
            "{may} vCPUs ({code}): {n} machines of {name}; more: {link}"
        )),
    }
}

fn rights(found: &Rehearsal) -> Result<String> {
    let missing = found.missing();
    if !missing.is_empty() {
        let named = missing.join(", ");
        return Err(
            Error::user(format!("AWS does not permit {named}")).hint(format!(
                "allow {named} to this identity; docs/AWS.md has the whole policy"
            )),
        );
    }
    match found.refused.first() {
        Some(e) => Err(ProvisionError::Aws(e.clone()).into()),
        None => Ok(format!("AWS would permit {}", found.allowed.join(", "))),
    }
}

/// The region that answers first.
async fn nearest(ctx: &Ctx, yes: bool) -> Result<String> {
    let stage = ctx.ui.stage("region");
    stage.waits("looking for the nearest");
    let profile = ctx.config.text("profile");
    let mut tries = JoinSet::new();
    for region in REGIONS {
        let url = aws::endpoint(profile, region).await;
        tries.spawn(async move { Some((distance(&url).await?, region)) });
    }
    let best = tries.join_all().await.into_iter().flatten().min();
    let none = || {
        Error::connection("no AWS region answers")
            .hint("name one: `remote init --provider ec2 --region eu-west-1`")
            .hint("run `remote doctor` to see whether this network is in the way")
    };
    let (time, region) = best.ok_or_else(none)?;
    stage.done(&format!(
        "{region} is the nearest ({} ms)",
        time.as_millis()
    ));
    if !confirm(&ctx.ui, &format!("Use {region}?"), yes)? {
        return Err(Error::user("no region was chosen")
            .hint("name one: `remote init --provider ec2 --region eu-west-1`"));
    }
    Ok(region.to_owned())
}

/// How long a connection to a region's endpoint takes: its name's lookup not counted, the better of two.
async fn distance(url: &str) -> Option<Duration> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.split('/').next()?;
    let port = if scheme == "http" { 80 } else { 443 };
    let place = match place.rsplit_once(':') {
        Some((_, digits)) if digits.parse::<u16>().is_ok() => place.to_owned(),
        _ => format!("{place}:{port}"),
    };
    let measured = async {
        let address = tokio::net::lookup_host(place).await.ok()?.next()?;
        let mut best = None;
        for _ in 0..2 {
            let begun = Instant::now();
            TcpStream::connect(address).await.ok()?;
            let took = begun.elapsed();
            best = Some(best.map_or(took, |b: Duration| b.min(took)));
        }
        best
    };
    tokio::time::timeout(NEAR, measured).await.ok().flatten()
}
