//! `remote config`: what is set and where it came from, where the file lies, whether it is right, and the
//! commands of a repository's file.

use std::process::ExitCode;

use clap::Subcommand;
use humantime::format_duration;
use serde_json::{Map, Value as Json, json};

use super::{Cell, Color, Ctx, Table, allow};
use crate::config::{Config, KEYS, Origin, meant_variable};
use crate::error::{Context, Error, Result};

/// Show, find and check the configuration
///
/// Values come in layers, each covering the one before: what is built in, config.toml, a repository's
/// .remote.toml, REMOTE_* variables, --config and a verb's own options. See remote.toml(5).
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every value that holds here, and where it came from
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where the configuration file lies (whether or not it is there)
    Path,
    /// Say everything that is wrong with the configuration; exit 2 where something is
    Check,
    /// Show the commands of this repository's .remote.toml and allow them to run
    ///
    /// Nothing of a repository's file runs before a person has allowed it. A change asks again.
    Allow {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    match args.command {
        Command::Show { json } => show(ctx, json),
        Command::Path => {
            let path = Config::file(&ctx.paths);
            ctx.ui.line(path.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check => check(ctx),
        Command::Allow { yes } => {
            let config = Ctx::load(&ctx.paths, &ctx.overrides)?;
            let Some(commands) = config.repo_commands() else {
                let cwd =
                    std::env::current_dir().context("the current directory cannot be read")?;
                return Err(Error::user(format!(
                    "no .remote.toml with commands at {} or above it in its repository",
                    cwd.display()
                )));
            };
            allow::ask(ctx, &commands, yes)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(ctx: &Ctx, json: bool) -> Result<ExitCode> {
    // The lenient configuration of `ctx` may be the built-in one: here a wrong file is an error.
    let config = Ctx::load(&ctx.paths, &ctx.overrides)?;
    if json {
        ctx.ui.json(&as_json(&config))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["KEY", "VALUE", "SOURCE"]);
    for key in KEYS {
        let (value, source) = match config.get(key.name) {
            Some((value, origin)) => (Cell::new(value.to_string()), origin.to_string()),
            None => (Cell::new("-").color(Color::Dim), String::new()),
        };
        table.row(vec![key.name.into(), value, source.into()]);
    }
    for (system, path) in config.host_binaries() {
        table.row(vec![
            format!("host.binaries.{system}").into(),
            path.display().to_string().into(),
            Config::file(&ctx.paths).display().to_string().into(),
        ]);
    }
    for rule in config.auto_rules() {
        table.row(vec![
            format!("auto.rules \"{}\"", rule.pattern).into(),
            rule.instance.clone().into(),
            rule.origin.to_string().into(),
        ]);
    }
    for rule in config.notify() {
        table.row(vec![
            format!("notify {}", rule.kinds()).into(),
            format!("{} after {}", rule.way.told(), format_duration(rule.after)).into(),
            rule.origin.to_string().into(),
        ]);
    }
    table.print(&ctx.ui)?;
    ctx.ui.line("")?;
    let mut table = Table::new(&["AGENT", "COMMAND", "SOURCE"]);
    for (name, agent) in config.agents() {
        table.row(vec![
            name.into(),
            shell_words::join(&agent.command).into(),
            agent.origin.to_string().into(),
        ]);
    }
    table.print(&ctx.ui)?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(config: &Config) -> Json {
    let settings: Map<String, Json> = KEYS
        .iter()
        .map(|key| {
            let value = match config.get(key.name) {
                Some((value, origin)) => {
                    json!({ "value": value.to_string(), "source": origin.to_string() })
                }
                None => json!({ "value": null, "source": null }),
            };
            (key.name.to_owned(), value)
        })
        .collect();
    let agents: Map<String, Json> = config
        .agents()
        .map(|(name, agent)| {
            let value = json!({
                "command": agent.command,
                "resume": agent.resume,
                "careful": agent.careful,
                "autonomous": agent.autonomous,
                "setup": agent.setup,
                "on_warning": agent.on_warning,
                "hooks": agent.hooks,
                "credentials": agent.credentials,
                "trust": agent.trust.as_ref().map(|t| json!({
                    "record": t.record,
                    "at": t.at,
                    "is": t.is,
                    "args": t.args,
                    "env": t.env.keys().collect::<Vec<_>>(),
                })),
                "secrets": agent.secrets,
                // Names only: what a person puts there may be a secret.
                "env": agent.env.keys().collect::<Vec<_>>(),
                "source": agent.origin.to_string(),
            });
            (name.to_owned(), value)
        })
        .collect();
    let rules: Vec<Json> = config
        .auto_rules()
        .iter()
        .map(|rule| {
            let source = rule.origin.to_string();
            json!({ "match": rule.pattern, "instance": rule.instance, "source": source })
        })
        .collect();
    let notify: Vec<Json> = config
        .notify()
        .iter()
        .map(|rule| {
            json!({
                "on": rule.on,
                // Of a URL whose it is: the rest may be a secret.
                "how": rule.way.told(),
                "after": format_duration(rule.after).to_string(),
                "source": rule.origin.to_string(),
            })
        })
        .collect();
    json!({
        "settings": settings,
        "agents": agents,
        "host_binaries": config.host_binaries(),
        "auto_rules": rules,
        "notify": notify,
        "git_credentials": config.git_credentials().collect::<Vec<_>>(),
    })
}

fn check(ctx: &Ctx) -> Result<ExitCode> {
    let cwd = std::env::current_dir().context("the current directory cannot be read")?;
    let (config, problems) = Config::read(&ctx.paths, &cwd, |name| std::env::var(name).ok());
    for problem in &problems {
        let hint = problem.hint.as_ref().map(|h| format!(" ({h})"));
        ctx.ui.line(format!(
            "{}: {}{}",
            problem.place,
            problem.message,
            hint.unwrap_or_default()
        ))?;
    }
    for (name, _) in std::env::vars_os() {
        // Others may have variables of that prefix too: a word, not an error.
        if let Some((name, near)) = name.to_str().and_then(|n| Some((n, meant_variable(n)?))) {
            ctx.ui.warn(format!(
                "{name} is no variable of ours; did you mean {near}?"
            ));
        }
    }
    if !problems.is_empty() {
        return Ok(ExitCode::from(2));
    }
    let file = Config::file(&ctx.paths);
    let state = if file.exists() {
        "is right"
    } else {
        "is not there; everything is built in"
    };
    ctx.ui.line(format!("{} {state}", file.display()))?;
    if let Some(repo) = config.repo_file() {
        ctx.ui.line(format!("{} is right", repo.display()))?;
    }
    if let Some(commands) = config.unallowed(&ctx.paths) {
        ctx.ui.line(format!(
            "{} has commands that are not allowed to run yet: `remote config allow`",
            commands.file.display()
        ))?;
    }
    let variables: Vec<_> = KEYS
        .iter()
        .filter_map(|key| match config.get(key.name) {
            Some((_, Origin::Variable(name))) => Some(*name),
            _ => None,
        })
        .collect();
    if !variables.is_empty() {
        ctx.ui
            .line(format!("set in the environment: {}", variables.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}
