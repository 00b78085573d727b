//! What happens in a link by time alone: limits, heartbeats, redials, the banner.

use super::heart::Beat;
use super::types::{Effect, Failure, Now};
use super::{
    DIAL_LIMIT, HANDSHAKE_LIMIT, Link, Retry, SHOW_AFTER, SHOW_EVERY, SHOW_SILENCE, State,
};
use crate::proto::ToHost;

impl Link {
    /// Time was lost: whatever is open may be long dead.
    pub(super) fn woke(&mut self, now: Now, out: &mut Vec<Effect>) {
        match self.state {
            State::Attached { .. } => {
                let nonce = self.heart.probe(now.mono);
                self.send(ToHost::Ping(nonce), now, out);
            }
            State::Dialing { .. } | State::Handshake { .. } => {
                out.push(Effect::Abort);
                self.backoff.reset();
                self.dial(now, out);
            }
            State::Backoff { .. } => {
                self.backoff.reset();
                self.dial(now, out);
            }
            State::New | State::Ending(_) | State::Closed => {}
        }
    }

    /// All that happens by time alone.
    pub(super) fn due(&mut self, now: Now, out: &mut Vec<Effect>) {
        match self.state {
            State::Dialing { since } if now.mono >= since + DIAL_LIMIT => {
                out.push(Effect::Abort);
                let message = format!("no connection in {} s", DIAL_LIMIT.as_secs());
                let retry = Retry::Soon;
                self.dial_failed(Failure { retry, message }, now, out);
            }
            State::Handshake { since, .. } if now.mono >= since + HANDSHAKE_LIMIT => {
                out.push(Effect::Abort);
                self.lost(now, out);
            }
            State::Backoff { until } if now.mono >= until => self.dial(now, out),
            State::Attached { .. } => match self.heart.beat(now.mono) {
                Beat::Fine => {
                    if let Some((consumed, window)) = self.credit.tick(now.mono) {
                        self.send(ToHost::Credit { consumed, window }, now, out);
                    }
                }
                Beat::Ping(nonce) => self.send(ToHost::Ping(nonce), now, out),
                Beat::Dead => {
                    out.push(Effect::Abort);
                    self.lost(now, out);
                }
            },
            State::Ending(_) if self.output.waiting() == 0 => self.finish(out),
            _ => {}
        }
        self.show(now, out);
    }

    /// Keeps the banner in step with the trouble there is.
    pub(super) fn show(&mut self, now: Now, out: &mut Vec<Effect>) {
        let silent = self.is_attached() && self.heart.silence(now.mono) >= SHOW_SILENCE;
        let since = match self.lost {
            Some(since) if now.mono >= since + SHOW_AFTER => since,
            None if silent => self.heart.last_heard(),
            _ => {
                if !self.is_closed() && self.shown.take().is_some() {
                    out.push(Effect::HideBanner);
                }
                return;
            }
        };
        if self.is_closed() || self.shown.is_some_and(|at| now.mono < at + SHOW_EVERY) {
            return;
        }
        self.shown = Some(now.mono);
        out.push(Effect::ShowBanner {
            since,
            attempt: if self.lost.is_some() { self.attempt } else { 0 },
        });
    }
}
