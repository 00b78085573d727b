//! What types cost, from wherever that can be had: the cache, AWS (asked for at most three seconds), an older
//! answer, the book. Never an error: a price that is an estimate says so, and why.

use std::time::Duration;

use aws_config::SdkConfig;
use serde::Serialize;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::cache::{self, Cache, Told};
use super::{book, list, spend, spot};
use crate::config::Paths;
use crate::model::{Certainty, Millis, Money};

/// How long AWS may take to tell prices.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where a price comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// AWS, asked at that time.
    Aws { at: Millis },
    /// The dated table in the program.
    Book { date: &'static str },
}

/// One price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// An hour on demand, or a GB for a month; `None` where nobody knows, or the type is not offered there.
    pub price: Option<Money>,
    pub certainty: Certainty,
    pub source: Source,
    /// Why it is not AWS's own.
    pub why: Option<String>,
}

impl Quote {
    fn aws(price: Option<Money>, at: Millis) -> Self {
        Self {
            price,
            certainty: Certainty::Exact,
            source: Source::Aws { at },
            why: None,
        }
    }

    fn book(price: Option<Money>, why: Option<String>) -> Self {
        Self {
            price,
            certainty: Certainty::About,
            source: Source::Book { date: book::DATE },
            why,
        }
    }

    /// `$0.10`, `≈$0.10`, `-`
    pub fn told(&self) -> String {
        self.price
            .map_or_else(|| "-".to_owned(), |p| self.certainty.of(p))
    }
}

/// A type's spot prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpotQuote {
    /// By zone, the cheapest first; empty where only an estimate for the region is known.
    pub zones: Vec<(String, Money)>,
    /// The cheapest.
    pub price: Option<Money>,
    pub certainty: Certainty,
    pub source: Source,
    pub why: Option<String>,
}

/// Answers what things cost.
#[derive(Debug)]
pub struct Prices {
    cache: Cache,
    profile: Option<String>,
    sdk: OnceCell<Result<SdkConfig, String>>,
    patience: Duration,
}

impl Prices {
    /// Credentials of `profile` are looked for only once AWS has to be asked.
    pub fn new(paths: &Paths, profile: Option<&str>) -> Self {
        Self {
            cache: Cache::new(paths.cache.clone()),
            profile: profile.map(str::to_owned),
            sdk: OnceCell::new(),
            patience: PATIENCE,
        }
    }

    /// With a configuration that is there already.
    pub fn with(paths: &Paths, sdk: SdkConfig) -> Self {
        Self {
            sdk: OnceCell::new_with(Some(Ok(sdk))),
            ..Self::new(paths, None)
        }
    }

    async fn sdk(&self, region: &str) -> Result<&SdkConfig, String> {
        let made = self.sdk.get_or_init(|| async {
            crate::aws::sdk_config(self.profile.as_deref(), Some(region))
                .await
                .map_err(|e| e.message)
        });
        made.await.as_ref().map_err(Clone::clone)
    }

    /// What `names` cost on demand in `region`, an hour, in their order.
    pub async fn on_demand(&self, names: &[&str], region: &str, now: Millis) -> Vec<Quote> {
        let mut known = self.cache.read(region);
        let missing: Vec<_> = names
            .iter()
            .copied()
            .filter(|n| {
                let told = known.on_demand.get(*n);
                told.is_none_or(|told| !told.is_fresh(now, cache::WEEK))
            })
            .collect();
        let mut why = cache::refusal(known.list_refused.as_ref(), now);
        if !missing.is_empty() && why.is_none() {
            let (told, failed) = self.ask(&missing, region).await;
            for (name, price) in told {
                let told = Told {
                    value: price,
                    at: now,
                };
                known.on_demand.insert(name, told);
            }
            known.list_refused = failed.clone().map(|value| Told { value, at: now });
            self.cache.write(region, &known);
            why = failed;
        }
        names
            .iter()
            .map(|name| match known.on_demand.get(*name) {
                Some(Told {
                    value: Some(price),
                    at,
                }) => {
                    let fresh = now.saturating_sub(*at) <= cache::WEEK;
                    Quote {
                        // Older than a week, and still nearer than the book.
                        certainty: if fresh {
                            Certainty::Exact
                        } else {
                            Certainty::About
                        },
                        why: why.clone().filter(|_| !fresh),
                        ..Quote::aws(Some(*price), *at)
                    }
                }
                told => {
                    let none = format!("AWS's list has no {name} in {region}");
                    let why = if told.is_some() {
                        Some(none)
                    } else {
                        why.clone()
                    };
                    Quote::book(book::on_demand(name, region), why)
                }
            })
            .collect()
    }

    /// What one type costs on demand.
    pub async fn one(&self, name: &str, region: &str, now: Millis) -> Quote {
        let mut all = self.on_demand(&[name], region, now).await;
        all.pop().unwrap_or_else(|| Quote::book(None, None))
    }

    /// What the list tells of `names`, and why it told no more.
    async fn ask(
        &self,
        names: &[&str],
        region: &str,
    ) -> (Vec<(String, Option<Money>)>, Option<String>) {
        let mut told = Vec::new();
        let asked = tokio::time::timeout(self.patience, async {
            let client = list::client(self.sdk(region).await?);
            let mut asking = JoinSet::new();
            for name in names {
                let (client, name, region) =
                    (client.clone(), (*name).to_owned(), region.to_owned());
                asking.spawn(async move {
                    let price = list::on_demand(&client, &name, &region).await;
                    price.map(|price| (name, price))
                });
            }
            while let Some(answer) = asking.join_next().await {
                told.push(answer.map_err(|e| e.to_string())??);
            }
            Ok(())
        });
        let failed = match asked.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some(self.no_answer("AWS's price list")),
        };
        (told, failed)
    }

    /// What a GB of gp3 costs in `region` for a month.
    pub async fn gib_month(&self, region: &str, now: Millis) -> Quote {
        let mut known = self.cache.read(region);
        if let Some(told) = &known.gib_month
            && told.is_fresh(now, cache::WEEK)
        {
            return Quote::aws(Some(told.value), told.at);
        }
        let mut why = cache::refusal(known.list_refused.as_ref(), now);
        if why.is_none() {
            let asked = tokio::time::timeout(self.patience, async {
                list::gib_month(&list::client(self.sdk(region).await?), region).await
            });
            match asked.await {
                Ok(Ok(Some(value))) => known.gib_month = Some(Told { value, at: now }),
                Ok(Ok(None)) => why = Some(format!("AWS's list has no gp3 in {region}")),
                Ok(Err(e)) => why = Some(e),
                Err(_) => why = Some(self.no_answer("AWS's price list")),
            }
            known.list_refused = why.clone().map(|value| Told { value, at: now });
            self.cache.write(region, &known);
        }
        match &known.gib_month {
            Some(told) if why.is_none() => Quote::aws(Some(told.value), told.at),
            _ => {
                // Volumes are dearer where machines of the common families are.
                let factor = book::factor("m7i", region);
                let price = Money::from_dollars(spend::GP3_GIB_MONTH.dollars() * factor);
                Quote::book(Some(price), why)
            }
        }
    }

    /// What `names` cost as spot instances in `region` now, in their order.
    pub async fn spot(&self, names: &[&str], region: &str, now: Millis) -> Vec<SpotQuote> {
        let mut known = self.cache.read(region);
        let missing: Vec<_> = names
            .iter()
            .copied()
            .filter(|n| {
                let told = known.spot.get(*n);
                told.is_none_or(|told| !told.is_fresh(now, cache::FIVE_MINUTES))
            })
            .collect();
        let mut why = cache::refusal(known.spot_refused.as_ref(), now);
        if !missing.is_empty() && why.is_none() {
            let asked = tokio::time::timeout(self.patience, async {
                let client = spot::client(self.sdk(region).await?, region);
                spot::now(&client, &missing, now).await
            });
            why = match asked.await {
                Ok(Ok(by_zone)) => {
                    let told = |value| Told { value, at: now };
                    known
                        .spot
                        .extend(by_zone.into_iter().map(|(name, zones)| (name, told(zones))));
                    None
                }
                Ok(Err(e)) => Some(e),
                Err(_) => Some(self.no_answer("EC2")),
            };
            known.spot_refused = why.clone().map(|value| Told { value, at: now });
            self.cache.write(region, &known);
        }
        names
            .iter()
            .map(|name| match known.spot.get(*name) {
                Some(told) if told.is_fresh(now, cache::FIVE_MINUTES) => {
                    let mut zones: Vec<_> = told.value.clone().into_iter().collect();
                    zones.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
                    SpotQuote {
                        price: zones.first().map(|(_, price)| *price),
                        zones,
                        certainty: Certainty::Exact,
                        source: Source::Aws { at: told.at },
                        why: None,
                    }
                }
                _ => SpotQuote {
                    zones: Vec::new(),
                    price: book::spot(name, region),
                    certainty: Certainty::About,
                    source: Source::Book { date: book::DATE },
                    why: why
                        .clone()
                        .or_else(|| Some(format!("AWS has no spot price of it in {region}"))),
                },
            })
            .collect()
    }

    /// Asks AWS again for what was known of `region` and for `also`; tells how many types AWS priced, and why
    /// not all. What was known stays as an estimate where AWS does not answer.
    pub async fn refresh(
        &self,
        region: &str,
        also: &[&str],
        now: Millis,
    ) -> (usize, Option<String>) {
        let mut known = self.cache.read(region);
        for told in known.on_demand.values_mut() {
            told.at = 0;
        }
        if let Some(told) = &mut known.gib_month {
            told.at = 0;
        }
        known.spot.clear();
        known.list_refused = None;
        known.spot_refused = None;
        self.cache.write(region, &known);
        let mut names: Vec<&str> = known.on_demand.keys().map(String::as_str).collect();
        names.extend(also);
        names.sort_unstable();
        names.dedup();
        let quotes = self.on_demand(&names, region, now).await;
        self.gib_month(region, now).await;
        let told = quotes.iter().filter(|q| q.certainty == Certainty::Exact);
        let why = quotes.iter().find_map(|q| q.why.clone());
        (told.count(), why)
    }

    fn no_answer(&self, who: &str) -> String {
        format!(
            "no answer from {who} within {} s",
            self.patience.as_secs_f32()
        )
    }
}

#[cfg(test)]
mod tests;
