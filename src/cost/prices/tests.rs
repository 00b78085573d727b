//! The whole way through the SDK to a server on loopback that tells, refuses or stays silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const NOW: Millis = 1_795_564_800_000;
const DAY: Millis = 86_400_000;

/// What the server says to every request.
#[derive(Clone, Copy)]
enum Says {
    Price,
    Refused,
    Nothing,
}

struct Place {
    _dir: tempfile::TempDir,
    prices: Prices,
    asked: Arc<AtomicUsize>,
}

impl Place {
    async fn new(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = count.clone();
                tokio::spawn(async move {
                    let request = whole(&mut stream).await;
                    count.fetch_add(1, Ordering::SeqCst);
                    let (status, body) = match says {
                        Says::Price => ("200 OK", answer(&request)),
                        Says::Refused => (
                            "400 Bad Request",
                            r#"{"__type":"AccessDeniedException","Message":"not authorized to perform: pricing:GetProducts"}"#.to_owned(),
                        ),
                        Says::Nothing => return std::future::pending().await,
                    };
                    let length = body.len();
                    let text = format!(
                        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(text.as_bytes()).await;
                });
            }
        });
        let dir = tempfile::tempdir().expect("a directory");
        let paths = Paths::new(|v| (v == "HOME").then(|| dir.path().into())).expect("a home");
        let credentials = Credentials::new("AKIDTEST", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(url)
            .build();
        let mut prices = Prices::with(&paths, sdk);
        if matches!(says, Says::Nothing) {
            prices.patience = Duration::from_millis(100);
        }
        Self {
            _dir: dir,
            prices,
            asked,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A request up to the end of its body.
async fn whole(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|l| {
                    l.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                })
                .next()
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return text;
        }
    }
}

fn answer(request: &str) -> String {
    let usd = |unit: &str, usd: &str| {
        let document = serde_json::json!({ "terms": { "OnDemand": { "A": { "priceDimensions": { "B": {
            "unit": unit, "pricePerUnit": { "USD": usd } } } } } } });
        serde_json::json!({ "FormatVersion": "aws_v1", "PriceList": [document.to_string()] })
            .to_string()
    };
    match request {
        r if r.contains("DescribeSpotPriceHistory") => {
            let item = |zone, price| {
                format!(
                    "<item><instanceType>m6i.large</instanceType><availabilityZone>{zone}</availabilityZone>\
                     <spotPrice>{price}</spotPrice><timestamp>2026-11-25T00:00:00Z</timestamp></item>"
                )
            };
            format!(
                "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>{}{}</spotPriceHistorySet>\
                 </DescribeSpotPriceHistoryResponse>",
                item("eu-west-1b", "0.0500"),
                item("eu-west-1a", "0.0400")
            )
        }
        r if r.contains("gp3") => usd("GB-Mo", "0.0880000000"),
        r if r.contains("m6i.large") => usd("Hrs", "0.1070000000"),
        _ => r#"{"FormatVersion":"aws_v1","PriceList":[]}"#.to_owned(),
    }
}

#[tokio::test]
async fn aws_is_asked_once_a_week() {
    let place = Place::new(Says::Price).await;
    let quote = place.prices.one("m6i.large", "eu-west-1", NOW).await;
    assert_eq!(
        (quote.told().as_str(), quote.source),
        ("$0.11", Source::Aws { at: NOW })
    );
    assert_eq!(quote.price, Some(Money::micros(107_000)));
    let later = place
        .prices
        .one("m6i.large", "eu-west-1", NOW + 6 * DAY)
        .await;
    assert_eq!((later, place.asked()), (quote, 1));
    place
        .prices
        .one("m6i.large", "eu-west-1", NOW + 8 * DAY)
        .await;
    assert_eq!(place.asked(), 2);
    let refreshed = place
        .prices
        .refresh("eu-west-1", &["x9.huge"], NOW + 8 * DAY);
    let none = "AWS's list has no x9.huge in eu-west-1".to_owned();
    assert_eq!(refreshed.await, (1, Some(none)));
    // Two types and gp3.
    assert_eq!(place.asked(), 5);
    let volume = place.prices.gib_month("eu-west-1", NOW).await;
    assert_eq!(
        (volume.price, volume.certainty),
        (Some(Money::micros(88_000)), Certainty::Exact)
    );
}

#[tokio::test]
async fn what_the_list_does_not_have_comes_from_the_book() {
    let place = Place::new(Says::Price).await;
    let quote = place.prices.one("m7i.large", "eu-west-1", NOW).await;
    assert_eq!(
        (quote.price, quote.certainty),
        (book::on_demand("m7i.large", "eu-west-1"), Certainty::About)
    );
    assert_eq!(
        quote.why.as_deref(),
        Some("AWS's list has no m7i.large in eu-west-1")
    );
    assert_eq!(
        place.prices.one("x9.huge", "eu-west-1", NOW).await.told(),
        "-"
    );
}

#[tokio::test]
async fn a_refusal_is_told_and_not_asked_for_again_within_the_hour() {
    let place = Place::new(Says::Refused).await;
    for later in [0, 1, 59 * 60_000] {
        let quote = place
            .prices
            .one("m6i.large", "eu-west-1", NOW + later)
            .await;
        assert_eq!(quote.source, Source::Book { date: book::DATE });
        assert!(quote.told().starts_with('≈'));
        let why = quote.why.unwrap_or_default();
        assert!(
            why.contains("AccessDenied") && why.contains("pricing:GetProducts"),
            "{why}"
        );
        assert_eq!(place.asked(), 1);
    }
    let volume = place.prices.gib_month("eu-west-1", NOW).await;
    assert_eq!((volume.certainty, place.asked()), (Certainty::About, 1));
    place.prices.one("m6i.large", "eu-west-1", NOW + DAY).await;
    assert_eq!(place.asked(), 2);
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let place = Place::new(Says::Nothing).await;
    let quote = place.prices.one("m6i.large", "eu-west-1", NOW).await;
    assert_eq!(quote.certainty, Certainty::About);
    assert_eq!(
        quote.why.as_deref(),
        Some("no answer from AWS's price list within 0.1 s")
    );
    let spot = place.prices.spot(&["m6i.large"], "eu-west-1", NOW).await;
    assert_eq!(
        spot.first().and_then(|s| s.price),
        book::spot("m6i.large", "eu-west-1")
    );
}

#[tokio::test]
async fn spot_prices_are_by_zone_and_hold_five_minutes() {
    let place = Place::new(Says::Price).await;
    let of = |at| place.prices.spot(&["m6i.large"], "eu-west-1", at);
    let quote = of(NOW).await.remove(0);
    assert_eq!(
        quote.zones,
        [
            ("eu-west-1a".to_owned(), Money::micros(40_000)),
            ("eu-west-1b".to_owned(), Money::micros(50_000)),
        ]
    );
    assert_eq!(
        (quote.price, quote.certainty),
        (Some(Money::micros(40_000)), Certainty::Exact)
    );
    of(NOW + 4 * 60_000).await;
    assert_eq!(place.asked(), 1);
    of(NOW + 6 * 60_000).await;
    assert_eq!(place.asked(), 2);
}
