//! `remote completions`: the few lines that make a shell ask this program while a command is typed.

use std::process::ExitCode;

use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::Ctx;
use crate::error::{Context, Result};

/// Print what makes a shell complete `remote`: verbs, options, sessions, agents
///
/// For bash, in ~/.bashrc: source <(remote completions bash).
/// For zsh, in ~/.zshrc after compinit: source <(remote completions zsh).
/// For fish, in ~/.config/fish/config.fish: remote completions fish | source.
/// `remote aliases` includes it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// The shells we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    ctx.ui.raw(&registration(args.shell, &program())?)?;
    Ok(ExitCode::SUCCESS)
}

/// The registration script. The names in it are clap_complete's; `aliases` builds on them and its test in a
/// real shell notices a change.
pub fn registration(shell: Shell, program: &str) -> Result<Vec<u8>> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut out = Vec::new();
    completer
        .write_registration("COMPLETE", "remote", "remote", program, &mut out)
        .context("the completion script cannot be made")?;
    if shell == Shell::Zsh {
        // Where compinit has not run there is nothing to register with, which is no error.
        let text = String::from_utf8_lossy(&out).replace(
            "\ncompdef _clap_dynamic_completer_remote remote",
            "\nif (( $+functions[compdef] )); then compdef _clap_dynamic_completer_remote remote; fi",
        );
        out = text.into_bytes();
    }
    Ok(out)
}

/// How the shell shall call us: by name where it found us so, else by the path it used.
pub fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let path = std::path::Path::new(&called);
    if path.components().count() <= 1 {
        return "remote".to_owned();
    }
    std::env::current_exe()
        .unwrap_or_else(|_| path.to_owned())
        .to_string_lossy()
        .into_owned()
}
