//! Which instance types there are, and what they are made of: asked of EC2, never guessed from a name.

use aws_sdk_ec2::types::{ArchitectureType, InstanceTypeInfo};

use super::calls::{Calls, filter};
use super::errors::AwsError;
use super::plan::{Arch, Offering, family};

impl Calls {
    /// The type of this name, and with `sizes` all others of its family; empty where there is none.
    pub async fn offerings(&self, name: &str, sizes: bool) -> Result<Vec<Offering>, AwsError> {
        let name = match sizes {
            true => format!("{}.*", family(name)),
            false => name.to_owned(),
        };
        self.matching(&name).await
    }

    async fn matching(&self, pattern: &str) -> Result<Vec<Offering>, AwsError> {
        // By filter: a name that does not exist is no error then, and says so better.
        let mut pages = self
            .ec2
            .describe_instance_types()
            .filters(filter("instance-type", &[pattern]))
            .into_paginator()
            .send();
        let mut offerings = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeInstanceTypes", page).await?;
            offerings.extend(page.instance_types().iter().filter_map(offering));
        }
        Ok(offerings)
    }
}

/// `None` for what cannot run Linux on x86-64 or arm64.
fn offering(info: &InstanceTypeInfo) -> Option<Offering> {
    let processors = info.processor_info()?.supported_architectures();
    let arch = processors.iter().find_map(|a| match a {
        ArchitectureType::X8664 => Some(Arch::X86_64),
        ArchitectureType::Arm64 => Some(Arch::Arm64),
        _ => None,
    })?;
    let vcpus = info.v_cpu_info()?.default_v_cpus()?;
    let memory = info.memory_info()?.size_in_mib()?;
    Some(Offering {
        name: info.instance_type()?.as_str().to_owned(),
        vcpus: u32::try_from(vcpus).ok()?,
        memory_mib: u64::try_from(memory).ok()?,
        arch,
        burstable: info.burstable_performance_supported() == Some(true),
    })
}
