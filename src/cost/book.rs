//! The dated price book in the binary: what answers where AWS cannot be asked. On-demand prices of every type
//! in us-east-1, and factors for other regions from four families that were looked up there; so whatever it
//! says is an estimate, shown with `≈` and the date.

use std::collections::BTreeSet;

use memchr::memmem;

use crate::model::{Arch, Money, Shape};

const ON_DEMAND: &str = include_str!("data/on-demand.csv");
const REGIONS: &str = include_str!("data/regions.csv");

/// When the on-demand prices were looked up.
pub const DATE: &str = "2026-07-20";
/// The region whose prices the book has.
pub const HOME: &str = "us-east-1";
/// For regions that the book does not have: São Paulo's, about the dearest there is. Too high is better than
/// too low where a bound is kept by it.
const UNKNOWN_REGION: f64 = 1.6;
/// Of the on-demand price, where the book has no share of the region: the highest it has.
const UNKNOWN_SPOT: f64 = 0.46;

/// Every type in the book, in its order: families together, sizes rising.
pub fn shapes() -> impl Iterator<Item = Shape> {
    ON_DEMAND.lines().filter_map(read)
}

/// The type of that name, priced for `region`.
pub fn shape(name: &str, region: &str) -> Option<Shape> {
    // A comma or a newline in a name would find the middle of another line.
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    {
        return None;
    }
    let needle = format!("\n{name},");
    let at = memmem::find(ON_DEMAND.as_bytes(), needle.as_bytes())?;
    let line = ON_DEMAND.get(at + 1..)?.lines().next()?;
    read(line).map(|shape| in_region(shape, region))
}

/// `shape` of the book with its price in `region` instead of the home region's.
pub fn in_region(mut shape: Shape, region: &str) -> Shape {
    if region != HOME {
        let factor = factor(shape.family(), region);
        shape.od_microusd_per_hour = shape
            .price()
            .map(|home| Money::from_dollars(home.dollars() * factor).as_micros());
    }
    shape
}

/// The regions that the book has prices of.
pub fn regions() -> BTreeSet<&'static str> {
    rows().map(|row| row.region).collect()
}

/// What a type costs on demand in `region`, per hour.
pub fn on_demand(name: &str, region: &str) -> Option<Money> {
    shape(name, region)?.price()
}

/// What a type costs as a spot instance in `region`, per hour: very much an estimate.
pub fn spot(name: &str, region: &str) -> Option<Money> {
    let shape = shape(name, region)?;
    let share = known(shape.family(), region, |row| row.spot_share).unwrap_or(UNKNOWN_SPOT);
    Some(Money::from_dollars(shape.price()?.dollars() * share))
}

/// How much dearer a family is in `region` than at home.
pub fn factor(family: &str, region: &str) -> f64 {
    if region == HOME {
        return 1.0;
    }
    known(family, region, |row| {
        let home = rows().find(|h| h.family == row.family && h.region == HOME)?;
        Some(row.usd / home.usd)
    })
    .unwrap_or(UNKNOWN_REGION)
}

struct Row {
    family: &'static str,
    region: &'static str,
    usd: f64,
    spot_share: Option<f64>,
}

fn rows() -> impl Iterator<Item = Row> {
    REGIONS.lines().filter_map(|line| {
        let mut fields = line.split(',');
        let family = fields.next()?.split('.').next()?;
        Some(Row {
            family,
            region: fields.next()?,
            usd: fields.next()?.parse().ok()?,
            spot_share: fields.next().and_then(|f| f.parse().ok()),
        })
    })
}

/// What the region's row of the looked-up family nearest in kind says, or the mean of those there are.
fn known<T>(family: &str, region: &str, of: impl Fn(&Row) -> T) -> Option<f64>
where
    T: Into<Option<f64>>,
{
    let like = match family.as_bytes().first() {
        Some(b'c') => "c7i",
        Some(b'r' | b'x' | b'z') => "r7i",
        Some(b't') => "t3",
        _ => "m7i",
    };
    let mut all = Vec::new();
    for row in rows().filter(|row| row.region == region) {
        let Some(number) = of(&row).into() else {
            continue;
        };
        if row.family == like {
            return Some(number);
        }
        all.push(number);
    }
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// `m6i.large,2,8,x86_64,0.096`
fn read(line: &str) -> Option<Shape> {
    let mut fields = line.split(',');
    let name = fields.next()?;
    let vcpus = fields.next()?.parse().ok()?;
    let gib: f64 = fields.next()?.parse().ok()?;
    let arch = match fields.next()? {
        "arm64" => Arch::Arm64,
        _ => Arch::X86_64,
    };
    let usd: f64 = fields.next()?.parse().ok()?;
    Some(Shape {
        name: name.to_owned(),
        vcpus,
        memory_mib: (gib * 1024.0).round() as u64,
        arch,
        burstable: is_burstable(name),
        od_microusd_per_hour: Some(Money::from_dollars(usd).as_micros()),
    })
}

/// `t3.small` and its like; not `trn1.2xlarge`.
fn is_burstable(name: &str) -> bool {
    name.strip_prefix('t')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_shape() {
        let lines = ON_DEMAND.lines().count();
        assert!(ON_DEMAND.lines().next().is_some_and(|l| l.ends_with(DATE)));
        assert_eq!(shapes().count(), lines - 2);
        assert_eq!(shapes().count(), 1340);
        for shape in shapes() {
            assert!(shape.vcpus > 0 && shape.memory_mib > 0, "{}", shape.name);
            assert!(
                shape.price().is_some_and(|p| !p.is_zero()),
                "{}",
                shape.name
            );
            assert_eq!(super::shape(&shape.name, HOME).as_ref(), Some(&shape));
        }
    }

    #[test]
    fn prices_are_those_that_were_looked_up() {
        for (name, micros) in [
            ("t3.small", 20_800),
            ("m6i.large", 96_000),
            ("m6i.4xlarge", 768_000),
            ("r6i.8xlarge", 2_016_000),
        ] {
            assert_eq!(on_demand(name, HOME), Some(Money::micros(micros)), "{name}");
        }
        // As looked up in that very region.
        assert_eq!(
            on_demand("m7i.large", "eu-west-1"),
            Some(Money::micros(112_350))
        );
        assert_eq!(
            on_demand("t3.large", "ap-east-1"),
            Some(Money::micros(116_800))
        );
        // No row of its own: the mean of what the region has, or the dearest region's.
        assert!(on_demand("m6i.large", "me-south-1") > on_demand("m6i.large", HOME));
        assert_eq!(
            on_demand("m6i.large", "sa-east-1"),
            Some(Money::micros(153_600))
        );
        for none in [
            "",
            "m6i",
            "large",
            "m6i.large,2",
            "\nm6i.large",
            "m6i.hugest",
            "type",
        ] {
            assert_eq!(on_demand(none, HOME), None, "{none}");
        }
    }

    #[test]
    fn spot_is_a_share_of_on_demand() {
        for region in [HOME, "eu-west-1", "sa-east-1"] {
            let (od, spot) = (on_demand("m6i.large", region), spot("m6i.large", region));
            assert!(spot > Some(Money::ZERO) && spot < od, "{region}");
        }
    }

    #[test]
    fn burstable_is_told_from_trainium() {
        let of = |name| shape(name, HOME).map(|s| s.burstable);
        assert_eq!(
            (of("t3.large"), of("trn1.2xlarge"), of("m6i.large")),
            (Some(true), Some(false), Some(false))
        );
        assert_eq!(shape("m7gd.large", HOME).map(|s| s.arch), Some(Arch::Arm64));
    }
}
