//! What EC2 says before anything is launched there: who we are, what we may, which region is near. Creates
//! nothing.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::aws;
use crate::cli::target::person;
use crate::cli::{Ctx, confirm};
use crate::client::cloud;
use crate::error::{Error, Result};
use crate::provision::Binaries;

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

/// Looks, tells, and returns the region to use.
pub(super) async fn look(ctx: &Ctx, given: Option<&str>) -> Result<String> {
    let profile = ctx.config.text("profile");
    let region = match given.or(ctx.config.text("region")) {
        Some(region) => region.to_owned(),
        None => match aws::find(profile, NEAR).await.region {
            Some(region) => region,
            None => nearest(ctx).await?,
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
    let stage = ctx.ui.stage("region");
    stage.waits(&region);
    match ec2.offering(TYPE).await? {
        Some(shape) => stage.done(&format!(
            "{region} has {TYPE} ({} vCPU, {} GiB)",
            shape.vcpus,
            shape.memory_mib / 1024
        )),
        None => stage.done(&format!("{region}, which has no {TYPE}: set `instance`")),
    }
    let stage = ctx.ui.stage("sessions");
    stage.waits("what is there already");
    let machines = ec2.machines(false).await?;
    stage.done(&match machines.len() {
        0 => "none yet".to_owned(),
        1 => "one machine of yours".to_owned(),
        n => format!("{n} machines of yours"),
    });
    Ok(region)
}

/// The region that answers first.
async fn nearest(ctx: &Ctx) -> Result<String> {
    let stage = ctx.ui.stage("region");
    stage.waits("looking for the nearest");
    let mut tries = JoinSet::new();
    for region in REGIONS {
        tries.spawn(async move {
            let begun = Instant::now();
            let address = (format!("ec2.{region}.amazonaws.com"), 443);
            let connected = tokio::time::timeout(NEAR, TcpStream::connect(address)).await;
            matches!(connected, Ok(Ok(_))).then(|| (begun.elapsed(), region))
        });
    }
    let best = tries.join_all().await.into_iter().flatten().min();
    let none = || {
        Error::connection("no AWS region answers")
            .hint("name one: `remote init --provider ec2 --region eu-west-1`")
    };
    let (time, region) = best.ok_or_else(none)?;
    stage.done(&format!(
        "{region} is the nearest ({} ms)",
        time.as_millis()
    ));
    if !confirm(&ctx.ui, &format!("Use {region}?"), false)? {
        return Err(Error::user("no region was chosen")
            .hint("name one: `remote init --provider ec2 --region eu-west-1`"));
    }
    Ok(region.to_owned())
}
