//! `status --watch`: drawn anew at each change, and each second for the ages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::keys::Keys;
use super::{Answers, nothing, rendered, table};
use crate::cli::notices::Watched;
use crate::cli::target::interrupted;
use crate::cli::{Ctx, Ui, terminal};
use crate::client::status::{Presence, Report, watch as follow};
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::{SessionId, now_ms};
use crate::ssh::Nobody;

/// Changes that come close together are drawn once.
const GATHER: Duration = Duration::from_millis(30);
/// What has answered by then is drawn with the rest.
const BLINK: Duration = Duration::from_millis(150);
/// How often sessions that began elsewhere are looked for, and ages drawn anew.
const TICK: Duration = Duration::from_secs(1);

pub async fn watch(
    ctx: &Ctx,
    registry: Registry,
    known: Vec<Known>,
    one: bool,
    json: bool,
) -> Result<ExitCode> {
    let (send, mut reports) = mpsc::channel(64);
    let mut watched = BTreeSet::new();
    let mut add = |known: Vec<Known>| {
        for known in known {
            if watched.insert(known.id.clone()) {
                let ask = Arc::new(Nobody);
                tokio::spawn(follow(registry.clone(), known, ask, send.clone()));
            }
        }
    };
    add(known);
    let mut view = View::new(ctx.ui);
    let mut code = ExitCode::SUCCESS;
    let mut tick = tokio::time::interval(TICK);
    let mut newest: BTreeMap<SessionId, Report> = BTreeMap::new();
    let mut news = Watched::new();
    // Caught so that the terminal's modes are put back; before they are changed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut keys = (!json).then(|| Keys::open(&ctx.ui)).flatten();
    let stop = interrupted();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(()) = terminate.recv() => {
                code = ExitCode::from(143);
                break;
            }
            leaves = key(&mut keys) => if leaves {
                break;
            },
            _ = tick.tick() => {
                news.tick(ctx);
                if !one {
                    add(registry.all(false)?);
                }
            }
            report = reports.recv() => {
                let mut next = report;
                while let Some(report) = next {
                    if json {
                        ctx.ui.line(one_line(&report)?)?;
                    }
                    news.see(ctx, &report);
                    newest.insert(report.session.clone(), report);
                    next = tokio::time::timeout(GATHER, reports.recv()).await.ok().flatten();
                }
                let over = |r: &Report| matches!(r.presence, Presence::Ended | Presence::Lost);
                if one && newest.values().all(over) {
                    if !json {
                        view.draw(of(&newest, one, &ctx.ui))?;
                    }
                    break;
                }
            }
        }
        if !json {
            view.draw(of(&newest, one, &ctx.ui))?;
        }
        if let Some(keys) = &mut keys {
            ctx.ui.raw(&keys.states(newest.values()))?;
        }
    }
    if let Some(keys) = &mut keys {
        ctx.ui.raw(&keys.forget())?;
    }
    Ok(code)
}

async fn key(keys: &mut Option<Keys>) -> bool {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}

fn one_line(report: &Report) -> Result<String> {
    serde_json::to_string(report)
        .map_err(|e| Error::internal("a report cannot be written as JSON").because(e))
}

fn of(newest: &BTreeMap<SessionId, Report>, one: bool, ui: &Ui) -> Vec<String> {
    let mut all: Vec<Report> = newest.values().cloned().collect();
    all.sort_by_key(|r| r.status.as_ref().map_or(0, |s| s.spec.created));
    rendered(&all, one, ui)
}

/// `status` on a terminal: what is known at once, each answer as it comes, and at the end what a pipe would have
/// got. A table that is higher than the terminal is drawn once, and until then told how far it is.
pub async fn answers(
    ui: Ui,
    mut answers: Answers,
    mut asked: UnboundedReceiver<(usize, Report)>,
) -> Result<()> {
    let rows = terminal::size().map_or(24, |(size, _)| usize::from(size.rows));
    let lines = |answers: &Answers| match answers.shown().as_slice() {
        [] => vec![nothing(answers.ended_too).to_owned()],
        shown => table(shown, now_ms()).lines(&ui),
    };
    let mut view = View::new(ui);
    let mut stage = None;
    let mut answered = 0;
    let due = tokio::time::sleep(BLINK);
    tokio::pin!(due);
    loop {
        tokio::select! {
            answer = asked.recv() => match answer {
                Some(answer) => {
                    answered += 1;
                    answers.put(answer);
                }
                None => break,
            },
            () = &mut due => {
                let now = lines(&answers);
                if now.len() < rows {
                    view.draw(now)?;
                } else {
                    let told = format!("{answered} of {} have answered", answers.reports.len());
                    stage.get_or_insert_with(|| ui.stage("status")).waits(&told);
                }
                due.as_mut().reset(tokio::time::Instant::now() + 4 * GATHER);
            }
        }
    }
    drop(stage);
    view.draw(lines(&answers))
}

/// Lines on the terminal that are drawn over; into a pipe, what changed is printed below.
struct View {
    ui: Ui,
    lines: Vec<String>,
}

impl View {
    fn new(ui: Ui) -> Self {
        Self {
            ui,
            lines: Vec::new(),
        }
    }

    fn draw(&mut self, lines: Vec<String>) -> Result<()> {
        if lines == self.lines {
            return Ok(());
        }
        let drawn = if self.ui.redraws_out() {
            over(self.lines.len(), &lines)
        } else {
            lines.join("\n") + "\n\n"
        };
        self.lines = lines;
        self.ui.raw(drawn.as_bytes())
    }
}

/// `lines` over the `before` lines drawn last. Without wrapping, so that a line is a row.
fn over(before: usize, lines: &[String]) -> String {
    let mut out = String::from("\x1b[?7l");
    if before > 0 {
        out += &format!("\x1b[{before}F");
    }
    for line in lines {
        out += line;
        out += "\x1b[K\n";
    }
    out + "\x1b[J\x1b[?7h"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_covers_the_one_before() {
        let mut screen = crate::mux::Screen::new(crate::model::Size { cols: 20, rows: 10 });
        for (before, lines) in [
            (
                0,
                vec!["one".to_owned(), "two".repeat(20), "three".to_owned()],
            ),
            (3, vec!["four".to_owned()]),
        ] {
            let bytes = over(before, &lines).replace('\n', "\r\n");
            screen.feed(bytes.as_bytes());
        }
        assert_eq!(screen.text().join("\n").trim_end(), "four");
    }
}
