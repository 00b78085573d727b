//! What spot instances cost now, zone by zone: the zone alone is worth a third.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{InstanceType, SpotPrice};

use super::told;
use crate::model::{Millis, Money};

/// Prices an hour by type and zone.
pub type ByZone = BTreeMap<String, BTreeMap<String, Money>>;

/// A client for the spot history of `region`.
pub fn client(sdk: &SdkConfig, region: &str) -> Client {
    let config = aws_sdk_ec2::config::Builder::from(sdk)
        .region(aws_config::Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .build();
    Client::from_conf(config)
}

/// The newest price of each type in each zone.
///
/// # Errors
/// AWS does not permit it or is not reached: why, in a line.
pub async fn now(client: &Client, names: &[&str], now: Millis) -> Result<ByZone, String> {
    // A history that begins now holds, of each zone, the price that is valid now.
    let at = DateTime::from_millis(i64::try_from(now).unwrap_or(i64::MAX));
    let mut pages = client
        .describe_spot_price_history()
        .set_instance_types(Some(names.iter().map(|n| InstanceType::from(*n)).collect()))
        .product_descriptions("Linux/UNIX")
        .start_time(at)
        .into_paginator()
        .send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| told(&e))?;
        all.extend_from_slice(page.spot_price_history());
    }
    Ok(newest(&all))
}

fn newest(history: &[SpotPrice]) -> ByZone {
    let mut newest: BTreeMap<(String, String), (DateTime, Money)> = BTreeMap::new();
    for point in history {
        let (Some(name), Some(zone)) = (point.instance_type(), point.availability_zone()) else {
            continue;
        };
        let (Some(at), Some(Ok(price))) =
            (point.timestamp(), point.spot_price().map(str::parse::<f64>))
        else {
            continue;
        };
        let key = (name.as_str().to_owned(), zone.to_owned());
        if newest.get(&key).is_none_or(|(known, _)| known < at) {
            newest.insert(key, (*at, Money::from_dollars(price)));
        }
    }
    let mut by_zone = ByZone::new();
    for ((name, zone), (_, price)) in newest {
        by_zone.entry(name).or_default().insert(zone, price);
    }
    by_zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_zone_counts() {
        let point = |zone: &str, at, price: &str| {
            SpotPrice::builder()
                .instance_type(InstanceType::from("m6i.4xlarge"))
                .availability_zone(zone)
                .timestamp(DateTime::from_secs(at))
                .spot_price(price)
                .build()
        };
        let history = [
            point("us-east-1a", 20, "0.356000"),
            point("us-east-1b", 10, "0.241000"),
            point("us-east-1a", 10, "0.100000"),
            point("us-east-1c", 10, "nonsense"),
            SpotPrice::builder().build(),
        ];
        let zones = newest(&history).remove("m6i.4xlarge").unwrap_or_default();
        let told: Vec<_> = zones.iter().map(|(z, p)| format!("{z} {p}")).collect();
        assert_eq!(told, ["us-east-1a $0.36", "us-east-1b $0.24"]);
    }
}
