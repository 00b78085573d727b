//! The network between them: it delays, freezes, cuts, and closes one way only.

use super::{Ev, Event, World};
use crate::proto::{ToClient, ToHost};

impl World {
    pub(super) fn travel(&mut self, last: u64) -> u64 {
        let jitter = self.rng.below(self.latency / 4 + 1);
        (self.at.max(self.frozen_until) + self.latency + jitter).max(last)
    }

    pub(super) fn send_up(&mut self, message: ToHost) {
        let Some(id) = self.current else { return };
        let last = self.streams.get(&id).map_or(0, |s| s.up_last);
        let at = self.travel(last);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.up_last = at;
            stream.up.push_back(message);
            self.post(at - self.at, Ev::Up(id));
        }
    }

    pub(super) fn send_down(&mut self, id: u32, message: Option<ToClient>) {
        let last = self.streams.get(&id).map_or(0, |s| s.down_last);
        let at = self.travel(last);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.down_last = at;
            stream.down.push_back(message);
            self.post(at - self.at, Ev::Down(id));
        }
    }

    pub(super) fn deliver_up(&mut self, id: u32) {
        if self.at < self.frozen_until {
            self.post(self.frozen_until - self.at, Ev::Up(id));
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let message = stream.up.pop_front();
        if let Some(message) = message.filter(|_| !stream.up_dead) {
            self.host(id, message);
        }
    }

    pub(super) fn deliver_down(&mut self, id: u32) {
        if self.at < self.frozen_until {
            self.post(self.frozen_until - self.at, Ev::Down(id));
            return;
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let message = stream.down.pop_front();
        let dead = stream.down_dead;
        if self.current != Some(id) || dead {
            return;
        }
        match message {
            Some(Some(frame)) => self.event(Event::Frame(frame)),
            Some(None) => self.lose(),
            None => {}
        }
    }

    pub(super) fn lose(&mut self) {
        if self.current.take().is_some() {
            self.event(Event::Lost);
        }
    }

    /// The connection breaks; each side may or may not notice.
    pub fn cut(&mut self, client_notices: bool, host_notices: bool) {
        let Some(id) = self.current else { return };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.up_dead = true;
            stream.down_dead = true;
        }
        if host_notices && self.sub.as_ref().is_some_and(|s| s.stream == id) {
            self.sub = None;
        }
        if client_notices && self.at >= self.asleep_until {
            self.lose();
        }
    }

    /// One direction falls silent, or ends.
    pub fn half_close(&mut self, up: bool, end: bool) {
        let Some(id) = self.current else { return };
        if end && !up {
            self.send_down(id, None);
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.up_dead |= up;
            stream.down_dead |= !up && !end;
        }
        if end && up && self.sub.as_ref().is_some_and(|s| s.stream == id) {
            self.sub = None;
        }
    }
}
