//! `remote prices`.

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::{Cell, Color, Ctx, Table};
use crate::cost::{ADDRESS, Prices, Quote, Source, SpotQuote, book};
use crate::error::{Error, Result};
use crate::model::{Shape, now_ms};

/// Show what EC2 instance types cost an hour, on demand and spot
///
/// From AWS's price list (kept for a week) and spot history (five minutes). Where AWS does not answer or does
/// not permit it, prices are from a dated table in the program, shown with `≈`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Types or families: m6i.large, c7i [default: the family of auto.family, and t3]
    #[arg(value_name = "TYPE")]
    types: Vec<String>,
    /// The region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Print JSON; amounts are in micro-dollars
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask AWS again for the prices that are known
    Refresh {
        /// The region
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
    },
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Priced {
    #[serde(rename = "type")]
    name: String,
    shape: Option<Shape>,
    on_demand: Quote,
    spot: SpotQuote,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let prices = Prices::new(&ctx.paths, ctx.config.text("profile"));
    let now = now_ms();
    if let Some(Command::Refresh { region }) = args.command {
        let region = chosen(region, ctx).await;
        let names = names(&[], ctx)?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (told, why) = prices.refresh(&region, &names, now).await;
        if told == 0 {
            let why = why.unwrap_or_else(|| "it has none of these types".to_owned());
            return Err(
                Error::user(format!("AWS told no prices of {region}: {why}")).hint(
                    "the permission is `pricing:GetProducts`; until then prices are estimates",
                ),
            );
        }
        if let Some(why) = why {
            ctx.ui.warn(format!("not all of them: {why}"));
        }
        ctx.ui
            .line(format!("{told} types of {region}, as AWS tells now"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let names = names(&args.types, ctx)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let region = chosen(args.region, ctx).await;
    let on_demand = prices.on_demand(&names, &region, now).await;
    let spot = prices.spot(&names, &region, now).await;
    let all: Vec<Priced> = names
        .iter()
        .zip(on_demand.into_iter().zip(spot))
        .map(|(name, (on_demand, spot))| Priced {
            name: (*name).to_owned(),
            shape: book::shape(name, &region),
            on_demand,
            spot,
        })
        .collect();
    let volume = prices.gib_month(&region, now).await;
    if args.json {
        ctx.ui.json(&serde_json::json!({
            "region": region,
            "types": all,
            "gp3_gib_month": volume,
            "public_ipv4_hour": ADDRESS,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    table(&all).print(&ctx.ui)?;
    ctx.ui.line("")?;
    ctx.ui.line(format!(
        "{region}: gp3 {} a GB and month, a public IPv4 address {} an hour",
        volume.told(),
        ADDRESS.exact()
    ))?;
    doubts(&all, ctx);
    Ok(ExitCode::SUCCESS)
}

/// The region asked for, configured, or named by AWS's own configuration; else the one the table is of.
async fn chosen(flag: Option<String>, ctx: &Ctx) -> String {
    if let Some(region) = flag.or_else(|| ctx.config.text("region").map(str::to_owned)) {
        return region;
    }
    match crate::aws::region(ctx.config.text("profile")).await {
        Some(region) => region,
        None => {
            ctx.ui
                .hint(format!("no region is set, so these are of {}", book::HOME));
            book::HOME.to_owned()
        }
    }
}

/// Types as they are, families as all their types.
fn names(typed: &[String], ctx: &Ctx) -> Result<Vec<String>> {
    let typed: Vec<&str> = match typed {
        [] => vec![ctx.config.auto_family(), "t3"],
        some => some.iter().map(String::as_str).collect(),
    };
    let mut names = Vec::new();
    for one in typed {
        if one.contains('.') {
            names.push(one.to_owned());
            continue;
        }
        let before = names.len();
        let family = book::shapes().filter(|s| s.family() == one);
        names.extend(
            family
                .filter(|s| !s.size().starts_with("metal"))
                .map(|s| s.name),
        );
        if names.len() == before {
            return Err(
                Error::user(format!("there is no family `{one}` in the table"))
                    .hint("name a type, such as `remote prices m6i.large`"),
            );
        }
    }
    Ok(names)
}

fn table(all: &[Priced]) -> Table {
    let mut table = Table::new(&[
        "TYPE",
        "VCPU",
        "MEMORY",
        "ARCH",
        "ON DEMAND",
        "SPOT",
        "ZONE",
    ]);
    for one in all {
        let (vcpus, memory, arch) = match &one.shape {
            Some(shape) => (
                shape.vcpus.to_string(),
                format!("{} GiB", shape.memory_mib as f64 / 1024.0),
                shape.arch.to_string(),
            ),
            None => ("-".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let (on_demand, spot) = (&one.on_demand, &one.spot);
        let told = |price: Option<crate::model::Money>, certainty: crate::model::Certainty| {
            let text = price.map(|p| format!("{}{}", certainty.mark(), p.exact()));
            text.map_or_else(|| Cell::new("-").color(Color::Dim), Cell::new)
        };
        table.row(vec![
            one.name.as_str().into(),
            vcpus.into(),
            memory.into(),
            arch.into(),
            told(on_demand.price, on_demand.certainty),
            told(spot.price, spot.certainty),
            spot.zones.first().map_or("", |(zone, _)| zone).into(),
        ]);
    }
    table
}

/// Why some are estimates, each reason once.
fn doubts(all: &[Priced], ctx: &Ctx) {
    let mut told: Vec<String> = Vec::new();
    for one in all {
        let reasons = [
            ("on demand", one.on_demand.source, &one.on_demand.why),
            ("spot", one.spot.source, &one.spot.why),
        ];
        for (what, source, why) in reasons {
            let Source::Book { date } = source else {
                continue;
            };
            if one.on_demand.price.is_none() {
                continue;
            }
            let why = why.as_deref().unwrap_or("AWS was not asked");
            let line = format!("≈ {what}: reckoned from a table of {date}, because: {why}");
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    for one in all.iter().filter(|one| one.on_demand.price.is_none()) {
        told.push(format!("nobody knows a price of `{}`", one.name));
    }
    for line in told {
        ctx.ui.note(ctx.ui.err(&line, Color::Dim));
    }
}
