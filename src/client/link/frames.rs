//! What a link makes of the host's frames, and of input and output on their way.

use super::output::Verdict;
use super::types::{Effect, Now, Reason};
use super::{Link, State};
use crate::proto::{Attached, Outcome, PROTOCOL, Resumed, ToClient, ToHost};

impl Link {
    pub(super) fn frame(&mut self, frame: ToClient, now: Now, out: &mut Vec<Effect>) {
        if !matches!(
            self.state,
            State::Handshake { .. } | State::Attached { .. } | State::Ending(_)
        ) {
            return;
        }
        self.heart.heard(now.mono);
        match frame {
            ToClient::Hello(peer) => {
                if let State::Handshake { since, greeted } = &mut self.state {
                    *greeted = true;
                    self.credit.round_trip(now.mono.saturating_sub(*since));
                }
                self.echoes = false;
                if peer.protocol.major != PROTOCOL.major {
                    let message = format!(
                        "the session's host speaks protocol {} ({}), this is {PROTOCOL}",
                        peer.protocol, peer.software
                    );
                    let hint = "install the same version on both sides, or run `remote host upgrade` \
                                on the session's machine";
                    let hint = Some(hint.to_owned());
                    self.close(Reason::Refused { message, hint }, out);
                }
            }
            ToClient::Attached(attached) => self.attached(attached, now, out),
            ToClient::Output {
                from,
                to,
                form,
                bytes,
            } => {
                let was_idle = self.output.waiting() == 0;
                let verdict = self.output.arrived(from, to, form, bytes.len());
                match verdict {
                    Verdict::Ignore => return self.skipped(bytes.len(), now, out),
                    Verdict::Gap => {
                        self.stats.gaps += 1;
                        self.send(ToHost::Repaint, now, out);
                        return self.skipped(bytes.len(), now, out);
                    }
                    Verdict::DiscardAndWrite => {
                        let counted = self.output.discard();
                        out.push(Effect::Discard);
                        self.output.queue(bytes.len());
                        self.skipped(counted, now, out);
                    }
                    Verdict::Write => {}
                }
                if was_idle {
                    self.credit.burst(now.mono);
                }
                if !bytes.is_empty() {
                    out.push(Effect::Write {
                        form,
                        from,
                        to,
                        bytes,
                    });
                }
            }
            ToClient::InputAck(number) => {
                if let Some(trip) = self.input.acked(number, now) {
                    self.credit.round_trip(trip);
                    self.trip.measured(trip);
                }
                self.send_input(now, out);
            }
            ToClient::EchoAck(number) => {
                // The first comes of itself, so that nobody need trust a version.
                self.echoes = self.config.echoes;
                self.input.echoed(number);
            }
            ToClient::Ping(nonce) => self.send(ToHost::Pong(nonce), now, out),
            ToClient::Pong(nonce) => {
                if let Some(trip) = self.heart.pong(nonce, now.mono) {
                    self.credit.round_trip(trip);
                    self.trip.measured(trip);
                }
            }
            ToClient::View(view) => self.output.set_view(view),
            ToClient::Ended(ended) => self.state = State::Ending(Some(Reason::Ended(ended))),
            ToClient::Notice(notice) if notice.fatal => {
                let message = notice.text;
                let hint = None;
                self.close(Reason::Refused { message, hint }, out);
            }
            ToClient::Notice(notice) => out.push(Effect::Notice(notice.text)),
            ToClient::Reply(reply) => {
                if let Outcome::Failed { error } = reply.outcome {
                    let (message, hint) = (error.message, error.hint);
                    self.close(Reason::Refused { message, hint }, out);
                }
            }
            ToClient::Event(_) | ToClient::Data { .. } => {}
        }
    }

    fn attached(&mut self, attached: Box<Attached>, now: Now, out: &mut Vec<Effect>) {
        if !matches!(self.state, State::Handshake { greeted: true, .. }) {
            return;
        }
        // Whoever asked for any agent comes back to the one it got.
        self.config.agent = attached.agent.number;
        self.state = State::Attached { since: now.mono };
        let again = self.stats.attached > 0;
        self.stats.attached += 1;
        self.attempt = 0;
        self.lost = None;
        self.output.set_view(attached.view);
        let by_bytes = attached.resumed == Resumed::Bytes;
        self.output.reconnected(by_bytes.then_some(attached.offset));
        if again && by_bytes {
            self.stats.by_bytes += 1;
        } else if again {
            self.stats.by_repaint += 1;
        }
        if !by_bytes && self.output.waiting() > 0 {
            // The repaint overtakes what still waits of the old stream.
            self.output.discard();
            out.push(Effect::Discard);
        }
        let applied = attached.input;
        out.push(Effect::Attached(attached));
        if self.output.is_broken() {
            self.stats.gaps += 1;
            self.send(ToHost::Repaint, now, out);
        }
        self.input.reconnected(applied, now);
        if self.input.is_stale(now) {
            self.confirming = true;
            out.push(Effect::Confirm {
                text: self.input.text(),
                age: self.input.age(now),
            });
        }
        self.send_input(now, out);
    }

    pub(super) fn send_input(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.confirming || !self.is_attached() {
            return;
        }
        while let Some((number, bytes)) = self.input.next_to_send(now) {
            self.send(ToHost::Input { number, bytes }, now, out);
        }
    }

    pub(super) fn confirmed(&mut self, yes: bool, now: Now, out: &mut Vec<Effect>) {
        if !std::mem::take(&mut self.confirming) {
            return;
        }
        if !yes {
            // Nothing of it was sent on this stream, and the streams before it are superseded.
            self.input.drop_all();
        }
        self.send_input(now, out);
    }

    pub(super) fn written(&mut self, n: usize, now: Now, out: &mut Vec<Effect>) {
        let counted = self.output.written(n);
        self.skipped(counted, now, out);
    }

    /// Gives credit back for bytes that are written, or will never be.
    fn skipped(&mut self, counted: usize, now: Now, out: &mut Vec<Effect>) {
        if counted == 0 {
            return;
        }
        let waiting = self.output.waiting();
        let credit = self.credit.written(counted, waiting, now.mono);
        if let Some((consumed, window)) = credit.filter(|_| self.is_attached()) {
            self.send(ToHost::Credit { consumed, window }, now, out);
        }
    }
}
