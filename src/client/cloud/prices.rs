//! What the provider asks of prices when it has to choose another machine: an hour with volumes and address.

use crate::cost::{GP3_GIB_MONTH, Prices as Known, Rate, SNAPSHOT_GIB_MONTH, Volume};
use crate::model::now_ms;
use crate::provision::BoxFuture;
use crate::provision::ec2::{PriceQuery, Prices, Storage};

use super::plan::ROOT_GIB;

/// The price list, the spot history and the book, as the provider asks them.
pub struct Book(pub Known);

impl Prices for Book {
    fn hour<'a>(&'a self, query: &'a PriceQuery) -> BoxFuture<'a, Option<u64>> {
        Box::pin(async move {
            let (now, name, region) = (now_ms(), query.instance_type.as_str(), &query.region);
            let instance = if query.spot {
                let quote = self.0.spot(&[name], region, now).await.pop()?;
                let here = quote.zones.iter().find(|(zone, _)| *zone == query.zone);
                here.map(|(_, price)| *price).or(quote.price)?
            } else {
                self.0.one(name, region, now).await.price?
            };
            let gib_month = self.0.gib_month(region, now).await;
            let volumes = [ROOT_GIB, u64::from(query.disk_gib)].map(Volume::plain);
            let price = gib_month.price.unwrap_or_default();
            let rate = Rate::new(instance, gib_month.certainty, &volumes, price);
            Some(rate.hour().as_micros())
        })
    }

    fn storage<'a>(&'a self, region: &'a str) -> BoxFuture<'a, Storage> {
        Box::pin(async move {
            let told = self.0.gib_month(region, now_ms()).await.price;
            let volume = told.unwrap_or(GP3_GIB_MONTH);
            // Dearer where volumes are.
            let snapshot = SNAPSHOT_GIB_MONTH.share(volume.as_micros(), GP3_GIB_MONTH.as_micros());
            Storage {
                volume: volume.as_micros(),
                snapshot: snapshot.as_micros(),
            }
        })
    }
}
