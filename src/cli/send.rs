//! `remote send`.

use std::io::Read;
use std::process::ExitCode;

use clap::ArgAction;
use clap_complete::engine::ArgValueCandidates;

use super::target::{Target, person};
use super::wait::targets;
use super::{Ctx, complete};
use crate::client::broadcast::{self, Typing, hear};
use crate::client::reach;
use crate::error::{Context, Error, Result};
use crate::model::AgentRef;
use crate::proto::{Key, Op};

/// More text than this is a file, not typing.
const LONGEST: u64 = 512 * 1024;

/// Type into an agent without attaching to it
///
/// The text arrives as one paste where the program asked for that, so that newlines in it do not send it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote send abc \"yes, go on\" --enter\n  \
    remote send abc/2 --key C-c\n  \
    remote send abc/1,abc/3 \"go on\" --enter\n  \
    git diff | remote send abc - --enter")]
pub struct Args {
    /// The agent, as SESSION/2; the session alone where it has one agent; several with commas
    #[arg(
        value_name = "SESSION[/AGENT]",
        value_delimiter = ',',
        num_args = 1,
        required = true,
        action = ArgAction::Set
    )]
    #[arg(add = ArgValueCandidates::new(complete::agents))]
    targets: Vec<AgentRef>,
    /// The text; `-` reads it from stdin
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Press Enter after the text
    #[arg(long, short)]
    enter: bool,
    /// Press a key after the text: `C-c`, `M-x`, `Up`, `F5`, `Escape`; may be repeated
    #[arg(long, short, value_name = "KEY", action = ArgAction::Append)]
    key: Vec<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let text = text(args.text.as_deref())?;
    let keys = keys(args.key, args.enter);
    if text.is_empty() && keys.is_empty() {
        return Err(
            Error::user("there is nothing to send").hint("say a text, `--enter` or `--key C-c`")
        );
    }
    let [target] = args.targets.as_slice() else {
        return several(ctx, &args.targets, text, keys).await;
    };
    let registry = ctx.registry(Some(&target.session)).await?;
    let target = Target::find(&registry, Some(target))?;
    let host = reach(&target.known, person(ctx)).await?;
    let mut control = host.control().await?;
    let agent = target.one_live("send", &mut control).await?;
    let op = Op::Send { agent, text, keys };
    control.ask(op).await?;
    Ok(ExitCode::SUCCESS)
}

/// Side by side, and told of each that did not get it.
async fn several(ctx: &Ctx, typed: &[AgentRef], text: String, keys: Vec<Key>) -> Result<ExitCode> {
    let typing = Typing {
        text,
        keys,
        states: Vec::new(),
    };
    let targets = targets(ctx, typed).await?;
    let (heard, mut outcomes) = hear(targets, &typing, true, &person(ctx)).await;
    outcomes.append(&mut broadcast::send(heard, &typing).await);
    outcomes.retain(|o| o.sent.is_err());
    super::broadcast::told(ctx, outcomes, false)
}

/// The text of an argument; `-` is stdin.
///
/// # Errors
/// It cannot be read, or is too long.
pub fn text(given: Option<&str>) -> Result<String> {
    match given {
        Some("-") => from_stdin(),
        Some(text) => Ok(text.to_owned()),
        None => Ok(String::new()),
    }
}

pub fn keys(named: Vec<String>, enter: bool) -> Vec<Key> {
    let enter = enter.then(|| "Enter".to_owned());
    named.into_iter().chain(enter).map(Key).collect()
}

fn from_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .context("stdin cannot be read as text")?;
    if text.len() as u64 > LONGEST {
        return Err(
            Error::user(format!("the text is over {} KiB", LONGEST / 1024))
                .hint("copy it there with `remote cp` and let the text name the file"),
        );
    }
    Ok(text)
}
