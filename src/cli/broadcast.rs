//! `remote broadcast`.

use std::process::ExitCode;

use clap::ArgAction;
use clap::builder::PossibleValuesParser;
use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::send::{keys, text};
use super::target::person;
use super::wait::{STATES, targets};
use super::{Cell, Color, Ctx, Table, complete, confirm, words};
use crate::client::broadcast::{Heard, Outcome, Typing, hear, send};
use crate::error::{Error, Result};
use crate::model::{AgentRef, AgentState, SessionId, now_ms};
use crate::proto::Key;

/// Type the same into many agents at once
///
/// All sessions' hosts are asked side by side which agents there are; those that it concerns are listed, and after
/// a yes each gets the text as `remote send` would type it. With `--state` an agent that has come to another state
/// meanwhile is left alone. The exit status is 1 if any did not get it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote broadcast \"wrap up and commit what you have\" --enter\n  \
    remote broadcast \"yes\" --enter --state blocked\n  \
    remote broadcast \"\" --key C-c nightly-1 nightly-2/3 --yes")]
pub struct Args {
    /// The text; `-` reads it from stdin
    #[arg(value_name = "TEXT")]
    text: String,
    /// Sessions or agents [default: all agents of all live sessions]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    targets: Vec<AgentRef>,
    /// Only agents in this state; may be repeated, or several with commas
    #[arg(long, value_name = "STATE", action = ArgAction::Append, value_delimiter = ',')]
    #[arg(value_parser = PossibleValuesParser::new(STATES))]
    state: Vec<String>,
    /// Press Enter after the text
    #[arg(long, short)]
    enter: bool,
    /// Press a key after the text: `C-c`, `M-x`, `Up`, `F5`, `Escape`; may be repeated
    #[arg(long, short, value_name = "KEY", action = ArgAction::Append)]
    key: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints, for each agent, and for each session that was not heard.
#[derive(Debug, Serialize)]
struct Told<'a> {
    session: &'a SessionId,
    agent: Option<u32>,
    #[serde(flatten)]
    state: Option<AgentState>,
    sent: bool,
    error: Option<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let typing = Typing {
        text: text(Some(&args.text))?,
        keys: keys(args.key, args.enter),
        states: args.state,
    };
    if typing.text.is_empty() && typing.keys.is_empty() {
        return Err(
            Error::user("there is nothing to send").hint("say a text, `--enter` or `--key C-c`")
        );
    }
    let targets = targets(ctx, &args.targets).await?;
    let stage = (!targets.is_empty() && !args.json).then(|| ctx.ui.stage("ask"));
    let (heard, mut deaf) = hear(targets, &typing, false, &person(ctx)).await;
    drop(stage);
    if heard.is_empty() {
        if deaf.is_empty() && !args.json {
            ctx.ui.note("There is no such agent to type into.");
        }
        return told(ctx, deaf, args.json);
    }
    if !args.yes {
        list(ctx, &heard, &deaf);
    }
    let agents: usize = heard.iter().map(|h| h.agents.len()).sum();
    let question = format!(
        "Type {} into {} of {}?",
        what(&typing),
        count(agents, "agent"),
        count(heard.len(), "session")
    );
    if !confirm(&ctx.ui, &question, args.yes)? {
        return Err(Error::user("nothing was typed"));
    }
    let mut outcomes = send(heard, &typing).await;
    outcomes.append(&mut deaf);
    told(ctx, outcomes, args.json)
}

fn list(ctx: &Ctx, heard: &[Heard], deaf: &[Outcome]) {
    for one in heard {
        for agent in &one.agents {
            let state = words::state(agent, now_ms());
            let name = format!("{}/{}", one.known.label(), agent.number);
            ctx.ui.note(format!("  {name}  {state}"));
        }
    }
    for one in deaf {
        if let Err(why) = &one.sent {
            ctx.ui.warn(format!("{}: {why}", name(one)));
        }
    }
}

/// What is typed, in a line: it is seen before it goes to many.
fn what(typing: &Typing) -> String {
    const LONGEST: usize = 60;
    let mut parts = Vec::new();
    if !typing.text.is_empty() {
        let line = typing.text.lines().next().unwrap_or_default();
        let mut short: String = line.chars().take(LONGEST).collect();
        if short.len() < typing.text.len() {
            short.push('…');
        }
        parts.push(format!("\"{short}\""));
    }
    parts.extend(typing.keys.iter().map(|Key(key)| key.clone()));
    parts.join(" and ")
}

fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

fn name(one: &Outcome) -> String {
    match one.agent {
        Some(agent) => format!("{}/{agent}", one.session),
        None => one.session.to_string(),
    }
}

/// Prints what came of each. 1 if any failed.
pub fn told(ctx: &Ctx, outcomes: Vec<Outcome>, json: bool) -> Result<ExitCode> {
    if json {
        let told: Vec<Told<'_>> = outcomes
            .iter()
            .map(|o| Told {
                session: &o.session,
                agent: o.agent,
                state: o.state,
                sent: o.sent.is_ok(),
                error: o.sent.as_ref().err().map(ToString::to_string),
            })
            .collect();
        ctx.ui.json(&told)?;
    } else if !outcomes.is_empty() {
        let mut table = Table::new(&["AGENT", "WAS", "OUTCOME"]);
        for one in &outcomes {
            let was = match one.state {
                Some(state) => Cell::new(state.to_string()).color(words::color(state)),
                None => "-".into(),
            };
            let outcome = match &one.sent {
                Ok(()) => Cell::new("sent").color(Color::Green),
                Err(why) => Cell::new(why.to_string()).color(Color::Red),
            };
            table.row(vec![name(one).into(), was, outcome]);
        }
        table.print(&ctx.ui)?;
    }
    Ok(match outcomes.iter().all(|o| o.sent.is_ok()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
