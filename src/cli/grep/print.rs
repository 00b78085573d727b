//! What was found, as grep and ripgrep print it: on a terminal under a heading for each agent, else each line with
//! its agent's name before it.

use serde::Serialize;

use super::super::{Color, Ui, age};
use super::Args;
use crate::client::Known;
use crate::error::{Error, Result};
use crate::model::{Found, Millis, Searched, SessionId, now_ms};

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Lines,
    Counts,
    Names,
}

/// Prints one agent at a time.
pub struct Printer {
    ui: Ui,
    form: Form,
    json: bool,
    time: bool,
    /// Groups of lines are told apart.
    groups: bool,
    /// The agent and the line that were printed last.
    last: Option<(SessionId, u32, u64)>,
}

#[derive(Serialize)]
struct Line<'a> {
    session: &'a SessionId,
    agent: u32,
    /// From 1, as `remote logs` prints them.
    line: u64,
    /// When the line was ended, in milliseconds since 1970.
    at: Millis,
    text: &'a str,
    /// From which byte to which; empty in a line that is only beside one that matches.
    matches: &'a [(u32, u32)],
}

#[derive(Serialize)]
struct Count<'a> {
    session: &'a SessionId,
    agent: u32,
    count: u64,
}

impl Printer {
    pub fn new(ui: Ui, form: Form, groups: bool, args: &Args) -> Self {
        Self {
            ui,
            form,
            json: args.json,
            time: args.time,
            groups,
            last: None,
        }
    }

    /// Prints lines of an agent, and takes them.
    ///
    /// # Errors
    /// Those of stdout.
    pub fn lines(&mut self, known: &Known, agent: u32, found: &mut Vec<Found>) -> Result<()> {
        if found.is_empty() || self.form != Form::Lines {
            found.clear();
            return Ok(());
        }
        let mut out = String::new();
        for line in found.drain(..) {
            match self.json {
                true => json(
                    &mut out,
                    &Line {
                        session: &known.id,
                        agent,
                        line: line.line,
                        at: line.at,
                        text: &line.text,
                        matches: &line.matches,
                    },
                )?,
                false => self.line(&mut out, known, agent, &line),
            }
        }
        self.ui.raw(out.as_bytes())
    }

    /// An agent was looked through.
    ///
    /// # Errors
    /// Those of stdout.
    pub fn over(&self, known: &Known, agent: u32, searched: &Searched) -> Result<()> {
        let (session, count) = (&known.id, searched.matched);
        if count == 0 || self.form == Form::Lines {
            return Ok(());
        }
        if self.json {
            let mut out = String::new();
            let of = Count {
                session,
                agent,
                count,
            };
            json(&mut out, &of)?;
            return self.ui.raw(out.as_bytes());
        }
        let name = self.ui.paint(&name(known, agent), Color::Magenta);
        match self.form {
            Form::Counts => self.ui.line(format!("{name}:{count}")),
            _ => self.ui.line(name),
        }
    }

    fn line(&mut self, out: &mut String, known: &Known, agent: u32, line: &Found) {
        let ui = self.ui;
        let heading = ui.out_is_terminal();
        let same = matches!(&self.last, Some((id, n, _)) if *id == known.id && *n == agent);
        if !same && heading {
            if self.last.is_some() {
                out.push('\n');
            }
            out.push_str(&ui.paint(&name(known, agent), Color::Magenta));
            if let Some(name) = &known.name {
                out.push_str(&format!(" {}", clean(name)));
            }
            out.push('\n');
        }
        let before = self.last.take().map(|(_, _, line)| line);
        let apart = match same {
            true => before.is_some_and(|before| before.saturating_add(1) < line.line),
            // Under a heading of its own it is told apart already.
            false => before.is_some() && !heading,
        };
        if self.groups && apart {
            out.push_str("--\n");
        }
        self.last = Some((known.id.clone(), agent, line.line));
        let sign = if line.matches.is_empty() { '-' } else { ':' };
        if !heading {
            out.push_str(&ui.paint(&name(known, agent), Color::Magenta));
            out.push(sign);
        }
        out.push_str(&ui.paint(&line.line.to_string(), Color::Green));
        if heading || self.time {
            let time = match heading {
                true => age(line.at, now_ms()),
                false => stamp(line.at),
            };
            let time = if line.at == 0 { "-".to_owned() } else { time };
            out.push(if heading { ' ' } else { sign });
            out.push_str(&ui.paint(&time, Color::Dim));
        }
        out.push(sign);
        out.push(' ');
        self.text(out, line);
        out.push('\n');
    }

    /// The text, what matches in another colour.
    fn text(&self, out: &mut String, line: &Found) {
        let mut at = 0;
        let byte = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        for (from, to) in &line.matches {
            let (from, to) = (byte(*from), byte(*to));
            let parts = (line.text.get(at..from), line.text.get(from..to));
            if let (Some(before), Some(found)) = parts {
                out.push_str(&clean(before));
                if !found.is_empty() {
                    out.push_str(&self.ui.paint(&clean(found), Color::Red));
                }
                at = to;
            }
        }
        out.push_str(&clean(line.text.get(at..).unwrap_or_default()));
    }
}

/// `k3x7qd/1`.
fn name(known: &Known, agent: u32) -> String {
    format!("{}/{agent}", known.id.short())
}

fn stamp(at: Millis) -> String {
    // What a host says is no time beyond that for whoever writes it.
    const YEAR_9999: Millis = 253_370_764_800_000;
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.min(YEAR_9999));
    humantime::format_rfc3339_millis(time).to_string()
}

/// Hosts send no control characters; one that does, does nothing by it to this terminal.
fn clean(text: &str) -> String {
    let safe = |c: char| !c.is_control() || c == '\t';
    let chars = text.chars();
    chars
        .map(|c| if safe(c) { c } else { '\u{FFFD}' })
        .collect()
}

fn json(out: &mut String, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value)
        .map_err(|e| Error::internal("a result cannot be written as JSON").because(e))?;
    out.push_str(&text);
    out.push('\n');
    Ok(())
}
