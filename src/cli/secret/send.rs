//! `remote secret send`.

use clap_complete::engine::ArgValueCandidates;

use super::at_terminal;
use crate::cli::target::person;
use crate::cli::{Ctx, complete};
use crate::client::{reach, secrets};
use crate::error::{Error, Result};
use crate::model::secret;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: String,
    /// Which of this device's secrets [default: all that its agents are given]
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::secrets))]
    names: Vec<String>,
}

/// # Errors
/// The session cannot be reached, or this device does not have a secret that it needs.
pub async fn run(args: Args, ctx: &Ctx) -> Result<()> {
    let registry = ctx.registry(Some(&args.session)).await?;
    let known = registry.resolve(&args.session)?;
    let host = reach(&known, person(ctx)).await?;
    let mut control = host.control().await?;
    let status = control.status().await?;
    let agents = &status.spec.agents;
    let mut used: Vec<String> = agents
        .iter()
        .flat_map(|a| secret::given(&a.env))
        .map(str::to_owned)
        .collect();
    used.sort();
    used.dedup();
    if let Some(other) = args.names.iter().find(|n| !used.contains(n)) {
        return Err(
            Error::user(format!("no agent of {} is given {other}", known.label())).hint(format!(
                "a further agent is: `remote dispatch --into {} --secret {other} …`",
                known.id
            )),
        );
    }
    let names = match args.names.is_empty() {
        true => used,
        false => args.names,
    };
    if names.is_empty() {
        return Err(Error::user(format!(
            "no agent of {} is given a secret",
            known.label()
        )));
    }
    let told = names.join(", ");
    let values = secrets::values(&ctx.paths, names, at_terminal(ctx)).await?;
    secrets::send(&mut control, &values).await?;
    ctx.ui.note(format!("{} has {told} now.", known.id));
    Ok(())
}
