//! Launches side by side: what each of them would look up and make for itself is looked up and made once, so
//! that sixty machines need hardly more calls than one, and no two of them make the security group at once.

use std::collections::BTreeMap;

use tokio::sync::{Mutex, OnceCell};

use super::Ec2;
use super::errors::AwsError;
use super::network::Group;
use super::plan::{Offering, Subnet};
use super::rules::Cidr;
use crate::provision::{MachineWish, ProvisionError};

/// What launches of one command share. What could not be found out is asked again by the next.
#[derive(Default)]
pub(super) struct Together {
    /// By type, and whether its family's other sizes are among them.
    offerings: Mutex<BTreeMap<(String, bool), Vec<Offering>>>,
    subnets: OnceCell<Vec<Subnet>>,
    sources: OnceCell<Vec<Cidr>>,
    groups: Mutex<Option<Vec<Group>>>,
}

impl Ec2 {
    /// For several launches by one command. Not for longer: what is there is not looked at again.
    #[must_use]
    pub fn side_by_side(mut self) -> Self {
        self.together = Some(Together::default());
        self
    }

    pub(super) async fn offerings_for(
        &self,
        wish: &MachineWish,
    ) -> Result<Vec<Offering>, AwsError> {
        let (name, sizes) = (wish.instance_type.as_str(), wish.other_sizes);
        let Some(together) = &self.together else {
            return self.calls.offerings(name, sizes).await;
        };
        let mut known = together.offerings.lock().await;
        let key = (name.to_owned(), sizes);
        if let Some(offerings) = known.get(&key) {
            return Ok(offerings.clone());
        }
        let offerings = self.calls.offerings(name, sizes).await?;
        known.insert(key, offerings.clone());
        Ok(offerings)
    }

    pub(super) async fn places(&self) -> Result<Vec<Subnet>, ProvisionError> {
        let ask = || {
            let settings = &self.settings;
            self.calls
                .subnets(settings.vpc.as_deref(), &settings.subnets)
        };
        match &self.together {
            Some(together) => together.subnets.get_or_try_init(ask).await.cloned(),
            None => ask().await,
        }
    }

    pub(super) async fn sources_here(&self) -> Result<Vec<Cidr>, ProvisionError> {
        match &self.together {
            Some(together) => {
                let sources = together.sources.get_or_try_init(|| self.sources());
                sources.await.cloned()
            }
            None => self.sources().await,
        }
    }

    pub(super) async fn doors(&self) -> Result<Vec<Group>, AwsError> {
        let Some(together) = &self.together else {
            return self.calls.groups().await;
        };
        let mut known = together.groups.lock().await;
        match &*known {
            Some(groups) => Ok(groups.clone()),
            None => Ok(known.insert(self.calls.groups().await?).clone()),
        }
    }

    /// The group of `vpc`, made where it is not there; `found` is what [`Ec2::doors`] told.
    pub(super) async fn door(&self, vpc: &str, found: &[Group]) -> Result<Group, AwsError> {
        let Some(together) = &self.together else {
            return self.calls.ensure_group(vpc, found).await;
        };
        let mut known = together.groups.lock().await;
        let known = known.get_or_insert_with(|| found.to_vec());
        let group = self.calls.ensure_group(vpc, known).await?;
        if !known.iter().any(|g| g.id == group.id) {
            known.push(group.clone());
        }
        Ok(group)
    }

    /// Lets this device in by `door`.
    pub(super) async fn open_door(
        &self,
        door: &Group,
        sources: &[Cidr],
    ) -> Result<(), ProvisionError> {
        let Some(together) = &self.together else {
            return self.let_in(door, sources).await.map(drop);
        };
        let mut known = together.groups.lock().await;
        let group = known.iter_mut().flatten().find(|g| g.id == door.id);
        let Some(group) = group else {
            return self.let_in(door, sources).await.map(drop);
        };
        let change = self.let_in(group, sources).await?;
        group.rules.retain(|r| !change.remove.contains(r));
        group.rules.extend(change.add);
        Ok(())
    }
}
