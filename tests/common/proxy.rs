//! A bad network in front of a TCP port: cut, frozen, delayed, half-closed, narrow, by the test's order and
//! never by chance. Counts what went through, and what is in flight.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A direction, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

/// How much one direction holds before it stops reading: the bottleneck's buffer.
const BUFFER: usize = 256 * 1024;

#[derive(Default)]
struct Lane {
    frozen: bool,
    queue: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
    passed: u64,
    /// When the narrow link is free again.
    free_at: Option<Instant>,
    /// No more will be read.
    finished: bool,
}

struct Pair {
    client: TcpStream,
    server: TcpStream,
    up: Lane,
    down: Lane,
    open: bool,
}

struct State {
    pairs: Vec<Pair>,
    refuse: bool,
    /// Of new connections and old, each direction.
    freeze_up: bool,
    freeze_down: bool,
    delay: Duration,
    bytes_per_second: Option<u64>,
    buffer: usize,
    accepted: usize,
    closed: bool,
}

/// The proxy; ends with its value.
pub struct Proxy {
    pub port: u16,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Proxy {
    /// Listens on a free loopback port and passes everything to `server`, a port on this machine.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let state = State {
            pairs: Vec::new(),
            refuse: false,
            freeze_up: false,
            freeze_down: false,
            delay: Duration::ZERO,
            bytes_per_second: None,
            buffer: BUFFER,
            accepted: 0,
            closed: false,
        };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let for_accept = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, server, &for_accept));
        Self { port, shared }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.shared.1.notify_all();
    }

    /// One way takes this long; half a round trip.
    pub fn delay(&self, delay: Duration) {
        self.change(|s| s.delay = delay);
    }

    /// Bytes per second in each direction; `None` for as fast as can be.
    pub fn rate(&self, bytes_per_second: Option<u64>) {
        self.change(|s| s.bytes_per_second = bytes_per_second);
    }

    /// How much each direction of a connection holds back before it stops reading.
    pub fn buffer(&self, bytes: usize) {
        self.change(|s| s.buffer = bytes);
    }

    /// Nothing passes this way any more, though every connection stays up; new ones too.
    pub fn freeze(&self, way: Way) {
        self.change(|s| match way {
            Way::Up => s.freeze_up = true,
            Way::Down => s.freeze_down = true,
        });
    }

    /// Lets both ways pass again.
    pub fn thaw(&self) {
        self.change(|s| {
            s.freeze_up = false;
            s.freeze_down = false;
        });
    }

    /// New connections are closed as soon as they are accepted.
    pub fn refuse(&self, refuse: bool) {
        self.change(|s| s.refuse = refuse);
    }

    /// Ends every connection at once. What is in flight is lost.
    pub fn cut(&self) {
        self.change(|s| {
            for pair in &mut s.pairs {
                pair.close();
            }
        });
    }

    /// Ends one direction of every connection, as a peer does that has no more to say.
    pub fn half_close(&self, way: Way) {
        self.change(|s| {
            for pair in s.pairs.iter_mut().filter(|p| p.open) {
                let _ = match way {
                    Way::Up => pair.server.shutdown(Shutdown::Write),
                    Way::Down => pair.client.shutdown(Shutdown::Write),
                };
            }
        });
    }

    /// Bytes that have come out at the other end, all connections together.
    pub fn passed(&self, way: Way) -> u64 {
        self.lock().pairs.iter().map(|p| p.lane(way).passed).sum()
    }

    /// Bytes in flight now.
    pub fn held(&self, way: Way) -> usize {
        let state = self.lock();
        let open = state.pairs.iter().filter(|p| p.open);
        open.map(|p| p.lane(way).held).sum()
    }

    /// Connections taken so far.
    pub fn accepted(&self) -> usize {
        self.lock().accepted
    }

    /// Waits until at least `bytes` are in flight; false when `limit` passes first.
    pub fn wait_held(&self, way: Way, bytes: usize, limit: Duration) -> bool {
        self.wait(limit, |s| {
            let open = s.pairs.iter().filter(|p| p.open);
            open.map(|p| p.lane(way).held).sum::<usize>() >= bytes
        })
    }

    /// Waits until so many bytes have come out at the other end, as [`Proxy::passed`] counts them; false when `limit`
    /// passes first.
    pub fn wait_passed(&self, way: Way, bytes: u64, limit: Duration) -> bool {
        self.wait(limit, |s| {
            s.pairs.iter().map(|p| p.lane(way).passed).sum::<u64>() >= bytes
        })
    }

    /// Waits until this many connections have been taken in all; false when `limit` passes first.
    pub fn wait_accepted(&self, count: usize, limit: Duration) -> bool {
        self.wait(limit, |s| s.accepted >= count)
    }

    fn wait(&self, limit: Duration, mut seen: impl FnMut(&State) -> bool) -> bool {
        let state = self.lock();
        let (_guard, timeout) = self
            .shared
            .1
            .wait_timeout_while(state, limit, |s| !seen(s))
            .expect("the proxy's lock");
        !timeout.timed_out()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(|s| {
            s.closed = true;
            for pair in &mut s.pairs {
                pair.close();
            }
        });
        // Wakes the accepting thread, which sees `closed`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Pair {
    fn lane(&self, way: Way) -> &Lane {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    fn lane_mut(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    fn close(&mut self) {
        self.open = false;
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

type Shared = Arc<(Mutex<State>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().expect("the proxy's lock")
}

fn accept(listener: &TcpListener, server: u16, shared: &Shared) {
    for client in listener.incoming().flatten() {
        let mut state = lock(shared);
        if state.closed {
            return;
        }
        state.accepted += 1;
        shared.1.notify_all();
        if state.refuse {
            continue;
        }
        drop(state);
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
            continue;
        };
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let clone = |s: &TcpStream| s.try_clone().expect("another descriptor of a socket");
        let (c1, c2, s1, s2) = (
            clone(&client),
            clone(&client),
            clone(&server),
            clone(&server),
        );
        let mut state = lock(shared);
        let index = state.pairs.len();
        state.pairs.push(Pair {
            client,
            server,
            up: Lane::default(),
            down: Lane::default(),
            open: true,
        });
        drop(state);
        for (way, from, to) in [(Way::Up, c1, s1), (Way::Down, s2, c2)] {
            let (a, b) = (Arc::clone(shared), Arc::clone(shared));
            std::thread::spawn(move || read_side(from, way, index, &a));
            std::thread::spawn(move || write_side(to, way, index, &b));
        }
    }
}

fn read_side(mut from: TcpStream, way: Way, index: usize, shared: &Shared) {
    let mut buf = [0; 32 * 1024];
    loop {
        let state = lock(shared);
        let state = shared
            .1
            .wait_while(state, |s| {
                s.pairs[index].open && s.pairs[index].lane(way).held >= s.buffer
            })
            .expect("the proxy's lock");
        if !state.pairs[index].open {
            return;
        }
        drop(state);
        let n = from.read(&mut buf).unwrap_or(0);
        // A line has no opinion about when to acknowledge; this end of a connection would wait 40 ms.
        let _ = rustix::net::sockopt::set_tcp_quickack(&from, true);
        let mut state = lock(shared);
        let due = Instant::now() + state.delay;
        let lane = state.pairs[index].lane_mut(way);
        if n == 0 {
            lane.finished = true;
        } else {
            lane.held += n;
            lane.queue.push_back((due, buf[..n].to_vec()));
        }
        shared.1.notify_all();
        if n == 0 {
            return;
        }
    }
}

fn write_side(mut to: TcpStream, way: Way, index: usize, shared: &Shared) {
    loop {
        let state = lock(shared);
        let mut state = shared
            .1
            .wait_while(state, |s| {
                let frozen = match way {
                    Way::Up => s.freeze_up,
                    Way::Down => s.freeze_down,
                };
                let pair = &s.pairs[index];
                let lane = pair.lane(way);
                pair.open && (frozen || (lane.queue.is_empty() && !lane.finished))
            })
            .expect("the proxy's lock");
        if !state.pairs[index].open {
            return;
        }
        let rate = state.bytes_per_second;
        let lane = state.pairs[index].lane_mut(way);
        let Some((due, bytes)) = lane.queue.pop_front() else {
            drop(state);
            let _ = to.shutdown(Shutdown::Write);
            return;
        };
        let (now, bytes) = narrow(lane, due, bytes, rate);
        drop(state);
        // The time on the wire: this is the one thing that a network does and no event tells of.
        std::thread::sleep(now.saturating_duration_since(Instant::now()));
        let written = to.write_all(&bytes).is_ok();
        let mut state = lock(shared);
        let pair = &mut state.pairs[index];
        let lane = pair.lane_mut(way);
        lane.held -= bytes.len();
        if written {
            lane.passed += bytes.len() as u64;
        }
        shared.1.notify_all();
    }
}

/// When these bytes are through a link of this rate, and how many of them go at once: at most 5 ms' worth,
/// so that a narrow link trickles as a real one does.
fn narrow(
    lane: &mut Lane,
    due: Instant,
    mut bytes: Vec<u8>,
    rate: Option<u64>,
) -> (Instant, Vec<u8>) {
    let Some(rate) = rate else {
        return (due, bytes);
    };
    let slice = usize::try_from(rate / 200).unwrap_or(usize::MAX).max(1400);
    if bytes.len() > slice {
        let rest = bytes.split_off(slice);
        lane.queue.push_front((due, rest));
    }
    let start = lane
        .free_at
        .map_or(due, |free| free.max(due))
        .max(Instant::now());
    let time = Duration::from_secs_f64(bytes.len() as f64 / rate as f64);
    let done = start + time;
    lane.free_at = Some(done);
    (done, bytes)
}
