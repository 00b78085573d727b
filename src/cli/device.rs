//! `remote device`: who may log in to a rented machine.

use std::process::ExitCode;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::target::person;
use super::{Ctx, complete, confirm};
use crate::client::connect::connect;
use crate::client::dial::run as run_there;
use crate::client::{Known, cloud};
use crate::error::{Error, Result};
use crate::provision::quote;

/// What only root can do there.
const ROOT: &str = "sudo -n /usr/local/sbin/remote-root";

/// List or revoke the devices that may log in to a session's rented machine
///
/// A device enrols its own key when it first reaches the machine; EC2 Instance Connect lets it in for that,
/// by the AWS account's permission.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the devices whose keys the machine has
    List {
        /// The session
        #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
        session: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a device's key off the machine
    Revoke {
        /// The session
        #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
        session: String,
        /// The device, as `list` names it
        #[arg(value_name = "DEVICE")]
        device: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// What `list --json` prints for each.
#[derive(Debug, Serialize)]
struct Device<'a> {
    device: &'a str,
    this: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let ours = cloud::device(&ctx.paths)?.name;
    match args.command {
        Command::List { session, json } => {
            let known = rented(ctx, &session).await?;
            let told = there(ctx, &known, "devices").await?;
            let devices: Vec<Device> = told
                .lines()
                .filter(|l| !l.is_empty())
                .map(|device| Device {
                    device,
                    this: device == ours,
                })
                .collect();
            if json {
                ctx.ui.json(&devices)?;
            } else {
                devices.iter().try_for_each(|d| {
                    let this = if d.this { "  (this one)" } else { "" };
                    ctx.ui.line(format!("{}{this}", d.device))
                })?;
            }
        }
        Command::Revoke {
            session,
            device,
            yes,
        } => {
            let known = rented(ctx, &session).await?;
            let this = if device == ours {
                ", which is this one,"
            } else {
                ""
            };
            let question = format!("Take {device}{this} off {}?", known.label());
            if !confirm(&ctx.ui, &question, yes)? {
                return Err(Error::user("nothing was revoked"));
            }
            there(ctx, &known, &format!("revoke {}", quote(&device))).await?;
            ctx.ui.note(format!(
                "{device} is off {}. While it has the AWS account it can enrol again.",
                known.label()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rented(ctx: &Ctx, session: &str) -> Result<Known> {
    let known = ctx.registry(Some(session)).await?.resolve(session)?;
    known.must_live()?;
    if known.provider == "ec2" {
        return Ok(known);
    }
    Err(Error::user(format!(
        "{} is on a machine that is not rented: its own ssh configuration says who may log in",
        known.label()
    )))
}

async fn there(ctx: &Ctx, known: &Known, verb: &str) -> Result<String> {
    let connection = connect(known, person(ctx)).await?;
    let ran = run_there(&connection, &format!("{ROOT} {verb}"), tokio::io::empty()).await?;
    if ran.status == 0 {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let said = said.trim().trim_start_matches("remote-root: ");
    Err(Error::user(format!("{}: {said}", known.label()))
        .hint(format!("run `remote device list {}`", known.id)))
}
