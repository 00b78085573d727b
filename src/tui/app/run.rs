//! The loop: keys, panes, sessions, time; and a frame whenever something has changed, at most one in 16 ms.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};

use super::super::pane::{Said, Wires};
use super::super::ways::Ways;
use super::super::{Ending, Start};
use super::*;
use crate::client::attach::{Facts, Outside, QUESTIONS, RESET_ALL};
use crate::client::cloud;
use crate::client::status::{Presence, Report, watch as follow};
use crate::client::who;
use crate::error::Result;
use crate::model::{Terminal, now_ms};
use crate::mux::canvas::Painted;
use crate::ssh::Nobody;

/// A frame is not drawn sooner after the one before.
const FRAME: Duration = Duration::from_millis(16);
/// Ages are drawn anew, and sessions looked for that began elsewhere.
const TICK: Duration = Duration::from_secs(1);
/// How long the rest of a sequence is waited for.
const SEQUENCE: Duration = Duration::from_millis(50);
/// How long the terminal's answers are waited for.
const FACTS: Duration = Duration::from_millis(250);
/// The terminal is not waited for longer when we leave.
const LEAVE: Duration = Duration::from_secs(2);

/// The alternate screen, its title put aside.
const ENTER: &[u8] = b"\x1b[22;0t\x1b[?1049h";
const RESTORE_TITLE: &[u8] = b"\x1b[23;0t";

pub async fn run(start: Start) -> Result<Ending> {
    let Start {
        first,
        registry,
        paths,
        bindings,
        theme,
        daily,
        env,
        exe,
        scrollback,
        predict,
        term,
        size,
        mut input,
        mut output,
        mut outside,
        mut console,
    } = start;
    let (said, mut told) = mpsc::unbounded_channel();
    let (known, facts) = watch::channel(None);
    let dirty = Arc::new(Notify::new());
    let shell = env.get("SHELL").filter(|s| !s.is_empty());
    let shell = shell.cloned().unwrap_or_else(|| "/bin/sh".to_owned());
    let wires = Wires {
        registry: registry.clone(),
        ways: Arc::new(Ways::new(registry.clone())),
        dirty: dirty.clone(),
        said,
        facts,
        env: Arc::new(env),
        scrollback,
        predict,
        who: who(),
    };
    let mut app = App {
        size,
        theme,
        bindings,
        registry: registry.clone(),
        paths,
        exe,
        shell,
        wires,
        panes: BTreeMap::new(),
        next: 1,
        tabs: Tabs::default(),
        home: Home::new(),
        view: View::Home,
        mode: Mode::Normal,
        popup: None,
        toast: None,
        heard: Heard::new(now_ms()),
        toasts: Toasts::default(),
        places: Places::default(),
        hits: Vec::new(),
        drawing: BTreeMap::new(),
        dragged: None,
        pressed: None,
        pressed_at: (0, 0),
        focused: None,
        back: BTreeMap::new(),
        clipboard: String::new(),
        up: Vec::new(),
        in_paste: false,
        ending: None,
    };
    app.home.daily = daily;
    app.begin(first);
    let (send, mut reports) = mpsc::channel::<Report>(64);
    let mut watched = BTreeSet::new();
    let mut tick = tokio::time::interval(TICK);
    let mut seconds = 0;
    let mut painted = Painted::default();
    let mut pending = BytesMut::from(ENTER);
    let mut answers = Some(Facts::new(Terminal {
        term: term.clone(),
        ..Terminal::default()
    }));
    if matches!(term.as_str(), "linux" | "") {
        answers = None;
        known.send_replace(Some(Terminal::default()));
    } else {
        pending.extend_from_slice(QUESTIONS);
    }
    let began = Instant::now();
    let (mut typed, mut read) = (Vec::new(), BytesMut::new());
    let mut partial: Option<Instant> = None;
    let mut suspended = false;
    let (mut wanted, mut last) = (true, Instant::now().checked_sub(FRAME));
    while app.ending.is_none() {
        let now = Instant::now();
        if partial.is_some_and(|at| at <= now) {
            partial = None;
            app.input(&mut typed, true);
            wanted = true;
        }
        if known.borrow().is_none() && now >= began + FACTS {
            known.send_replace(Some(Terminal::default()));
        }
        wanted |= app.time(now, last);
        let due = last.is_none_or(|last| now >= last + FRAME);
        if wanted && due && pending.is_empty() && !suspended {
            wanted = false;
            let canvas = app.compose(painted.shown(app.size));
            let bytes = painted.frame(canvas);
            if !bytes.is_empty() {
                // A key that changes nothing by itself delays no echo.
                last = Some(now);
            }
            pending.extend_from_slice(&bytes);
            pending.extend_from_slice(&std::mem::take(&mut app.up));
        }
        let frame = last
            .filter(|_| wanted && !suspended)
            .map(|last| last + FRAME);
        let facts_due = known.borrow().is_none().then_some(began + FACTS);
        let wake = [partial, frame, facts_due, app.wake()]
            .into_iter()
            .flatten()
            .min();
        read.reserve(4096);
        tokio::select! {
            biased;
            Some(event) = outside.recv() => match event {
                Outside::Resize(size, _) => {
                    app.size = size;
                    wanted = true;
                }
                Outside::Suspend => {
                    pending.clear();
                    leave(&mut output).await;
                    suspended = console.suspend();
                    if !suspended {
                        pending.extend_from_slice(ENTER);
                        painted.forget();
                        wanted = true;
                    }
                }
                Outside::Continued => {
                    console.resume();
                    suspended = false;
                    pending.extend_from_slice(ENTER);
                    painted.forget();
                    wanted = true;
                }
                Outside::Signal(signal) => app.ending = Some(Ending::Signal(signal)),
                Outside::Told(bytes) => pending.extend_from_slice(&bytes),
            },
            got = input.read_buf(&mut read) => match got {
                Ok(n) if n > 0 => {
                    let bytes = read.split();
                    match &mut answers {
                        Some(facts) => {
                            typed.extend(facts.feed(&bytes));
                            if facts.is_over() {
                                known.send_replace(Some(facts.terminal().clone()));
                                answers = None;
                            }
                        }
                        None => typed.extend_from_slice(&bytes),
                    }
                    app.input(&mut typed, false);
                    partial = (!typed.is_empty()).then(|| Instant::now() + SEQUENCE);
                    wanted = true;
                }
                _ => app.ending = Some(Ending::Hangup),
            },
            Some((pane, said)) = told.recv() => {
                match said {
                    Said::Up(bytes) => pending.extend_from_slice(&bytes),
                    Said::Over => app.over(pane),
                    Said::Lines(lines) => {
                        if let Some(copy) = app.back.get_mut(&pane) {
                            copy.complete(lines);
                        }
                    }
                }
                wanted = true;
            }
            wrote = output.write(&pending), if !pending.is_empty() && !suspended => match wrote {
                Ok(n) if n > 0 => drop(pending.split_to(n.min(pending.len()))),
                _ => app.ending = Some(Ending::Hangup),
            },
            () = dirty.notified() => wanted = true,
            Some(report) = reports.recv() => {
                if !matches!(report.presence, Presence::Live | Presence::Unreachable) {
                    // Nobody follows it any more; it may be started again.
                    watched.remove(&report.session);
                }
                let rented = report.provider == "ec2";
                let spent = rented.then(|| cloud::spent(&app.paths, &report.session, now_ms()));
                app.hear(report, spent.and_then(Result::ok).flatten());
                wanted = true;
            }
            _ = tick.tick() => {
                for one in registry.all(false).unwrap_or_default() {
                    if watched.insert(one.id.clone()) {
                        tokio::spawn(follow(registry.clone(), one, Arc::new(Nobody), send.clone()));
                    }
                }
                app.home.heard |= began.elapsed() > TICK;
                app.second(seconds);
                seconds = seconds.wrapping_add(1);
                wanted = true;
            }
            () = sleep(wake) => {}
        }
    }
    app.saved().store(&app.paths);
    let ending = app.ending.unwrap_or(Ending::Hangup);
    if ending != Ending::Hangup {
        leave(&mut output).await;
    }
    Ok(ending)
}

/// Puts the terminal back. One that takes nothing cannot be helped.
async fn leave(output: &mut (impl AsyncWriteExt + Unpin)) {
    let put_back = async {
        output.write_all(RESET_ALL).await?;
        output.write_all(RESTORE_TITLE).await?;
        output.flush().await
    };
    let _ = tokio::time::timeout(LEAVE, put_back).await;
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl App {
    /// What is due by time alone; whether anything shown changes by it.
    fn time(&mut self, now: Instant, drawn: Option<Instant>) -> bool {
        let over = self.toast.take_if(|(_, until)| now >= *until).is_some() | self.toasts.turn(now);
        let repeated = matches!(self.mode, Mode::Repeat(until) if now >= until);
        if repeated {
            self.mode = Mode::Normal;
        }
        // It became due after the last frame.
        let just = |at: Instant| now >= at && drawn.is_none_or(|drawn| drawn < at);
        let hint = matches!(self.mode, Mode::Prefix(at) if just(at));
        let half = self
            .drawing
            .values()
            .any(|since| just(*since + super::draw::HALF));
        over || repeated || hint || half
    }

    /// When time alone changes something.
    fn wake(&self) -> Option<Instant> {
        let toast = self.toast.as_ref().map(|(_, until)| *until);
        let mode = match self.mode {
            Mode::Prefix(at) | Mode::Repeat(at) => Some(at),
            _ => None,
        };
        let late = self
            .drawing
            .values()
            .map(|since| *since + super::draw::HALF)
            .min();
        let soon = Instant::now();
        // The hint that is shown already is due no more.
        let mode = mode.filter(|at| *at > soon);
        [
            toast,
            self.toasts.until(),
            mode,
            late.filter(|at| *at > soon),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
