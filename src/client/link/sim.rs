//! A host, a network and a terminal in virtual time, for the link's tests. The host follows the wire's
//! specification; the terminal checks that every byte it is given is the one that belongs there.

mod host;
mod net;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::backoff::Rng;
use super::{Config, Effect, Event, Failure, Link, Now, Retry};
use crate::model::Size;
use crate::proto::{AttachmentId, Form, Hello, PROTOCOL, ToClient, ToHost};

/// A prime, so that a byte tells where in the stream it belongs.
const PERIOD: u64 = 65_521;
const RING: u64 = 1 << 20;
const CHUNK: u64 = 8192;
/// Further behind than this, a client is skipped ahead.
const LAG: u64 = 400 * 1024;
const MS: u64 = 1000;
pub const S: u64 = 1_000_000;

/// What happens at a time. Times are microseconds of the world, which no sleep stops.
#[derive(Debug)]
enum Ev {
    Up(u32),
    Down(u32),
    DialDone(u32, Option<Retry>),
    AgentOutput,
    Key,
    Terminal,
    Timer,
    Answer(usize, bool),
}

#[derive(Debug, Default)]
struct Stream {
    up: VecDeque<ToHost>,
    /// `None` is the end of the stream.
    down: VecDeque<Option<ToClient>>,
    up_last: u64,
    down_last: u64,
    up_dead: bool,
    down_dead: bool,
}

#[derive(Debug)]
struct Sub {
    stream: u32,
    sent_to: u64,
    sent: u64,
    consumed: u64,
    window: u64,
    heard: u64,
    repaint: bool,
    broken: bool,
}

/// The whole world.
pub struct World {
    pub at: u64,
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Ev>>,
    free: Vec<usize>,
    seq: u64,
    pub rng: Rng,
    pub link: Link,
    effects: Vec<Effect>,
    // network
    streams: BTreeMap<u32, Stream>,
    current: Option<u32>,
    dialing: Option<u32>,
    next_stream: u32,
    pub latency: u64,
    pub frozen_until: u64,
    pub down_until: u64,
    // client
    slept: u64,
    asleep_until: u64,
    pub stalled_until: u64,
    queue: VecDeque<(Form, u64, u64, Bytes)>,
    shown: u64,
    timer: Option<u64>,
    writing: bool,
    pub typed: Vec<u32>,
    next_key: u32,
    pub declined: usize,
    pub confirms: usize,
    asking: Option<usize>,
    pub banners: usize,
    pub quiet: bool,
    // host
    pattern: Bytes,
    pub output_end: u64,
    size: Size,
    sub: Option<Sub>,
    applied_number: u64,
    pub applied: Vec<u32>,
    pub skips: usize,
    pub trace: u64,
}

fn size(cols: u16) -> Size {
    Size { cols, rows: 24 }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let byte = |i: u64| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        let pattern: Vec<u8> = (0..PERIOD + CHUNK).map(|i| byte(i % PERIOD)).collect();
        let config = Config {
            agent: 1,
            attachment: AttachmentId([7; 16]),
            hello: Hello {
                protocol: PROTOCOL,
                software: String::new(),
                who: String::new(),
            },
            size: size(80),
            read_only: false,
            scrollback: 0,
            terminal: crate::model::Terminal::default(),
            echoes: false,
        };
        let mut world = Self {
            at: S,
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            seq: 0,
            rng: Rng::new(seed),
            link: Link::new(config, seed),
            effects: Vec::new(),
            streams: BTreeMap::new(),
            current: None,
            dialing: None,
            next_stream: 1,
            latency: 20 * MS,
            frozen_until: 0,
            down_until: 0,
            slept: 0,
            asleep_until: 0,
            stalled_until: 0,
            queue: VecDeque::new(),
            shown: 0,
            timer: None,
            writing: false,
            typed: Vec::new(),
            next_key: 0,
            declined: 0,
            confirms: 0,
            asking: None,
            banners: 0,
            quiet: false,
            pattern: pattern.into(),
            output_end: 0,
            size: size(80),
            sub: None,
            applied_number: 0,
            applied: Vec::new(),
            skips: 0,
            trace: 0,
        };
        world.post(0, Ev::AgentOutput);
        world.post(0, Ev::Key);
        world.event(Event::Start);
        world
    }

    fn post(&mut self, delay: u64, ev: Ev) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(ev);
        self.seq += 1;
        self.heap.push(Reverse((self.at + delay, self.seq, slot)));
    }

    fn now(&self) -> Now {
        Now {
            mono: Duration::from_micros(self.at - self.slept),
            wall: 1_700_000_000_000 + self.at / 1000,
        }
    }

    /// Lets the world go on until `until`.
    pub fn run_until(&mut self, until: u64) {
        while let Some(Reverse((at, _, _))) = self.heap.peek().copied() {
            if at > until {
                break;
            }
            let Some(Reverse((at, _, slot))) = self.heap.pop() else {
                break;
            };
            self.at = self.at.max(at);
            let ev = self.events[slot].take().expect("a posted event");
            self.free.push(slot);
            self.happen(ev);
        }
        self.at = self.at.max(until);
    }

    fn happen(&mut self, ev: Ev) {
        let for_client = !matches!(ev, Ev::Up(_) | Ev::AgentOutput);
        if for_client && self.at < self.asleep_until {
            self.post(self.asleep_until - self.at, ev);
            return;
        }
        self.drop_silent_client();
        match ev {
            Ev::Up(id) => self.deliver_up(id),
            Ev::Down(id) => self.deliver_down(id),
            Ev::DialDone(id, failed) => self.dial_done(id, failed),
            Ev::AgentOutput => {
                if !self.quiet {
                    let burst = self.rng.below(40) == 0;
                    self.output_end += self.rng.below(if burst { 900_000 } else { 6000 });
                    let pause = 1 + self.rng.below(400 * MS);
                    self.post(pause, Ev::AgentOutput);
                }
                self.pump();
            }
            Ev::Key => {
                if !self.quiet {
                    let paste = if self.rng.below(50) == 0 { 200 } else { 1 };
                    let mut bytes = BytesMut::new();
                    for _ in 0..paste {
                        bytes.put_u32(self.next_key);
                        self.typed.push(self.next_key);
                        self.next_key += 1;
                    }
                    self.event(Event::Input(bytes.freeze()));
                    let pause = 1 + self.rng.below(900 * MS);
                    self.post(pause, Ev::Key);
                }
            }
            Ev::Terminal => self.write_some(),
            Ev::Timer => {
                if self.timer.is_none_or(|due| due > self.at) {
                    return;
                }
                self.timer = None;
                self.event(Event::Tick);
            }
            Ev::Answer(question, yes) => {
                if self.asking != Some(question) {
                    return;
                }
                self.asking = None;
                if !yes {
                    let dropped = self.link.undelivered() / 4;
                    self.typed.truncate(self.typed.len() - dropped);
                    self.declined += dropped;
                }
                self.event(Event::Confirm(yes));
            }
        }
    }

    // ---- the client ----

    pub fn event(&mut self, event: Event) {
        let mut effects = std::mem::take(&mut self.effects);
        let now = self.now();
        self.link.handle(event, now, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect);
        }
        self.effects = effects;
        if let Some(due) = self.link.timer() {
            let due = u64::try_from(due.as_micros()).expect("a short test") + self.slept;
            if self.timer.is_none_or(|t| due < t) {
                self.timer = Some(due);
                self.post(due.saturating_sub(self.at), Ev::Timer);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        self.trace = self
            .trace
            .wrapping_mul(31)
            .wrapping_add(self.at)
            .wrapping_add(std::mem::discriminant(&effect).hash_small());
        match effect {
            Effect::Dial { .. } => {
                let id = self.next_stream;
                self.next_stream += 1;
                self.dialing = Some(id);
                let failed = if self.at < self.down_until {
                    let later = self.rng.below(4) == 0;
                    Some(if later { Retry::Later } else { Retry::Soon })
                } else {
                    None
                };
                let thaw = self.frozen_until.saturating_sub(self.at);
                self.post(thaw + 2 * self.latency, Ev::DialDone(id, failed));
            }
            Effect::Abort => {
                self.current = None;
                self.dialing = None;
            }
            Effect::Send(message) => self.send_up(message),
            Effect::Write {
                form,
                from,
                to,
                bytes,
            } => {
                self.queue.push_back((form, from, to, bytes));
                self.schedule_write();
            }
            Effect::Discard => self.queue.clear(),
            Effect::Attached(_) | Effect::HideBanner => {}
            Effect::EndConfirm => self.asking = None,
            Effect::ShowBanner { .. } => self.banners += 1,
            Effect::Confirm { text, age } => {
                assert!(age > Duration::from_secs(30) && !text.is_empty());
                self.confirms += 1;
                let yes = self.rng.below(2) == 0;
                let thinking = self.rng.below(3 * S);
                self.asking = Some(self.confirms);
                self.post(thinking, Ev::Answer(self.confirms, yes));
            }
            Effect::Notice(_) => {}
            Effect::Close(reason) => panic!("closed: {reason:?}"),
        }
    }

    fn schedule_write(&mut self) {
        if !self.writing && !self.queue.is_empty() {
            self.writing = true;
            let stall = self.stalled_until.saturating_sub(self.at);
            self.post(stall + 300, Ev::Terminal);
        }
    }

    /// The terminal takes some bytes, not always whole frames, and checks each.
    fn write_some(&mut self) {
        self.writing = false;
        let part = 1 + usize::try_from(self.rng.below(12_000)).expect("small");
        let Some((form, from, to, bytes)) = self.queue.front_mut() else {
            return;
        };
        let n = part.min(bytes.len());
        let taken = bytes.split_to(n);
        match form {
            Form::Repaint => {
                assert_eq!(taken[0], b'R');
                if bytes.is_empty() {
                    self.shown = *to;
                }
            }
            Form::Raw => {
                assert_eq!(*from, self.shown, "bytes lost or twice");
                let at = usize::try_from(self.shown % PERIOD).expect("small");
                assert_eq!(taken, self.pattern.slice(at..at + n));
                self.shown += n as u64;
                *from = self.shown;
            }
            other => panic!("{other:?}"),
        }
        if bytes.is_empty() {
            self.queue.pop_front();
        }
        self.event(Event::Written(n));
        self.schedule_write();
    }

    fn dial_done(&mut self, id: u32, failed: Option<Retry>) {
        if self.dialing != Some(id) {
            return;
        }
        self.dialing = None;
        if let Some(retry) = failed {
            let message = String::new();
            self.event(Event::DialFailed(Failure { retry, message }));
            return;
        }
        self.streams.insert(id, Stream::default());
        self.current = Some(id);
        self.event(Event::Dialed);
    }

    /// The laptop sleeps.
    pub fn sleep(&mut self, for_us: u64) {
        self.asleep_until = self.at + for_us;
        self.slept += for_us;
        self.run_until(self.asleep_until);
    }

    /// Whether everything has arrived on both sides.
    pub fn settled(&self) -> bool {
        self.link.is_attached()
            && self.queue.is_empty()
            && self.shown == self.output_end
            && self.link.undelivered() == 0
    }

    pub fn resize(&mut self) {
        let size = size(if self.rng.below(2) == 0 { 80 } else { 100 });
        self.event(Event::Resize(size));
    }
}

trait SmallHash {
    fn hash_small(&self) -> u64;
}

impl<T> SmallHash for std::mem::Discriminant<T> {
    fn hash_small(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}
