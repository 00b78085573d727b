//! What each client gets next, and what each client says.

use std::time::Duration;

use bytes::Bytes;

use super::Agent;
use super::clients::{ACK_AFTER, Client, Event};
use crate::host::attachment::{Frame, Step};
use crate::model::{Size, now_ms};
use crate::mux::{Drawn, psp};
use crate::proto::{Form, ToClient, ToHost, View};

/// Frames handed to one client before the agent's terminal is read again: its socket takes one at a time.
const FRAMES: usize = 4;
/// While a client is not read, because the program takes none of the input it sent.
const PING_EVERY: Duration = Duration::from_secs(2);

impl Agent {
    /// Gives every client what it may have now; when to come back though nothing happens.
    pub(super) fn pump(&mut self, now: Duration) -> Option<Duration> {
        let scene = self.scene();
        let owner = self.clients.owner();
        let ended = (scene.over).then(|| self.ended());
        let passed = self.passed.clone();
        let mut wake: Option<Duration> = None;
        let ping = now >= self.last_ping.saturating_add(PING_EVERY)
            && self.clients.iter().any(Client::is_held);
        if ping {
            self.last_ping = now;
        }
        let mut dead = Vec::new();
        let at_least = |wake: &mut Option<Duration>, at: Duration| {
            *wake = Some(wake.map_or(at, |w| w.min(at)));
        };
        for (index, client) in self.clients.iter_mut().enumerate() {
            if client.conn.is_none() {
                continue;
            }
            // What is not read cannot say anything, so its silence says nothing; but the client must hear us.
            if client.is_held() {
                client.attachment.heard(now);
                if ping {
                    client.queue(&ToClient::Ping(0));
                }
                at_least(&mut wake, self.last_ping.saturating_add(PING_EVERY));
            }
            if let Some(at) = client.attachment.dead_at() {
                if now >= at || client.is_stuffed() {
                    dead.push(index);
                    continue;
                }
                at_least(&mut wake, at);
            }
            for _ in 0..FRAMES {
                match client.attachment.step(scene, client.queued(), now) {
                    Step::Rest => break,
                    Step::Wait(at) => {
                        at_least(&mut wake, at);
                        break;
                    }
                    Step::Raw { from, max } => {
                        let wanted = client.attachment.wanted(owner == Some(index));
                        let Some(slice) = self.output.ring.read(from, max, wanted) else {
                            client.attachment.repaint();
                            continue;
                        };
                        if let Some(frame) = client.attachment.raw(slice, scene, now) {
                            client.queue(&output(frame));
                        }
                    }
                    Step::Repaint => {
                        let bytes = Bytes::from(self.output.screen.repaint());
                        client
                            .attachment
                            .begin(Form::Repaint, bytes, scene.end, now);
                    }
                    Step::Draw => {
                        let size = client.attachment.size;
                        let drawn = client.drawn.get_or_insert_with(|| Drawn::new(size));
                        let bytes = Bytes::from(drawn.frame(&self.output.screen));
                        client.attachment.begin(Form::Drawn, bytes, scene.end, now);
                    }
                    Step::Part { max } => {
                        if let Some(frame) = client.attachment.part(max, now) {
                            client.queue(&output(frame));
                        }
                    }
                    Step::Ended => {
                        client.attachment.told_over();
                        if let Some(ended) = ended.clone() {
                            client.queue(&ToClient::Ended(ended));
                        }
                    }
                }
            }
            // A terminal that shows states is told this agent's, in the protocol that the agent spoke.
            if client.told != passed
                && client.attachment.terminal.program_status == Some(true)
                && (self.output.at_ground() || client.attachment.form() == Some(Form::Drawn))
                && let Some(said) = &passed
            {
                let id = format!("{}/{}", self.hub.id, self.spec.number);
                let report =
                    psp::encode(&id, said.state, said.message.as_deref(), said.progress).into();
                if let Some(frame) = client.attachment.aside(report, scene, now) {
                    client.told = Some(said.clone());
                    client.queue(&output(frame));
                }
            }
            // An acknowledgement rides with the output that answers the key, or goes alone a little later.
            if let Some(since) = client.ack {
                let due = since.saturating_add(ACK_AFTER);
                if client.queued() > 0 || now >= due {
                    client.ack = None;
                    let number = client.attachment.input();
                    client.queue(&ToClient::InputAck(number));
                } else {
                    at_least(&mut wake, due);
                }
            }
            if let Some(echoes) = &mut client.echoes {
                let sent = client.attachment.sent();
                let answered = echoes.answered(scene.end, sent, now);
                if let Some(at) = echoes.next() {
                    at_least(&mut wake, at);
                }
                if let Some(number) = answered {
                    client.queue(&ToClient::EchoAck(number));
                }
            }
        }
        for index in dead {
            tracing::info!("agent {}: a client fell silent", self.spec.number);
            self.leave(index);
        }
        wake
    }

    /// A client's stream did something.
    pub(super) fn client(&mut self, index: usize, event: Event, now: Duration) {
        let message = match event {
            Event::Flushed => return,
            Event::Gone(error) => {
                if let Some(e) = error {
                    tracing::debug!("agent {}: a client is gone: {e}", self.spec.number);
                }
                return self.leave(index);
            }
            Event::Message(message) => message,
        };
        let Some(client) = self.clients.get(index) else {
            return;
        };
        client.attachment.heard(now);
        match message {
            // Only its own later input waits for it: the rest of what it says, and all that others say, does not.
            ToHost::Input { number, bytes } => {
                if client.waits() || !self.process.has_room() {
                    client.wait_with(number, bytes);
                } else {
                    self.typed(index, number, &bytes, now);
                }
            }
            ToHost::Credit { consumed, window } => client.attachment.credit(consumed, window, now),
            ToHost::Resize(size) => self.resized(index, size.clamped()),
            ToHost::Ping(nonce) => client.queue(&ToClient::Pong(nonce)),
            ToHost::Terminal(terminal) => client.attachment.terminal = terminal,
            ToHost::Repaint => {
                client.drawn = None;
                client.attachment.repaint();
            }
            ToHost::Detach => {
                // It was told that what it sent needs no more care.
                while self.process.has_some_room()
                    && let Some((number, bytes)) = self.waiting_of(index)
                {
                    self.typed(index, number, &bytes, now);
                }
                self.clients.remove(index);
                self.fit();
                self.news = true;
            }
            ToHost::Hello(_) | ToHost::Request(_) | ToHost::Attach(_) | ToHost::Pong(_) => {}
        }
    }

    /// Input of a client, applied once.
    fn typed(&mut self, index: usize, number: u64, bytes: &[u8], now: Duration) {
        let scene = self.scene();
        let Some(client) = self.clients.get(index) else {
            return;
        };
        let apply = client.attachment.take_input(number, scene, now);
        client.ack.get_or_insert(now);
        if let Some(echoes) = &mut client.echoes {
            echoes.given(number, now);
        }
        if !apply {
            return;
        }
        // The size comes first: what is typed may ask for it. A terminal that loses the focus says so by
        // itself: nobody typed.
        if bytes != b"\x1b[O" {
            self.clients.note_typed(index);
            self.fit();
        }
        self.process.type_in(bytes);
        self.belief.typed(now_ms());
    }

    fn waiting_of(&mut self, index: usize) -> Option<(u64, Bytes)> {
        self.clients.get(index)?.next_waiting()
    }

    /// The program took something, or takes nothing more: input that waited is applied, from each client in turn.
    pub(super) fn type_waiting(&mut self, now: Duration) {
        let mut more = true;
        while more {
            more = false;
            for index in 0..self.clients.iter().count() {
                if !self.process.has_room() {
                    return;
                }
                if let Some((number, bytes)) = self.waiting_of(index) {
                    more = true;
                    self.typed(index, number, &bytes, now);
                }
            }
        }
    }

    fn resized(&mut self, index: usize, size: Size) {
        let Some(client) = self.clients.get(index) else {
            return;
        };
        if client.attachment.size == size {
            return;
        }
        client.attachment.size = size;
        client.drawn = None;
        self.news = true;
        let before = self.size;
        self.fit();
        if self.size == before {
            let pty = self.size;
            if let Some(client) = self.clients.get(index) {
                client.attachment.refit(pty);
                send_view(client, pty);
            }
        }
    }

    fn leave(&mut self, index: usize) {
        self.clients.close(index, now_ms());
        self.fit();
        self.news = true;
    }

    /// The PTY's size changed: everybody sees it anew.
    pub(super) fn refit_all(&mut self) {
        let pty = self.size;
        self.mark_size(pty);
        for client in self.clients.iter_mut() {
            client.drawn = None;
            if client.attachment.refit(pty) {
                send_view(client, pty);
            }
        }
    }
}

fn send_view(client: &mut super::clients::Client, size: Size) {
    if let Some(form) = client.attachment.form() {
        client.queue(&ToClient::View(View { form, size }));
    }
}

fn output(frame: Frame) -> ToClient {
    ToClient::Output {
        from: frame.from,
        to: frame.to,
        form: frame.form,
        bytes: frame.bytes,
    }
}
