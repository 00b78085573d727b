//! The same sessions for those who hear or feel a terminal: the list once, then a line for each change, and a prompt.
//! Nothing is drawn over, no cursor moved, no box drawn. What is typed is read by the terminal's own line editor.

mod asked;
mod speaker;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::asked::Asked;
use self::speaker::Speaker;
use crate::client::Registry;
use crate::client::cloud;
use crate::client::status::{Presence, Report, watch as follow};
use crate::config::Paths;
use crate::error::{Context, Result};
use crate::model::{Money, SessionId, now_ms};
use crate::ssh::Nobody;

/// Hosts that have not answered by then are told of when they do.
const FIRST: Duration = Duration::from_secs(2);
/// Sessions that began elsewhere are looked for, and deadlines.
const TICK: Duration = Duration::from_secs(1);
/// The record of what was spent is read anew after so many ticks.
const SPENT: u64 = 15;
/// A Ctrl-C comes to us a moment after the verb that it ended.
const LATE: Duration = Duration::from_millis(20);
const PROMPT: &str = "> ";
/// The longest line that is taken.
const LONGEST: usize = 8000;

/// What it is started with.
pub struct Linear {
    pub registry: Registry,
    pub paths: Paths,
    /// This program, by which verbs are run.
    pub exe: PathBuf,
    /// What a day may cost, where the person has said.
    pub daily: Option<Money>,
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    /// Stdin is a terminal: verbs may ask there too.
    pub terminal: bool,
    pub output: Box<dyn Write + Send>,
}

/// Runs until the person leaves.
///
/// # Errors
/// The output cannot be written, or this program cannot be started.
pub async fn run(start: Linear) -> Result<()> {
    let Linear {
        registry,
        paths,
        exe,
        daily,
        mut input,
        terminal,
        output,
    } = start;
    let mut voice = Voice {
        output,
        prompted: false,
    };
    let (send, mut reports) = mpsc::channel::<Report>(64);
    let mut watched = BTreeSet::new();
    let mut speaker = Speaker::new(now_ms(), daily);
    let mut tick = tokio::time::interval(TICK);
    let mut ticks = 0_u64;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let first = tokio::time::sleep(FIRST);
    tokio::pin!(first);
    let (mut typed, mut overlong, mut listed) = (Vec::new(), false, false);
    loop {
        tokio::select! {
            biased;
            Some(report) = reports.recv() => {
                if !matches!(report.presence, Presence::Live | Presence::Unreachable) {
                    watched.remove(&report.session);
                }
                let spent = spent(&paths, &report);
                let lines = speaker.see(report, spent);
                if listed {
                    voice.aside(&lines)?;
                } else if watched.iter().all(|session| speaker.knows(session)) {
                    first.as_mut().reset(Instant::now());
                }
            }
            () = &mut first, if !listed => {
                listed = true;
                voice.say(&speaker.list(now_ms()))?;
                voice.say(&["Type a task, a number to attach, or help.".to_owned()])?;
                voice.prompt()?;
            }
            line = line(&mut input, &mut typed, &mut overlong), if listed => {
                voice.prompted = false;
                let Some(line) = line else {
                    voice.say(&[String::new()])?;
                    return Ok(());
                };
                // A text that was pasted is not as many tasks as it has lines.
                if terminal && typed.contains(&b'\n') {
                    typed.clear();
                    voice.say(&["Several lines came at once; nothing was done. Say it in one line.".to_owned()])?;
                    voice.prompt()?;
                    continue;
                }
                match speaker.asked(&line) {
                    Asked::Quit => return Ok(()),
                    Asked::Nothing => {}
                    Asked::List => voice.say(&speaker.list(now_ms()))?,
                    Asked::Say(lines) => voice.say(&lines)?,
                    Asked::Verb(args) => {
                        let during = verb(&exe, &args, terminal, &mut interrupts, &mut reports);
                        for (session, report) in during.await? {
                            if !matches!(report.presence, Presence::Live | Presence::Unreachable) {
                                watched.remove(&session);
                            }
                            let spent = spent(&paths, &report);
                            voice.say(&speaker.see(report, spent))?;
                        }
                    }
                }
                voice.prompt()?;
            }
            // As at `status --watch`. What runs meanwhile has taken its own.
            Some(()) = interrupts.recv() => {
                voice.say(&[String::new()])?;
                return Ok(());
            }
            _ = tick.tick() => {
                for one in registry.all(false).unwrap_or_default() {
                    if watched.insert(one.id.clone()) {
                        tokio::spawn(follow(registry.clone(), one, Arc::new(Nobody), send.clone()));
                    }
                }
                let mut lines = speaker.pass(now_ms());
                if ticks.is_multiple_of(SPENT) {
                    lines.extend(speaker.learn(cloud::lately(&paths, now_ms()).unwrap_or_default()));
                }
                ticks = ticks.wrapping_add(1);
                if listed {
                    voice.aside(&lines)?;
                } else if watched.is_empty() {
                    first.as_mut().reset(Instant::now());
                }
            }
        }
    }
}

/// The next line; `None` at the end. Cancel-safe.
async fn line(
    input: &mut (impl AsyncRead + Unpin),
    typed: &mut Vec<u8>,
    overlong: &mut bool,
) -> Option<String> {
    loop {
        if let Some(end) = typed.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = typed.drain(..=end).collect();
            // The end of one whose beginning is gone is no line.
            if std::mem::take(overlong) {
                continue;
            }
            return Some(String::from_utf8_lossy(&line).trim().to_owned());
        }
        if typed.len() > LONGEST {
            typed.clear();
            *overlong = true;
        }
        match input.read_buf(typed).await {
            Ok(n) if n > 0 => {}
            _ if typed.is_empty() => return None,
            _ => typed.push(b'\n'),
        }
    }
}

/// What a session has cost, where this device knows.
fn spent(paths: &Paths, report: &Report) -> Option<Money> {
    let rented = report.provider == "ec2";
    let spent = rented.then(|| cloud::spent(paths, &report.session, now_ms()));
    spent.and_then(Result::ok).flatten()
}

/// One of this program's own verbs, with the terminal to itself; it speaks plainly too. Returns what came in
/// meanwhile, the newest of each session.
async fn verb(
    exe: &Path,
    args: &[String],
    terminal: bool,
    interrupts: &mut Signal,
    reports: &mut mpsc::Receiver<Report>,
) -> Result<BTreeMap<SessionId, Report>> {
    let mut during = BTreeMap::new();
    let mut command = Command::new(exe);
    command.args(args).env("REMOTE_SCREEN_READER", "yes");
    if !terminal {
        // What follows in a pipe is for us.
        command.stdin(Stdio::null());
    }
    let child = command.spawn();
    let mut child = child.context(format!("{} cannot be run", exe.display()))?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                // It has said itself what went wrong.
                ended.context("a verb cannot be waited for")?;
                break;
            }
            // Ctrl-C ends it, not us.
            Some(()) = interrupts.recv() => {}
            Some(report) = reports.recv() => {
                during.insert(report.session.clone(), report);
            }
        }
    }
    let _ = tokio::time::timeout(LATE, interrupts.recv()).await;
    Ok(during)
}

/// Where it is spoken.
struct Voice {
    output: Box<dyn Write + Send>,
    /// The prompt was the last word.
    prompted: bool,
}

impl Voice {
    fn say(&mut self, lines: &[String]) -> Result<()> {
        for line in lines {
            // Agents' words among them: nothing in them may do anything to a terminal.
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            writeln!(self.output, "{plain}")?;
        }
        self.output.flush()?;
        Ok(())
    }

    fn prompt(&mut self) -> Result<()> {
        write!(self.output, "{PROMPT}")?;
        self.output.flush()?;
        self.prompted = true;
        Ok(())
    }

    /// While the person may be typing: on lines of their own, the prompt again after them.
    fn aside(&mut self, lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let again = self.prompted;
        if again {
            self.say(&[String::new()])?;
        }
        self.say(lines)?;
        if again {
            self.prompt()?;
        }
        Ok(())
    }
}
