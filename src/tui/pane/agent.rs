//! An agent's pane: `remote attach` itself, with pipes in the terminal's place. So it heals as that does, shows
//! the same banners, and asks before it delivers what was typed long ago.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc;

use super::{Job, Life};
use crate::client::attach::{Console, Ending, Options, Outside, Parts, Report, attach};
use crate::model::{AgentState, SessionId, Terminal};

/// What lies between the engine and the screen.
const PIPE: usize = 64 * 1024;
/// The screen is fed so much at once: who draws waits no longer than that takes.
const PORTION: usize = 16 * 1024;
/// How long the person's terminal may take to say what it is.
const FACTS: Duration = Duration::from_millis(250);
const HANGUP: i32 = 1;

/// A pane cannot be suspended.
struct NoConsole;

impl Console for NoConsole {
    fn suspend(&mut self) -> bool {
        false
    }
    fn resume(&mut self) {}
}

pub(super) async fn run(mut job: Job, session: SessionId, agent: u32, read_only: bool) {
    let mut facts = job.wires.facts.clone();
    // Without an answer it is a terminal of which nothing is known.
    let _ = tokio::time::timeout(FACTS, facts.wait_for(Option::is_some)).await;
    let dial = match job.wires.ways.dial(&session).await {
        Ok(dial) => dial,
        Err(e) => return job.set(Life::Failed(e.to_string())),
    };
    let terminal = job.wires.facts.borrow().clone().unwrap_or_default();
    let options = Options {
        session: session.to_string(),
        agent,
        who: job.wires.who.clone(),
        size: job.resized(),
        terminal: Terminal {
            // Known already, as far as it ever will be: it is not asked.
            term: String::new(),
            program_status: None,
            pixels: None,
            // Whoever asks for the clipboard, the person is asked here.
            asks_for_clipboard: true,
            ..terminal
        },
        read_only,
        scrollback: job.wires.scrollback,
        detach_key: None,
        keyboard: false,
        display: true,
        predict: job.wires.predict,
        pane: true,
    };
    let (mut keys, input) = duplex(PIPE);
    let (output, mut screen) = duplex(PIPE);
    let (outside, events) = mpsc::channel(16);
    let parts = Parts {
        dial: Arc::new(dial),
        input: Box::new(input),
        output: Box::new(output),
        outside: events,
        console: Box::new(NoConsole),
    };
    let mut engine = tokio::spawn(attach(options, parts));
    let mut typed = BytesMut::new();
    let mut buf = BytesMut::new();
    let mut open = true;
    let report = loop {
        buf.reserve(PORTION);
        tokio::select! {
            biased;
            wrote = keys.write(&typed), if !typed.is_empty() => match wrote {
                Ok(n) => drop(typed.split_to(n.min(typed.len()))),
                Err(_) => typed.clear(),
            },
            more = job.input.recv(), if open => match more {
                Some(bytes) => typed.extend_from_slice(&bytes),
                None => {
                    open = false;
                    // It says good-bye to the host, and ends.
                    let _ = outside.send(Outside::Signal(HANGUP)).await;
                }
            },
            Ok(()) = job.size.changed(), if open => {
                let size = job.resized();
                let _ = outside.send(Outside::Resize(size, None)).await;
            }
            read = screen.read_buf(&mut buf) => match read {
                Ok(n) if n > 0 => drop(job.output(&buf.split().freeze())),
                _ => break engine.await.ok(),
            },
            ended = &mut engine => break Some(ended).and_then(Result::ok),
        }
    };
    let mut rest = Vec::new();
    // All that the engine wrote is there by now.
    let _ = screen.read_to_end(&mut rest).await;
    if !rest.is_empty() {
        job.output(&Bytes::from(rest));
    }
    job.set(match report {
        Some(Ok(report)) => {
            // So that what is offered next is another machine, not this one.
            if matches!(&report.ending, Ending::Ended(ended) if ended.session_over) {
                job.wires.registry.ledger().lost(&session);
            }
            over(report)
        }
        _ => Life::Failed("the attachment failed".to_owned()),
    });
}

fn over(report: Report) -> Life {
    match report.ending {
        Ending::Ended(ended) => Life::Ended {
            code: match ended.state {
                AgentState::Exited { code } => code,
                _ => 1,
            },
            line: match ended.session_over {
                true => format!("{}, and its session is over", ended.state),
                false => ended.state.to_string(),
            },
        },
        Ending::Failed(why) => Life::Failed(why),
        Ending::Refused { message, .. } => Life::Failed(message),
        Ending::Left | Ending::Signal(_) | Ending::Hangup => Life::Failed("left".to_owned()),
    }
}
