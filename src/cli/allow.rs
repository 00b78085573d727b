//! Commands that came with a repository: shown, and run only once a person has said yes.

use super::{Color, Ctx, confirm};
use crate::config::RepoCommands;
use crate::error::{Error, Result};

/// Makes sure that the repository's commands may run: asks where nobody has allowed them yet. To be called
/// before any of [`Config::setup`](crate::config::Config::setup) and `check` is run.
///
/// # Errors
/// A no, or nobody to ask.
pub fn ensure(ctx: &Ctx) -> Result<()> {
    match ctx.config.unallowed(&ctx.paths) {
        Some(commands) => ask(ctx, &commands, false),
        None => Ok(()),
    }
}

/// Shows the commands and asks, unless `yes`; remembers a yes.
///
/// # Errors
/// As [`ensure`].
pub fn ask(ctx: &Ctx, commands: &RepoCommands, yes: bool) -> Result<()> {
    let ui = &ctx.ui;
    ui.note(format!("{} wants to run:", commands.file.display()));
    for (name, command) in commands.lines() {
        for (n, line) in command.lines().enumerate() {
            let head = if n == 0 { name } else { "" };
            ui.note(format!(
                "  {} {}",
                ui.err(&format!("{head:<6}"), Color::Dim),
                shown(line)
            ));
        }
    }
    let refused = |why: &str| {
        Error::user(format!("the commands of {} {why}", commands.file.display()))
            .hint("run `remote config allow` to see and allow them")
    };
    if !yes && !ui.in_is_terminal() {
        return Err(refused("are not allowed yet, and nobody can be asked here"));
    }
    if !confirm(ui, "Allow these, until they change?", yes)? {
        return Err(refused("were not allowed"));
    }
    commands.allow(&ctx.paths)
}

/// What is shown is what runs: no escape sequence hides a part of it.
fn shown(line: &str) -> String {
    line.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
