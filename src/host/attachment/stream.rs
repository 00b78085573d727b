//! The connected half of an attachment: what is under way to the client, and how far behind it is.

use std::time::Duration;

use bytes::Bytes;

use super::{Scene, Step};
use crate::host::attachment::SLOW;
use crate::host::flow::Flow;
use crate::model::Size;
use crate::proto::Form;

/// Between two repaints or drawn frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(33);
/// Credit that does not come: a repaint is sent all the same.
const PATIENCE: Duration = Duration::from_millis(200);
/// Bytes a second from which a client counts as fast: the program is held to its pace for a moment at a time.
const FAST: f64 = 8e6;
/// Half of what is kept in memory for it.
const TURN_BYTES: u64 = 512 * 1024;

/// A repaint, drawn frame or scrollback of which a part is still to be sent.
#[derive(Debug)]
pub(super) struct Outbox {
    pub form: Form,
    pub bytes: Bytes,
    pub to: u64,
}

/// The connected half of an attachment.
#[derive(Debug)]
pub(super) struct Stream {
    pub flow: Flow,
    pub form: Form,
    /// Output is read up to here; frames sent cover up to `covered`, which is at most that.
    pub at: u64,
    pub covered: u64,
    /// A repaint is owed.
    pub paint: bool,
    pub last_paint: Option<Duration>,
    pub outbox: Vec<Outbox>,
    pub heard: Duration,
    pub last_sent: Duration,
    pub told_over: bool,
}

impl Stream {
    pub fn lags(&self, scene: Scene, slow: Duration, now: Duration) -> bool {
        let pending = scene.end.saturating_sub(self.at);
        pending > 0
            && pending.saturating_add(self.flow.in_flight()) > scene.screenful()
            && self.flow.drain(pending, now).is_some_and(|d| d > slow)
    }

    /// A fast client that has much pending: the program waits for it a moment, as for any terminal.
    pub fn wants_a_turn(&self, scene: Scene, now: Duration) -> bool {
        let pending = scene.end.saturating_sub(self.at);
        if self.form != Form::Raw || self.paint || pending <= scene.screenful() {
            return false;
        }
        match self.flow.rate() {
            None => pending >= TURN_BYTES,
            Some(rate) if rate < FAST => false,
            Some(_) => {
                let late = self.flow.drain(pending, now).is_some_and(|d| d > SLOW / 2);
                late || pending >= TURN_BYTES
            }
        }
    }

    /// A repaint waits until little is in flight, so that it shows the newest; drawn frames until nothing is.
    pub fn paint_step(&self, now: Duration) -> Step {
        let (step, few) = if self.form == Form::Raw {
            (Step::Repaint, self.flow.limit() / 4)
        } else {
            (Step::Draw, 0)
        };
        let not_before = self
            .last_paint
            .map_or(Duration::ZERO, |at| at.saturating_add(FRAME_INTERVAL));
        if self.flow.in_flight() > few {
            let patience = self.last_sent.saturating_add(PATIENCE).max(not_before);
            return match self.flow.available(now) {
                (0, None) => Step::Rest,
                _ if now >= patience => step,
                _ => Step::Wait(patience),
            };
        }
        if now >= not_before {
            step
        } else {
            Step::Wait(not_before)
        }
    }
}

pub(super) fn form_for(client: Size, pty: Size) -> Form {
    if client == pty {
        Form::Raw
    } else {
        Form::Drawn
    }
}
