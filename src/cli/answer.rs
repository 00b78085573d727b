//! `remote answer`.

mod waits;

use std::process::ExitCode;

use clap::ArgAction;
use clap_complete::engine::ArgValueCandidates;
use serde::Serialize;

use super::target::{Target, person};
use super::{Color, Ctx, age, complete, prompt};
use crate::client::reach;
use crate::error::{Error, Result};
use crate::model::{AgentRef, AgentState, AgentStatus, SessionStatus};
use crate::proto::{Key, Op, Outcome, Question};

/// Answer the question that an agent asks, if it is still the one that you saw
///
/// Shows the part of its screen that asks. On a terminal the answer is then read; elsewhere say it together
/// with the hash that was shown. The session's host compares: where the agent asks something else by then,
/// nothing is typed and the new question is shown, with exit status 1. A question that is still there 5 seconds
/// after the answer was typed is shown with that status too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote answer\n  \
    remote answer abc\n  \
    remote answer abc/2 1 --seen 0f3a91c2d4e5b607\n  \
    remote answer abc/2 --key Down --key Enter --seen 0f3a91c2d4e5b607\n  \
    remote answer abc --json")]
pub struct Args {
    /// The agent, as SESSION/2; the session alone means the one that has waited longest [default: the only one that
    /// waits in any session; where several do, they are listed]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// The answer; Enter is pressed behind it unless the question takes a single key
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Press this key instead of Enter: `Enter`, `Escape`, `Down`, `C-c`; may be repeated
    #[arg(long, short, value_name = "KEY", action = ArgAction::Append)]
    key: Vec<String>,
    /// The hash of the question that is answered, as it was shown
    #[arg(long, value_name = "HASH")]
    seen: Option<String>,
    /// Print the question as JSON
    #[arg(long)]
    json: bool,
}

/// The protocol's minor version since which a host looks what becomes of an answer.
const WATCHED: u16 = 3;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told<'a> {
    session: &'a str,
    agent: u32,
    /// The answer was typed, and the question is gone.
    answered: bool,
    /// It was typed, and the question is still there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    untaken: bool,
    #[serde(flatten)]
    question: Option<&'a Question>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let wanted = match &args.target {
        Some(target) => target.clone(),
        None => match waits::only(&args, ctx).await? {
            Ok(target) => target,
            Err(code) => return Ok(code),
        },
    };
    let registry = ctx.registry(Some(&wanted.session)).await?;
    let target = Target::find(&registry, Some(&wanted))?;
    let host = reach(&target.known, person(ctx)).await?;
    let mut control = host.control().await?;
    let agent = match target.agent {
        Some(agent) => agent,
        None => longest(&control.status().await?),
    };
    let id = &target.known.id;
    let name = format!("{id}/{agent}");
    let told = |answered, question| Told {
        session: id.as_str(),
        agent,
        answered,
        untaken: false,
        question,
    };
    let mut given = !args.key.is_empty() || args.text.is_some();
    let (mut text, mut seen) = (args.text.unwrap_or_default(), args.seen);
    let mut key = false;
    if seen.is_none() {
        let asked = question(control.ask(Op::Question { agent }).await?)?;
        let asks = matches!(
            asked.state,
            AgentState::Blocked { .. } | AgentState::Unknown
        );
        if args.json && !given {
            ctx.ui.json(&told(false, Some(&asked)))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !asks {
            return Err(
                Error::user(format!("{name} asks nothing: it is {}", asked.state)).hint(format!(
                    "`remote send {name} TEXT --enter` types to it all the same"
                )),
            );
        }
        show(ctx, &name, &asked)?;
        let here = ctx.ui.in_is_terminal() && !args.json;
        if !here && given {
            return Err(
                Error::user("nothing was sent: say which question is answered")
                    .hint(format!("`remote answer {name} … --seen {}`", asked.hash)),
            );
        }
        if !here {
            ctx.ui.note(format!(
                "Answer with `remote answer {name} TEXT --seen {}`.",
                asked.hash
            ));
            return Ok(ExitCode::SUCCESS);
        }
        let typed = if given {
            let what = [text.as_str()]
                .into_iter()
                .filter(|t| !t.is_empty())
                .chain(args.key.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" ");
            let yes = read(format!("Answer `{what}`? [y/N] ")).await;
            let yes = yes.is_some_and(|a| a.trim().eq_ignore_ascii_case("y"));
            yes.then(|| text.clone())
        } else {
            read("answer: ".to_owned()).await.filter(|a| !a.is_empty())
        };
        match typed {
            Some(typed) => text = typed,
            None => {
                ctx.ui.note("Not answered.");
                return Ok(ExitCode::SUCCESS);
            }
        }
        given = true;
        key = asked.key;
        seen = Some(asked.hash);
    } else if given && args.key.is_empty() {
        // Whether it takes a single key is the question's to say.
        let asked = question(control.ask(Op::Question { agent }).await?)?;
        if seen.as_ref() != Some(&asked.hash) {
            return another(ctx, &name, args.json, &told(false, Some(&asked)), &asked);
        }
        key = asked.key;
    }
    let Some(hash) = seen.filter(|_| given) else {
        return Err(Error::user("there is no answer to send").hint("say a text or `--key Enter`"));
    };
    let mut keys: Vec<Key> = args.key.into_iter().map(Key).collect();
    if keys.is_empty() {
        keys = close(&mut text, key);
    }
    let answer = Op::Answer {
        agent,
        hash,
        text,
        keys,
        watch: true,
    };
    match control.ask(answer).await? {
        Outcome::Done if args.json => ctx.ui.json(&told(true, None))?,
        Outcome::Done if control.knows(WATCHED) => {
            ctx.ui.note(format!("{name} has your answer."));
        }
        Outcome::Done => ctx.ui.note(format!(
            "Your answer was typed to {name}; its host is too old to tell whether it was taken."
        )),
        Outcome::Untaken { question } if args.json => {
            ctx.ui.json(&Told {
                untaken: true,
                ..told(false, Some(&question))
            })?;
            return Ok(ExitCode::FAILURE);
        }
        Outcome::Untaken { question } => {
            show(ctx, &name, &question)?;
            let why =
                format!("{name} still shows the question: your answer was typed, but not taken");
            return Err(Error::user(why)
                .hint(format!("look with `remote attach {name}`"))
                .hint(format!(
                    "answer again with `remote answer {name} … --seen {}`",
                    question.hash
                )));
        }
        other => {
            let now = question(other)?;
            return another(ctx, &name, args.json, &told(false, Some(&now)), &now);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The agent that has waited longest, or another one where none does.
fn longest(status: &SessionStatus) -> u32 {
    let blocked = |a: &&AgentStatus| matches!(a.state, AgentState::Blocked { .. });
    let waits = status.agents.iter().filter(blocked);
    let first = waits.min_by_key(|a| (a.since, a.number)).map(|a| a.number);
    first.or_else(|| status.most_wanted()).unwrap_or(1)
}

/// Something else is asked by now.
fn another(ctx: &Ctx, name: &str, json: bool, told: &Told<'_>, now: &Question) -> Result<ExitCode> {
    if json {
        ctx.ui.json(told)?;
    } else {
        ctx.ui
            .note("Nothing was sent: that question is not there any more. Now it shows:");
        show(ctx, name, now)?;
        ctx.ui.note(format!("Its hash is {}.", now.hash));
    }
    Ok(ExitCode::FAILURE)
}

/// How an answer ends: a single key is pressed and nothing behind it, or it would answer what comes next.
fn close(text: &mut String, key: bool) -> Vec<Key> {
    if key && text.chars().count() == 1 {
        return vec![Key(std::mem::take(text))];
    }
    vec![Key("Enter".to_owned())]
}

async fn read(question: String) -> Option<String> {
    tokio::task::spawn_blocking(move || prompt(&question, true))
        .await
        .ok()
        .flatten()
}

fn question(outcome: Outcome) -> Result<Question> {
    match outcome {
        Outcome::Question { question } => Ok(*question),
        _ => Err(Error::connection("the host does not say what is asked")),
    }
}

fn show(ctx: &Ctx, name: &str, question: &Question) -> Result<()> {
    let ui = &ctx.ui;
    let mut head = format!("{name} is {}", question.state);
    if let Some(message) = &question.message {
        head += &format!(": \"{message}\"");
    }
    head += &format!(", {}", age(question.since, question.now));
    ui.line(ui.paint(&head, Color::Yellow))?;
    question
        .lines
        .iter()
        .try_for_each(|line| ui.line(format!("  | {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_key_is_pressed_alone() {
        let ends = |text: &str, key| {
            let mut text = text.to_owned();
            let keys = close(&mut text, key);
            (text, keys[0].0.clone())
        };
        assert_eq!(ends("1", true), (String::new(), "1".to_owned()));
        assert_eq!(ends("1", false), ("1".to_owned(), "Enter".to_owned()));
        assert_eq!(ends("yes", true), ("yes".to_owned(), "Enter".to_owned()));
    }
}
