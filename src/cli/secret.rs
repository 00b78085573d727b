//! `remote secret`.

mod person;
mod send;

pub use person::{at_terminal, send_missing};

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;

use super::{Ctx, Table, age, complete, prompt};
use crate::error::{Context, Error, Result};
use crate::model::now_ms;
use crate::secret::redact::SHORTEST;
use crate::secret::{Kept, LONGEST, Store, check_name};

/// Keep tokens and keys for agents, and give them without a trace
///
/// A secret is kept in this device's keychain, or, where there is none, in a file encrypted with age behind a
/// passphrase; or a command prints it at each use. `remote dispatch --secret NAME` gives it to agents as a
/// variable of that name, and to their git where it is a token for the host. On the way it is in an SSH
/// channel and in memory; in what is stored and printed of an agent's output its value is replaced by
/// asterisks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote secret set GITHUB_TOKEN                                   # asks, and shows nothing\n  \
    gh auth token | remote secret set GITHUB_TOKEN\n  \
    remote secret set ANTHROPIC_API_KEY --from-command 'op read op://dev/anthropic/key'\n  \
    remote dispatch --secret GITHUB_TOKEN \"open a pull request\"")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Store a secret, read from stdin or asked for without showing it
    Set {
        /// Its name, which is the variable's in an agent's environment
        #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::secrets))]
        name: String,
        /// Store this shell command instead, which prints the value at each use
        #[arg(long, value_name = "CMD")]
        from_command: Option<String>,
    },
    /// List the secrets of this device, without their values
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove secrets
    Rm {
        /// Their names
        #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(complete::secrets))]
        names: Vec<String>,
    },
    /// Send secrets to a live session anew: what its agents are given, or those named
    ///
    /// For a host that lost them with its process, or a value that has changed. Git uses a new value at once, an
    /// agent's environment has it at its next start (`remote restart`).
    Send(send::Args),
    /// Forget the passphrase of the encrypted file, which is otherwise kept for 8 hours after its last use
    Lock,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    match args.command {
        Command::Set { name, from_command } => set(ctx, &name, from_command.as_deref()).await?,
        Command::List { json } => list(ctx, json)?,
        Command::Rm { names } => {
            let mut store = Store::open(&ctx.paths)?;
            for name in names {
                if !store.remove(&name)? {
                    return Err(Error::user(format!("this device has no secret {name}"))
                        .hint("`remote secret list` shows those it has"));
                }
                ctx.ui.note(format!("Removed {name}."));
            }
        }
        Command::Send(args) => send::run(args, ctx).await?,
        Command::Lock => Store::open(&ctx.paths)?.lock(),
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(ctx: &Ctx, name: &str, command: Option<&str>) -> Result<()> {
    check_name(name)?;
    let mut store = Store::open(&ctx.paths)?;
    if let Some(command) = command {
        if command.trim().is_empty() {
            return Err(Error::user("`--from-command` is empty")
                .hint("say for example `--from-command 'op read op://dev/github/token'`"));
        }
        store.set_command(name, command)?;
        ctx.ui
            .note(format!("{name} is what `{command}` prints, each time."));
        return Ok(());
    }
    let (owned, person) = (name.to_owned(), at_terminal(ctx));
    // Blocks on the terminal.
    let stored = tokio::task::spawn_blocking(move || {
        let value = read(&owned)?;
        let kept = store.set(&owned, &value, person.as_ref())?;
        Ok::<_, Error>((kept, value.len()))
    });
    let stored = stored.await;
    let (kept, length) =
        stored.map_err(|e| Error::internal("the secret cannot be stored").because(e))??;
    ctx.ui.note(format!("{name} is kept in {}.", place(&kept)));
    if length < SHORTEST {
        ctx.ui.warn(format!(
            "a value of fewer than {SHORTEST} bytes is not replaced in agents' stored output: it would be found \
             everywhere"
        ));
    }
    Ok(())
}

/// From stdin where something is piped into it, else from the terminal, where it is not shown.
fn read(name: &str) -> Result<String> {
    if std::io::stdin().is_terminal() {
        let nobody = || Error::user(format!("no value was given for {name}"));
        let value = prompt(&format!("Value of {name}: "), false).ok_or_else(nobody)?;
        return match value.len() {
            // As much as the terminal's line is read of.
            4096.. => Err(Error::user("that is more than can be typed")
                .hint(format!("pipe it: `remote secret set {name} < FILE`"))),
            _ => Ok(value),
        };
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        // A newline and a byte too many are seen as such.
        .take(LONGEST as u64 + 3)
        .read_to_string(&mut text)
        .context("stdin cannot be read as text")?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}

fn place(kept: &Kept) -> String {
    match kept {
        Kept::Keychain => "the keychain".to_owned(),
        Kept::File => "the encrypted file".to_owned(),
        Kept::Command { command } => format!("`{command}`"),
    }
}

fn list(ctx: &Ctx, json: bool) -> Result<()> {
    let store = Store::open(&ctx.paths)?;
    if json {
        let all: serde_json::Map<String, serde_json::Value> = store
            .all()
            .map(|(name, known)| (name.to_owned(), serde_json::json!(known)))
            .collect();
        return ctx.ui.json(&all);
    }
    let mut table = Table::new(&["SECRET", "KEPT IN", "SINCE"]);
    for (name, known) in store.all() {
        let since = age(known.since, now_ms());
        table.row(vec![name.into(), place(&known.kept).into(), since.into()]);
    }
    if store.all().next().is_none() {
        ctx.ui.note("This device has no secrets.");
        ctx.ui.hint("store one: `remote secret set GITHUB_TOKEN`");
        return Ok(());
    }
    table.print(&ctx.ui)
}
