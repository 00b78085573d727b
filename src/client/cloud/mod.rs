//! EC2 as verbs use it: the provider with this person's settings and this device's key, and its tags brought
//! into the ledger, so that a session begun on another device is known here like one's own.

mod device;
mod doors;
mod fleet;
mod machine;
mod others;
mod plan;
mod prices;
mod released;
mod spend;
mod unfinished;

use std::sync::Arc;

use crate::config::{Config, Paths};
use crate::cost::Prices;
use crate::error::{Error, Result};
use crate::provision::Binaries;
use crate::provision::ec2::{ADDRESS_SERVICE, Cidr, Device, Ec2, Ec2Settings, SshFrom};
use crate::ssh::Ask;

pub use device::device;
pub use doors::Doors;
pub use fleet::{Fleet, sync};
pub use machine::OverPinned;
pub use others::{known, other, others};
pub use plan::{Plan, Wanted, plan};
pub use spend::{began, deleted, ended, from_tags, kept, lately, resumed, so_far, spent, undone};
pub use unfinished::Unfinished;

/// The provider for `region`, or the configured one.
///
/// # Errors
/// No credentials, no region, a setting that cannot be: each says what to do.
pub async fn open(
    paths: &Paths,
    config: &Config,
    region: Option<&str>,
    binaries: &Binaries,
    ask: Arc<dyn Ask>,
) -> Result<Ec2> {
    let reach = Arc::new(OverPinned::new(ask));
    open_over(paths, config, region, binaries, reach).await
}

/// As [`open()`], over connections that the caller can have.
///
/// # Errors
/// As [`open()`].
pub async fn open_over(
    paths: &Paths,
    config: &Config,
    region: Option<&str>,
    binaries: &Binaries,
    reach: Arc<OverPinned>,
) -> Result<Ec2> {
    as_device(paths, config, region, binaries, reach, device(paths)?).await
}

/// As [`open()`], for who only looks: a device that has never used EC2 gets no key by it.
///
/// # Errors
/// As [`open()`].
pub async fn look(
    paths: &Paths,
    config: &Config,
    region: Option<&str>,
    ask: Arc<dyn Ask>,
) -> Result<Ec2> {
    let device = device::known(paths)?.unwrap_or_else(|| Device {
        name: String::new(),
        public_key: String::new(),
        identity: Default::default(),
    });
    let reach = Arc::new(OverPinned::new(ask));
    as_device(paths, config, region, &Binaries::default(), reach, device).await
}

async fn as_device(
    paths: &Paths,
    config: &Config,
    region: Option<&str>,
    binaries: &Binaries,
    reach: Arc<OverPinned>,
    device: Device,
) -> Result<Ec2> {
    let profile = config.text("profile");
    let sdk = crate::aws::sdk_config(profile, region.or(config.text("region"))).await?;
    let region = sdk
        .region()
        .map(ToString::to_string)
        .ok_or_else(|| Error::config("no AWS region is known").hint("run `remote init`"))?;
    let settings = Ec2Settings {
        region,
        vpc: None,
        subnets: config
            .text("ec2.subnet")
            .map(str::to_owned)
            .into_iter()
            .collect(),
        ssh_from: ssh_from(config.text("ec2.ssh_from").unwrap_or("auto"))?,
        address_service: address_service(config).to_owned(),
        device,
        journal: paths.state.join("launches"),
        binaries: binaries.clone(),
    };
    let prices = Arc::new(prices::Book(Prices::with(paths, sdk.clone())));
    Ok(Ec2::new(settings, &sdk, reach).with_prices(prices))
}

/// Who is asked for this device's address.
pub fn address_service(config: &Config) -> &str {
    config
        .text("ec2.address_service")
        .unwrap_or(ADDRESS_SERVICE)
}

/// `auto`, or networks separated by commas.
pub fn ssh_from(text: &str) -> Result<SshFrom> {
    if text == "auto" {
        return Ok(SshFrom::Auto);
    }
    let networks = text.split(',').map(|part| {
        Cidr::parse(part).ok_or_else(|| {
            Error::config(format!("`ec2.ssh_from`: \"{}\" is no network", part.trim()))
                .hint("write `auto`, or networks such as `203.0.113.0/24`, separated by commas")
        })
    });
    networks.collect::<Result<_>>().map(SshFrom::Only)
}
