//! `remote config`.

use std::process::ExitCode;

use super::Ctx;
use crate::error::Result;

/// Show, find and check the configuration
#[derive(Debug, clap::Args)]
pub struct Args {}

pub async fn run(_args: Args, _ctx: &Ctx) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
