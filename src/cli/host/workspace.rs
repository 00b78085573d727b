//! `remote host workspace`: what clients ask of this machine's workspaces, in JSON on stdin and stdout.

use std::process::ExitCode;

use super::here::{answer, request};
use crate::cli::Ctx;
use crate::error::{Error, Result};
use crate::workspace::dirs::{self, Ask};

pub async fn run(ctx: &Ctx) -> Result<ExitCode> {
    let ask: Ask = request("workspace")?;
    let paths = ctx.paths.clone();
    // It copies whole trees.
    let done = tokio::task::spawn_blocking(move || dirs::answer(&paths, &ask));
    let done = done
        .await
        .map_err(|e| Error::internal("the work was given up").because(e))?;
    answer(ctx, &done)?;
    Ok(ExitCode::SUCCESS)
}
