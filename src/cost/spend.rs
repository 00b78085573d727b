//! What a session costs, from what its machine is and when it ran: pure arithmetic on seconds, as AWS bills.
//! A launch counts at least a minute; a volume counts while it exists; what is not counted has a name.

use serde::{Deserialize, Serialize};

use crate::model::{Certainty, Millis, Money, Shape};

/// What no figure of ours has in it.
pub const NOT_COUNTED: &str =
    "data sent to the internet (egress), snapshots and taxes are not counted";

/// AWS bills storage by a month of this many hours.
const MONTH_HOURS: u64 = 730;
/// A public IPv4 address, per hour, in every region.
pub const ADDRESS: Money = Money::micros(5_000);
/// gp3 in us-east-1: a GB for a month.
pub const GP3_GIB_MONTH: Money = Money::micros(80_000);
/// A snapshot there: a GB of what it holds, which is at most its volume's size, for a month.
pub const SNAPSHOT_GIB_MONTH: Money = Money::micros(50_000);
/// gp3 in us-east-1, beyond what is free: an IOPS for a month, a MB/s for a month.
const GP3_IOPS_MONTH: Money = Money::micros(5_000);
const GP3_MBPS_MONTH: Money = Money::micros(40_000);
const GP3_FREE_IOPS: u64 = 3_000;
const GP3_FREE_MBPS: u64 = 125;
/// A launch is billed for no less.
const LEAST: Millis = 60_000;

/// A gp3 volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub gib: u64,
    /// Its provisioned performance; the baseline (3,000 and 125 MB/s) is free.
    pub iops: u64,
    pub mbps: u64,
}

impl Volume {
    /// A volume with the performance that is free.
    pub fn plain(gib: u64) -> Self {
        Self {
            gib,
            iops: GP3_FREE_IOPS,
            mbps: GP3_FREE_MBPS,
        }
    }

    /// A month of it, where a GB costs `gib_month`; performance is dearer where space is.
    pub fn month(self, gib_month: Money) -> Money {
        let beyond = GP3_IOPS_MONTH
            .times(self.iops.saturating_sub(GP3_FREE_IOPS))
            .plus(GP3_MBPS_MONTH.times(self.mbps.saturating_sub(GP3_FREE_MBPS)))
            .share(gib_month.as_micros(), GP3_GIB_MONTH.as_micros());
        gib_month.times(self.gib).plus(beyond)
    }
}

/// What one hour costs, by what is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rate {
    /// The instance, while it runs.
    pub instance: Money,
    /// At most this more, where a burstable type uses more than its credits.
    #[serde(default)]
    pub surplus: Money,
    /// Its volumes, while they exist: a month's price, of which each hour is a 730th.
    #[serde(default)]
    pub volumes_month: Money,
    /// Its public address, while it runs.
    #[serde(default)]
    pub address: Money,
    #[serde(default)]
    pub certainty: Certainty,
}

impl Rate {
    /// A machine of `instance` an hour, with a public address and `volumes`.
    pub fn new(
        instance: Money,
        certainty: Certainty,
        volumes: &[Volume],
        gib_month: Money,
    ) -> Self {
        Self {
            instance,
            surplus: Money::ZERO,
            volumes_month: volumes.iter().map(|v| v.month(gib_month)).sum(),
            address: ADDRESS,
            certainty,
        }
    }

    /// With what `shape` may cost beyond its price in unlimited mode.
    pub fn with_surplus(mut self, shape: &Shape) -> Self {
        self.surplus = surplus(shape);
        self
    }

    /// One hour of all but surplus credits.
    pub fn hour(&self) -> Money {
        self.instance
            .plus(self.address)
            .plus(self.volumes(3_600_000))
    }

    /// One hour, surplus credits included: a ceiling.
    pub fn hour_at_most(&self) -> Money {
        self.hour().plus(self.surplus)
    }

    /// What the volumes cost in so many milliseconds.
    pub fn volumes(&self, ms: Millis) -> Money {
        self.volumes_month.share(ms, MONTH_HOURS * 3_600_000)
    }

    /// What a session of this length can cost in all: shown before the launch.
    pub fn ceiling(&self, ttl_ms: Millis) -> Money {
        let ms = billed(ttl_ms);
        let running = self.instance.plus(self.surplus).plus(self.address);
        running.for_ms(ms).plus(self.volumes(ms))
    }
}

/// What a burstable type may cost an hour beyond its price: all vCPUs at full load, less what its credits
/// cover. Nothing for other types. T2 is not in unlimited mode unless somebody chooses that.
pub fn surplus(shape: &Shape) -> Money {
    let vcpu_hour = match shape.family() {
        "t3" | "t3a" => Money::micros(50_000),
        "t4g" => Money::micros(40_000),
        _ => return Money::ZERO,
    };
    // Percent of each vCPU that credits cover.
    let baseline = match shape.size() {
        "nano" => 5,
        "micro" => 10,
        "small" | "medium" => 20,
        "large" => 30,
        _ => 40,
    };
    vcpu_hour.share(u64::from(shape.vcpus) * (100 - baseline), 100)
}

/// A time in which something was billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: Millis,
    pub to: Millis,
}

impl Span {
    pub fn ms(self) -> Millis {
        self.to.saturating_sub(self.from)
    }

    /// The part within `from..to`; of no length where there is none.
    pub fn within(self, from: Millis, to: Millis) -> Self {
        let from = self.from.max(from);
        Self {
            from,
            to: self.to.min(to).max(from),
        }
    }
}

/// What was spent, by what is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spend {
    pub instance: Money,
    pub volumes: Money,
    pub address: Money,
    pub certainty: Certainty,
}

impl Spend {
    pub fn total(&self) -> Money {
        self.instance.plus(self.volumes).plus(self.address)
    }

    pub fn plus(self, other: Self) -> Self {
        Self {
            instance: self.instance.plus(other.instance),
            volumes: self.volumes.plus(other.volumes),
            address: self.address.plus(other.address),
            certainty: self.certainty.and(other.certainty),
        }
    }

    /// `$0.38`, `≈$0.38`, `≤$0.38`
    pub fn told(&self) -> String {
        self.certainty.of(self.total())
    }
}

/// What launches of one machine and the life of its volumes cost. Surplus credits are not in it: only AWS
/// knows how many were used.
pub fn spend(rate: &Rate, launches: &[Span], volumes: Option<Span>) -> Spend {
    let ran = launches
        .iter()
        .map(|s| billed(s.ms()))
        .fold(0, Millis::saturating_add);
    Spend {
        instance: rate.instance.for_ms(ran),
        volumes: volumes.map_or(Money::ZERO, |v| rate.volumes(billed(v.ms()))),
        address: rate.address.for_ms(ran),
        certainty: rate.certainty,
    }
}

/// Whole seconds, a minute at least.
fn billed(ms: Millis) -> Millis {
    ms.div_ceil(1000).saturating_mul(1000).max(LEAST)
}

#[cfg(test)]
mod tests;
