//! The request that makes a machine.

use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreditSpecificationRequest, EbsBlockDevice, HttpTokensState,
    InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, MarketType,
    ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, TagSpecification,
    VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::calls::to_tags;
use super::found::WORK_DEVICE;
use super::image::Image;
use super::plan::Attempt;
use super::tags::Facts;
use crate::model::{Millis, SessionSpec};

/// What the images that are known by name have.
const ROOT_GIB: i32 = 8;
/// One machine to ask for.
pub(super) struct Request<'a> {
    pub attempt: &'a Attempt,
    pub image: &'a Image,
    /// The security group; where none is named, the VPC's default one.
    pub group: Option<&'a str>,
    pub facts: &'a Facts,
    pub user_data: &'a [u8],
    /// The size of the work volume that is made with it; `None` where another is attached to it.
    pub disk_gib: Option<u32>,
    pub max_microusd_per_hour: Option<u64>,
    pub token: &'a str,
}

/// The token of a session's n-th request: the same request again, by whoever, makes no second machine. `at`: when it
/// was launched, or put back on a new machine.
pub(super) fn token(spec: &SessionSpec, at: Millis, n: usize) -> String {
    format!("{}-{at:x}-{n}", spec.id)
}

impl Request<'_> {
    /// `call` with all of it.
    pub fn fill(&self, call: RunInstancesFluentBuilder) -> RunInstancesFluentBuilder {
        let attempt = self.attempt;
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(&attempt.subnet.id)
            .set_groups(self.group.map(|g| vec![g.to_owned()]))
            .associate_public_ip_address(attempt.subnet.ipv4)
            .set_ipv6_address_count(attempt.subnet.ipv6.then_some(1))
            .delete_on_termination(true);
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_endpoint(InstanceMetadataEndpointState::Enabled)
            .http_tokens(HttpTokensState::Required)
            // One hop: containers there do not reach it.
            .http_put_response_hop_limit(1);
        let mut call = call
            .client_token(self.token)
            .image_id(&self.image.id)
            .instance_type(attempt.offering.name.as_str().into())
            .min_count(1)
            .max_count(1)
            .network_interfaces(interface.build())
            .metadata_options(metadata.build())
            // The system's own shutdown ends the billing, with no credentials.
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .user_data(STANDARD.encode(self.user_data))
            .set_block_device_mappings(Some(self.disks()))
            .set_tag_specifications(Some(self.tags()));
        if attempt.spot {
            call = call.instance_market_options(self.spot());
            if attempt.offering.burstable {
                // Unlimited credits, spot's default, could cost more than the machine.
                let credits = CreditSpecificationRequest::builder().cpu_credits("standard");
                call = call.credit_specification(credits.build());
            }
        }
        call
    }

    fn disks(&self) -> Vec<BlockDeviceMapping> {
        let disk = || {
            EbsBlockDevice::builder()
                .volume_type(VolumeType::Gp3)
                .encrypted(true)
        };
        let work = self.disk_gib.map(|gib| {
            let size = i32::try_from(gib).unwrap_or(i32::MAX);
            let work = disk().volume_size(size).delete_on_termination(false);
            BlockDeviceMapping::builder()
                .device_name(WORK_DEVICE)
                .ebs(work.build())
                .build()
        });
        let root = self.image.root.map(|name| {
            let root = disk()
                .volume_size(ROOT_GIB)
                .delete_on_termination(true)
                .build();
            BlockDeviceMapping::builder()
                .device_name(name)
                .ebs(root)
                .build()
        });
        root.into_iter().chain(work).collect()
    }

    fn tags(&self) -> Vec<TagSpecification> {
        let tags = to_tags(&self.facts.to_tags());
        let mut kinds = vec![ResourceType::Instance, ResourceType::Volume];
        if self.attempt.spot {
            kinds.push(ResourceType::SpotInstancesRequest);
        }
        let specification = |kind| {
            TagSpecification::builder()
                .resource_type(kind)
                .set_tags(Some(tags.clone()))
                .build()
        };
        kinds.into_iter().map(specification).collect()
    }

    fn spot(&self) -> InstanceMarketOptionsRequest {
        let max = self
            .max_microusd_per_hour
            .map(|m| format!("{:.6}", m as f64 / 1e6));
        let options = SpotMarketOptions::builder()
            .spot_instance_type(SpotInstanceType::OneTime)
            .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
            .set_max_price(max);
        InstanceMarketOptionsRequest::builder()
            .market_type(MarketType::Spot)
            .spot_options(options.build())
            .build()
    }
}
