//! `remote alert`.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Ctx, Table, confirm};
use crate::aws::sdk_config;
use crate::cost::alert::{Alert, Alerts, FORECAST_DAYS, OWNER_TAG};
use crate::error::{Error, Result};
use crate::model::Money;

/// Have AWS tell you by e-mail when your machines cost too much
///
/// An SNS topic with your address, and two AWS Budgets on what carries your tag: a day's, which tells of what
/// was spent, and a month's of thirty times as much, which tells of the forecast (AWS forecasts no single
/// days). AWS looks at it a few times a day, hours late: it ends nothing. `remote dispatch --budget` does.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The profile of the AWS configuration
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the alert, or change it; doing it twice changes nothing
    Set {
        /// What a day may cost before you are told, such as 5usd; at 80% of it you are told first
        #[arg(long, value_name = "USD", value_parser = amount)]
        daily: Money,
        /// Whom to tell; AWS sends a link to confirm
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        email: String,
    },
    /// Show the alert, and what AWS reckons was spent
    Show {
        /// Print JSON; amounts are in micro-dollars
        #[arg(long)]
        json: bool,
    },
    /// Take it away: both budgets, the topic and its subscriptions
    Rm {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let profile = args.profile.as_deref().or(ctx.config.text("profile"));
    // All of it lies in one region, so that none has to be set.
    let sdk = sdk_config(profile, Some("us-east-1")).await?;
    let alerts = Alerts::open(&sdk).await?;
    match args.command {
        Command::Set { daily, email } => {
            alerts
                .set(daily, &email, &mut |step| ctx.ui.note(step))
                .await?;
            ctx.ui.line(format!(
                "{email} is told when a day costs over {daily}, or a month is forecast over {}",
                daily.times(FORECAST_DAYS)
            ))?;
            ctx.ui.hint(format!(
                "activate the cost-allocation tag `{OWNER_TAG}` once, under Billing, Cost allocation tags \
                 (it appears there a day after the first machine); until then the budgets see nothing"
            ));
            ctx.ui.hint(
                "AWS reckons 8 to 12 hours late; for a limit that holds, use `remote dispatch --budget 2usd`",
            );
        }
        Command::Show { json } => {
            let alert = alerts.show().await?;
            if json {
                ctx.ui.json(&alert)?;
            } else {
                show(&alert, ctx)?;
            }
        }
        Command::Rm { yes } => {
            let there = alerts.show().await?;
            if there == Alert::default() {
                ctx.ui.note("There is no alert.");
                return Ok(ExitCode::SUCCESS);
            }
            if !confirm(&ctx.ui, "Take the alert away?", yes)? {
                return Err(Error::user("nothing was changed"));
            }
            for what in alerts.remove().await? {
                ctx.ui.line(format!("removed {what}"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(alert: &Alert, ctx: &Ctx) -> Result<()> {
    if *alert == Alert::default() {
        ctx.ui.note("There is no alert.");
        ctx.ui
            .hint("make one: `remote alert set --daily 5usd --email you@example.com`");
        return Ok(());
    }
    let told = |amount: Option<Money>| amount.map_or_else(|| "-".to_owned(), |a| a.to_string());
    let mut table = Table::new(&["BUDGET", "LIMIT", "SPENT", "FORECAST", "NAME"]);
    for one in &alert.budgets {
        table.row(vec![
            one.period.into(),
            told(one.limit).into(),
            told(one.actual).into(),
            told(one.forecast).into(),
            one.name.as_str().into(),
        ]);
    }
    table.print(&ctx.ui)?;
    for email in &alert.emails {
        let state = if email.confirmed {
            "is told"
        } else {
            "has not confirmed yet: follow the link in AWS's message"
        };
        ctx.ui.line(format!("{} {state}", email.address))?;
    }
    if alert.budgets.len() < 2 || alert.emails.is_empty() {
        ctx.ui.warn("the alert is not whole");
        ctx.ui
            .hint("run `remote alert set --daily USD --email ADDRESS` again");
    }
    ctx.ui
        .note("What was spent is as AWS reckoned it 8 to 12 hours ago.");
    Ok(())
}

fn amount(text: &str) -> std::result::Result<Money, String> {
    let amount: Money = text.parse().map_err(|e| format!("{e}"))?;
    // Budgets take whole cents.
    match amount.as_micros() {
        micros if micros < 10_000 => Err("a budget is a cent at least".to_owned()),
        _ => Ok(amount),
    }
}

fn address(text: &str) -> std::result::Result<String, String> {
    let parts = text.split_once('@');
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    match parts {
        Some((user, host)) if plain && !user.is_empty() && host.contains('.') => {
            Ok(text.to_owned())
        }
        _ => Err(format!("\"{text}\" is no e-mail address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_refused() {
        assert!(address("you@example.com").is_ok());
        for wrong in [
            "",
            "you",
            "@example.com",
            "you@",
            "you @example.com",
            "you@example",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(amount("5usd"), Ok(Money::micros(5_000_000)));
        assert!(amount("0").is_err() && amount("five").is_err());
    }
}
