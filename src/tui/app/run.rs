//! The loop: keys, panes, sessions, time; and a frame whenever something has changed, at most one in 16 ms.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::super::pane::{Said, Wires};
use super::super::stage::{ENTER, FRAME, SEQUENCE, leave, sleep};
use super::super::ways::Ways;
use super::super::{Ending, Start};
use super::keep::Kept;
use super::*;
use crate::client::attach::{CELL_QUESTION, Facts, Outside, QUESTIONS};
use crate::client::cloud;
use crate::client::status::{Presence, Report, watch as follow};
use crate::client::who;
use crate::error::Result;
use crate::model::Terminal;
use crate::mux::canvas::Painted;
use crate::mux::images::Takes;
use crate::ssh::Nobody;

/// Ages are drawn anew, and sessions looked for that began elsewhere.
const TICK: Duration = Duration::from_secs(1);
/// How long the rest of a long sequence is waited for.
const LONG_SEQUENCE: Duration = Duration::from_secs(5);
/// How long the terminal's answers are waited for.
const FACTS: Duration = Duration::from_millis(250);
/// All of kitty's images go.
const NO_IMAGES: &[u8] = b"\x1b_Ga=d,d=A,q=2\x1b\\";

pub async fn run(start: Start) -> Result<Ending> {
    let Start {
        first,
        registry,
        mut elsewhere,
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
        pixels,
        mut input,
        mut output,
        mut outside,
        mut console,
    } = start;
    let (said, mut told) = mpsc::unbounded_channel();
    let (known, facts) = watch::channel(None);
    let (takes, taken) = watch::channel(Takes {
        cell: cell_of(size, pixels),
        ..Takes::default()
    });
    let dirty = Arc::new(Notify::new());
    let shell = env.get("SHELL").filter(|s| !s.is_empty());
    let shell = shell.cloned().unwrap_or_else(|| "/bin/sh".to_owned());
    let wires = Wires {
        registry: registry.clone(),
        ways: Arc::new(Ways::new(registry.clone())),
        dirty: dirty.clone(),
        said,
        facts,
        takes: taken,
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
        rests: Default::default(),
        dragged: None,
        pressed: None,
        pressed_at: (0, 0),
        withheld: None,
        focused: None,
        back: BTreeMap::new(),
        find: Find::new(registry.clone(), dirty.clone()),
        clipboard: String::new(),
        reads: Default::default(),
        up: Vec::new(),
        in_paste: false,
        ending: None,
    };
    app.home.daily = daily;
    app.begin(first.clone());
    // What was asked for is kept as it is; what came back is there already.
    let mut kept = Kept::new(match first {
        First::Panes(_) => Saved::default(),
        First::List | First::LastTime => app.saved(),
    });
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
        pending.extend_from_slice(CELL_QUESTION);
        pending.extend_from_slice(QUESTIONS);
    }
    let began = Instant::now();
    let (mut typed, mut read) = (Vec::new(), BytesMut::new());
    let mut partial: Option<Instant> = None;
    let mut suspended = false;
    let (mut wanted, mut last) = (true, Instant::now().checked_sub(FRAME));
    let mut hurry = false;
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
        let due = hurry || last.is_none_or(|last| now >= last + FRAME);
        if wanted && due && pending.is_empty() && !suspended {
            wanted = false;
            let canvas = app.compose(painted.shown(app.size));
            let bytes = painted.frame(canvas);
            if !bytes.is_empty() {
                // A key that changes nothing by itself delays no echo.
                last = Some(now);
                hurry = false;
            }
            pending.extend_from_slice(&bytes);
            pending.extend_from_slice(&std::mem::take(&mut app.up));
        }
        let frame = last
            .filter(|_| wanted && !suspended && !hurry)
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
                Outside::Resize(size, pixels) => {
                    app.size = size;
                    if let Some(cell) = cell_of(size, pixels) {
                        takes.send_modify(|takes| takes.cell = Some(cell));
                    }
                    wanted = true;
                }
                Outside::Suspend => {
                    pending.clear();
                    leave(&mut output, images_of(&takes)).await;
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
                                takes.send_modify(|takes| {
                                    let cell = takes.cell;
                                    *takes = facts.takes();
                                    takes.cell = takes.cell.or(cell);
                                });
                                known.send_replace(Some(facts.terminal().clone()));
                                answers = None;
                            }
                        }
                        None => typed.extend_from_slice(&bytes),
                    }
                    app.input(&mut typed, false);
                    // What comes of it waits for no frame.
                    hurry = true;
                    // A clipboard is long, and its rest must never be taken for keys.
                    let rest = match typed.starts_with(clipboard::TOLD) {
                        true => LONG_SEQUENCE,
                        false => SEQUENCE,
                    };
                    partial = (!typed.is_empty()).then(|| Instant::now() + rest);
                    wanted = true;
                }
                _ => app.ending = Some(Ending::Hangup),
            },
            Some((pane, said)) = told.recv() => {
                match said {
                    Said::Up(bytes) => pending.extend_from_slice(&bytes),
                    Said::Over => app.over(pane),
                    Said::Lines(lines) => app.history(pane, lines),
                    Said::NotOpened(address) => app.not_opened(address),
                    Said::AsksForClipboard(which) => app.asks_for_clipboard(pane, which),
                }
                wanted = true;
            }
            wrote = output.write(&pending), if !pending.is_empty() && !suspended => match wrote {
                Ok(n) if n > 0 => drop(pending.split_to(n.min(pending.len()))),
                _ => app.ending = Some(Ending::Hangup),
            },
            layout = come(&mut elsewhere) => {
                if let Some(layout) = layout.filter(|_| kept.is_untouched(&app)) {
                    app.adopt(&layout, &first);
                    kept.is(&app);
                    wanted = true;
                }
            }
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
                kept.look(&app);
                app.home.heard |= began.elapsed() > TICK;
                app.second(seconds);
                seconds = seconds.wrapping_add(1);
                wanted = true;
            }
            () = sleep(wake) => {}
        }
    }
    let told = kept.leave(&app);
    let ending = app.ending.unwrap_or(Ending::Hangup);
    if ending != Ending::Hangup {
        leave(&mut output, images_of(&takes)).await;
    }
    told.await;
    Ok(ending)
}

/// What a cell measures, in pixels.
fn cell_of(size: Size, pixels: Option<(u16, u16)>) -> Option<(u16, u16)> {
    let cell = pixels.map(|(w, h)| (w / size.cols.max(1), h / size.rows.max(1)));
    cell.filter(|(w, h)| *w > 0 && *h > 0)
}

/// What takes away the images that a terminal may have of us.
fn images_of(takes: &watch::Sender<Takes>) -> &'static [u8] {
    if takes.borrow().kitty { NO_IMAGES } else { b"" }
}

/// What another device left, once it is known.
async fn come(elsewhere: &mut Option<JoinHandle<Option<Layout>>>) -> Option<Layout> {
    let Some(asked) = elsewhere else {
        return std::future::pending().await;
    };
    let layout = asked.await.ok().flatten();
    *elsewhere = None;
    layout
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
        let half = half || self.rests.due().any(just);
        let answered = self.clipboard_time(now);
        over || repeated || hint || half || answered
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
            .chain(self.rests.due())
            .filter(|at| *at > Instant::now())
            .min();
        let soon = Instant::now();
        // The hint that is shown already is due no more.
        let mode = mode.filter(|at| *at > soon);
        [
            toast,
            self.toasts.until(),
            mode,
            late.filter(|at| *at > soon),
            self.reads.wake(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
