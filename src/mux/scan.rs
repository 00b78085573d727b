//! An agent's output taken apart while it streams: what goes on to clients, what the host answers, what tells
//! of the agent. Every byte is accounted for, so that output frames can say which of them they cover.

use bytes::Bytes;

use super::classify::{Hold, classify_csi, classify_string, hold, opening};
use super::sequence::{BEL, ESC, End, MAX_SEQUENCE, Shape, Text, shape, string_end};

const ENQ: u8 = 0x05;

/// A part of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub what: What,
    /// The agent's own bytes. All pieces in turn, and what is held, are the stream.
    pub bytes: Bytes,
}

/// What a part of the stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// For screen and clients.
    Pass,
    /// For the host alone: [`answer`](super::answer()) it.
    Query(Query),
    /// A question that only a real terminal can answer: for the size's owner alone.
    UnknownQuery,
    Bell,
    /// OSC 9, 99 or 777.
    Notification {
        title: Option<String>,
        body: String,
    },
    /// OSC 52; a long one comes in several pieces.
    Clipboard,
    /// An OSC 7501 report: for [`psp`](super::psp).
    Status,
    /// OSC 9;4. The state is 0 none, 1 normal, 2 error, 3 indeterminate, 4 paused; percent 0 to 100.
    Progress {
        state: u8,
        percent: Option<u8>,
    },
    /// OSC 133;A: a shell shows its prompt.
    Prompt,
    /// RIS.
    Reset,
    /// More of a long notification.
    More,
}

impl Piece {
    /// Whether it goes to every attached client as it comes.
    pub fn live(&self) -> bool {
        !matches!(self.what, What::Query(_) | What::UnknownQuery)
    }

    /// Whether it may be sent again to a client that resumes: nothing rings or notifies twice.
    pub fn replayable(&self) -> bool {
        matches!(
            self.what,
            What::Pass | What::Status | What::Progress { .. } | What::Prompt | What::Reset
        )
    }
}

/// A question that the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// DA1, and DECID.
    PrimaryAttributes,
    SecondaryAttributes,
    TertiaryAttributes,
    /// DSR 5.
    Status,
    /// DSR 6.
    Cursor,
    /// DSR ?6.
    CursorExtended,
    /// DSR ?996: dark or light.
    ColorScheme,
    /// DECRQM.
    Mode {
        private: bool,
        mode: u16,
    },
    KittyKeyboard,
    ModifyOtherKeys,
    /// XTVERSION.
    Version,
    /// DECREQTPARM.
    Parameters(u8),
    /// OSC 4. `bel` where the question ended so: the answer does too.
    Palette {
        indices: Vec<u8>,
        bel: bool,
    },
    /// OSC 10, 11 and 12, in the order asked.
    Dynamic {
        codes: Vec<u8>,
        bel: bool,
    },
    /// XTWINOPS reports; titles are refused.
    Window(u16),
    /// OSC 52's read: refused.
    ClipboardRead,
    /// OSC 7501's: its own bytes are the answer.
    ProgramStatus(Bytes),
    /// ENQ: nothing is said.
    Enquiry,
}

/// What the scanner is in the middle of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ground,
    /// In a string that needs no holding back.
    Stream {
        kind: Text,
        what: What,
        doubled: bool,
    },
    /// In a CSI that is too long to be anything.
    LongCsi,
}

/// Splits a stream into [`Piece`]s. Holds back at most one unfinished sequence, of 4 KiB.
#[derive(Debug)]
pub struct Scanner {
    held: Vec<u8>,
    state: State,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Pieces as they are found; neighbours that just pass become one.
struct Cutter<'a> {
    all: &'a Bytes,
    from: usize,
    out: &'a mut Vec<Piece>,
}

impl Cutter<'_> {
    /// All before `to` that is not given out yet passes.
    fn pass(&mut self, to: usize) {
        self.piece(to, to, What::Pass);
    }

    /// All before `at` passes, and `at..to` is something else.
    fn piece(&mut self, at: usize, to: usize, what: What) {
        if at > self.from {
            self.push(self.from, at, What::Pass);
        }
        if to > at {
            self.push(at, to, what);
        }
        self.from = to;
    }

    fn push(&mut self, from: usize, to: usize, what: What) {
        let bytes = self.all.slice(from..to);
        self.out.push(Piece { what, bytes });
    }
}

impl Scanner {
    pub fn new() -> Self {
        Self {
            held: Vec::new(),
            state: State::Ground,
        }
    }

    /// Whether nothing has begun that is not all given out: other bytes may be put into the stream here.
    pub fn at_ground(&self) -> bool {
        self.held.is_empty() && self.state == State::Ground
    }

    /// Bytes taken and not given out yet.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes output and appends its pieces.
    pub fn feed(&mut self, bytes: &Bytes, out: &mut Vec<Piece>) {
        let all = if self.held.is_empty() {
            bytes.clone()
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            Bytes::from(joined)
        };
        let mut cut = Cutter {
            all: &all,
            from: 0,
            out,
        };
        let held_from = self.run(&all, &mut cut);
        cut.pass(held_from);
        self.held
            .extend_from_slice(all.get(held_from..).unwrap_or_default());
    }

    /// At the stream's end: what is held will never be finished.
    pub fn flush(&mut self, out: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        self.state = State::Ground;
        if !held.is_empty() {
            out.push(Piece {
                what: What::Pass,
                bytes: Bytes::from(held),
            });
        }
    }

    /// Scans; tells where what is to be held back begins.
    fn run(&mut self, b: &[u8], cut: &mut Cutter<'_>) -> usize {
        let mut i = match self.resume(b, cut) {
            Ok(i) => i,
            Err(held_from) => return held_from,
        };
        while let Some(rest) = b.get(i..) {
            let Some(p) = memchr::memchr3(ESC, BEL, ENQ, rest).map(|p| p + i) else {
                return b.len();
            };
            let sequence = b.get(p..).unwrap_or_default();
            match sequence.first() {
                Some(&BEL) => {
                    cut.piece(p, p + 1, What::Bell);
                    i = p + 1;
                    continue;
                }
                Some(&ENQ) => {
                    cut.piece(p, p + 1, What::Query(Query::Enquiry));
                    i = p + 1;
                    continue;
                }
                _ => {}
            }
            match shape(sequence) {
                Shape::Complete(n) => {
                    i = p + n;
                    if let Some(what) = classify_csi(sequence.get(..n).unwrap_or_default()) {
                        cut.piece(p, i, what);
                    }
                }
                Shape::Incomplete if sequence.len() <= MAX_SEQUENCE => return p,
                Shape::Incomplete => {
                    self.state = State::LongCsi;
                    return b.len();
                }
                Shape::Open(kind) => match self.string(kind, b, p, cut) {
                    Ok(next) => i = next,
                    Err(held_from) => return held_from,
                },
            }
        }
        b.len()
    }

    /// Goes on in what an earlier call ended in. `Err` where these bytes end in it too.
    fn resume(&mut self, b: &[u8], cut: &mut Cutter<'_>) -> Result<usize, usize> {
        match std::mem::replace(&mut self.state, State::Ground) {
            State::Ground => Ok(0),
            State::LongCsi => {
                let end = b
                    .iter()
                    .position(|c| matches!(c, 0x40..=0x7e | 0x18 | 0x1a | &ESC));
                match end {
                    Some(p) if b.get(p) == Some(&ESC) => Ok(p),
                    Some(p) => Ok(p + 1),
                    None => {
                        self.state = State::LongCsi;
                        Err(b.len())
                    }
                }
            }
            State::Stream {
                kind,
                what,
                doubled,
            } => {
                let to = match string_end(kind, b, 0, doubled) {
                    End::Terminated { next, .. } => Ok(next),
                    End::Cut(at) => Ok(at),
                    End::Missing(esc) => Err(b.len() - usize::from(esc)),
                };
                let end = to.unwrap_or_else(|e| e);
                if what == What::Pass {
                    cut.pass(end);
                } else {
                    cut.piece(0, end, what.clone());
                }
                if to.is_err() {
                    self.state = State::Stream {
                        kind,
                        what,
                        doubled,
                    };
                }
                to
            }
        }
    }

    /// A control string that opens at `p`. `Ok(where it ends)`, `Err(where holding begins)`.
    fn string(
        &mut self,
        kind: Text,
        b: &[u8],
        p: usize,
        cut: &mut Cutter<'_>,
    ) -> Result<usize, usize> {
        let doubled = kind == Text::Dcs && b.get(p + 2..).unwrap_or_default().starts_with(b"tmux;");
        let (payload_end, next) = match string_end(kind, b, p + 2, doubled) {
            End::Terminated { payload, next } => (payload, next),
            End::Cut(at) => (at, at),
            End::Missing(esc) => {
                let payload = b.get(p + 2..b.len() - usize::from(esc)).unwrap_or_default();
                let length = b.len() - p;
                if length <= MAX_SEQUENCE && hold(kind, payload) == Hold::Wait {
                    return Err(p);
                }
                let to = b.len() - usize::from(esc);
                let first = opening(kind, payload);
                let what = match first {
                    What::Notification { .. } => What::More,
                    What::Clipboard => What::Clipboard,
                    _ => What::Pass,
                };
                if first == What::Pass {
                    cut.pass(to);
                } else {
                    cut.piece(p, to, first);
                }
                self.state = State::Stream {
                    kind,
                    what,
                    doubled,
                };
                return Err(to);
            }
        };
        let payload = b.get(p + 2..payload_end).unwrap_or_default();
        let bel = b.get(payload_end) == Some(&BEL);
        let whole = cut.all.slice(p..next);
        if let Some(what) = classify_string(kind, payload, bel, &whole) {
            cut.piece(p, next, what);
        }
        Ok(next)
    }
}
