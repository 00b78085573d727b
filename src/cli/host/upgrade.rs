//! `remote host upgrade`, asked from the client: the binary is brought there first where it has to be.

use std::path::PathBuf;
use std::sync::Arc;

use clap_complete::engine::ArgValueCandidates;

use crate::cli::stages::Stages;
use crate::cli::target::person;
use crate::cli::{Ctx, complete};
use crate::client::dial::OverSsh;
use crate::client::reach::reach;
use crate::client::{Known, Registry};
use crate::error::{Context, Result};
use crate::proto::Op;
use crate::provision::ec2::on_volume;
use crate::provision::{Binaries, Shelf, SshHost};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: String,
    /// The new binary [default: this one]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<()> {
    let registry = Registry::open(&ctx.paths)?;
    let known = registry.resolve(&args.session)?;
    let host = reach(&known, person(ctx)).await?;
    let path = match (&known.ssh, host.connection()) {
        (Some(place), Some(connection)) => {
            let remote = OverSsh::over(&place.destination, connection.clone());
            let binaries = Binaries {
                given: args.binary,
                by_system: ctx.config.host_binaries().clone(),
                shelf: Shelf::default(),
            };
            let remote = Arc::new(remote);
            let there = match &place.login {
                // A rented one, where other users run it too.
                Some(login) => on_volume(remote, binaries, login.clone()),
                None => SshHost::new(remote, binaries),
            };
            let stages = Stages::new(ctx.ui);
            let path = there.binary(&|step| stages.step(step)).await?.to_owned();
            stages.finish();
            path
        }
        _ => here(args.binary)?,
    };
    let op = Op::Upgrade { path: path.clone() };
    host.control().await?.ask(op).await?;
    remember(&registry, &known, path)?;
    ctx.ui
        .note(format!("Upgraded the host of {}.", known.label()));
    Ok(())
}

fn here(binary: Option<PathBuf>) -> Result<String> {
    let path = match binary {
        Some(path) => path
            .canonicalize()
            .context(format!("there is no {}", path.display()))?,
        None => std::env::current_exe().context("this program's own path is not known")?,
    };
    Ok(path.display().to_string())
}

fn remember(registry: &Registry, known: &Known, binary: String) -> Result<()> {
    match registry.ledger().get(&known.id) {
        Some(mut entry) => {
            entry.ssh.binary = binary;
            registry.ledger().put(&entry)
        }
        None => Ok(()),
    }
}
