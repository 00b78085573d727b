//! The flags that say which machine is rented, and what they come to together with the configuration.

use clap::Args;

use crate::cli::Ctx;
use crate::error::{Error, Result};
use crate::model::Money;
use crate::provision::MachineWish;

/// What a task is given that nobody has sized.
const DEFAULT_TYPE: &str = "m6i.large";
const GIB: u64 = 1 << 30;
/// EBS volumes end here.
const DISK: std::ops::RangeInclusive<u64> = 1..=65_536;

/// Only of provider `ec2`.
#[derive(Debug, Args)]
#[command(next_help_heading = "The machine (ec2)")]
pub struct MachineArgs {
    /// The EC2 instance type, such as m6i.4xlarge
    #[arg(long, value_name = "TYPE", conflicts_with = "into")]
    pub instance: Option<String>,
    /// The size of the work volume, such as 50gb
    #[arg(long, value_name = "SIZE", conflicts_with = "into")]
    pub disk: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION", conflicts_with = "into")]
    pub region: Option<String>,
    /// The availability zone
    #[arg(long, value_name = "ZONE", conflicts_with = "into")]
    pub az: Option<String>,
    /// Rent spare capacity: cheaper, and taken back at two minutes' notice
    #[arg(long, conflicts_with = "into")]
    pub spot: bool,
    /// Where there is no spot capacity, rent on demand instead, within --max-price
    #[arg(long, requires = "spot")]
    pub or_on_demand: bool,
    /// Where there is no capacity for the type, take a larger one of its family, within --max-price
    #[arg(long, conflicts_with = "into")]
    pub or_larger: bool,
    /// What an hour of the machine may cost at most, such as 0.50
    #[arg(long, value_name = "USD", conflicts_with = "into")]
    pub max_price: Option<Money>,
    /// End the session before it has cost more than this, such as 2usd
    #[arg(long, value_name = "USD", conflicts_with = "into")]
    pub budget: Option<Money>,
    /// The image: ubuntu-24.04, debian-12, amazon-linux-2023, ami-… or resolve:ssm:…
    #[arg(long, value_name = "IMAGE", conflicts_with = "into")]
    pub image: Option<String>,
}

impl MachineArgs {
    /// One that only a rented machine has was given.
    pub fn any(&self) -> bool {
        !self.given().is_empty()
    }

    /// The flags that were given, by name.
    fn given(&self) -> Vec<&'static str> {
        [
            ("--instance", self.instance.is_some()),
            ("--disk", self.disk.is_some()),
            ("--region", self.region.is_some()),
            ("--az", self.az.is_some()),
            ("--spot", self.spot),
            ("--or-larger", self.or_larger),
            ("--max-price", self.max_price.is_some()),
            ("--budget", self.budget.is_some()),
            ("--image", self.image.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// For a provider that rents nothing.
    ///
    /// # Errors
    /// A flag that means a rented machine was given.
    pub fn none(&self) -> Result<()> {
        match self.given().first() {
            None => Ok(()),
            Some(flag) => Err(Error::user(format!(
                "`{flag}` is about a machine that is rented, and this session runs on one that is there"
            ))
            .hint("leave it out, or say `--provider ec2`")),
        }
    }

    /// What is to be rented.
    ///
    /// # Errors
    /// A value that cannot be.
    pub fn wish(&self, ctx: &Ctx) -> Result<MachineWish> {
        let config = &ctx.config;
        let instance = self.instance.as_deref().or(config.text("instance"));
        let disk = self.disk.as_deref().or(config.text("ec2.disk"));
        let image = self.image.as_deref().or(config.text("ec2.image"));
        Ok(MachineWish {
            instance_type: instance.unwrap_or(DEFAULT_TYPE).to_owned(),
            zone: self.az.clone(),
            spot: self.spot,
            max_microusd_per_hour: self.max_price.map(Money::as_micros),
            other_sizes: self.or_larger,
            on_demand_too: self.or_on_demand,
            disk_gib: gib(disk.unwrap_or("20gb"))?,
            image: image.unwrap_or("ubuntu-24.04").to_owned(),
            sudo: config.text("ec2.sudo") != Some("no"),
        })
    }

    pub fn budget_microusd(&self) -> Option<u64> {
        self.budget.map(Money::as_micros)
    }
}

/// `50gb`, `64GiB`, `1tb`, or a bare number of GiB.
fn gib(text: &str) -> Result<u32> {
    let wrong = || {
        Error::user(format!("\"{text}\" is no size of a volume"))
            .hint("say for example `50gb`; EBS volumes have 1 to 65536 GiB")
    };
    let lower = text.trim().to_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[digits.len()..] {
        "" | "g" | "gb" | "gib" => GIB,
        "t" | "tb" | "tib" => GIB << 10,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let gib = number.checked_mul(unit / GIB).ok_or_else(wrong)?;
    if !DISK.contains(&gib) {
        return Err(wrong());
    }
    u32::try_from(gib).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_gibibytes_within_what_ebs_has() {
        for (text, expected) in [
            ("50gb", 50),
            ("64GiB", 64),
            ("8", 8),
            ("1tb", 1024),
            (" 20 gb", 20),
        ] {
            assert_eq!(gib(text).ok(), Some(expected), "{text}");
        }
        for text in [
            "",
            "gb",
            "0gb",
            "-1gb",
            "1.5gb",
            "50mb",
            "99999gb",
            "99999999999999999999tb",
        ] {
            assert!(gib(text).is_err(), "{text}");
        }
    }
}
