//! Amazon EC2 as a provider: one instance a session, one work volume that outlives it, and the tags on both as
//! the only registry. What to ask for is decided in `plan`, `rules`, `tags`, `image` and `request`, which call
//! nothing; the other files make the calls.

mod address;
mod admit;
mod attach;
mod boot;
pub(crate) mod calls;
mod change;
mod connect;
mod door;
mod errors;
mod found;
mod gc;
mod http;
mod image;
mod journal;
mod launch;
mod list;
mod network;
mod offerings;
mod photo;
mod plan;
mod ready;
mod request;
mod rules;
mod snapshot;
pub(crate) mod tags;
mod terminate;
mod together;
mod trust;
mod undo;

use std::path::PathBuf;
use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

pub use address::{AddressError, addresses};
pub use admit::socket;
pub use attach::Life;
pub use boot::{BINARY, on_volume};
pub use door::{Api, api};
pub(in crate::provision) use errors::SPOT_ROLE;
pub use errors::{AwsClass, AwsError};
pub use gc::{Leftover, LeftoverKind};
pub use image::{Image, NAMES as IMAGE_NAMES, image};
pub use journal::{Begun, Stage};
pub use photo::Hold;
pub use plan::{Arch, NoPlan, Offering, Subnet};
pub use ready::{Quota, Rehearsal};
pub use rules::{Cidr, Rule, device_of};
pub use terminate::Kept;

use super::{
    Binaries, BoxFuture, Compute, Endpoint, Launch, Machine, Price, ProvisionError, Reach, Steps,
};
use crate::model::{SessionId, SessionSpec};
use calls::Calls;
use journal::Journal;
use together::Together;

/// How EC2 is used from this device.
#[derive(Debug, Clone)]
pub struct Ec2Settings {
    /// `eu-west-1`
    pub region: String,
    /// The VPC to use instead of the default one.
    pub vpc: Option<String>,
    /// The subnets to use instead of all of the VPC's.
    pub subnets: Vec<String>,
    pub ssh_from: SshFrom,
    /// Answers with the address of who asks, as checkip.amazonaws.com does.
    pub address_service: String,
    pub device: Device,
    /// Where launches under way are written down.
    pub journal: PathBuf,
    pub binaries: Binaries,
}

/// The service that is asked for this device's address, if the configuration names no other.
pub const ADDRESS_SERVICE: &str = "https://checkip.amazonaws.com/";

/// Who may knock at port 22.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshFrom {
    /// The address that this device has, followed as it changes.
    Auto,
    Only(Vec<Cidr>),
}

/// This device, as machines know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// Its public key, one OpenSSH line.
    pub public_key: String,
    /// The private key's file.
    pub identity: PathBuf,
}

impl Device {
    /// A line of authorized_keys: `TYPE KEY NAME`, the name in characters that machines take.
    fn key_line(&self) -> String {
        let kept = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        let name: String = self
            .name
            .chars()
            .map(|c| if kept(c) { c } else { '-' })
            .take(64)
            .collect();
        let mut words: Vec<&str> = self.public_key.split_whitespace().take(2).collect();
        words.push(if name.is_empty() { "device" } else { &name });
        words.join(" ")
    }
}

/// What a machine would cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceQuery {
    pub region: String,
    pub zone: String,
    pub instance_type: String,
    pub spot: bool,
    pub disk_gib: u32,
}

/// What a GB of a disk costs for a month, in micro-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storage {
    pub volume: u64,
    pub snapshot: u64,
}

/// Who knows prices.
pub trait Prices: Send + Sync {
    /// What an hour of it costs, volumes and address included, in micro-dollars; `None` where that is not known.
    fn hour<'a>(&'a self, query: &'a PriceQuery) -> BoxFuture<'a, Option<u64>>;

    /// What disks cost in a region.
    fn storage<'a>(&'a self, region: &'a str) -> BoxFuture<'a, Storage>;
}

/// EC2 in one region.
pub struct Ec2 {
    settings: Ec2Settings,
    config: SdkConfig,
    calls: Calls,
    reach: Arc<dyn Reach>,
    prices: Option<Arc<dyn Prices>>,
    journal: Journal,
    owner: OnceCell<String>,
    together: Option<Together>,
}

impl Ec2 {
    /// `config` holds the credentials; the region is the settings'.
    pub fn new(settings: Ec2Settings, config: &SdkConfig, reach: Arc<dyn Reach>) -> Self {
        Self {
            calls: Calls::new(config, &settings.region),
            journal: Journal::new(settings.journal.clone()),
            config: config.clone(),
            settings,
            reach,
            prices: None,
            owner: OnceCell::new(),
            together: None,
        }
    }

    /// With prices, machines other than the wished one can be compared with what is allowed.
    #[must_use]
    pub fn with_prices(mut self, prices: Arc<dyn Prices>) -> Self {
        self.prices = Some(prices);
        self
    }

    /// The clients of its account and region, for what else of the account a person has.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Who knows prices, where somebody does.
    pub(crate) fn prices(&self) -> Option<&Arc<dyn Prices>> {
        self.prices.as_ref()
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.settings.region
    }

    /// How many answers AWS has given so far: whoever waits knows that it is not silent.
    pub fn heard(&self) -> u64 {
        self.calls.heard()
    }

    /// The same account, device and settings in another region, which has its own subnets.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        let settings = Ec2Settings {
            region: region.to_owned(),
            vpc: None,
            subnets: Vec::new(),
            ..self.settings.clone()
        };
        let other = Self::new(settings, &self.config, self.reach.clone());
        Self {
            prices: self.prices.clone(),
            owner: self.owner.clone(),
            ..other
        }
    }

    /// The ARN whose sessions are this caller's own.
    ///
    /// # Errors
    /// No credentials, or no answer.
    pub async fn owner(&self) -> Result<&str, ProvisionError> {
        let owner = self
            .owner
            .get_or_try_init(|| async {
                Ok::<_, AwsError>(tags::owner(&self.calls.identity().await?))
            })
            .await?;
        Ok(owner)
    }

    /// Launches that this device has begun, in any region, and not finished: [`Compute::start`] finishes one,
    /// [`Ec2::abandon`] ends one.
    pub fn begun(&self) -> Vec<Begun> {
        self.journal.all()
    }

    /// Whether some process of this device works on a launch right now.
    pub fn is_under_way(&self, session: &SessionId) -> bool {
        matches!(self.journal.hold(session), Ok(None))
    }

    /// A launch is through, whatever became of who made it.
    pub fn is_through(&self, session: &SessionId) {
        self.journal.remove(session);
    }

    /// The type of this name, `None` where this region has none.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn offering(&self, name: &str) -> Result<Option<Offering>, ProvisionError> {
        let offerings = self.calls.offerings(name, false).await?;
        Ok(offerings.into_iter().find(|o| o.name == name))
    }
}

impl Compute for Ec2 {
    fn launch<'a>(
        &'a self,
        launch: &'a Launch,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(self.launch_machine(launch, steps))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Machine>, ProvisionError>> {
        Box::pin(self.machines(false))
    }

    fn describe<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Machine, ProvisionError>> {
        Box::pin(self.machine(session))
    }

    fn start<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(self.start_machine(session, &|_| {}))
    }

    fn stop<'a>(&'a self, session: &'a SessionId) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(self.stop_machine(session))
    }

    fn terminate<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(async move { self.terminate_machine(session, false).await.map(drop) })
    }

    fn endpoint<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(self.fresh_endpoint(session))
    }

    fn price<'a>(&'a self, spec: &'a SessionSpec) -> BoxFuture<'a, Result<Price, ProvisionError>> {
        Box::pin(async {
            Ok(Price {
                microusd_per_hour: spec.price_microusd_per_hour,
            })
        })
    }
}
