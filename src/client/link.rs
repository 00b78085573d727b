//! The self-healing connection of one attachment, as a state machine without I/O: events and the time go
//! in, effects come out. Whoever drives it dials, sends, and writes to the terminal; what is lost, sent
//! again, held back or given up is decided here, so that it can be tried in virtual time.

mod backoff;
mod credit;
mod frames;
mod heart;
mod input;
mod output;
mod time;
mod types;

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::time::Duration;

use backoff::Backoff;
use credit::Credit;
use heart::{Clock, Heart, RoundTrip};
use input::Input;
use output::Output;

pub use backoff::Retry;
pub use types::{Config, Effect, Event, Failure, InputState, Now, Reason, Stats};

use crate::proto::{Attach, ToHost, View};

/// A dial that takes longer is given up.
const DIAL_LIMIT: Duration = Duration::from_secs(20);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long the very first connection is tried for.
const FIRST_LIMIT: Duration = Duration::from_secs(12);
/// A connection that held this long was a good one.
const HELD: Duration = Duration::from_secs(2);
/// Trouble shorter than this is not shown.
const SHOW_AFTER: Duration = Duration::from_secs(1);
/// Silence on a connection that is shown as trouble.
const SHOW_SILENCE: Duration = Duration::from_secs(5);
const SHOW_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum State {
    New,
    Dialing {
        since: Duration,
    },
    Handshake {
        since: Duration,
        greeted: bool,
    },
    Attached {
        since: Duration,
    },
    Backoff {
        until: Duration,
    },
    /// The agent is over; what has arrived is still being written.
    Ending(Option<Reason>),
    Closed,
}

/// The state machine. Feed it [`Event`]s with the time, perform the [`Effect`]s in order, and come back
/// with [`Event::Tick`] at [`Link::timer`].
#[derive(Debug)]
pub struct Link {
    config: Config,
    state: State,
    clock: Clock,
    heart: Heart,
    trip: RoundTrip,
    /// The host says when what was typed is answered.
    echoes: bool,
    input: Input,
    output: Output,
    credit: Credit,
    backoff: Backoff,
    started: Duration,
    /// Dials since the connection was lost.
    attempt: u32,
    /// Since when there is no connection.
    lost: Option<Duration>,
    shown: Option<Duration>,
    confirming: bool,
    stats: Stats,
}

impl Link {
    /// A link that has done nothing yet; `seed` is for the jitter.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            state: State::New,
            clock: Clock::default(),
            heart: Heart::new(Duration::ZERO),
            trip: RoundTrip::default(),
            echoes: false,
            input: Input::new(),
            output: Output::new(),
            credit: Credit::new(),
            backoff: Backoff::new(seed),
            started: Duration::ZERO,
            attempt: 0,
            lost: None,
            shown: None,
            confirming: false,
            stats: Stats::default(),
        }
    }

    /// Takes one event. Effects are appended to `out`, to be performed in order.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Effect>) {
        if self.is_closed() {
            return;
        }
        // Both look at the clock: `||` must not skip it.
        let lost_time = self.clock.lost_time(now);
        if lost_time || matches!(event, Event::Woke) {
            self.woke(now, out);
        }
        match event {
            Event::Start => {
                self.started = now.mono;
                self.dial(now, out);
            }
            Event::Dialed => self.dialed(now, out),
            Event::DialFailed(failure) => self.dial_failed(failure, now, out),
            Event::Frame(frame) => self.frame(frame, now, out),
            Event::Lost => self.lost(now, out),
            Event::Input(bytes) => {
                if self.config.read_only {
                    self.stats.ignored_input += bytes.len();
                } else if !self.input.push(bytes, now) {
                    out.push(Effect::Notice(
                        "too much typed that cannot be delivered: the newest was dropped".into(),
                    ));
                }
                self.send_input(now, out);
            }
            Event::Confirm(yes) => self.confirmed(yes, now, out),
            Event::Resize(size) => {
                self.config.size = size;
                if self.connected() {
                    self.send(ToHost::Resize(size), now, out);
                } else {
                    self.output.spoil();
                }
            }
            Event::Terminal(terminal) => {
                self.config.terminal = terminal.clone();
                if self.connected() {
                    self.send(ToHost::Terminal(terminal), now, out);
                }
            }
            Event::Written(n) => self.written(n, now, out),
            Event::Repaint => {
                if matches!(self.state, State::Attached { .. }) {
                    self.send(ToHost::Repaint, now, out);
                } else {
                    self.output.spoil();
                }
            }
            Event::Spoilt => self.output.spoil(),
            Event::Leave => self.leave(now, out),
            Event::Tick | Event::Woke => {}
        }
        self.due(now, out);
    }

    /// When [`Event::Tick`] is next wanted, on the monotonic clock.
    pub fn timer(&self) -> Option<Duration> {
        let by_state = match &self.state {
            State::Dialing { since } => Some(*since + DIAL_LIMIT),
            State::Handshake { since, .. } => Some(*since + HANDSHAKE_LIMIT),
            State::Backoff { until } => Some(*until),
            State::Attached { .. } => {
                let silence = self.heart.last_heard() + SHOW_SILENCE;
                let shown = self.shown.map_or(silence, |at| at + SHOW_EVERY);
                [Some(self.heart.next()), self.credit.next(), Some(shown)]
                    .into_iter()
                    .flatten()
                    .min()
            }
            State::New | State::Ending(_) | State::Closed => None,
        };
        let banner = self
            .lost
            .map(|since| self.shown.map_or(since + SHOW_AFTER, |at| at + SHOW_EVERY));
        [by_state, banner].into_iter().flatten().min()
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether agent and terminal are joined right now.
    pub fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached { .. })
    }

    /// How the host last said that this client sees the agent.
    pub fn view(&self) -> Option<View> {
        self.output.view()
    }

    /// Typed bytes that the host is not known to have applied.
    pub fn undelivered(&self) -> usize {
        self.input.waiting()
    }

    /// Output bytes that wait for the terminal.
    pub fn unwritten(&self) -> usize {
        self.output.waiting()
    }

    /// Which input the host has applied and answered, and the newest that was typed; `None` where the host does not
    /// say what is answered, or was not asked to.
    pub fn typed(&self) -> Option<InputState> {
        self.echoes.then(|| self.input.state())
    }

    /// The smoothed round trip, once there is one.
    pub fn round_trip(&self) -> Option<Duration> {
        self.trip.smoothed()
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The attach frame has been sent on this stream (or more).
    fn connected(&self) -> bool {
        matches!(self.state, State::Handshake { .. } | State::Attached { .. })
    }

    fn send(&mut self, message: ToHost, now: Now, out: &mut Vec<Effect>) {
        self.heart.sent(now.mono);
        out.push(Effect::Send(message));
    }

    fn dial(&mut self, now: Now, out: &mut Vec<Effect>) {
        let refresh = self.attempt > 0 || self.stats.attached > 0;
        self.attempt = self.attempt.saturating_add(1);
        self.stats.dials += 1;
        self.state = State::Dialing { since: now.mono };
        out.push(Effect::Dial { refresh });
    }

    /// A stream is there: hello and attach go out together, so that attaching costs one round trip.
    fn dialed(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !matches!(self.state, State::Dialing { .. }) {
            out.push(Effect::Abort);
            return;
        }
        self.state = State::Handshake {
            since: now.mono,
            greeted: false,
        };
        self.heart = Heart::new(now.mono);
        self.credit.reset();
        self.output.new_stream();
        let attach = Attach {
            agent: self.config.agent,
            attachment: self.config.attachment,
            size: self.config.size,
            read_only: self.config.read_only,
            terminal: self.config.terminal.clone(),
            resume: self.output.resume(self.config.size),
            scrollback: if self.stats.attached == 0 {
                self.config.scrollback
            } else {
                0
            },
            window: self.credit.window(),
            echoes: self.config.echoes,
        };
        let hello = self.config.hello.clone();
        self.send(ToHost::Hello(hello), now, out);
        self.send(ToHost::Attach(attach), now, out);
    }

    fn dial_failed(&mut self, failure: Failure, now: Now, out: &mut Vec<Effect>) {
        if !matches!(self.state, State::Dialing { .. }) {
            return;
        }
        let first = self.stats.attached == 0;
        let patience_over = first && now.mono.saturating_sub(self.started) > FIRST_LIMIT;
        if failure.retry == Retry::Never || patience_over {
            self.close(Reason::Failed(failure.message), out);
            return;
        }
        self.back_off(failure.retry, now);
    }

    fn back_off(&mut self, retry: Retry, now: Now) {
        let until = now.mono + self.backoff.wait(retry);
        self.state = State::Backoff { until };
    }

    /// The stream is over, by its own account or by ours.
    fn lost(&mut self, now: Now, out: &mut Vec<Effect>) {
        match self.state {
            State::Attached { since } => {
                if now.mono.saturating_sub(since) >= HELD {
                    self.backoff.reset();
                }
            }
            State::Handshake { .. } => {}
            _ => return,
        }
        if self.stats.attached > 0 {
            self.lost.get_or_insert(now.mono);
        } else if now.mono.saturating_sub(self.started) > FIRST_LIMIT {
            let why = "the session's host closes the connection before attaching";
            self.close(Reason::Failed(why.into()), out);
            return;
        }
        if std::mem::take(&mut self.confirming) {
            out.push(Effect::EndConfirm);
        }
        self.stats.lost += 1;
        self.back_off(Retry::Soon, now);
    }

    fn close(&mut self, reason: Reason, out: &mut Vec<Effect>) {
        self.state = State::Closed;
        out.push(Effect::Close(reason));
    }

    fn finish(&mut self, out: &mut Vec<Effect>) {
        if let State::Ending(reason) = &mut self.state {
            let reason = reason.take().unwrap_or(Reason::Left);
            self.close(reason, out);
        }
    }

    fn leave(&mut self, now: Now, out: &mut Vec<Effect>) {
        match self.state {
            State::Ending(_) => return self.finish(out),
            State::Attached { .. } => {
                self.send(ToHost::Detach, now, out);
                self.input.forget_sent();
            }
            State::Handshake { .. } => self.send(ToHost::Detach, now, out),
            _ => out.push(Effect::Abort),
        }
        self.close(Reason::Left, out);
    }
}
