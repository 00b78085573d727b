//! `remote workspace cat`.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::progress::Progress;
use super::reading::{From, Reading, cost, from_top, waiting};
use crate::cli::{Ctx, complete};
use crate::error::{Error, Result};
use crate::workspace::{Fetched, Files, WorkspaceError, follow};

/// Print a file of a workspace, with no machine running
///
/// What is damaged is named, and nothing of it printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::workspaces))]
    name: String,
    /// The file, from the workspace's top; on a machine that is /work
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    from: From,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let progress = Progress::new(ctx);
    let reading = Reading::begin(ctx, &args.name, &args.from, &progress).await?;
    let path = from_top(Some(&args.path));
    let read = async {
        let mut files = reading.open(&progress).await?;
        let found = waiting(move || {
            let path = follow(files.as_mut(), &path)?;
            let missing = files.missing(std::slice::from_ref(&path))?;
            Ok::<_, WorkspaceError>((files, path, missing))
        });
        let (files, path, missing) = found.await??;
        if let Some(cost) = cost(missing) {
            ctx.ui.note(format!(
                "{} of {}: {cost}.",
                path.display(),
                reading.snapshot.id
            ));
        }
        ctx.ui.line_is_free();
        let printed = waiting(move || print(files, path)).await?;
        printed.map_err(|e| match e {
            // Whoever read it has had enough.
            WorkspaceError::Io { source, .. } if source.kind() == ErrorKind::BrokenPipe => {
                Error::from(source)
            }
            other => other.into(),
        })
    };
    let outcome = progress.run(read, "nothing stays").await;
    reading.end(outcome, false).await?;
    Ok(ExitCode::SUCCESS)
}

fn print(mut files: Box<dyn Files>, path: PathBuf) -> std::result::Result<Fetched, WorkspaceError> {
    files.want(std::slice::from_ref(&path))?;
    let mut out = std::io::stdout().lock();
    files.read(&path, &mut out)?;
    let flushed = out.flush();
    flushed.map_err(|source| WorkspaceError::Io {
        what: "write",
        path,
        source,
    })?;
    Ok(files.fetched())
}
