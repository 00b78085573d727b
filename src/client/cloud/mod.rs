//! EC2 as verbs use it: the provider with this person's settings and this device's key, and its tags brought
//! into the ledger, so that a session begun on another device is known here like one's own.

mod device;
mod fleet;
mod machine;

use std::sync::Arc;

use crate::config::{Config, Paths};
use crate::error::{Error, Result};
use crate::provision::Binaries;
use crate::provision::ec2::{Ec2, Ec2Settings};
use crate::ssh::Ask;

pub use device::device;
pub use fleet::{Fleet, sync};

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
    let profile = config.text("profile");
    let sdk = crate::aws::sdk_config(profile, region.or(config.text("region"))).await?;
    let region = sdk
        .region()
        .map(ToString::to_string)
        .ok_or_else(|| Error::config("no AWS region is known").hint("run `remote init`"))?;
    let settings = Ec2Settings {
        region,
        profile: profile.map(str::to_owned),
        subnet: config.text("ec2.subnet").map(str::to_owned),
        ssh_from: config.text("ec2.ssh_from").unwrap_or("auto").to_owned(),
        address_service: config
            .text("ec2.address_service")
            .unwrap_or_default()
            .to_owned(),
        device: device(paths)?,
    };
    let reach = Arc::new(machine::OverPinned::new(ask));
    Ec2::new(settings, &sdk, reach, binaries.clone()).map_err(Into::into)
}
