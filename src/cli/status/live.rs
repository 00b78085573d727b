//! `status --watch`: drawn anew at each change, and each second for the ages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::keys::Keys;
use super::rendered;
use crate::cli::target::interrupted;
use crate::cli::{Ctx, Ui};
use crate::client::status::{Presence, Report, watch as follow};
use crate::client::{Known, Registry};
use crate::error::{Error, Result};
use crate::model::SessionId;
use crate::ssh::Nobody;

/// Changes that come close together are drawn once.
const GATHER: Duration = Duration::from_millis(30);
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
    let mut view = View::new(ctx.ui, one);
    let mut code = ExitCode::SUCCESS;
    let mut tick = tokio::time::interval(TICK);
    let mut newest: BTreeMap<SessionId, Report> = BTreeMap::new();
    let mut keys = (!json).then(|| Keys::open(&ctx.ui)).flatten();
    let stop = interrupted();
    tokio::pin!(stop);
    // Caught so that the terminal's modes are put back.
    let mut terminate = signal(SignalKind::terminate())?;
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
                    newest.insert(report.session.clone(), report);
                    next = tokio::time::timeout(GATHER, reports.recv()).await.ok().flatten();
                }
                let over = |r: &Report| matches!(r.presence, Presence::Ended | Presence::Lost);
                if one && newest.values().all(over) {
                    if !json {
                        view.draw(&newest)?;
                    }
                    break;
                }
            }
        }
        if !json {
            view.draw(&newest)?;
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

/// Lines on the terminal that are drawn over; into a pipe, what changed is printed below.
struct View {
    ui: Ui,
    one: bool,
    lines: Vec<String>,
}

impl View {
    fn new(ui: Ui, one: bool) -> Self {
        Self {
            ui,
            one,
            lines: Vec::new(),
        }
    }

    fn draw(&mut self, reports: &BTreeMap<SessionId, Report>) -> Result<()> {
        let mut all: Vec<Report> = reports.values().cloned().collect();
        all.sort_by_key(|r| r.status.as_ref().map_or(0, |s| s.spec.created));
        let lines = rendered(&all, self.one, &self.ui);
        if lines == self.lines {
            return Ok(());
        }
        let drawn = if self.ui.out_is_terminal() {
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
