//! One client's attached terminal as the host sees it, without any I/O: which bytes it has, whether it gets
//! the agent's own bytes or drawn screens, when it is skipped ahead, how it resumes. The caller performs the
//! [`Step`]s and tells what it did.

mod step;
mod stream;

use std::time::Duration;

use bytes::Bytes;

use super::flow::Flow;
use super::ring::{Slice, Wanted};
use crate::model::{Millis, Size, Terminal};
use crate::proto::{Attach, AttachmentId, Form, Resumed};
pub use step::{Frame, Scene, Step};
use stream::{Outbox, Stream, form_for};

/// The most bytes of one output frame.
pub const FRAME: u64 = 32 * 1024;
/// A longer gap is mended by a repaint, which is shorter.
const SMALL_GAP: u64 = 256 * 1024;
/// A client that needs longer for what it owes is skipped ahead.
const SLOW: Duration = Duration::from_millis(100);
/// One that types is skipped ahead sooner: what it typed wants an answer.
const SLOW_TYPED: Duration = Duration::from_millis(10);
/// A stream on which nothing was heard for so long is dead.
const SILENCE: Duration = Duration::from_secs(30);

/// One client's attached terminal. It outlives its connections.
#[derive(Debug)]
pub struct Attachment {
    pub id: AttachmentId,
    pub who: String,
    pub since: Millis,
    pub size: Size,
    pub read_only: bool,
    pub terminal: Terminal,
    /// When its last stream ended.
    pub left: Option<Millis>,
    /// Rises with each time that anybody types: whose is highest has the size.
    pub typed: u64,
    /// Repaints sent because it had fallen behind.
    pub skips: u64,
    input: u64,
    /// Everything below was sent on some stream: no bell of it rings again.
    sent_high: u64,
    /// Only a client that has bytes beyond this one is at a place where bytes can go on.
    solid: u64,
    stream: Option<Stream>,
}

impl Attachment {
    /// A new one, not connected yet; `input` is the last input number it is known to have had applied.
    pub fn new(id: AttachmentId, input: u64, now: Millis) -> Self {
        Self {
            id,
            who: String::new(),
            since: now,
            size: crate::model::DEFAULT_SIZE,
            read_only: true,
            terminal: Terminal::default(),
            left: None,
            typed: 0,
            skips: 0,
            input,
            sent_high: 0,
            solid: u64::MAX,
            stream: None,
        }
    }

    /// The last input number applied.
    pub fn input(&self) -> u64 {
        self.input
    }

    pub fn connected(&self) -> bool {
        self.stream.is_some()
    }

    /// `raw` or `drawn`; `None` while not connected.
    pub fn form(&self) -> Option<Form> {
        self.stream.as_ref().map(|s| s.form)
    }

    /// Connects. Size and access must have been set from `attach` and the PTY resized already. Returns how it
    /// resumes, and the agent byte from which output goes on.
    pub fn connect(
        &mut self,
        attach: &Attach,
        scrollback: Bytes,
        scene: Scene,
        now: Duration,
    ) -> (Resumed, u64) {
        let form = form_for(self.size, scene.size);
        let bytes = attach.resume.filter(|r| {
            r.form == Form::Raw
                && form == Form::Raw
                && r.size.clamped() == scene.size
                && r.offset > self.solid
                && (scene.start..=scene.end).contains(&r.offset)
                && scene.end - r.offset <= SMALL_GAP
        });
        let known = attach.resume.map_or(scene.end, |r| r.offset);
        let at = known.min(scene.end);
        let mut stream = Stream {
            flow: Flow::new(attach.window),
            form,
            at,
            covered: at,
            paint: bytes.is_none(),
            last_paint: None,
            outbox: Vec::new(),
            heard: now,
            last_sent: now,
            told_over: false,
        };
        if bytes.is_none() {
            self.solid = u64::MAX;
            if !scrollback.is_empty() {
                stream.outbox.push(Outbox {
                    form: Form::Scrollback,
                    bytes: scrollback,
                    to: at,
                });
            }
        }
        self.stream = Some(stream);
        self.left = None;
        let resumed = if bytes.is_some() {
            Resumed::Bytes
        } else {
            Resumed::Repaint
        };
        (resumed, at)
    }

    /// The stream is gone; what it was is remembered.
    pub fn disconnect(&mut self, now: Millis) {
        if let Some(stream) = self.stream.take() {
            self.sent_high = self.sent_high.max(stream.at);
            self.left = Some(now);
        }
    }

    /// A frame came, of any kind.
    pub fn heard(&mut self, now: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.heard = now;
        }
    }

    /// When the stream counts as dead if nothing is heard until then.
    pub fn dead_at(&self) -> Option<Duration> {
        Some(self.stream.as_ref()?.heard.saturating_add(SILENCE))
    }

    /// Takes input number `number`: whether it is to be applied (each is, once; read-only ones never).
    pub fn take_input(&mut self, number: u64, scene: Scene, now: Duration) -> bool {
        if number <= self.input {
            return false;
        }
        self.input = number;
        if self.read_only {
            return false;
        }
        if let Some(stream) = &mut self.stream
            && stream.form == Form::Raw
            && stream.lags(scene, SLOW_TYPED, now)
        {
            self.skip();
        }
        true
    }

    pub fn credit(&mut self, consumed: u64, window: u32, now: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.flow.credit(consumed, window, now);
        }
    }

    /// The client does not trust its screen.
    pub fn repaint(&mut self) {
        self.solid = u64::MAX;
        if let Some(stream) = &mut self.stream {
            stream.paint = true;
            stream.told_over = false;
        }
    }

    fn skip(&mut self) {
        if self.stream.as_ref().is_some_and(|s| !s.paint) {
            self.skips = self.skips.saturating_add(1);
        }
        self.repaint();
    }

    /// The PTY's size or the client's has changed: everything is painted anew. Whether to send a view.
    pub fn refit(&mut self, pty: Size) -> bool {
        let form = form_for(self.size, pty);
        // Also while it is away: its terminal was not there when the screen changed its shape.
        self.repaint();
        if let Some(stream) = &mut self.stream {
            stream.form = form;
        }
        self.connected()
    }

    /// What it wants of the ring.
    pub fn wanted(&self, owner: bool) -> Wanted {
        Wanted {
            owner,
            asks: self.terminal.asks_for_clipboard,
            once_from: self.sent_high,
        }
    }

    /// It takes what it gets fast enough, but much is waiting: let it have a turn before the agent writes more.
    pub fn wants_a_turn(&self, scene: Scene, now: Duration) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|s| s.wants_a_turn(scene, now))
    }

    /// What to do now; `queued` bytes of earlier frames wait for the socket.
    pub fn step(&mut self, scene: Scene, queued: usize, now: Duration) -> Step {
        if let Some(s) = &self.stream
            && s.form == Form::Raw
            && s.outbox.is_empty()
            && !s.paint
            && (s.at < scene.start || s.lags(scene, SLOW, now))
        {
            self.skip();
        }
        let Some(s) = &self.stream else {
            return Step::Rest;
        };
        if queued > 0 {
            return Step::Rest;
        }
        if !s.outbox.is_empty() || (s.form == Form::Raw && !s.paint && scene.end > s.at) {
            return match s.flow.available(now) {
                (0, None) => Step::Rest,
                (0, Some(at)) => Step::Wait(at),
                (room, _) => {
                    let max = usize::try_from(room.min(FRAME)).unwrap_or(usize::MAX);
                    if s.outbox.is_empty() {
                        Step::Raw { from: s.at, max }
                    } else {
                        Step::Part { max }
                    }
                }
            };
        }
        if s.paint || scene.end > s.at {
            return s.paint_step(now);
        }
        if scene.over && !s.told_over {
            return Step::Ended;
        }
        Step::Rest
    }

    /// The ring gave `slice`: the frame to send, if it has anything in it.
    pub fn raw(&mut self, slice: Slice, scene: Scene, now: Duration) -> Option<Frame> {
        let s = self.stream.as_mut()?;
        s.at = slice.to;
        if slice.bytes.is_empty() {
            return None;
        }
        let from = std::mem::replace(&mut s.covered, slice.to);
        s.flow.sent(slice.bytes.len(), scene.end > slice.to, now);
        s.last_sent = now;
        Some(Frame {
            from,
            to: slice.to,
            form: Form::Raw,
            bytes: slice.bytes,
        })
    }

    /// A repaint or a drawn frame of the screen at agent byte `to` was made; parts of it are sent next.
    pub fn begin(&mut self, form: Form, bytes: Bytes, to: u64, now: Duration) {
        let Some(s) = &mut self.stream else {
            return;
        };
        s.paint = false;
        s.last_paint = Some(now);
        s.at = to;
        if form == Form::Repaint {
            self.solid = to;
        }
        if bytes.is_empty() {
            return;
        }
        s.outbox.push(Outbox { form, bytes, to });
    }

    /// The next part of what was begun. The first one covers all, so that a client knows that what it has not
    /// yet written is overtaken; one that comes back with but a part has no byte beyond `solid`.
    pub fn part(&mut self, max: usize, now: Duration) -> Option<Frame> {
        let s = self.stream.as_mut()?;
        let first = s.outbox.first_mut()?;
        let bytes = first.bytes.split_to(max.min(first.bytes.len()));
        let from = s.covered;
        s.covered = first.to.max(from);
        let form = first.form;
        if first.bytes.is_empty() {
            s.outbox.remove(0);
        }
        s.flow.sent(bytes.len(), !s.outbox.is_empty(), now);
        s.last_sent = now;
        Some(Frame {
            from,
            to: s.covered,
            form,
            bytes,
        })
    }

    /// Bytes of the host's own for the client's terminal, between the agent's: only where the client has all
    /// of those. The caller sees to it that the agent is in the middle of no sequence.
    pub fn aside(&mut self, bytes: Bytes, scene: Scene, now: Duration) -> Option<Frame> {
        let s = self.stream.as_mut()?;
        if s.paint || !s.outbox.is_empty() || s.at < scene.end || s.flow.available(now).0 == 0 {
            return None;
        }
        s.flow.sent(bytes.len(), false, now);
        Some(Frame {
            from: s.covered,
            to: s.covered,
            form: s.form,
            bytes,
        })
    }

    /// How much of the agent's output it was sent, while it was sent that in full.
    pub fn sent(&self) -> Option<u64> {
        let s = self.stream.as_ref()?;
        (s.outbox.is_empty() && !s.paint).then_some(s.at)
    }

    /// It was told that the agent is over.
    pub fn told_over(&mut self) {
        if let Some(s) = &mut self.stream {
            s.told_over = true;
        }
    }

    /// It has all that there is, the end included.
    pub fn has_all(&self, scene: Scene) -> bool {
        self.stream
            .as_ref()
            .is_none_or(|s| s.told_over && s.outbox.is_empty() && !s.paint && s.at >= scene.end)
    }

    /// The agent was started again.
    pub fn started_again(&mut self) {
        if let Some(s) = &mut self.stream {
            s.told_over = false;
        }
    }
}

#[cfg(test)]
mod tests;
