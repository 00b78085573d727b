//! `remote util`: what packagers and our own checks need.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::Ctx;
use crate::error::{Context, Result};

/// The manual's date; changed with each release, so that pages are the same on every machine.
const DATE: &str = "2026-11-22";

/// Tools for packagers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the manual's pages of section 1, one for each verb
    Man {
        /// Where to; made where it is not there
        dir: PathBuf,
    },
    /// What git starts in place of ssh to reach a session's machine
    #[command(hide = true)]
    GitSsh {
        /// As ssh takes them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    match args.command {
        Command::Man { dir } => {
            let pages = write_man(&dir)?;
            ctx.ui.note(format!("{pages} pages in {}", dir.display()));
        }
        Command::GitSsh { words } => crate::client::repo::serve_shim(&words)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `remote.1`, `remote-status.1`, ... and tells how many. The same on every machine: no date, no
/// terminal width.
fn write_man(dir: &Path) -> Result<usize> {
    std::fs::create_dir_all(dir).context(format!("{} cannot be made", dir.display()))?;
    // Without `help`: the pages are the help.
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    let mut pages = 0;
    page(&command, "remote", dir, &mut pages)?;
    Ok(pages)
}

fn page(command: &clap::Command, name: &str, dir: &Path, pages: &mut usize) -> Result<()> {
    let file = dir.join(format!("{name}.1"));
    // roff wants 'static names; there are a few dozen, once in a run.
    let title: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let man = clap_mangen::Man::new(command.clone().name(title).display_name(title))
        .title(title)
        .date(DATE)
        .source(concat!("remote ", env!("CARGO_PKG_VERSION")))
        .manual("remote manual");
    let mut text = Vec::new();
    man.render(&mut text)
        .and_then(|()| std::fs::write(&file, text))
        .context(format!("{} cannot be written", file.display()))?;
    *pages += 1;
    for verb in command.get_subcommands().filter(|v| !v.is_hide_set()) {
        page(verb, &format!("{name}-{}", verb.get_name()), dir, pages)?;
    }
    Ok(())
}
