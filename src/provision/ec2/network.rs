//! Where machines stand and who may knock there: subnets that reach the internet, and one security group a VPC
//! with one rule a device.

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, ResourceType, RouteTable, TagSpecification,
};

use super::super::ProvisionError;
use super::Ec2;
use super::calls::{Calls, filter, gone_is_good, to_tags};
use super::errors::{AwsClass, AwsError};
use super::plan::Subnet;
use super::rules::{Cidr, Rule};
use super::tags::GROUP;

/// The security group's name in each VPC.
pub(super) const NAME: &str = "remote";

/// The security group as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub id: String,
    pub vpc: String,
    /// Its rules for port 22.
    pub rules: Vec<Rule>,
}

impl Ec2 {
    /// The zones in which machines can be had, in their order: those with a subnet that may be used.
    ///
    /// # Errors
    /// What AWS says, or a configured subnet that cannot be used.
    pub(crate) async fn zones(&self) -> Result<Vec<String>, ProvisionError> {
        let (vpc, ids) = (self.settings.vpc.as_deref(), &self.settings.subnets);
        let subnets = self.calls.subnets(vpc, ids).await?;
        let mut zones: Vec<String> = subnets.into_iter().map(|s| s.zone).collect();
        zones.sort();
        zones.dedup();
        Ok(zones)
    }
}

impl Calls {
    /// The subnets that may be used: those named, or all of `vpc`, or the default VPC's. Of the former two each
    /// must have a default route to an internet gateway.
    pub async fn subnets(
        &self,
        vpc: Option<&str>,
        ids: &[String],
    ) -> Result<Vec<Subnet>, ProvisionError> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let wanted = match (vpc, ids.as_slice()) {
            (None, []) => filter("default-for-az", &["true"]),
            (Some(vpc), []) => filter("vpc-id", &[vpc]),
            (_, ids) => filter("subnet-id", ids),
        };
        let default = vpc.is_none() && ids.is_empty();
        let (subnets, tables) = tokio::join!(self.subnets_of(wanted), async {
            match default {
                true => Ok(Vec::new()),
                false => self.route_tables().await,
            }
        });
        let (subnets, tables) = (subnets?, tables?);
        if let Some(missing) = ids.iter().find(|id| !subnets.iter().any(|s| s.id == **id)) {
            return Err(ProvisionError::NoSubnet((*missing).to_owned()));
        }
        if default {
            return Ok(subnets);
        }
        let (good, bad): (Vec<Subnet>, Vec<Subnet>) = subnets
            .into_iter()
            .partition(|s| reaches_internet(s, &tables));
        match bad.first() {
            // One that was named, or the only ones there are.
            Some(bad) if !ids.is_empty() || good.is_empty() => Err(ProvisionError::Unroutable {
                subnet: bad.id.clone(),
                vpc: bad.vpc.clone(),
            }),
            _ => Ok(good),
        }
    }

    async fn subnets_of(
        &self,
        wanted: aws_sdk_ec2::types::Filter,
    ) -> Result<Vec<Subnet>, AwsError> {
        let mut pages = self
            .ec2
            .describe_subnets()
            .filters(wanted)
            .into_paginator()
            .send();
        let mut subnets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeSubnets", page).await?;
            subnets.extend(page.subnets().iter().map(|s| {
                Subnet {
                    id: s.subnet_id().unwrap_or_default().to_owned(),
                    vpc: s.vpc_id().unwrap_or_default().to_owned(),
                    zone: s.availability_zone().unwrap_or_default().to_owned(),
                    free: s
                        .available_ip_address_count()
                        .and_then(|n| u32::try_from(n).ok())
                        .unwrap_or(0),
                    ipv4: s.ipv6_native() != Some(true),
                    ipv6: !s.ipv6_cidr_block_association_set().is_empty(),
                }
            }));
        }
        Ok(subnets)
    }

    async fn route_tables(&self) -> Result<Vec<RouteTable>, AwsError> {
        let mut pages = self.ec2.describe_route_tables().into_paginator().send();
        let mut tables = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeRouteTables", page).await?;
            tables.extend_from_slice(page.route_tables());
        }
        Ok(tables)
    }

    /// Our security groups, at most one a VPC.
    pub(super) async fn groups(&self) -> Result<Vec<Group>, AwsError> {
        let mut pages = self
            .ec2
            .describe_security_groups()
            .filters(filter("group-name", &[NAME]))
            .into_paginator()
            .send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.told("ec2:DescribeSecurityGroups", page).await?;
            groups.extend(page.security_groups().iter().map(|g| Group {
                id: g.group_id().unwrap_or_default().to_owned(),
                vpc: g.vpc_id().unwrap_or_default().to_owned(),
                rules: g.ip_permissions().iter().flat_map(rules).collect(),
            }));
        }
        Ok(groups)
    }

    /// The group of `vpc`, made where it is not there.
    pub(super) async fn ensure_group(&self, vpc: &str, known: &[Group]) -> Result<Group, AwsError> {
        if let Some(group) = known.iter().find(|g| g.vpc == vpc) {
            return Ok(group.clone());
        }
        let tags = to_tags(&[(GROUP, "1".to_owned()), ("Name", NAME.to_owned())]);
        let returned = self
            .ec2
            .create_security_group()
            .group_name(NAME)
            .description("SSH to machines that remote starts: one rule a device")
            .vpc_id(vpc)
            .tag_specifications(
                TagSpecification::builder()
                    .resource_type(ResourceType::SecurityGroup)
                    .set_tags(Some(tags))
                    .build(),
            )
            .send()
            .await;
        match self.told("ec2:CreateSecurityGroup", returned).await {
            Ok(made) => Ok(Group {
                id: made.group_id().unwrap_or_default().to_owned(),
                vpc: vpc.to_owned(),
                rules: Vec::new(),
            }),
            // Another launch was quicker, or the first answer was lost.
            Err(e) if e.class == AwsClass::Exists => {
                let groups = self.groups().await?;
                groups.into_iter().find(|g| g.vpc == vpc).ok_or(e)
            }
            Err(e) => Err(e),
        }
    }

    /// Adds rules to a group.
    pub async fn allow(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        if rules.is_empty() {
            return Ok(());
        }
        let call = self.ec2.authorize_security_group_ingress();
        let returned = call
            .group_id(group)
            .set_ip_permissions(Some(permissions(rules)))
            .send()
            .await;
        match self
            .told("ec2:AuthorizeSecurityGroupIngress", returned)
            .await
        {
            // Of several rules none is added where one is there already.
            Err(e) if e.class == AwsClass::Exists && rules.len() > 1 => {
                for rule in rules {
                    Box::pin(self.allow(group, std::slice::from_ref(rule))).await?;
                }
                Ok(())
            }
            Err(e) if e.class == AwsClass::Exists => Ok(()),
            other => other.map(drop),
        }
    }

    /// Takes rules away from a group.
    pub async fn disallow(&self, group: &str, rules: &[Rule]) -> Result<(), AwsError> {
        if rules.is_empty() {
            return Ok(());
        }
        let returned = self
            .ec2
            .revoke_security_group_ingress()
            .group_id(group)
            .set_ip_permissions(Some(permissions(rules)))
            .send()
            .await;
        let done = self.told("ec2:RevokeSecurityGroupIngress", returned).await;
        gone_is_good(done.map(drop))
    }
}

fn rules(permission: &IpPermission) -> Vec<Rule> {
    if permission.ip_protocol() != Some("tcp")
        || permission.from_port() != Some(22)
        || permission.to_port() != Some(22)
    {
        return Vec::new();
    }
    let rule = |range: Option<&str>, description: Option<&str>| {
        Some(Rule {
            cidr: Cidr::parse(range?)?,
            description: description.unwrap_or_default().to_owned(),
        })
    };
    let v4 = permission.ip_ranges().iter();
    let v6 = permission.ipv6_ranges().iter();
    v4.filter_map(|r| rule(r.cidr_ip(), r.description()))
        .chain(v6.filter_map(|r| rule(r.cidr_ipv6(), r.description())))
        .collect()
}

fn permissions(rules: &[Rule]) -> Vec<IpPermission> {
    let mut permission = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(22)
        .to_port(22);
    for rule in rules {
        let (range, description) = (rule.cidr.as_str(), &rule.description);
        permission = if rule.cidr.is_ipv6() {
            permission.ipv6_ranges(
                Ipv6Range::builder()
                    .cidr_ipv6(range)
                    .description(description)
                    .build(),
            )
        } else {
            permission.ip_ranges(
                IpRange::builder()
                    .cidr_ip(range)
                    .description(description)
                    .build(),
            )
        };
    }
    vec![permission.build()]
}

/// Whether the subnet's route table, its own or else its VPC's main one, has a default route to an internet
/// gateway.
fn reaches_internet(subnet: &Subnet, tables: &[RouteTable]) -> bool {
    let own = tables.iter().find(|t| {
        let mut to = t.associations().iter();
        to.any(|a| a.subnet_id() == Some(&subnet.id))
    });
    let main = || {
        tables.iter().find(|t| {
            t.vpc_id() == Some(&subnet.vpc)
                && t.associations().iter().any(|a| a.main() == Some(true))
        })
    };
    own.or_else(main).is_some_and(|table| {
        table.routes().iter().any(|r| {
            let default = r.destination_cidr_block() == Some("0.0.0.0/0")
                || r.destination_ipv6_cidr_block() == Some("::/0");
            default && r.gateway_id().is_some_and(|g| g.starts_with("igw-"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{Route, RouteTableAssociation};

    fn table(vpc: &str, subnet: Option<&str>, gateway: &str) -> RouteTable {
        let association = RouteTableAssociation::builder()
            .main(subnet.is_none())
            .set_subnet_id(subnet.map(str::to_owned));
        let local = Route::builder()
            .destination_cidr_block("10.0.0.0/16")
            .gateway_id("local");
        let default = Route::builder()
            .destination_cidr_block("0.0.0.0/0")
            .gateway_id(gateway);
        RouteTable::builder()
            .vpc_id(vpc)
            .associations(association.build())
            .routes(local.build())
            .routes(default.build())
            .build()
    }

    #[test]
    fn a_subnet_goes_by_its_own_table_or_else_by_the_main_one() {
        let subnet = |id: &str| Subnet {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            zone: "a".to_owned(),
            free: 1,
            ipv4: true,
            ipv6: false,
        };
        let tables = [
            table("vpc-2", None, "igw-2"),
            table("vpc-1", None, "nat-1"),
            table("vpc-1", Some("s-public"), "igw-1"),
        ];
        assert!(reaches_internet(&subnet("s-public"), &tables));
        assert!(!reaches_internet(&subnet("s-other"), &tables));
        assert!(!reaches_internet(&subnet("s-public"), &tables[..2]));
        assert!(!reaches_internet(&subnet("s-public"), &[]));
    }

    #[test]
    fn only_rules_for_port_22_are_ours_to_see() {
        let rule = Rule {
            cidr: Cidr::parse("2001:db8::1").expect("an address"),
            description: "remote laptop 2026-11-03T10:00:00Z".to_owned(),
        };
        let made = permissions(std::slice::from_ref(&rule));
        assert_eq!(made.iter().flat_map(rules).collect::<Vec<_>>(), [rule]);
        let web = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(443)
            .to_port(443);
        let all = IpPermission::builder().ip_protocol("-1");
        let open = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        for other in [
            web.ip_ranges(open.clone()).build(),
            all.ip_ranges(open).build(),
        ] {
            assert!(rules(&other).is_empty());
        }
    }
}
