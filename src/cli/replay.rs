//! `remote replay`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::target::{Target, interrupted, person, time};
use super::terminal::{self, LocalConsole};
use super::{Ctx, complete, mux};
use crate::client::events::events;
use crate::client::history::{Begin, History};
use crate::client::logs::{Pace, Screenplay, size_of};
use crate::client::reach::Hosts;
use crate::error::{Context, Error, Result};
use crate::model::{AgentRef, DEFAULT_SIZE, SessionEvent, Size};
use crate::mux::Screen;
use crate::ssh::Flow;
use crate::tui::Ending;
use crate::tui::replay::Play;

/// Play an agent's history as it happened
///
/// On a terminal with a time line below it: Space pauses, the arrows go 5 seconds, < and > change the speed, . and ,
/// step while it is paused, square brackets go to the marks (the agent came to another state, or was resized), 0 to 9 to a
/// tenth, g and G to the beginning and the end, / searches forward and n again, q leaves.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The agent, as SESSION/2; the session alone where it has one agent [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// How many times faster
    #[arg(long, short, value_name = "FACTOR", default_value_t = 1.0)]
    speed: f64,
    /// Shorten pauses to this
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2s")]
    max_idle: Duration,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(
            Error::user(format!("`--speed {}` is not a speed", args.speed))
                .hint("say for example `--speed 4`"),
        );
    }
    let registry = ctx
        .registry(args.target.as_ref().map(|t| t.session.as_str()))
        .await?;
    let target = Target::find(&registry, args.target.as_ref())?;
    let hosts = Arc::new(Hosts::new(person(ctx), Flow::Bulk));
    let target = match target.agent {
        Some(_) => target,
        None => target.with_agents(&registry, &hosts).await,
    };
    // Whoever is asked for the first one's says why there is nothing.
    let agent = target.one("replay")?.unwrap_or(1);
    let begin = Begin::Offset(0);
    let mut history = History::open(&registry, &target.known, &hosts, agent, begin, false).await?;
    if mux::can_draw() {
        let events = events(&target.known, &hosts).await;
        return on_terminal(&args, ctx, &target, agent, history, events).await;
    }
    let mut stage = Playing {
        screen: Screen::new(DEFAULT_SIZE),
        play: Screenplay::default(),
        pace: Pace::new(args.speed, args.max_idle),
        warned: false,
    };
    let stop = interrupted();
    tokio::pin!(stop);
    let outcome = tokio::select! {
        played = stage.play(ctx, &mut history) => played.map(|()| ExitCode::SUCCESS),
        () = &mut stop => Ok(ExitCode::from(130)),
    };
    // Whatever the program had set is taken back, however this ends.
    if ctx.ui.out_is_terminal() {
        let mut leave = stage.screen.leave();
        leave.extend_from_slice(b"\r\n");
        ctx.ui.raw(&leave)?;
    }
    outcome
}

/// With a time line, until the person leaves.
async fn on_terminal(
    args: &Args,
    ctx: &Ctx,
    target: &Target,
    agent: u32,
    history: History,
    events: Vec<SessionEvent>,
) -> Result<ExitCode> {
    let console = LocalConsole::enter().context("the terminal cannot be put into raw mode")?;
    let (_keep, outside) = terminal::outside()?;
    let play = Play {
        history,
        events,
        agent,
        title: format!("{}/{agent}", target.known.id.short()),
        speed: args.speed,
        max_idle: args.max_idle,
        theme: mux::theme(ctx),
        size: terminal::size().map_or(DEFAULT_SIZE, |(size, _)| size),
        input: terminal::input()?,
        output: terminal::output()?,
        outside,
        console: Box::new(console),
    };
    let (ending, interrupted) = crate::tui::replay::run(play).await?;
    Ok(match ending {
        Ending::Left { .. } if interrupted => ExitCode::from(130),
        Ending::Left { .. } => ExitCode::SUCCESS,
        Ending::Signal(signal) => ExitCode::from(u8::try_from(128 + (signal & 0x7f)).unwrap_or(1)),
        Ending::Hangup => ExitCode::FAILURE,
    })
}

struct Playing {
    screen: Screen,
    play: Screenplay,
    pace: Pace,
    warned: bool,
}

impl Playing {
    async fn play(&mut self, ctx: &Ctx, history: &mut History) -> Result<()> {
        while let Some(record) = history.next().await? {
            if let Some(size) = size_of(&record) {
                self.resized(ctx, size);
                continue;
            }
            if !self.play.shows(&record) {
                continue;
            }
            let pause = self.pace.wait(record.at);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            self.screen.feed(&record.bytes);
            ctx.ui.raw(&record.bytes)?;
        }
        Ok(())
    }

    fn resized(&mut self, ctx: &Ctx, size: Size) {
        self.screen.resize(size);
        let Ok(ours) = rustix::termios::tcgetwinsize(std::io::stdout()) else {
            return;
        };
        let fits = size.cols <= ours.ws_col && size.rows <= ours.ws_row;
        if !fits && !std::mem::replace(&mut self.warned, true) {
            ctx.ui.warn(format!(
                "this was recorded at {}x{}; the terminal is smaller, so it may look broken",
                size.cols, size.rows
            ));
        }
    }
}
