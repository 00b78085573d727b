//! A pane: a program somewhere, its screen here. Each has a task of its own that feeds the screen as fast as
//! output comes; who draws looks at it when it is time for a frame.

mod agent;
mod back;
mod local;
mod pictures;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, watch};

use self::pictures::Pictures;
use super::ways::Ways;
use crate::client::Registry;
use crate::client::attach::Predict;
use crate::model::{SessionId, Size, Terminal};
use crate::mux::canvas::WHOLE;
use crate::mux::images::Takes;
use crate::mux::layout::PaneId;
use crate::mux::{Piece, Query, Row, Scanner, Screen, What, answer};

/// What runs in a pane: enough to open it again on another day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Agent {
        session: SessionId,
        agent: u32,
        #[serde(default)]
        read_only: bool,
    },
    /// A program on this machine.
    Local {
        argv: Vec<String>,
        #[serde(default)]
        cwd: Option<PathBuf>,
    },
}

impl Source {
    pub fn agent(session: SessionId, agent: u32) -> Self {
        Self::Agent {
            session,
            agent,
            read_only: false,
        }
    }

    /// What it is called: `abc123/2`, `zsh`.
    pub fn label(&self) -> String {
        match self {
            Self::Agent { session, agent, .. } => format!("{}/{agent}", session.short()),
            Self::Local { argv, .. } => {
                let program = argv.first().map_or("", String::as_str);
                program.rsplit('/').next().unwrap_or(program).to_owned()
            }
        }
    }

    /// The agent, where it is one.
    pub fn of_agent(&self) -> Option<(&SessionId, u32)> {
        match self {
            Self::Agent { session, agent, .. } => Some((session, *agent)),
            Self::Local { .. } => None,
        }
    }
}

/// How far a pane's program has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Not connected yet.
    Opening,
    Running,
    /// It is over, with this exit status.
    Ended {
        code: i32,
        line: String,
    },
    /// It cannot be reached; it may be tried again.
    Failed(String),
}

impl Life {
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Failed(_))
    }
}

/// The longest sequence that goes on to the person's own terminal.
const MOST_UP: usize = 4 << 20;
/// Lines above a screen that are kept here.
const KEPT: usize = 10_000;

/// What a pane shows.
pub struct Shown {
    pub screen: Screen,
    pub life: Life,
    scanner: Scanner,
    /// The beginning of what goes on to the person's own terminal.
    partial: Vec<u8>,
    /// What scrolled off, oldest first.
    above: VecDeque<Row>,
    pub pictures: Pictures,
}

/// What follows from output.
#[derive(Default)]
struct Taken {
    /// What the program is to be answered.
    answers: Vec<u8>,
    /// What goes on to the person's own terminal.
    up: Vec<u8>,
    /// It asks for this clipboard.
    asks: Option<String>,
}

/// Which clipboard a program asks for: `c`, `p` …
fn asked_of(query: &[u8]) -> String {
    let which = query.split(|b| *b == b';').nth(1).unwrap_or_default();
    let which = which.iter().filter(|b| b.is_ascii_alphanumeric()).take(8);
    which.map(|b| char::from(*b)).collect()
}

impl Shown {
    /// Takes output.
    fn take(&mut self, bytes: &Bytes, terminal: &Terminal, takes: Takes) -> Taken {
        let mut pieces = Vec::new();
        self.scanner.feed(bytes, &mut pieces);
        let Taken {
            mut answers,
            mut up,
            mut asks,
        } = Taken::default();
        for Piece { what, bytes } in &pieces {
            match what {
                What::Query(Query::ClipboardRead) => {
                    asks = Some(asked_of(bytes));
                    continue;
                }
                What::Query(Query::PrimaryAttributes) if takes.sixel && takes.cell.is_some() => {
                    answers.extend_from_slice(b"\x1b[?62;4;22c");
                    continue;
                }
                // The mouse of a pane is told in cells, and its size by no sequence.
                What::Query(Query::Mode {
                    private: true,
                    mode,
                }) if WHOLE.contains(mode) => {
                    answers.extend(format!("\x1b[?{mode};0$y").into_bytes());
                    continue;
                }
                What::Query(query) => {
                    answers.extend(answer(query, &self.screen, terminal));
                    continue;
                }
                What::UnknownQuery => {
                    answers.extend(pictures::answer(bytes, takes));
                    continue;
                }
                What::Bell => up.push(0x07),
                What::Notification { .. } | What::Clipboard | What::More => {
                    self.pass_on(bytes, &mut up);
                }
                What::Pass => {
                    self.pictures.feed(bytes, &mut self.screen, takes);
                    continue;
                }
                What::Status | What::Progress { .. } | What::Prompt | What::Reset => {}
            }
            self.screen.feed(bytes);
        }
        if self.screen.scrolled() > 0 {
            let scrolled = self.screen.take_scrolled(KEPT);
            self.above.extend(scrolled.iter().map(Row::from));
            let over = self.above.len().saturating_sub(KEPT);
            self.above.drain(..over);
        }
        Taken { answers, up, asks }
    }

    /// A long sequence comes in pieces; it goes on whole, for others' bytes may come in between.
    fn pass_on(&mut self, piece: &[u8], up: &mut Vec<u8>) {
        self.partial.extend_from_slice(piece);
        if piece.ends_with(b"\x07") || piece.ends_with(b"\x1b\\") {
            up.append(&mut self.partial);
        } else if self.partial.len() > MOST_UP {
            self.partial.clear();
        }
    }

    /// All lines that are known here, those that are seen last.
    pub fn lines(&self) -> Vec<Row> {
        let above = self.above.iter().cloned();
        above.chain(self.screen.rows()).collect()
    }
}

/// What a pane tells beside its screen.
#[derive(Debug)]
pub enum Said {
    /// Bells, notifications and copied text, for the person's own terminal.
    Up(Vec<u8>),
    /// Its program is over, or cannot be reached.
    Over,
    /// All lines of its agent's history, as [`Pane::look_back`] asked for; `None` where they cannot be had.
    Lines(Option<Vec<Row>>),
    /// This was to be opened, and no program could.
    NotOpened(String),
    /// Its program asks for this clipboard.
    AsksForClipboard(String),
}

/// What all panes share.
#[derive(Clone)]
pub struct Wires {
    pub registry: Registry,
    pub ways: Arc<Ways>,
    /// Something shown has changed.
    pub dirty: Arc<Notify>,
    pub said: mpsc::UnboundedSender<(PaneId, Said)>,
    /// What is known of the person's own terminal, once it has answered.
    pub facts: watch::Receiver<Option<Terminal>>,
    /// Which images it takes.
    pub takes: watch::Receiver<Takes>,
    /// The environment of programs here.
    pub env: Arc<BTreeMap<String, String>>,
    pub scrollback: u32,
    pub predict: Predict,
    pub who: String,
}

/// One pane. Dropped, its program here is hung up on, and its agent left.
pub struct Pane {
    pub source: Source,
    shown: Arc<Mutex<Shown>>,
    input: mpsc::UnboundedSender<Bytes>,
    size: watch::Sender<Size>,
}

/// The pane's side of its task.
struct Job {
    id: PaneId,
    shown: Arc<Mutex<Shown>>,
    input: mpsc::UnboundedReceiver<Bytes>,
    size: watch::Receiver<Size>,
    wires: Wires,
}

impl Pane {
    pub fn open(id: PaneId, source: Source, size: Size, wires: &Wires) -> Self {
        let size = size.clamped();
        let shown = Arc::new(Mutex::new(Shown {
            screen: Screen::new(size).keeping_scrolled(),
            life: Life::Opening,
            scanner: Scanner::new(),
            partial: Vec::new(),
            above: VecDeque::new(),
            pictures: Pictures::default(),
        }));
        let (input, typed) = mpsc::unbounded_channel();
        let (resize, sizes) = watch::channel(size);
        let job = Job {
            id,
            shown: shown.clone(),
            input: typed,
            size: sizes,
            wires: wires.clone(),
        };
        match source.clone() {
            Source::Agent {
                session,
                agent,
                read_only,
            } => drop(tokio::spawn(agent::run(job, session, agent, read_only))),
            Source::Local { argv, cwd } => drop(tokio::spawn(local::run(job, argv, cwd))),
        }
        Self {
            source,
            shown,
            input,
            size: resize,
        }
    }

    /// What it shows now. Held only while it is looked at: its task waits.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shown)
    }

    pub fn size(&self) -> Size {
        *self.size.borrow()
    }

    /// Types into it.
    pub fn send(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            // One that is over takes nothing.
            let _ = self.input.send(Bytes::copy_from_slice(bytes));
        }
    }

    /// Asks for the whole history of its agent, which comes as [`Said::Lines`]; false where there is none.
    pub fn look_back(&self, id: PaneId, wires: &Wires) -> bool {
        let Source::Agent { session, agent, .. } = &self.source else {
            return false;
        };
        let (wires, session, agent) = (wires.clone(), session.clone(), *agent);
        tokio::spawn(async move {
            let lines = back::lines(&wires.registry, &session, agent).await.ok();
            // Nobody listens when all is being left.
            let _ = wires.said.send((id, Said::Lines(lines)));
        });
        true
    }

    pub fn resize(&self, size: Size) {
        let size = size.clamped();
        self.size
            .send_if_modified(|now| std::mem::replace(now, size) != size);
    }
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn set(&self, life: Life) {
        let over = life.is_over();
        lock(&self.shown).life = life;
        self.wires.dirty.notify_one();
        if over {
            self.say(Said::Over);
        }
    }

    fn say(&self, said: Said) {
        // Nobody listens when all is being left.
        let _ = self.wires.said.send((self.id, said));
    }

    /// Output came: it is shown, and what it asks for is answered.
    fn output(&self, bytes: &Bytes) -> Vec<u8> {
        let Taken { answers, up, asks } = {
            let mut terminal = self.wires.facts.borrow().clone().unwrap_or_default();
            let takes = *self.wires.takes.borrow();
            let mut shown = lock(&self.shown);
            let size = shown.screen.size();
            terminal.pixels = takes
                .cell
                .map(|(w, h)| (w.saturating_mul(size.cols), h.saturating_mul(size.rows)));
            if shown.life == Life::Opening {
                shown.life = Life::Running;
            }
            shown.take(bytes, &terminal, takes)
        };
        if !up.is_empty() {
            self.say(Said::Up(up));
        }
        if let Some(which) = asks {
            self.say(Said::AsksForClipboard(which));
        }
        self.wires.dirty.notify_one();
        answers
    }

    fn resized(&mut self) -> Size {
        let size = *self.size.borrow_and_update();
        lock(&self.shown).screen.resize(size);
        self.wires.dirty.notify_one();
        size
    }
}
