//! A world of random output, faults and sizes: whatever happens, a client that is left in peace for a moment
//! has exactly the agent's bytes, nothing lost and nothing twice, and each input was applied once.

use proptest::prelude::*;

use super::super::ring::{Audience, Chunk, Ring};
use super::*;
use crate::proto::Resume;

const SIZES: [Size; 2] = [Size { cols: 80, rows: 24 }, Size { cols: 20, rows: 5 }];

fn attach(resume: Option<Resume>, size: Size, window: u32) -> Attach {
    Attach {
        agent: 1,
        attachment: AttachmentId([1; 16]),
        size,
        read_only: false,
        terminal: Terminal::default(),
        resume,
        scrollback: 0,
        window,
        echoes: false,
    }
}

/// What the client's terminal shows: the screen of the agent's first `offset` bytes, painted under `epoch`.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Shown {
    offset: u64,
    epoch: u32,
}

struct World {
    agent: Vec<u8>,
    ring: Ring,
    size: Size,
    epoch: u32,
    host: Attachment,
    now: Duration,
    // The wire, and the client behind it.
    wire: Vec<(Frame, u32)>,
    connected: bool,
    shown: Option<Shown>,
    /// Bytes of the last repaint that arrived.
    painted: usize,
    fresh: bool,
    consumed: u64,
    size_known: Size,
    inputs: u64,
    applied: Vec<u64>,
    by_bytes: u32,
    by_repaint: u32,
}

const WINDOW: u32 = 40_000;
const PICTURE: usize = 50_000;

impl World {
    fn new() -> Self {
        let mut world = Self {
            agent: Vec::new(),
            ring: Ring::new(0, 60_000),
            size: SIZES[0],
            epoch: 0,
            host: Attachment::new(AttachmentId([1; 16]), 0, 0),
            now: Duration::from_secs(1),
            wire: Vec::new(),
            connected: false,
            shown: None,
            painted: 0,
            fresh: true,
            consumed: 0,
            size_known: SIZES[0],
            inputs: 0,
            applied: Vec::new(),
            by_bytes: 0,
            by_repaint: 0,
        };
        world.host.read_only = false;
        world.host.size = SIZES[0];
        world
    }

    fn scene(&self) -> Scene {
        Scene {
            end: self.ring.end(),
            start: self.ring.start(),
            size: self.size,
            over: false,
        }
    }

    fn output(&mut self, n: usize) {
        let from = self.ring.end();
        let bytes: Vec<u8> = (0..n).map(|i| (from as usize + i) as u8).collect();
        self.agent.extend_from_slice(&bytes);
        self.ring.push(Chunk {
            from,
            to: from + n as u64,
            bytes: bytes.into(),
            audience: Audience::All,
        });
    }

    fn connect(&mut self) {
        self.wire.clear();
        self.host.disconnect(0);
        let resume = self.shown.map(|s| Resume {
            offset: s.offset,
            form: Form::Raw,
            size: self.size_known,
        });
        self.host.size = self.size;
        let (resumed, offset) = self.host.connect(
            &attach(resume, self.size, WINDOW),
            Bytes::new(),
            self.scene(),
            self.now,
        );
        if resumed == Resumed::Bytes {
            self.by_bytes += 1;
            assert_eq!(self.painted, PICTURE, "no bytes after half a repaint");
            assert_eq!(
                self.shown.map(|s| (s.offset, s.epoch)),
                Some((offset, self.epoch))
            );
        } else {
            self.by_repaint += 1;
        }
        self.size_known = self.size;
        self.consumed = 0;
        self.fresh = true;
        self.connected = true;
        // The client sends again what was not acknowledged.
        for number in 1..=self.inputs {
            self.input(number);
        }
    }

    fn input(&mut self, number: u64) {
        if self.host.take_input(number, self.scene(), self.now) {
            self.applied.push(number);
        }
    }

    fn pump(&mut self) {
        for _ in 0..1000 {
            let scene = self.scene();
            let frame = match self.host.step(scene, 0, self.now) {
                Step::Rest | Step::Ended | Step::Draw => return,
                Step::Wait(until) => {
                    assert!(until > self.now);
                    return;
                }
                Step::Raw { from, max } => {
                    let slice = self.ring.read(from, max, self.host.wanted(true));
                    self.host
                        .raw(slice.expect("what is asked for is there"), scene, self.now)
                }
                Step::Repaint => {
                    let picture = Bytes::from(vec![b'#'; PICTURE]);
                    self.host.begin(Form::Repaint, picture, scene.end, self.now);
                    None
                }
                Step::Part { max } => self.host.part(max, self.now),
            };
            if let Some(frame) = frame {
                self.wire.push((frame, self.epoch));
                let flying: usize = self.wire.iter().map(|f| f.0.bytes.len()).sum();
                assert!(flying <= WINDOW as usize, "the window is kept");
            }
        }
        panic!("a client is fed without end");
    }

    /// The client writes the oldest frame in flight to its terminal.
    fn receive(&mut self) {
        if !self.connected || self.wire.is_empty() {
            return;
        }
        let (frame, epoch) = self.wire.remove(0);
        let before = self.shown.map_or(frame.from, |s| s.offset);
        match frame.form {
            Form::Raw => {
                let shown = self.shown.expect("a repaint came first");
                assert_eq!(self.painted, PICTURE, "no bytes after half a repaint");
                assert_eq!(frame.from, shown.offset, "nothing lost, nothing twice");
                let range = frame.from as usize..frame.to as usize;
                assert_eq!(frame.bytes, self.agent[range]);
                self.shown = Some(Shown {
                    offset: frame.to,
                    epoch: shown.epoch,
                });
            }
            _ => {
                assert!(frame.from >= before);
                if self.painted == PICTURE || self.fresh {
                    self.painted = 0;
                }
                self.painted += frame.bytes.len();
                self.shown = Some(Shown {
                    offset: frame.to,
                    epoch,
                });
            }
        }
        self.fresh = false;
        self.consumed += frame.bytes.len() as u64;
        self.host.credit(self.consumed, WINDOW, self.now);
    }

    fn settle(&mut self) {
        if !self.connected {
            self.connect();
        }
        for _ in 0..200 {
            self.now += Duration::from_millis(50);
            self.pump();
            while !self.wire.is_empty() {
                self.receive();
            }
        }
        let shown = self.shown.expect("it was painted");
        assert_eq!(shown.offset, self.agent.len() as u64, "it has everything");
        assert_eq!(
            shown.epoch, self.epoch,
            "painted since the last change of size"
        );
        assert_eq!(self.applied, (1..=self.inputs).collect::<Vec<_>>());
    }
}

#[derive(Debug, Clone)]
enum Act {
    Output(usize),
    Pump,
    Receive(u8),
    Cut,
    Connect,
    Resize(bool),
    Type,
    Time(u16),
    Repaint,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1usize..5000).prop_map(Act::Output),
        1 => (10_000usize..70_000).prop_map(Act::Output),
        5 => Just(Act::Pump),
        5 => (1u8..6).prop_map(Act::Receive),
        1 => Just(Act::Cut),
        2 => Just(Act::Connect),
        1 => any::<bool>().prop_map(Act::Resize),
        2 => Just(Act::Type),
        2 => (1u16..400).prop_map(Act::Time),
        1 => Just(Act::Repaint),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_through_any_faults(acts in prop::collection::vec(act(), 1..120)) {
        let mut world = World::new();
        for act in acts {
            world.now += Duration::from_micros(300);
            match act {
                Act::Output(n) => world.output(n),
                Act::Pump => world.pump(),
                Act::Receive(n) => (0..n).for_each(|_| world.receive()),
                Act::Cut => { world.connected = false; world.wire.clear(); world.host.disconnect(0); }
                Act::Connect => world.connect(),
                Act::Resize(small) => {
                    let size = SIZES[usize::from(small)];
                    if size != world.size {
                        world.size = size;
                        world.epoch += 1;
                        world.host.size = size;
                        if world.host.refit(size) { world.size_known = size; }
                    }
                }
                Act::Type => {
                    world.inputs += 1;
                    if world.connected { let n = world.inputs; world.input(n); }
                }
                Act::Time(ms) => world.now += Duration::from_millis(u64::from(ms)),
                Act::Repaint => world.host.repaint(),
            }
        }
        world.settle();
    }
}

#[test]
fn short_gaps_resume_by_bytes_and_long_ones_by_a_repaint() {
    let mut world = World::new();
    world.output(1000);
    world.settle();
    world.output(1000);
    world.settle();
    world.connected = false;
    world.output(5000);
    world.settle();
    assert_eq!((world.by_bytes, world.by_repaint), (1, 1));
    world.connected = false;
    world.output(30_000);
    world.output(50_000);
    world.settle();
    assert_eq!((world.by_bytes, world.by_repaint), (1, 2));
}

#[test]
fn a_client_of_another_size_is_drawn_at_most_thirty_times_a_second() {
    let mut host = Attachment::new(AttachmentId([1; 16]), 0, 0);
    host.size = SIZES[1];
    let mut scene = Scene {
        end: 10,
        start: 0,
        size: SIZES[0],
        over: false,
    };
    let at = Duration::from_millis;
    host.connect(&attach(None, SIZES[1], WINDOW), Bytes::new(), scene, at(0));
    assert_eq!(host.step(scene, 0, at(0)), Step::Draw);
    host.begin(Form::Drawn, Bytes::from_static(b"x"), 10, at(0));
    let frame = host.part(100, at(0)).expect("a frame");
    assert_eq!((frame.to, frame.form), (10, Form::Drawn));
    scene.end = 20;
    assert!(
        matches!(host.step(scene, 0, at(1)), Step::Wait(_)),
        "not consumed yet"
    );
    host.credit(1, WINDOW, at(2));
    assert_eq!(host.step(scene, 0, at(2)), Step::Wait(at(33)));
    assert_eq!(host.step(scene, 0, at(33)), Step::Draw);
}

#[test]
fn typing_drops_what_a_slow_client_has_pending() {
    let mut world = World::new();
    world.connect();
    // A slow client: 60 ms for each frame.
    for _ in 0..10 {
        world.pump();
        world.now += Duration::from_millis(60);
        world.receive();
    }
    world.output(9_000);
    world.pump();
    world.output(50_000);
    world.inputs = 1;
    world.input(1);
    assert_eq!(world.host.skips, 1);
    world.settle();
}

#[test]
fn read_only_clients_type_nothing() {
    let mut world = World::new();
    world.host.read_only = true;
    world.inputs = 1;
    world.connect();
    assert!(world.applied.is_empty());
    assert_eq!(world.host.input(), 1);
}
