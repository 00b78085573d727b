//! What EC2 answers of instances and volumes, as plain data.

use aws_sdk_ec2::types::{Instance, InstanceLifecycleType, InstanceStateName, Volume, VolumeState};

use super::calls::{Calls, filter, from_tags, tagged};
use super::errors::AwsError;
use super::tags::{Facts, OWNER, SESSION, from_rfc3339};
use crate::model::{Millis, SessionId};
use crate::provision::MachineState;

/// The work volume's device name in the request; a Linux guest calls it otherwise.
pub(super) const WORK_DEVICE: &str = "/dev/sdf";

/// The same of a volume that was there before its machine: what gives a launch back, and lets the work volume go with
/// it, speaks of the other device, and cannot touch this one.
pub(super) const KEPT_DEVICE: &str = "/dev/sdg";

/// An instance of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundInstance {
    pub id: String,
    pub facts: Facts,
    pub state: MachineState,
    /// It is on its way to `terminated`, and still there.
    pub ending: bool,
    pub instance_type: String,
    pub zone: String,
    pub spot: bool,
    /// The public IPv4 address.
    pub address4: Option<String>,
    pub address6: Option<String>,
    pub volume: Option<String>,
    /// Its security groups.
    pub groups: Vec<String>,
    pub launched: Millis,
    /// When it ended and why.
    pub ended: Option<(Millis, String)>,
}

impl FoundInstance {
    /// The address to try first: IPv4, which almost every network has.
    pub fn address(&self) -> Option<&str> {
        self.address4.as_deref().or(self.address6.as_deref())
    }
}

/// A volume of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundVolume {
    pub id: String,
    pub facts: Facts,
    pub zone: String,
    pub gib: u32,
    /// The instance that has it.
    pub attached: Option<String>,
    /// As what the instance has it.
    pub device: String,
    /// It goes with the instance.
    pub goes_with_it: bool,
    pub created: Millis,
}

impl FoundVolume {
    /// It is an instance's root: it goes with it, and nobody's work is on it.
    pub fn is_root(&self) -> bool {
        self.attached.is_some() && ![WORK_DEVICE, KEPT_DEVICE].contains(&self.device.as_str())
    }
}

/// Whose things are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    Session(&'a SessionId),
    Owner(&'a str),
    Everyone,
}

impl Of<'_> {
    pub fn filter(self) -> aws_sdk_ec2::types::Filter {
        match self {
            Self::Session(id) => tagged(SESSION, id.as_str()),
            Self::Owner(owner) => tagged(OWNER, owner),
            Self::Everyone => filter("tag-key", &[SESSION]),
        }
    }
}

impl Calls {
    /// Instances of ours, ended ones too as long as EC2 knows them.
    pub(super) async fn instances(&self, of: Of<'_>) -> Result<Vec<FoundInstance>, AwsError> {
        let mut pages = self
            .ec2
            .describe_instances()
            .filters(of.filter())
            .max_results(1000)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeInstances", page).await?;
            let instances = page.reservations().iter().flat_map(|r| r.instances());
            found.extend(instances.filter_map(instance));
        }
        Ok(found)
    }

    /// Volumes of ours.
    pub(super) async fn volumes(&self, of: Of<'_>) -> Result<Vec<FoundVolume>, AwsError> {
        let mut pages = self
            .ec2
            .describe_volumes()
            .filters(of.filter())
            .max_results(500)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeVolumes", page).await?;
            found.extend(page.volumes().iter().filter_map(volume));
        }
        Ok(found)
    }

    /// Ends instances; those that are gone already are no error.
    pub async fn terminate_instances(&self, ids: &[String]) -> Result<(), AwsError> {
        for id in ids {
            let call = self.ec2.terminate_instances().instance_ids(id);
            let done = self.told("ec2:TerminateInstances", call.send().await).await;
            super::calls::gone_is_good(done.map(drop))?;
        }
        Ok(())
    }

    /// Deletes a volume; one that is gone already is no error.
    pub async fn delete_volume(&self, id: &str) -> Result<(), AwsError> {
        let call = self.ec2.delete_volume().volume_id(id);
        let done = self.told("ec2:DeleteVolume", call.send().await).await;
        super::calls::gone_is_good(done.map(drop))
    }

    /// Whether the volume that an instance has as `device` goes when that ends.
    pub async fn set_delete_on_termination(
        &self,
        instance: &str,
        device: &str,
        delete: bool,
    ) -> Result<(), AwsError> {
        use aws_sdk_ec2::types::{
            EbsInstanceBlockDeviceSpecification as Ebs,
            InstanceBlockDeviceMappingSpecification as Mapping,
        };
        let ebs = Ebs::builder().delete_on_termination(delete).build();
        let mapping = Mapping::builder().device_name(device).ebs(ebs).build();
        let call = self.ec2.modify_instance_attribute();
        let returned = call
            .instance_id(instance)
            .block_device_mappings(mapping)
            .send()
            .await;
        self.told("ec2:ModifyInstanceAttribute", returned)
            .await
            .map(drop)
    }
}

fn instance(i: &Instance) -> Option<FoundInstance> {
    let facts = Facts::from_tags(from_tags(i.tags()))?;
    let name = i.state().and_then(|s| s.name());
    let state = match name {
        Some(InstanceStateName::Pending) => MachineState::Pending,
        Some(InstanceStateName::Running) => MachineState::Running,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) => MachineState::Stopped,
        _ => MachineState::Gone,
    };
    let v4 = i.public_ip_address().filter(|a| !a.is_empty());
    let interfaces = i
        .network_interfaces()
        .iter()
        .flat_map(|n| n.ipv6_addresses());
    let v6 = i
        .ipv6_address()
        .or(interfaces.filter_map(|a| a.ipv6_address()).next())
        .filter(|a| !a.is_empty());
    let work = i
        .block_device_mappings()
        .iter()
        .find(|m| matches!(m.device_name(), Some(WORK_DEVICE | KEPT_DEVICE)));
    let launched = millis(i.launch_time());
    Some(FoundInstance {
        id: i.instance_id()?.to_owned(),
        state,
        ending: name == Some(&InstanceStateName::ShuttingDown),
        instance_type: i.instance_type().map_or("", |t| t.as_str()).to_owned(),
        zone: zone(i.placement().and_then(|p| p.availability_zone())),
        spot: i.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        address4: v4.map(str::to_owned),
        address6: v6.map(str::to_owned),
        volume: work.and_then(|m| Some(m.ebs()?.volume_id()?.to_owned())),
        groups: i
            .network_interfaces()
            .iter()
            .flat_map(|n| n.groups())
            .chain(i.security_groups())
            .filter_map(|g| g.group_id())
            .map(str::to_owned)
            .collect(),
        launched: facts.launched.unwrap_or(launched),
        ended: (state == MachineState::Gone).then(|| ended(i)),
        facts,
    })
}

fn zone(zone: Option<&str>) -> String {
    zone.unwrap_or_default().to_owned()
}

fn millis(time: Option<&aws_sdk_ec2::primitives::DateTime>) -> Millis {
    let millis = time.and_then(|t| t.to_millis().ok());
    millis.and_then(|m| u64::try_from(m).ok()).unwrap_or(0)
}

/// From `User initiated (2026-11-03 10:00:00 GMT)` and the state's reason.
fn ended(i: &Instance) -> (Millis, String) {
    let transition = i.state_transition_reason().unwrap_or_default();
    let reason = i.state_reason().and_then(|r| r.message().or(r.code()));
    let reason = reason.unwrap_or(transition);
    (transition_time(transition).unwrap_or(0), reason.to_owned())
}

fn transition_time(reason: &str) -> Option<Millis> {
    let (_, time) = reason.rsplit_once('(')?;
    let time = time.trim_end_matches(')').trim();
    let time = time.trim_end_matches("GMT").trim_end_matches("UTC").trim();
    // To the second: what is behind it is not ours to parse.
    let seconds = time.get(..19)?;
    from_rfc3339(&format!("{}Z", seconds.replace(' ', "T")))
}

fn volume(v: &Volume) -> Option<FoundVolume> {
    let facts = Facts::from_tags(from_tags(v.tags()))?;
    if matches!(
        v.state(),
        Some(VolumeState::Deleting | VolumeState::Deleted)
    ) {
        return None;
    }
    let attachment = v.attachments().first();
    Some(FoundVolume {
        id: v.volume_id()?.to_owned(),
        facts,
        zone: zone(v.availability_zone()),
        gib: v.size().and_then(|s| u32::try_from(s).ok()).unwrap_or(0),
        attached: attachment.and_then(|a| a.instance_id()).map(str::to_owned),
        device: attachment
            .and_then(|a| a.device())
            .unwrap_or_default()
            .to_owned(),
        goes_with_it: attachment.is_some_and(|a| a.delete_on_termination() == Some(true)),
        created: millis(v.create_time()),
    })
}

/// The one that counts of several instances of a session: a live one, and the youngest of them.
pub(super) fn foremost(found: Vec<FoundInstance>) -> Option<FoundInstance> {
    found
        .into_iter()
        .max_by_key(|f| (f.state != MachineState::Gone, f.launched, f.id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_an_address_of_either_family_or_of_both() {
        use aws_sdk_ec2::types::{InstanceIpv6Address, InstanceNetworkInterface, Tag};
        let tag = Tag::builder().key(SESSION).value("session-abc234").build();
        let of = |v4: Option<&str>, v6: Option<&str>| {
            let six = v6.map(|a| InstanceIpv6Address::builder().ipv6_address(a).build());
            let interface = InstanceNetworkInterface::builder()
                .set_ipv6_addresses(six.map(|a| vec![a]))
                .build();
            let made = Instance::builder()
                .instance_id("i-1")
                .tags(tag.clone())
                .network_interfaces(interface)
                .set_public_ip_address(v4.map(str::to_owned))
                .build();
            instance(&made).expect("one of ours")
        };
        let both = of(Some("192.0.2.1"), Some("2001:db8::1"));
        assert_eq!(both.address(), Some("192.0.2.1"));
        assert_eq!(both.address6.as_deref(), Some("2001:db8::1"));
        assert_eq!(of(None, Some("2001:db8::1")).address(), Some("2001:db8::1"));
        assert_eq!(of(Some(""), None).address(), None);
    }

    #[test]
    fn the_time_of_an_end_is_read_from_its_reason() {
        let at = transition_time("User initiated (2025-11-03 10:00:00 GMT)");
        assert_eq!(at, Some(1_762_164_000_000));
        for odd in [
            "",
            "User initiated",
            "(",
            "(x GMT)",
            "(2025-11-03 10:00:0ö GMT)",
        ] {
            assert_eq!(transition_time(odd), None, "{odd}");
        }
    }
}
