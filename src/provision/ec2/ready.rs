//! Whether an account is ready before anything is rented: zones, the quota, and which permission is missing. The
//! calls that change things are made as dry runs, which AWS judges and does not carry out.

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{ResourceType, TagSpecification};

use super::calls::to_tags;
use super::errors::{AwsClass, AwsError, quota_link};
use super::found::Of;
use super::image::image;
use super::network::NAME;
use super::plan::{Attempt, Offering};
use super::request::{Request, token};
use super::tags::{Facts, GROUP, HOST_KEY, SESSION};
use super::{Ec2, Subnet};
use crate::model::{Ends, SessionId, SessionSpec, now_ms};
use crate::provision::{MachineState, ProvisionError};

/// How many vCPUs may run at once, of one bucket of types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// `L-1216C47A`
    pub code: &'static str,
    pub vcpus: u32,
    /// Where it is raised.
    pub link: String,
}

/// What a dispatch would meet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rehearsal {
    /// Calls that AWS would carry out: `ec2:RunInstances`.
    pub allowed: Vec<&'static str>,
    /// Calls that it refuses, and why.
    pub refused: Vec<AwsError>,
}

impl Rehearsal {
    /// The permissions that are missing, each once.
    pub fn missing(&self) -> Vec<&str> {
        let mut actions: Vec<&str> = Vec::new();
        for e in &self.refused {
            if let AwsClass::Permission { action } = &e.class
                && !actions.contains(&action.as_str())
            {
                actions.push(action);
            }
        }
        actions
    }

    fn add(&mut self, call: &'static str, outcome: Result<(), AwsError>) {
        match outcome {
            Ok(()) => self.allowed.push(call),
            Err(e) => self.refused.push(e),
        }
    }
}

impl Ec2 {
    /// The subnets that machines would be put into.
    ///
    /// # Errors
    /// There is none, one has no way to the internet, or what AWS says.
    pub async fn subnets(&self) -> Result<Vec<Subnet>, ProvisionError> {
        let settings = &self.settings;
        let found = self
            .calls
            .subnets(settings.vpc.as_deref(), &settings.subnets)
            .await?;
        match found.is_empty() {
            true => Err(ProvisionError::NoPlan(super::NoPlan::NoSubnet)),
            false => Ok(found),
        }
    }

    /// The quota that a type counts against.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn quota(&self, instance_type: &str, spot: bool) -> Result<Quota, ProvisionError> {
        let code = bucket(instance_type, spot);
        let call = self.calls.quotas.get_service_quota();
        let returned = call.service_code("ec2").quota_code(code).send().await;
        let told = self
            .calls
            .told("servicequotas:GetServiceQuota", returned)
            .await?;
        let value = told.quota().and_then(|q| q.value()).unwrap_or(0.0);
        Ok(Quota {
            code,
            // `as` saturates.
            vcpus: value as u32,
            link: quota_link(self.region(), code),
        })
    }

    /// Asks AWS whether it would carry out the calls of a dispatch and, where a machine of the caller's own is
    /// there to ask about, of an end. Changes nothing.
    pub async fn rehearse(&self, offering: &Offering, subnet: &Subnet, name: &str) -> Rehearsal {
        let mut found = Rehearsal::default();
        let groups = match self.calls.groups().await {
            Ok(groups) => groups,
            Err(e) => {
                found.refused.push(e);
                Vec::new()
            }
        };
        let group = groups.iter().find(|g| g.vpc == subnet.vpc);
        match group {
            Some(group) => {
                let call = self.calls.ec2.authorize_security_group_ingress();
                let here = call.group_id(&group.id).ip_protocol("tcp");
                let here = here.from_port(22).to_port(22).cidr_ip("192.0.2.1/32");
                let outcome = self
                    .dry(
                        "ec2:AuthorizeSecurityGroupIngress",
                        here.dry_run(true).send().await,
                    )
                    .await;
                found.add("ec2:AuthorizeSecurityGroupIngress", outcome);
            }
            None => {
                let tags = TagSpecification::builder()
                    .resource_type(ResourceType::SecurityGroup)
                    .set_tags(Some(to_tags(&[(GROUP, "1".to_owned())])));
                let call = self.calls.ec2.create_security_group();
                let call = call.group_name(NAME).description(NAME).vpc_id(&subnet.vpc);
                let returned = call
                    .tag_specifications(tags.build())
                    .dry_run(true)
                    .send()
                    .await;
                let outcome = self.dry("ec2:CreateSecurityGroup", returned).await;
                found.add("ec2:CreateSecurityGroup", outcome);
            }
        }
        let outcome = self
            .rehearse_launch(offering, subnet, name, group.map(|g| g.id.as_str()))
            .await;
        let outcome = match outcome {
            // Before the first launch there is only the network's own group, behind which a policy lets none start.
            Err(e) if group.is_none() && e.message.contains(":security-group/") => Ok(()),
            outcome => outcome,
        };
        found.add("ec2:RunInstances", outcome);
        self.rehearse_end(&mut found).await;
        found
    }

    async fn rehearse_launch(
        &self,
        offering: &Offering,
        subnet: &Subnet,
        name: &str,
        group: Option<&str>,
    ) -> Result<(), AwsError> {
        let (Some(image), Some(spec)) = (image(name, offering.arch), nothing()) else {
            return Ok(());
        };
        let attempt = Attempt {
            offering: offering.clone(),
            subnet: subnet.clone(),
            spot: false,
            microusd_per_hour: None,
        };
        let owner = self.owner().await.unwrap_or_default();
        let facts = Facts::of(&spec, owner, &self.settings.device.name);
        let request = Request {
            attempt: &attempt,
            image: &image,
            group,
            facts: &facts,
            user_data: b"",
            disk_gib: Some(1),
            max_microusd_per_hour: None,
            token: &token(&spec, spec.created, 0),
        };
        let call = request.fill(self.calls.ec2.run_instances());
        self.dry("ec2:RunInstances", call.dry_run(true).send().await)
            .await
    }

    /// What acts on a machine is judged by its tags: only one that is there can be asked about.
    async fn rehearse_end(&self, found: &mut Rehearsal) {
        let Ok(owner) = self.owner().await else {
            return;
        };
        let machines = match self.calls.instances(Of::Owner(owner)).await {
            Ok(machines) => machines,
            Err(e) => return found.refused.push(e),
        };
        if let Err(e) = self.calls.volumes(Of::Owner(owner)).await {
            found.refused.push(e);
        }
        let Some(one) = machines.iter().find(|m| m.state != MachineState::Gone) else {
            return;
        };
        let call = self.calls.ec2.terminate_instances().instance_ids(&one.id);
        let outcome = self
            .dry("ec2:TerminateInstances", call.dry_run(true).send().await)
            .await;
        found.add("ec2:TerminateInstances", outcome);
        let tags = to_tags(&[(HOST_KEY, String::new())]);
        let call = self.calls.ec2.create_tags().resources(&one.id);
        let call = call.set_tags(Some(tags)).dry_run(true);
        let outcome = self.dry("ec2:CreateTags", call.send().await).await;
        found.add("ec2:CreateTags", outcome);
    }

    /// A dry run is answered by an error, which may be the good one.
    async fn dry<T, E, R>(
        &self,
        call: &'static str,
        returned: Result<T, SdkError<E, R>>,
    ) -> Result<(), AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        match self.calls.told(call, returned).await {
            Err(e) if e.code != "DryRunOperation" => Err(e),
            _ => Ok(()),
        }
    }
}

/// A session that is never launched.
fn nothing() -> Option<SessionSpec> {
    Some(SessionSpec {
        id: SessionId::generate().ok()?,
        name: None,
        task: SESSION.to_owned(),
        provider: "ec2".to_owned(),
        owner: String::new(),
        created: now_ms(),
        ends: Ends::default(),
        agents: Vec::new(),
        price_microusd_per_hour: 0,
        budget_microusd: None,
        workspace: None,
    })
}

/// The code of the quota on vCPUs that a type's family counts against.
pub(super) fn bucket(instance_type: &str, spot: bool) -> &'static str {
    let family = instance_type.split('.').next().unwrap_or_default();
    let letters: String = family
        .chars()
        .take_while(char::is_ascii_lowercase)
        .collect();
    match (letters.as_str(), spot) {
        ("p", false) => "L-417A185B",
        ("p", true) => "L-7212CCBC",
        ("g" | "gr" | "vt", false) => "L-DB2E81BA",
        ("g" | "gr" | "vt", true) => "L-3819A6DF",
        ("x", false) => "L-7295265B",
        ("x", true) => "L-E3A00192",
        ("inf", false) => "L-1945791B",
        ("inf", true) => "L-B5D1601B",
        ("trn", false) => "L-2C3B7624",
        ("trn", true) => "L-6B0D517C",
        ("f", false) => "L-74FC7D96",
        ("f", true) => "L-88CF9481",
        ("dl", false) => "L-6E869C2A",
        ("dl", true) => "L-85EED4F7",
        (_, false) => "L-1216C47A",
        (_, true) => "L-34B43A08",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_counts_against_its_familys_quota() {
        for standard in [
            "m6i.large",
            "c7g.large",
            "t3.small",
            "r6id.metal",
            "im4gn.large",
            "",
        ] {
            assert_eq!(bucket(standard, false), "L-1216C47A", "{standard}");
        }
        assert_eq!(bucket("m6i.large", true), "L-34B43A08");
        assert_eq!(bucket("g5.xlarge", false), "L-DB2E81BA");
        assert_eq!(bucket("p5.48xlarge", false), "L-417A185B");
        assert_eq!(bucket("x2gd.large", false), "L-7295265B");
    }

    #[test]
    fn what_is_missing_is_named_once() {
        let refused = |action: &str| AwsError {
            call: "ec2:RunInstances",
            class: AwsClass::Permission {
                action: action.to_owned(),
            },
            code: "UnauthorizedOperation".to_owned(),
            message: String::new(),
            region: String::new(),
        };
        let mut found = Rehearsal::default();
        found.add("ec2:RunInstances", Err(refused("ec2:CreateTags")));
        found.add("ec2:CreateTags", Err(refused("ec2:CreateTags")));
        found.add("ec2:TerminateInstances", Ok(()));
        assert_eq!(found.missing(), ["ec2:CreateTags"]);
        assert_eq!(found.allowed, ["ec2:TerminateInstances"]);
    }
}
