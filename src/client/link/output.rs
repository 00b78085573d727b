//! What has arrived for the terminal: which of it is written, where a new connection would go on, and
//! whether the bytes still join up.

use crate::model::Size;
use crate::proto::{Form, Resume, View};

/// Where the next raw frame must begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// Nothing is on the screen yet.
    Any,
    At(u64),
    /// Bytes are missing: nothing but a repaint may follow.
    Broken,
}

/// What is to be done with an arrived frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// Everything that still waits is overtaken by this frame.
    DiscardAndWrite,
    Ignore,
    /// It does not join up: a repaint is to be asked for.
    Gap,
}

/// The output side of an attachment.
#[derive(Debug)]
pub(super) struct Output {
    /// Bytes that wait for the terminal.
    bytes: usize,
    /// Of `bytes`, those of earlier streams: they count for no stream's credit.
    earlier: usize,
    join: Join,
    /// The newest frame's end: what is received whole is written before anything newer.
    offset: Option<u64>,
    view: Option<View>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            bytes: 0,
            earlier: 0,
            join: Join::Any,
            offset: None,
            view: None,
        }
    }

    pub(super) fn view(&self) -> Option<View> {
        self.view
    }

    pub(super) fn set_view(&mut self, view: View) {
        self.view = Some(view);
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes
    }

    /// Where to go on, for a terminal of `size`; `None` where only a repaint helps.
    pub(super) fn resume(&self, size: Size) -> Option<Resume> {
        let (view, offset) = (self.view?, self.offset?);
        let joined = matches!(self.join, Join::At(_));
        let same_size = view.form != Form::Raw || view.size == size;
        (joined && same_size).then_some(Resume {
            offset,
            form: view.form,
            size: view.size,
        })
    }

    /// The terminal no longer shows what was written: bytes cannot follow.
    pub(super) fn spoil(&mut self) {
        self.offset = None;
    }

    /// A new stream is opened: what waits was of another one.
    pub(super) fn new_stream(&mut self) {
        self.earlier = self.bytes;
    }

    /// The new stream goes on from where the last one was (`Some(offset)`), or with a repaint.
    pub(super) fn reconnected(&mut self, from: Option<u64>) {
        self.join = match from {
            None => Join::Any,
            Some(from) if self.offset == Some(from) => Join::At(from),
            Some(_) => Join::Broken,
        };
    }

    pub(super) fn is_broken(&self) -> bool {
        self.join == Join::Broken
    }

    /// A frame of agent bytes `[from, to)` has arrived.
    pub(super) fn arrived(&mut self, from: u64, to: u64, form: Form, len: usize) -> Verdict {
        let verdict = match (form, self.join) {
            (Form::Raw, Join::Broken) | (Form::Drawn, Join::Broken) => return Verdict::Ignore,
            (Form::Raw, Join::At(at)) if at != from => {
                self.join = Join::Broken;
                return Verdict::Gap;
            }
            (Form::Repaint, _) if from < to && self.bytes > 0 => Verdict::DiscardAndWrite,
            _ => Verdict::Write,
        };
        if form != Form::Scrollback {
            self.join = Join::At(to);
            self.offset = Some(to);
        }
        if verdict == Verdict::Write && len > 0 {
            self.queue(len);
        }
        verdict
    }

    /// `len` more bytes wait.
    pub(super) fn queue(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_add(len);
    }

    /// Nothing of what waits will be written. How many of its bytes count for this stream's credit.
    pub(super) fn discard(&mut self) -> usize {
        let counted = self.bytes.saturating_sub(self.earlier);
        self.bytes = 0;
        self.earlier = 0;
        counted
    }

    /// `n` bytes reached the terminal. How many of them count for this stream's credit.
    pub(super) fn written(&mut self, n: usize) -> usize {
        let n = n.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(n);
        let earlier = n.min(self.earlier);
        self.earlier = self.earlier.saturating_sub(earlier);
        n - earlier
    }
}
