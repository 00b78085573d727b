//! `remote attach`, and what `dispatch` shows on a terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use clap_complete::engine::ArgValueCandidates;

use super::auto_pull::Auto;
use super::lend::LendArgs;
use super::notices::Attended;
use super::target::{Target, person};
use super::terminal::{self, LocalConsole};
use super::{Ctx, complete, mux, resume, span};
use crate::client::attach::{self, DetachKey, Ending, HostDial, Options, Parts, Predict, Report};
use crate::client::{HostConn, Known, Registry, who};
use crate::error::{Context, Error, Result};
use crate::model::{
    AgentRef, AgentState, AgentStatus, DEFAULT_SIZE, SessionStatus, Terminal, now_ms,
};

/// Whichever agent the host thinks is meant.
const ANY: u32 = 0;
/// The terminal's notices that are repeated once it is ours again.
const NOTICES: usize = 5;

/// Join your terminal to a running agent; it goes on when you leave
///
/// `~.` after a newline leaves and `~?` lists the other escapes. A connection that is lost is made again; what
/// you type meanwhile is delivered then. With no agent named it is the one that waits for an answer, or the
/// only one. The exit status is the agent's if it ends meanwhile, 0 if you leave.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote attach\n  \
    remote attach abc/2 --read-only\n  \
    remote attach abc --detach-key 'C-b d'")]
pub struct Args {
    /// The session, or one of its agents as SESSION/2 [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// Only look: nothing typed is sent, and the agent keeps its size
    #[arg(long, short)]
    read_only: bool,
    /// A key that leaves at once, beside `~.`: `C-\`, or several like `C-b d` [default: `detach_key` of the
    /// configuration]
    #[arg(long, value_name = "KEY")]
    detach_key: Option<DetachKey>,
    /// Lines of earlier output to put above the screen, for scrolling back [default: `scrollback` of the
    /// configuration, 1000]
    #[arg(long, value_name = "LINES")]
    scrollback: Option<u32>,
    /// No earlier output
    #[arg(long, conflicts_with = "scrollback")]
    no_scrollback: bool,
    /// When what you type is shown before the host has answered; over a very slow line underlined until it has
    /// [default: `predict` of the configuration, adaptive]
    #[arg(long, value_enum, value_name = "WHEN")]
    predict: Option<PredictArg>,
    /// All live agents at once, a pane for each; as `remote mux` shows them
    #[arg(long)]
    #[arg(conflicts_with_all = ["target", "read_only", "detach_key", "scrollback", "no_scrollback", "predict", "forward_agent"])]
    all: bool,
    #[command(flatten)]
    lend: LendArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PredictArg {
    /// However near the host is
    Always,
    /// Where the round trip is over 60 ms, or an answer takes 250 ms
    Adaptive,
    /// Only what the host sends is shown
    Never,
}

impl From<PredictArg> for Predict {
    fn from(when: PredictArg) -> Self {
        match when {
            PredictArg::Always => Self::Always,
            PredictArg::Adaptive => Self::Adaptive,
            PredictArg::Never => Self::Never,
        }
    }
}

/// How to attach.
#[derive(Debug, Clone, Default)]
pub struct How {
    pub read_only: bool,
    pub detach_key: Option<DetachKey>,
    /// Lines above the first screen.
    pub scrollback: u32,
    pub predict: Predict,
    /// The agent was started for this.
    pub began: bool,
}

/// As the configuration has it: what is none of its words was refused when that was read.
pub fn predict(ctx: &Ctx) -> Predict {
    let text = ctx.config.text("predict");
    text.and_then(|p| p.parse().ok()).unwrap_or_default()
}

impl How {
    /// As the configuration has it.
    pub fn configured(ctx: &Ctx) -> Result<Self> {
        let key = ctx.config.detach_key().map(str::parse::<DetachKey>);
        let key = key.transpose().map_err(|why| {
            Error::config(format!("`detach_key` of the configuration: {why}"))
                .hint("run `remote config show` to see where it comes from")
        })?;
        Ok(Self {
            predict: predict(ctx),
            read_only: false,
            detach_key: key,
            scrollback: ctx.config.scrollback(),
            began: false,
        })
    }
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    if args.all {
        return mux::all(ctx).await;
    }
    let registry = ctx
        .registry(args.target.as_ref().map(|t| t.session.as_str()))
        .await?;
    let target = Target::find(&registry, args.target.as_ref())?;
    let known = target.known;
    args.lend.wanted(ctx)?;
    args.lend.tell(ctx, &known);
    let dial = HostDial::open(registry, known.clone(), person(ctx), None).await?;
    // On this machine last.json is as new as the host's word; elsewhere the host says which it is.
    let newest = known.last.as_ref().filter(|_| known.ssh.is_none());
    let wanted = newest.and_then(SessionStatus::most_wanted);
    let agent = target.agent.or(wanted).unwrap_or(ANY);
    let mut how = How::configured(ctx)?;
    how.read_only = args.read_only;
    if args.detach_key.is_some() {
        how.detach_key = args.detach_key;
    }
    match args.scrollback {
        Some(lines) => how.scrollback = lines,
        None if args.no_scrollback => how.scrollback = 0,
        None => {}
    }
    if let Some(when) = args.predict {
        how.predict = when.into();
    }
    let mut auto = Auto::begin(ctx, &known);
    let mut code = join(ctx, &known, agent, how, dial, args.lend, &mut auto).await;
    let registry = Registry::open(&ctx.paths)?;
    while let Some(known) = resume::taken_away(ctx, &registry, &known.id).await? {
        auto = Auto::begin(ctx, &known);
        code = attach_to(ctx, &known, agent, None, &mut auto, args.lend, args.predict).await;
    }
    if let Some(auto) = auto.filter(|_| code.is_ok()) {
        auto.finish().await;
    }
    code
}

/// Attaches to one agent of a session, as `remote attach` does, over `host` where that is open already. The exit status is the agent's if it ends
/// meanwhile, 0 if the person leaves. Where they did not leave by themselves, `auto` is given up.
///
/// # Errors
/// The session is over or cannot be reached, or its host refuses; a connection that is lost for good.
pub async fn attach_to(
    ctx: &Ctx,
    known: &Known,
    agent: u32,
    host: Option<HostConn>,
    auto: &mut Option<Auto>,
    lend: LendArgs,
    predict: Option<PredictArg>,
) -> Result<ExitCode> {
    let registry = Registry::open(&ctx.paths)?;
    let dial = HostDial::open(registry, known.clone(), person(ctx), host).await?;
    let mut how = How::configured(ctx)?;
    how.began = true;
    how.predict = predict.map_or(how.predict, Predict::from);
    join(ctx, known, agent, how, dial, lend, auto).await
}

async fn join(
    ctx: &Ctx,
    known: &Known,
    agent: u32,
    how: How,
    dial: HostDial,
    lend: LendArgs,
    auto: &mut Option<Auto>,
) -> Result<ExitCode> {
    let lent = lend.attached(ctx, known, &dial)?;
    let console = LocalConsole::enter().context("the terminal cannot be put into raw mode")?;
    let (size, pixels) = terminal::size().unwrap_or((size_without_terminal(known, agent), None));
    let term = std::env::var("TERM").unwrap_or_default();
    let display = std::io::stdout().is_terminal() && term != "dumb";
    let options = Options {
        session: known.id.to_string(),
        agent,
        who: who(),
        size,
        terminal: Terminal {
            term,
            pixels,
            ..Terminal::default()
        },
        read_only: how.read_only,
        scrollback: if display { how.scrollback } else { 0 },
        detach_key: how.detach_key,
        keyboard: console.has_keyboard(),
        display,
        predict: how.predict,
        pane: false,
    };
    let (outside_too, outside) = terminal::outside()?;
    let dial = Arc::new(dial);
    let told = Attended::attach(ctx, (agent, how.began), &dial, display, outside_too);
    let parts = Parts {
        dial,
        input: terminal::input()?,
        output: terminal::output()?,
        outside,
        console: Box::new(console),
    };
    // On a worker, where the streams are polled: a key then needs no second thread.
    let report = tokio::spawn(attach::attach(options, parts)).await;
    let report = report
        .map_err(|e| Error::internal("attach failed").because(e))?
        .map_err(|e| Error::internal("no random numbers").because(e))?;
    if let Some(told) = told {
        let over = matches!(report.ending, Ending::Ended(_));
        told.finish(ctx, over).await;
    }
    if let Some(lent) = lent {
        lent.end(ctx).await;
    }
    write_stats(&report);
    if !matches!(report.ending, Ending::Left | Ending::Ended(_)) {
        *auto = None;
    }
    let agent = report.agent.as_ref().map_or(agent, |a| a.number);
    tell(ctx, known, agent, report)
}

/// How the link fared, as JSON in the file that REMOTE_ATTACH_STATS names: for tests and measurements. What
/// cannot be written is not worth a word to the person who has just left.
fn write_stats(report: &Report) {
    if let Some(file) = std::env::var_os("REMOTE_ATTACH_STATS") {
        let s = &report.stats;
        let stats = serde_json::json!({
            "dials": s.dials,
            "attached": s.attached,
            "lost": s.lost,
            "resumed_bytes": s.by_bytes,
            "resumed_repaint": s.by_repaint,
            "gaps": s.gaps,
            "guesses_shown": report.guessed.shown,
            "guesses_wrong": report.guessed.wrong,
        });
        let _ = std::fs::write(file, stats.to_string());
    }
}

fn size_without_terminal(known: &Known, agent: u32) -> crate::model::Size {
    let last = known.last.iter().flat_map(|l| &l.agents);
    last.filter(|a| a.number == agent)
        .map(|a| a.size)
        .next()
        .unwrap_or(DEFAULT_SIZE)
}

/// The last lines, and the exit code.
fn tell(ctx: &Ctx, known: &Known, agent: u32, report: Report) -> Result<ExitCode> {
    let name = format!("{}/{agent}", known.id);
    let several = known.last.as_ref().is_some_and(|l| l.agents.len() > 1) || agent > 1;
    let short = known.id.short();
    let back = if several {
        format!("remote attach {short}/{agent}")
    } else {
        format!("remote attach {short}")
    };
    let earlier = report.notices.len().saturating_sub(NOTICES);
    for notice in report.notices.iter().skip(earlier) {
        ctx.ui.note(format!("[{notice}]"));
    }
    if report.undelivered > 0 && !matches!(report.ending, Ending::Ended(_)) {
        let n = report.undelivered;
        ctx.ui.warn(format!("{n} typed bytes never reached {name}"));
    }
    match report.ending {
        Ending::Left => {
            ctx.ui.note(format!("[left {name}; come back: {back}]"));
            Ok(ExitCode::SUCCESS)
        }
        Ending::Signal(signal) => {
            ctx.ui.note(format!("[left {name}; come back: {back}]"));
            Ok(code(128 + signal))
        }
        Ending::Hangup => Ok(code(129)),
        Ending::Ended(ended) => Ok(over(ctx, &name, ended.state, report.agent.as_ref())),
        Ending::Failed(message) => {
            // It may have ended while nobody could tell us.
            let last = Registry::open(&ctx.paths)?.known(&known.id);
            let last = last.ok().and_then(|k| k.last);
            let state = last.and_then(|l| l.agents.into_iter().find(|a| a.number == agent));
            match state {
                Some(status) if report.agent.is_some() && status.state.is_over() => {
                    Ok(over(ctx, &name, status.state, Some(&status)))
                }
                _ => Err(Error::connection(message).hint(format!(
                    "the agent may go on without you: `remote status {short}`, then `{back}`"
                ))),
            }
        }
        Ending::Refused { message, hint } => {
            let error = Error::user(message);
            Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            })
        }
    }
}

fn over(ctx: &Ctx, name: &str, state: AgentState, agent: Option<&AgentStatus>) -> ExitCode {
    let AgentState::Exited { code: exit } = state else {
        ctx.ui.note(format!("[{name} is {state}]"));
        return code(255);
    };
    let took = agent.filter(|a| a.started > 0).map(|a| {
        let ended = a.ended.unwrap_or_else(now_ms);
        span(Duration::from_millis(ended.saturating_sub(a.started)))
    });
    let took = took.map(|t| format!(" after {t}")).unwrap_or_default();
    ctx.ui.note(format!("[{name} exited with {exit}{took}]"));
    code(exit)
}

/// As shells do, the low eight bits.
fn code(n: i32) -> ExitCode {
    ExitCode::from(u8::try_from(n & 0xff).unwrap_or(1))
}
