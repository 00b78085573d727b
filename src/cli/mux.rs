//! `remote mux`, `remote attach --all`, and `remote` alone: the whole terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap_complete::engine::ArgValueCandidates;

use super::attach::predict;
use super::terminal::{self, LocalConsole};
use super::{Ctx, complete};
use crate::client::{Known, Registry, layouts};
use crate::error::{Context, Error, Result};
use crate::model::AgentRef;
use crate::ssh::Nobody;
use crate::tui::{self, Ending, First, Linear, Source, Start, Theme};

/// Agents and shells side by side on your terminal, and all sessions in a list
///
/// `remote` alone begins with the list: what is typed below it and Enter dispatches a task, Enter on an empty line
/// opens the chosen agent. Each agent has a pane over one connection to its machine, which heals by itself. The keys
/// are tmux's, after C-b: % and " split, c opens a tab, o and the arrows change the pane, z zooms, w shows the list,
/// d leaves, ? lists all of them. `[keys]` of remote.toml(5) changes them.
///
/// With nothing named, the panes of the last time come back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote mux\n  \
    remote mux abc def/2\n  \
    remote mux abc -- zsh\n  \
    remote mux --list")]
pub struct Args {
    /// Sessions, with all their agents, or single agents as SESSION/2
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    targets: Vec<AgentRef>,
    /// Begin with the list of sessions
    #[arg(long, conflicts_with_all = ["targets", "argv"])]
    list: bool,
    /// In plain lines, for screen readers: sessions and what happens in them, and a prompt; nothing is drawn
    #[arg(long, conflicts_with = "argv")]
    screen_reader: bool,
    /// A program on this machine for a pane of its own
    #[arg(last = true, value_name = "COMMAND")]
    argv: Vec<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = match args.targets.as_slice() {
        [] => ctx.whole_registry().await?,
        [one, ..] => ctx.registry(Some(&one.session)).await?,
    };
    if args.screen_reader || ctx.ui.is_still() {
        return speak(ctx, registry).await;
    }
    let mut sources = Vec::new();
    for target in &args.targets {
        let known = registry.resolve(&target.session)?;
        known.must_live()?;
        sources.extend(agents(&known, target.agent));
    }
    if !args.argv.is_empty() {
        sources.push(Source::Local {
            argv: args.argv,
            cwd: std::env::current_dir().ok(),
        });
    }
    let first = match (args.list, sources.is_empty()) {
        (true, _) => First::List,
        (false, true) => First::LastTime,
        (false, false) => First::Panes(sources),
    };
    open(ctx, registry, first).await
}

/// A pane for each live agent.
///
/// # Errors
/// There is none; or as for the views themselves.
pub async fn all(ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.whole_registry().await?;
    if ctx.ui.is_still() {
        return speak(ctx, registry).await;
    }
    let live = registry.all(false)?;
    let sources: Vec<Source> = live.iter().flat_map(|known| agents(known, None)).collect();
    if sources.is_empty() {
        return Err(Error::user("no agent runs").hint("start one with `remote dispatch`"));
    }
    open(ctx, registry, First::Panes(sources)).await
}

/// The one that was named, or all that are not known to be over; the first where nothing is known.
fn agents(known: &Known, one: Option<u32>) -> Vec<Source> {
    let source = |agent| Source::agent(known.id.clone(), agent);
    if let Some(agent) = one {
        return vec![source(agent)];
    }
    let last = known.last.iter().flat_map(|last| &last.agents);
    let mut numbers: Vec<u32> = last
        .filter(|a| !a.state.is_over())
        .map(|a| a.number)
        .collect();
    if numbers.is_empty() {
        let spec = known.spec();
        numbers.extend(spec.iter().flat_map(|s| s.agents.iter().map(|a| a.number)));
    }
    if numbers.is_empty() {
        numbers.push(1);
    }
    numbers.into_iter().map(source).collect()
}

/// The same in plain lines.
async fn speak(ctx: &Ctx, registry: Registry) -> Result<ExitCode> {
    let start = Linear {
        registry,
        paths: ctx.paths.clone(),
        exe: std::env::current_exe().context("this program cannot be found")?,
        daily: ctx.config.daily_budget(),
        input: terminal::input()?,
        terminal: std::io::stdin().is_terminal(),
        output: Box::new(std::io::stdout()),
    };
    tui::speak(start).await?;
    Ok(ExitCode::SUCCESS)
}

/// Whether `remote` alone shows sessions: where it can draw, and where it is to speak.
pub fn shows_sessions() -> bool {
    let terminals = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let speaks = std::env::var("REMOTE_SCREEN_READER").is_ok_and(|v| v == "yes");
    can_draw() || (terminals && speaks)
}

/// Whether both sides are a terminal that can be drawn on.
pub fn can_draw() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    let terminals = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    terminals && !matches!(term.as_str(), "" | "dumb")
}

/// What the terminal can show.
pub fn theme(ctx: &Ctx) -> Theme {
    Theme {
        color: ctx.ui.colors(),
        unicode: is_utf8(|name| std::env::var(name).ok()),
    }
}

async fn open(ctx: &Ctx, registry: Registry, first: First) -> Result<ExitCode> {
    if !can_draw() {
        return Err(Error::user("this needs a terminal that can be drawn on")
            .hint("`remote status` and `remote attach` do without"));
    }
    // Those of another device, where one comes back to them; nobody waits for it.
    let elsewhere = match first {
        First::Panes(_) => None,
        First::LastTime | First::List => {
            let registry = registry.clone();
            Some(tokio::spawn(async move {
                layouts::newest(&registry, Arc::new(Nobody)).await
            }))
        }
    };
    let console = LocalConsole::enter().context("the terminal cannot be put into raw mode")?;
    let (size, pixels) = terminal::size().unwrap_or((crate::model::DEFAULT_SIZE, None));
    let (_keep, outside) = terminal::outside()?;
    let start = Start {
        first,
        registry,
        elsewhere,
        paths: ctx.paths.clone(),
        bindings: ctx.config.bindings().clone(),
        theme: theme(ctx),
        daily: ctx.config.daily_budget(),
        env: environment(std::env::vars_os()),
        exe: std::env::current_exe().context("this program cannot be found")?,
        scrollback: ctx.config.scrollback(),
        predict: predict(ctx),
        term: std::env::var("TERM").unwrap_or_default(),
        size,
        pixels,
        input: terminal::input()?,
        output: terminal::output()?,
        outside,
        console: Box::new(console),
    };
    // On a worker, where the streams are polled: a key then needs no second thread.
    let ending = tokio::spawn(tui::run(start)).await;
    let ending = ending.map_err(|e| Error::internal("the view failed").because(e))??;
    Ok(match ending {
        Ending::Left { panes } => {
            if panes > 0 {
                ctx.ui.note("[left; come back: remote mux]");
            }
            ExitCode::SUCCESS
        }
        Ending::Signal(signal) => ExitCode::from(u8::try_from(128 + (signal & 0x7f)).unwrap_or(1)),
        Ending::Hangup => ExitCode::FAILURE,
    })
}

/// As POSIX has it: the first of the three that is set says.
fn is_utf8(get: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| get(name).filter(|v| !v.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    let locale = locale.unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// What programs in panes are given: ours, on another terminal.
fn environment(
    ours: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> BTreeMap<String, String> {
    let text = ours.filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
    let of_outer = ["TMUX", "TMUX_PANE", "STY", "LINES", "COLUMNS"];
    let mut env: BTreeMap<String, String> = text
        .filter(|(n, _)| !of_outer.contains(&n.as_str()))
        .collect();
    env.insert("TERM".into(), "xterm-256color".into());
    env.insert("COLORTERM".into(), "truecolor".into());
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_says_whether_boxes_can_be_drawn() {
        let with = |pairs: &'static [(&str, &str)]| {
            is_utf8(|name| {
                let found = pairs.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| (*v).to_owned())
            })
        };
        assert!(with(&[("LANG", "de_DE.UTF-8")]) && with(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]) && !with(&[]));
    }

    #[test]
    fn panes_are_told_of_their_own_terminal_and_not_of_ours() {
        let ours = [("TMUX", "x"), ("TERM", "screen"), ("A", "b")];
        let env = environment(ours.map(|(n, v)| (n.into(), v.into())).into_iter());
        assert_eq!(env.get("TERM").map(String::as_str), Some("xterm-256color"));
        assert!(!env.contains_key("TMUX") && env.contains_key("A"));
    }
}
