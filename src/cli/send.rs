//! `remote send`.

use std::io::Read;
use std::process::ExitCode;

use clap::ArgAction;
use clap_complete::engine::ArgValueCandidates;

use super::target::{Target, person};
use super::{Ctx, complete};
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
    git diff | remote send abc - --enter")]
pub struct Args {
    /// The agent, as SESSION/2; the session alone where it has one agent
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: AgentRef,
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
    let text = match args.text.as_deref() {
        Some("-") => from_stdin()?,
        Some(text) => text.to_owned(),
        None => String::new(),
    };
    let mut keys: Vec<Key> = args.key.into_iter().map(Key).collect();
    if args.enter {
        keys.push(Key("Enter".to_owned()));
    }
    if text.is_empty() && keys.is_empty() {
        return Err(
            Error::user("there is nothing to send").hint("say a text, `--enter` or `--key C-c`")
        );
    }
    let registry = ctx.registry(Some(&args.target.session)).await?;
    let target = Target::find(&registry, Some(&args.target))?;
    let host = reach(&target.known, person(ctx)).await?;
    let mut control = host.control().await?;
    let agent = target.one_live("send", &mut control).await?;
    let op = Op::Send { agent, text, keys };
    control.ask(op).await?;
    Ok(ExitCode::SUCCESS)
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
