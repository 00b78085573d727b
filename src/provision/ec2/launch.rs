//! Making a machine: what is there is looked up side by side, the plan is made, and its requests are tried in
//! turn. Whatever fails after the first of them, what was made is taken away again.

use std::net::IpAddr;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

use super::super::user_data::{UserData, render};
use super::address::addresses;
use super::errors::AwsClass;
use super::image::image;
use super::journal::{Begun, Stage};
use super::network::Group;
use super::plan::{Attempt, attempts};
use super::ready::bucket;
use super::request::{Request, token};
use super::rules::{Change, Cidr, change};
use super::tags::{Facts, HostKey};
use super::{Ec2, Offering, PriceQuery, SshFrom};
use crate::model::{Millis, now_ms};
use crate::provision::{Endpoint, Launch, MachineWish, ProvisionError, Steps};

/// A machine that nobody has taken over by then ends itself.
const HANDOVER_WITHIN: Duration = Duration::from_secs(600);
/// How long a machine lives if its session has no deadline.
const LONGEST: Millis = 24 * 3600 * 1000;

/// The client token was used before, with another one-time key.
const REPEATED: &str = "IdempotentParameterMismatch";

/// All that has been found out and decided before anything is made.
pub(super) struct Prepared {
    owner: String,
    attempts: Vec<Attempt>,
    groups: Vec<Group>,
    sources: Vec<Cidr>,
}

/// A machine that was asked for and granted.
pub(super) struct Granted {
    pub instance: String,
    pub attempt: Attempt,
}

/// The machine's key for its first connection.
struct OneTimeKey {
    private: String,
    public: String,
}

impl Ec2 {
    pub(super) async fn launch_machine(
        &self,
        launch: &Launch,
        steps: Steps<'_>,
    ) -> Result<Endpoint, ProvisionError> {
        let wish = launch.wish.as_ref().ok_or(ProvisionError::Unsupported(
            "what machine to rent has not been decided",
        ))?;
        let session = &launch.spec.id;
        // One that is under way from here must not be taken for this one's.
        if self.journal.read(session).is_some() {
            return Err(ProvisionError::Exists(session.clone()));
        }
        let prepared = self.prepare(launch, wish).await?;
        let mut begun = Begun {
            launch: launch.clone(),
            region: self.settings.region.clone(),
            stage: Stage::Planned,
            token: None,
            instance: None,
            host_key: None,
        };
        // For others to see that somebody works on it.
        let _held = self.journal.hold(session)?;
        self.journal.write(&begun)?;
        let outcome = match self.make(wish, &prepared, &mut begun, steps).await {
            Ok(()) => {
                let fresh = launch.again.is_none();
                self.bring_up(&mut begun, fresh, steps).await
            }
            Err(e) => Err(e),
        };
        let error = match outcome {
            Ok(endpoint) => {
                self.journal.remove(session);
                return Ok(endpoint);
            }
            Err(e) => e,
        };
        if let ProvisionError::Exists(_) = error {
            // What is there is another launch's, and not ours to take away.
            self.journal.remove(session);
            return Err(error);
        }
        let undone = self.undo(&begun, Some(&error), steps).await;
        if undone.left.is_empty() {
            if undone.sure {
                self.journal.remove(session);
            }
            return Err(error);
        }
        Err(ProvisionError::Left {
            error: Box::new(error),
            left: undone.left,
        })
    }

    /// Looks up all that the plan needs, each thing once, and makes nothing.
    async fn prepare(
        &self,
        launch: &Launch,
        wish: &MachineWish,
    ) -> Result<Prepared, ProvisionError> {
        let (owner, offerings, subnets, groups, sources) = tokio::try_join!(
            async { Ok(self.owner().await?.to_owned()) },
            async { Ok(self.offerings_for(wish).await?) },
            self.places(),
            async { Ok(self.doors().await?) },
            self.sources_here(),
        )?;
        let prices = self.prices_of(launch, wish, &offerings, &subnets).await;
        let price = |name: &str, zone: &str, spot: bool| {
            let known = prices
                .iter()
                .find(|(q, _)| q.instance_type == name && q.zone == zone && q.spot == spot);
            known.map(|(_, price)| *price)
        };
        let attempts = attempts(wish, &offerings, &subnets, price)?;
        for attempt in &attempts {
            let arch = attempt.offering.arch;
            let place = &attempt.offering.name;
            self.settings.binaries.for_system(arch.system(), place)?;
            if image(&wish.image, arch).is_none() {
                return Err(ProvisionError::NoImage(wish.image.clone()));
            }
        }
        Ok(Prepared {
            owner,
            attempts,
            groups,
            sources,
        })
    }

    /// What each machine that may be asked for costs, where that is known.
    async fn prices_of(
        &self,
        launch: &Launch,
        wish: &MachineWish,
        offerings: &[Offering],
        subnets: &[super::plan::Subnet],
    ) -> Vec<(PriceQuery, u64)> {
        let markets: &[bool] = if wish.spot { &[true, false] } else { &[false] };
        let mut queries = Vec::new();
        for offering in offerings {
            for spot in markets {
                queries.extend(subnets.iter().map(|subnet| PriceQuery {
                    region: self.settings.region.clone(),
                    zone: subnet.zone.clone(),
                    instance_type: offering.name.clone(),
                    spot: *spot,
                    disk_gib: wish.disk_gib,
                }));
            }
        }
        let mut known = Vec::new();
        for query in queries {
            let mut price = match &self.prices {
                Some(prices) => prices.hour(&query).await,
                None => None,
            };
            let itself = query.instance_type == wish.instance_type && query.spot == wish.spot;
            if itself && launch.spec.price_microusd_per_hour > 0 {
                price = price.or(Some(launch.spec.price_microusd_per_hour));
            }
            known.extend(price.map(|p| (query, p)));
        }
        known
    }

    /// From where this device may come.
    pub(super) async fn sources(&self) -> Result<Vec<Cidr>, ProvisionError> {
        match &self.settings.ssh_from {
            SshFrom::Only(ranges) => Ok(ranges.clone()),
            SshFrom::Auto => {
                let found: Vec<IpAddr> = addresses(&self.settings.address_service).await?;
                Ok(found.into_iter().map(Cidr::of).collect())
            }
        }
    }

    /// Tries the plan's requests in turn; then lets this device in. What the machine will be sent is packed while it
    /// boots.
    async fn make(
        &self,
        wish: &MachineWish,
        prepared: &Prepared,
        begun: &mut Begun,
        steps: Steps<'_>,
    ) -> Result<(), ProvisionError> {
        let vpc = prepared
            .attempts
            .first()
            .map_or("", |a| a.subnet.vpc.as_str());
        let group = self.door(vpc, &prepared.groups).await?;
        let granted = self.ask(wish, prepared, &group, begun, steps).await?;
        begun.instance = Some(granted.instance.clone());
        self.reached(begun, Stage::Made)?;
        steps(&format!(
            "boot {} {}",
            granted.instance, granted.attempt.subnet.zone
        ));
        // While it boots.
        let Offering { name, arch, .. } = &granted.attempt.offering;
        let file = self.settings.binaries.for_system(arch.system(), name)?;
        self.settings.binaries.prepare(file);
        self.open_door(&group, &prepared.sources).await
    }

    async fn ask(
        &self,
        wish: &MachineWish,
        prepared: &Prepared,
        group: &Group,
        begun: &mut Begun,
        steps: Steps<'_>,
    ) -> Result<Granted, ProvisionError> {
        let key = one_time_key()?;
        let device_key = self.settings.device.key_line();
        let spec = begun.launch.spec.clone();
        let at = begun.launch.again.unwrap_or(spec.created);
        let mut next = prepared.attempts.iter().enumerate().peekable();
        while let Some((n, attempt)) = next.next() {
            let image = image(&wish.image, attempt.offering.arch)
                .ok_or_else(|| ProvisionError::NoImage(wish.image.clone()))?;
            let user_data = render(&UserData {
                session: &spec.id,
                deadline: spec
                    .ends
                    .deadline
                    .unwrap_or_else(|| at.saturating_add(LONGEST)),
                login: &image.login,
                authorized_keys: std::slice::from_ref(&device_key),
                host_key_private: &key.private,
                host_key_public: &key.public,
                handover_within: HANDOVER_WITHIN,
                sudo: wish.sudo,
            })?;
            let mut facts = Facts::of(&spec, &prepared.owner, &self.settings.device.name);
            facts.launched = Some(at);
            facts.volume = wish.volume.as_ref().map(|v| v.id.clone());
            facts.workspace = wish.volume.as_ref().and_then(|v| v.workspace.clone());
            facts.host_key = HostKey::Once(key.public.clone());
            facts.login.clone_from(&image.login);
            if let Some(price) = attempt.microusd_per_hour {
                facts.microusd_per_hour = price;
            }
            let token = token(&spec, at, n);
            begun.token = Some(token.clone());
            self.reached(begun, Stage::Asked)?;
            let request = Request {
                attempt,
                image: &image,
                group: Some(&group.id),
                facts: &facts,
                user_data: &user_data,
                disk_gib: wish.volume.is_none().then_some(wish.disk_gib),
                max_microusd_per_hour: wish.max_microusd_per_hour,
                token: &token,
            };
            let returned = request.fill(self.calls.ec2.run_instances()).send().await;
            let error = match self.calls.told("ec2:RunInstances", returned).await {
                Ok(made) => {
                    let instance = made.instances().first().and_then(|i| i.instance_id());
                    let instance = instance.unwrap_or_default().to_owned();
                    let attempt = attempt.clone();
                    return Ok(Granted { instance, attempt });
                }
                Err(e) => e,
            };
            if error.code == REPEATED {
                return Err(ProvisionError::Exists(spec.id));
            }
            match next.peek() {
                Some((_, following)) if error.class == AwsClass::Capacity => steps(&format!(
                    "no capacity for {} ({}): trying {}",
                    attempt.describe(),
                    error.code,
                    following.describe()
                )),
                _ => {
                    if error.class == AwsClass::Capacity
                        && let Some(volume) = &wish.volume
                    {
                        return Err(ProvisionError::NoRoom {
                            zone: attempt.subnet.zone.clone(),
                            workspace: volume.workspace.clone(),
                            error: Box::new(error),
                        });
                    }
                    // Which market it is of the error says itself.
                    let code = bucket(&attempt.offering.name, error.code.contains("Spot"));
                    return Err(error.counted_against(code).into());
                }
            }
        }
        Err(ProvisionError::NoPlan(super::NoPlan::NoSubnet))
    }

    /// Makes the group's rules let this device in from where it is, and from nowhere else; what that changed.
    pub(super) async fn let_in(
        &self,
        group: &Group,
        sources: &[Cidr],
    ) -> Result<Change, ProvisionError> {
        let change = change(&group.rules, sources, &self.settings.device.name, now_ms());
        self.calls.allow(&group.id, &change.add).await?;
        if let Err(e) = self.calls.disallow(&group.id, &change.remove).await {
            // An old address that stays open is not worth a machine.
            tracing::warn!(error = %e, "cannot remove an old rule");
        }
        Ok(change)
    }
}

fn one_time_key() -> Result<OneTimeKey, ProvisionError> {
    let failed = |e: russh::keys::ssh_key::Error| {
        ProvisionError::io("make", "the one-time host key")(std::io::Error::other(e))
    };
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
        .map_err(failed)?;
    Ok(OneTimeKey {
        private: key.to_openssh(LineEnding::LF).map_err(failed)?.to_string(),
        public: key
            .public_key()
            .to_openssh()
            .map_err(failed)?
            .trim()
            .to_owned(),
    })
}
