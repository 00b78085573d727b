//! Which machines to ask for, and in which order: pure. The first is what was wished; the others take its place
//! where there is no capacity: another zone, then a larger size, then the other market, and never a dearer one
//! than allowed.

use super::super::MachineWish;

/// A processor's architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    X86_64,
    Arm64,
}

impl Arch {
    /// As Debian and Ubuntu write it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As AWS writes it.
    pub fn aws(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The system whose binary runs there: `linux-aarch64`.
    pub fn system(self) -> &'static str {
        match self {
            Self::X86_64 => "linux-x86_64",
            Self::Arm64 => "linux-aarch64",
        }
    }
}

/// An instance type as DescribeInstanceTypes tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offering {
    /// `m6i.large`
    pub name: String,
    pub vcpus: u32,
    pub memory_mib: u64,
    pub arch: Arch,
    /// Earns and spends CPU credits.
    pub burstable: bool,
}

/// A subnet that a machine can be put into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub vpc: String,
    pub zone: String,
    /// Addresses left.
    pub free: u32,
    /// It hands out IPv4 addresses; one that is native to IPv6 has none.
    pub ipv4: bool,
    /// It hands out IPv6 addresses.
    pub ipv6: bool,
}

/// One request that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub offering: Offering,
    pub subnet: Subnet,
    pub spot: bool,
    /// What an hour costs, where it is known.
    pub microusd_per_hour: Option<u64>,
}

impl Attempt {
    /// `m6i.large on spot in eu-west-1b`
    pub fn describe(&self) -> String {
        let market = if self.spot { " on spot" } else { "" };
        format!("{}{market} in {}", self.offering.name, self.subnet.zone)
    }
}

/// Why nothing can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    #[error("there is no instance type `{0}` here")]
    NoType(String),
    #[error("no subnet of zone `{0}` can take a machine")]
    NoZone(String),
    #[error("no subnet can take a machine")]
    NoSubnet,
    #[error("{name} costs ${:.4} an hour, and at most ${:.4} is allowed", *.price as f64 / 1e6, *.max as f64 / 1e6)]
    TooDear { name: String, price: u64, max: u64 },
}

/// Asks for no more machines than this before it gives up.
const MOST: usize = 24;
/// Sizes above the wished one that may take its place.
const LARGER: usize = 2;

/// The requests to make, in order; at least one.
///
/// `price` is what an hour of a type in a zone costs on a market, in micro-dollars, where that is known. Where
/// a bound is set, only the wished machine itself is asked for at an unknown price.
///
/// # Errors
/// No such type, no subnet, or too dear.
pub fn attempts(
    wish: &MachineWish,
    offerings: &[Offering],
    subnets: &[Subnet],
    price: impl Fn(&str, &str, bool) -> Option<u64>,
) -> Result<Vec<Attempt>, NoPlan> {
    let wished = offerings
        .iter()
        .find(|o| o.name == wish.instance_type)
        .ok_or_else(|| NoPlan::NoType(wish.instance_type.clone()))?;
    let mut sizes = vec![wished];
    if wish.other_sizes {
        sizes.extend(larger(wished, offerings));
    }
    let subnets = usable(wish.zone.as_deref(), subnets)?;
    let mut markets = vec![wish.spot];
    if wish.spot && wish.on_demand_too {
        markets.push(false);
    }
    let mut attempts = Vec::new();
    let mut too_dear = None;
    for spot in markets {
        for size in &sizes {
            let mut zones: Vec<Attempt> = subnets
                .iter()
                .map(|subnet| Attempt {
                    offering: (*size).clone(),
                    subnet: (*subnet).clone(),
                    spot,
                    microusd_per_hour: price(&size.name, &subnet.zone, spot),
                })
                .collect();
            // Of spot, whose price is the zone's own, the cheapest zone first.
            zones.sort_by_key(|a| a.microusd_per_hour.unwrap_or(u64::MAX));
            for attempt in zones {
                let itself = size.name == wished.name && spot == wish.spot;
                match (wish.max_microusd_per_hour, attempt.microusd_per_hour) {
                    (Some(max), Some(price)) if price > max => {
                        let name = attempt.offering.name.clone();
                        too_dear.get_or_insert(NoPlan::TooDear { name, price, max });
                    }
                    (Some(_), None) if !itself => {}
                    _ => attempts.push(attempt),
                }
            }
        }
    }
    attempts.truncate(MOST);
    match too_dear {
        Some(why) if attempts.is_empty() => Err(why),
        _ => Ok(attempts),
    }
}

/// The subnets to use, one a zone, in the zones' order.
fn usable<'a>(zone: Option<&str>, subnets: &'a [Subnet]) -> Result<Vec<&'a Subnet>, NoPlan> {
    let mut usable: Vec<&Subnet> = subnets
        .iter()
        .filter(|s| s.free > 0 && zone.is_none_or(|z| z == s.zone))
        .collect();
    // A security group is of one VPC, so all must be in the first one's.
    let vpc = usable.first().map(|s| s.vpc.clone());
    usable.retain(|s| Some(&s.vpc) == vpc.as_ref());
    usable.sort_by(|a, b| (&a.zone, b.free).cmp(&(&b.zone, a.free)));
    usable.dedup_by(|a, b| a.zone == b.zone);
    match (usable.is_empty(), zone) {
        (false, _) => Ok(usable),
        (true, Some(zone)) => Err(NoPlan::NoZone(zone.to_owned())),
        (true, None) => Err(NoPlan::NoSubnet),
    }
}

/// Larger sizes of the same family, the smallest first; of whole machines none.
fn larger<'a>(wished: &Offering, offerings: &'a [Offering]) -> Vec<&'a Offering> {
    let family = family(&wished.name);
    let mut larger: Vec<&Offering> = offerings
        .iter()
        .filter(|o| {
            self::family(&o.name) == family
                && o.arch == wished.arch
                && !o.name.contains("metal")
                && (o.memory_mib, o.vcpus) > (wished.memory_mib, wished.vcpus)
        })
        .collect();
    larger.sort_by_key(|o| (o.memory_mib, o.vcpus));
    larger.truncate(LARGER);
    larger
}

/// `m6i` of `m6i.large`
pub fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offering(name: &str, vcpus: u32, gib: u64) -> Offering {
        Offering {
            name: name.to_owned(),
            vcpus,
            memory_mib: gib << 10,
            arch: Arch::X86_64,
            burstable: false,
        }
    }

    fn offerings() -> Vec<Offering> {
        vec![
            offering("m6i.4xlarge", 16, 64),
            offering("m6i.large", 2, 8),
            offering("m6i.metal", 128, 512),
            offering("m6i.xlarge", 4, 16),
            offering("m6i.2xlarge", 8, 32),
            offering("m6id.xlarge", 4, 16),
        ]
    }

    fn subnet(id: &str, zone: &str, free: u32) -> Subnet {
        Subnet {
            id: id.to_owned(),
            vpc: "vpc-1".to_owned(),
            zone: zone.to_owned(),
            free,
            ipv4: true,
            ipv6: false,
        }
    }

    fn subnets() -> Vec<Subnet> {
        vec![
            subnet("s-b", "b", 9),
            subnet("s-a", "a", 9),
            subnet("s-full", "c", 0),
            subnet("s-a2", "a", 99),
        ]
    }

    fn wish() -> MachineWish {
        MachineWish {
            instance_type: "m6i.large".to_owned(),
            zone: None,
            spot: false,
            max_microusd_per_hour: None,
            other_sizes: false,
            on_demand_too: false,
            disk_gib: 20,
            image: "debian-12".to_owned(),
            sudo: true,
            volume: None,
        }
    }

    fn price(name: &str, zone: &str, spot: bool) -> Option<u64> {
        let size = match name {
            "m6i.large" => 100_000,
            "m6i.xlarge" => 200_000,
            _ => return None,
        };
        Some(match (spot, zone) {
            (true, "b") => size / 4,
            (true, _) => size / 3,
            _ => size,
        })
    }

    fn told(wish: &MachineWish) -> Vec<String> {
        let planned = attempts(wish, &offerings(), &subnets(), price).expect("a plan");
        planned.iter().map(Attempt::describe).collect()
    }

    #[test]
    fn zones_come_first_then_sizes_then_the_other_market() {
        assert_eq!(told(&wish()), ["m6i.large in a", "m6i.large in b"]);
        let mut all = wish();
        all.spot = true;
        all.other_sizes = true;
        all.on_demand_too = true;
        assert_eq!(
            told(&all),
            [
                "m6i.large on spot in b",
                "m6i.large on spot in a",
                "m6i.xlarge on spot in b",
                "m6i.xlarge on spot in a",
                "m6i.2xlarge on spot in a",
                "m6i.2xlarge on spot in b",
                "m6i.large in a",
                "m6i.large in b",
                "m6i.xlarge in a",
                "m6i.xlarge in b",
                "m6i.2xlarge in a",
                "m6i.2xlarge in b",
            ]
        );
        all.max_microusd_per_hour = Some(60_000);
        assert_eq!(
            told(&all),
            [
                "m6i.large on spot in b",
                "m6i.large on spot in a",
                "m6i.xlarge on spot in b"
            ],
            "nothing dearer, and nothing whose price is not known"
        );
        all.zone = Some("a".to_owned());
        assert_eq!(told(&all), ["m6i.large on spot in a"]);
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let plan = |wish: &MachineWish| attempts(wish, &offerings(), &subnets(), price);
        let mut odd = wish();
        odd.instance_type = "m9.huge".to_owned();
        assert_eq!(plan(&odd), Err(NoPlan::NoType("m9.huge".to_owned())));
        let mut zone = wish();
        zone.zone = Some("c".to_owned());
        assert_eq!(plan(&zone), Err(NoPlan::NoZone("c".to_owned())));
        assert_eq!(
            attempts(&wish(), &offerings(), &[], price),
            Err(NoPlan::NoSubnet)
        );
        let mut dear = wish();
        dear.max_microusd_per_hour = Some(50_000);
        let refused = plan(&dear).expect_err("too dear").to_string();
        assert!(
            refused.contains("$0.1000") && refused.contains("$0.0500"),
            "{refused}"
        );
    }

    proptest! {
        #[test]
        fn nothing_is_dearer_than_allowed(
            spot: bool, other_sizes: bool, on_demand_too: bool, max in 1_000u64..500_000,
            prices in proptest::collection::vec(proptest::option::of(1_000u64..1_000_000), 24),
        ) {
            let wish = MachineWish { spot, other_sizes, on_demand_too,
                max_microusd_per_hour: Some(max), ..wish() };
            let price = |name: &str, zone: &str, spot: bool| {
                prices[(name.len() * 7 + zone.len() * 3 + usize::from(spot)) % prices.len()]
            };
            if let Ok(planned) = attempts(&wish, &offerings(), &subnets(), price) {
                for attempt in &planned {
                    let itself = attempt.offering.name == wish.instance_type && attempt.spot == spot;
                    prop_assert!(attempt.microusd_per_hour.map_or(itself, |p| p <= max));
                    prop_assert!(attempt.spot <= spot, "on-demand is never turned into spot");
                    prop_assert!(on_demand_too || attempt.spot == spot);
                }
            }
        }
    }
}
