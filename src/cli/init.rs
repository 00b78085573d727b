//! `remote init`: where sessions shall run, written into config.toml.

mod cloud;

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use super::{Color, Ctx, confirm, prompt};
use crate::config::{Config, set_in_file};
use crate::error::{Context, Error, Result};

/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Choose where sessions run, and write it to the configuration
///
/// For ec2 it checks who you are, the region, its network, the vCPU quota and, by dry runs, the permissions; it
/// rents and makes nothing there, and exits with 1 where something is missing.
///
/// Asks for what is not given. Only the values that are chosen are changed: comments, order and everything
/// else in config.toml stay as they are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where sessions run
    #[arg(long, value_name = "PROVIDER", value_parser = ["local", "ssh", "ec2"])]
    provider: Option<String>,
    /// The machine of the ssh provider, as ssh takes it: me@box, or a Host of ~/.ssh/config
    #[arg(long, value_name = "ME@BOX", value_hint = clap::ValueHint::Hostname)]
    host: Option<String>,
    /// The AWS region of the ec2 provider [default: the nearest]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Change an existing file without asking
    #[arg(long, short)]
    yes: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let provider = match (args.provider, &args.host) {
        (Some(provider), _) => provider,
        (None, Some(_)) => "ssh".to_owned(),
        (None, None) => ask(
            ctx,
            "Where shall sessions run: local (this machine), ssh (a machine of yours) or ec2 (rented)? ",
            "--provider local",
        )?,
    };
    match (provider.as_str(), &args.host) {
        ("local", None) => write(ctx, &[("provider", "local")], args.yes)?,
        ("local", Some(_)) => {
            return Err(Error::user("the local provider has no --host")
                .hint("run `remote init --provider ssh --host ME@BOX`"));
        }
        ("ssh", _) => {
            let host = match args.host {
                Some(host) => host,
                None => ask(ctx, "Which machine (me@box)? ", "--host ME@BOX")?,
            };
            let host = host.trim();
            if host.is_empty() || host.starts_with('-') || host.contains(char::is_whitespace) {
                return Err(Error::user(format!("\"{host}\" is no machine"))
                    .hint("write it as ssh takes it: `--host me@box`"));
            }
            write(ctx, &[("provider", "ssh"), ("ssh.host", host)], args.yes)?;
            greet(ctx, host).await;
        }
        ("ec2", None) => {
            let look = cloud::look(ctx, args.region.as_deref(), args.yes).await?;
            let region = look.region;
            let mut values = vec![("provider", "ec2"), ("region", region.as_str())];
            if let Some(profile) = ctx.config.text("profile") {
                values.push(("profile", profile));
            }
            write(ctx, &values, args.yes)?;
            if look.lacking > 0 {
                ctx.ui
                    .warn("not all is ready for a dispatch: what is missing is named above");
                return Ok(ExitCode::FAILURE);
            }
        }
        ("ec2", Some(_)) => {
            return Err(
                Error::user("the ec2 provider rents its machines: it has no --host")
                    .hint("run `remote init --provider ssh --host ME@BOX` for a machine you own"),
            );
        }
        (other, _) => {
            return Err(Error::user(format!("\"{other}\" is no provider")).hint(
                "run `remote init --provider local` or `remote init --provider ssh --host ME@BOX`",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(ctx: &Ctx, question: &str, instead: &str) -> Result<String> {
    let nobody =
        || Error::user("nobody can be asked here").hint(format!("run `remote init {instead}`"));
    if !ctx.ui.in_is_terminal() {
        return Err(nobody());
    }
    prompt(question, true)
        .map(|answer| answer.trim().to_owned())
        .ok_or_else(nobody)
}

fn write(ctx: &Ctx, values: &[(&str, &str)], yes: bool) -> Result<()> {
    let file = Config::file(&ctx.paths);
    let before = match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => return Err(e).context(format!("{} cannot be read", file.display())),
    };
    let mut after = before.clone().unwrap_or_else(|| {
        "# What remote does by itself; see remote.toml(5) and `remote config show`.\n".to_owned()
    });
    for (name, value) in values {
        after = set_in_file(&after, name, value)?;
    }
    if before.as_ref() == Some(&after) {
        ctx.ui.note(format!("{} says so already", file.display()));
        return Ok(());
    }
    if before.is_some() {
        for (name, value) in values {
            let line = format!("  {name} = \"{value}\"");
            ctx.ui.note(ctx.ui.err(&line, Color::Bold));
        }
        if !confirm(&ctx.ui, &format!("Set this in {}?", file.display()), yes)? {
            return Err(Error::user("nothing was changed"));
        }
    }
    replace(&file, &after)?;
    ctx.ui.line(format!("wrote {}", file.display()))
}

/// The file is whole at every moment: written beside, then renamed over.
fn replace(file: &Path, text: &str) -> Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    let beside = file.with_extension("toml.new");
    // A link (to a directory of dotfiles) is written through, not replaced.
    let target = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&beside, text))
        .and_then(|()| {
            std::fs::rename(&beside, &target).or_else(|_| {
                std::fs::write(&target, text).and_then(|()| std::fs::remove_file(&beside))
            })
        })
        .context(format!("{} cannot be written", file.display()))
}

/// Says whether the machine answers. Not being able to ask is no error: a password or an unknown host key
/// are for the first dispatch to ask about.
async fn greet(ctx: &Ctx, host: &str) {
    let stage = ctx.ui.stage("ssh");
    stage.waits(host);
    match answers(host).await {
        Ok(system) => stage.done(&format!("{host} answers: {system}")),
        Err(why) => {
            drop(stage);
            ctx.ui
                .warn(format!("{host} was not reached without asking you: {why}"));
            ctx.ui.hint(format!(
                "the first `remote dispatch` asks what it has to; `ssh {host} true` shows whether ssh gets in"
            ));
        }
    }
}

/// `uname -sm` of the machine, by the ssh program, which asks nothing.
async fn answers(host: &str) -> std::result::Result<String, String> {
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args([
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=8",
        "--",
        host,
        "uname -sm",
    ])
    .stdin(Stdio::null())
    .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, ssh.output())
        .await
        .map_err(|_| "no answer".to_owned())?
        .map_err(|e| format!("ssh cannot be run: {e}"))?;
    let line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line = text.lines().last().unwrap_or("").trim();
        line.chars().filter(|c| !c.is_control()).collect::<String>()
    };
    if output.status.success() {
        Ok(line(&output.stdout))
    } else {
        Err(line(&output.stderr))
    }
}
