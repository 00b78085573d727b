//! AWS's Price List: what a type costs on demand in a region, and a GB of gp3 for a month. Its documents are
//! read as far as one number needs it.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_pricing::Client;
use aws_sdk_pricing::types::{Filter, FilterType};
use serde_json::Value;

use super::told;
use crate::model::Money;

/// The service has few endpoints; this one knows all regions.
const ENDPOINT: &str = "us-east-1";

/// A client of the Price List.
pub fn client(sdk: &SdkConfig) -> Client {
    let config = aws_sdk_pricing::config::Builder::from(sdk)
        .region(aws_config::Region::new(ENDPOINT))
        // The whole answer is bounded to seconds, and there is a book to fall back on.
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .build();
    Client::from_conf(config)
}

/// What one hour of `name` costs in `region`; `None` where the list has no such type there.
///
/// # Errors
/// AWS does not permit it or is not reached: why, in a line.
pub async fn on_demand(client: &Client, name: &str, region: &str) -> Result<Option<Money>, String> {
    let filters = [
        ("instanceType", name),
        ("regionCode", region),
        ("operatingSystem", "Linux"),
        ("tenancy", "Shared"),
        ("preInstalledSw", "NA"),
        ("capacitystatus", "Used"),
    ];
    ask(client, &filters, "Hrs").await
}

/// What a GB of gp3 costs in `region` for a month.
///
/// # Errors
/// As [`on_demand`].
pub async fn gib_month(client: &Client, region: &str) -> Result<Option<Money>, String> {
    let filters = [
        ("productFamily", "Storage"),
        ("volumeApiName", "gp3"),
        ("regionCode", region),
    ];
    ask(client, &filters, "GB-Mo").await
}

async fn ask(
    client: &Client,
    filters: &[(&str, &str)],
    unit: &str,
) -> Result<Option<Money>, String> {
    let mut request = client
        .get_products()
        .service_code("AmazonEC2")
        .max_results(20);
    for (field, value) in filters {
        let filter = Filter::builder()
            .r#type(FilterType::TermMatch)
            .field(*field)
            .value(*value)
            .build()
            .map_err(|e| e.to_string())?;
        request = request.filters(filter);
    }
    let answer = request.send().await.map_err(|e| told(&e))?;
    Ok(answer
        .price_list()
        .iter()
        .filter_map(|document| price_in(document, unit))
        .min())
}

/// The price in a product's document: its on-demand term's dimension of that unit, where it costs at all
/// (a dimension of $0 is a reservation's).
fn price_in(document: &str, unit: &str) -> Option<Money> {
    let document: Value = serde_json::from_str(document).ok()?;
    let terms = document.get("terms")?.get("OnDemand")?.as_object()?;
    terms
        .values()
        .filter_map(|term| term.get("priceDimensions")?.as_object())
        .flat_map(|dimensions| dimensions.values())
        .filter(|d| d.get("unit").and_then(Value::as_str) == Some(unit))
        .filter_map(|d| {
            let usd = d.get("pricePerUnit")?.get("USD")?.as_str()?;
            usd.parse::<f64>().ok().map(Money::from_dollars)
        })
        .find(|price| !price.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: &str = r#"{"product":{"productFamily":"Compute Instance","attributes":{
        "instanceType":"m6i.large","regionCode":"eu-west-1"},"sku":"ABC"},"serviceCode":"AmazonEC2",
        "terms":{"OnDemand":{"ABC.JRT":{"priceDimensions":{"ABC.JRT.6YS":{"unit":"Hrs","endRange":"Inf",
        "description":"$0.107 per On Demand Linux m6i.large Instance Hour","appliesTo":[],
        "rateCode":"ABC.JRT.6YS","beginRange":"0","pricePerUnit":{"USD":"0.1070000000"}}},
        "sku":"ABC","effectiveDate":"2026-11-01T00:00:00Z","offerTermCode":"JRT","termAttributes":{}}},
        "Reserved":{"ABC.X":{"priceDimensions":{"Y":{"unit":"Hrs","pricePerUnit":{"USD":"0.05"}}}}}},
        "version":"20261120000000","publicationDate":"2026-11-20T00:00:00Z"}"#;

    #[test]
    fn the_on_demand_price_is_found() {
        assert_eq!(price_in(PRODUCT, "Hrs"), Some(Money::micros(107_000)));
        assert_eq!(price_in(PRODUCT, "GB-Mo"), None);
        assert_eq!(
            price_in(&PRODUCT.replace("0.1070000000", "0.0"), "Hrs"),
            None
        );
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_document_is_no_price(cut in 0..PRODUCT.len(), byte: u8) {
            let mut bytes = PRODUCT.as_bytes().to_vec();
            bytes[cut] = byte;
            let _ = price_in(&String::from_utf8_lossy(&bytes), "Hrs");
            let _ = price_in(&String::from_utf8_lossy(&bytes[..cut]), "Hrs");
        }
    }
}
