//! Before anything is rented: which machine, why, and what it costs. Asks for prices and changes nothing.

use std::time::Duration;

use crate::config::{Config, Paths};
use crate::cost::budget::Meter;
use crate::cost::{Prices, Rate, Volume, book};
use crate::error::{Error, Result};
use crate::model::{Certainty, Millis, Money, Shape};
use crate::provision::MachineWish;
use crate::provision::sizing::{Auto, Repository, Wish, choose};

/// The root volume of the images that are known by name.
pub(super) const ROOT_GIB: u64 = 8;

/// What somebody who sets a budget wants at least, in milliseconds: it is up and has done something.
const SENSIBLE: Millis = 600_000;

/// What a person asked for, as far as it decides about the machine.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub region: String,
    pub task: String,
    pub agents: u32,
    /// What they work on, where that is known.
    pub repository: Option<Repository>,
    pub memory_mib: Option<u64>,
    pub vcpus: Option<u32>,
    /// The type is what was asked for, or empty: then one is chosen.
    pub wish: MachineWish,
}

/// The machine that a dispatch would rent.
#[derive(Debug, Clone)]
pub struct Plan {
    pub region: String,
    pub wish: MachineWish,
    pub shape: Shape,
    /// `one agent, medium repository`
    pub why: String,
    pub rate: Rate,
    /// The same machine on demand, an hour.
    pub on_demand: Option<Money>,
}

impl Plan {
    /// `m6i.large (2 vCPU, 8 GiB)  one agent  $0.10/h, at most $0.11 with TTL 1h`
    pub fn line(&self, ttl: Option<Duration>) -> String {
        let s = &self.shape;
        let market = if self.wish.spot { " spot" } else { "" };
        let sure = self.rate.certainty;
        let mut line = format!(
            "{}{market} ({} vCPU, {} GiB)  {}  {}/h",
            s.name,
            s.vcpus,
            s.memory_mib / 1024,
            self.why,
            sure.of(self.rate.hour())
        );
        if let Some(ttl) = ttl {
            let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            line.push_str(&format!(
                ", at most {} with TTL {}",
                sure.of(self.rate.ceiling(ms)),
                humantime::format_duration(ttl)
            ));
        }
        if let Some(saved) = self.saved() {
            line.push_str(&format!(", spot saves {saved}/h"));
        }
        line
    }

    /// Whether anything can run for so much.
    ///
    /// # Errors
    /// It is less than the first minute costs.
    pub fn affords(&self, budget: Option<Money>) -> Result<()> {
        budget.map_or(Ok(()), |budget| {
            enough(&self.shape.name, self.rate.hour_at_most(), budget)
        })
    }

    /// What a month of the work volume costs, which outlives the machine.
    pub fn kept_month(&self) -> Money {
        if self.wish.workspace().is_some() {
            return Money::ZERO;
        }
        let work = u64::from(self.wish.disk_gib);
        self.rate.volumes_month.share(work, work + ROOT_GIB)
    }

    /// What spot saves in an hour.
    pub fn saved(&self) -> Option<Money> {
        let dear = self.on_demand.filter(|_| self.wish.spot)?;
        Some(dear.minus(self.rate.instance)).filter(|m| !m.is_zero())
    }
}

/// A budget that is used up before anything has run is a mistake, and never a wish.
///
/// # Errors
/// It is less than what a launch is billed at least: the error names one that makes sense.
fn enough(name: &str, hour: Money, budget: Money) -> Result<()> {
    let meter = Meter::new(0, hour);
    let least = meter.spent(0);
    if budget >= least {
        return Ok(());
    }
    let sensible = meter.spent(SENSIBLE).whole_cents();
    Err(Error::user(format!(
        "a budget of {} is used up at once: {name} costs {} for its first minute, which is billed in any case",
        budget.exact(),
        least.exact()
    ))
    .hint(format!(
        "say `--budget {}usd` at least, which is ten minutes of it",
        sensible.exact().trim_start_matches('$')
    )))
}

/// Chooses the machine and prices it.
///
/// # Errors
/// No such type, none that fits, or one that costs more than is allowed.
pub async fn plan(paths: &Paths, config: &Config, wanted: Wanted, now: Millis) -> Result<Plan> {
    let region = wanted.region.as_str();
    let shapes: Vec<Shape> = book::shapes().map(|s| book::in_region(s, region)).collect();
    let asked = Some(wanted.wish.instance_type.as_str()).filter(|t| !t.is_empty());
    let choice = choose(
        &Wish {
            task: &wanted.task,
            repository: wanted.repository,
            agents: wanted.agents,
            instance: asked,
            memory_mib: wanted.memory_mib,
            vcpus: wanted.vcpus,
        },
        &Auto {
            family: config.auto_family(),
            max_price: config.auto_max_price(),
            rules: config.auto_rules(),
        },
        &shapes,
    )?;
    let prices = Prices::new(paths, config.text("profile"));
    let name = choice.shape.name.as_str();
    let quote = prices.one(name, region, now).await;
    let (instance, sure) = if wanted.wish.spot {
        let spot = prices.spot(&[name], region, now).await.pop();
        spot.map_or((None, Certainty::About), |s| (s.price, s.certainty))
    } else {
        (quote.price, quote.certainty)
    };
    let gib_month = prices.gib_month(region, now).await;
    let mut volumes = vec![Volume::plain(ROOT_GIB)];
    // A workspace costs the same with a machine and without.
    if wanted.wish.workspace().is_none() {
        volumes.push(Volume::plain(u64::from(wanted.wish.disk_gib)));
    }
    let rate = Rate::new(
        instance.unwrap_or_default(),
        sure.and(gib_month.certainty),
        &volumes,
        gib_month.price.unwrap_or_default(),
    );
    // Spot machines of burstable types run on the credits they have.
    let rate = if wanted.wish.spot {
        rate
    } else {
        rate.with_surplus(&choice.shape)
    };
    if let (Some(max), Some(_)) = (wanted.wish.max_microusd_per_hour, instance)
        && rate.hour().as_micros() > max
    {
        return Err(Error::user(format!(
            "{name} costs {}/h in {region}, and --max-price is {}",
            sure.of(rate.hour()),
            Money::micros(max)
        ))
        .hint("name a smaller type with --instance, try --spot, or raise --max-price"));
    }
    Ok(Plan {
        region: wanted.region.clone(),
        wish: MachineWish {
            instance_type: choice.shape.name.clone(),
            ..wanted.wish
        },
        shape: choice.shape,
        why: choice.why,
        rate,
        on_demand: quote.price,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_below_the_first_minute_is_refused_with_one_that_makes_sense() {
        let hour = Money::micros(105_000);
        for (budget, good) in [(0, false), (1_749, false), (1_750, true), (2_000_000, true)] {
            let told = enough("m6i.large", hour, Money::micros(budget));
            assert_eq!(told.is_ok(), good, "{budget}");
        }
        let error = enough("m6i.large", hour, Money::micros(1_000)).expect_err("too little");
        assert!(error.message.contains("budget of $0.001 is"), "{error}");
        assert!(error.message.contains("costs $0.00175"), "{error}");
        assert!(error.hints[0].contains("--budget 0.02usd"), "{error:?}");
        // What nobody can price is nobody's to judge.
        assert!(enough("m6i.large", Money::ZERO, Money::ZERO).is_ok());
    }
}
