//! A slow line for datagrams, as the tests' proxy is one for streams: each takes its time, one way and the other.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long the end of the relay may take to be seen.
const GLANCE: Duration = Duration::from_millis(100);

/// Passes datagrams between one client and one server; ends with its value.
pub struct Relay {
    pub port: u16,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// Listens on a free loopback port for the client of `server`; each datagram takes `delay`.
    pub fn to(server: u16, delay: Duration) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let (near, far) = (Arc::new(bind()), Arc::new(bind()));
        far.connect(("127.0.0.1", server)).expect("a server");
        let port = near.local_addr().expect("its address").port();
        let over = Arc::new(AtomicBool::new(false));
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (up, down) = (Arc::clone(&client), client);
        let (to_far, to_near) = (Arc::clone(&far), Arc::clone(&near));
        carry(near, delay, &over, move |bytes, from| {
            *up.lock().expect("the client's address") = Some(from);
            let _ = to_far.send(bytes);
        });
        carry(far, delay, &over, move |bytes, _| {
            if let Some(to) = *down.lock().expect("the client's address") {
                let _ = to_near.send_to(bytes, to);
            }
        });
        Self { port, over }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Takes datagrams from a socket and hands each on when it is due.
fn carry(
    from: Arc<UdpSocket>,
    delay: Duration,
    over: &Arc<AtomicBool>,
    hand_on: impl Fn(&[u8], SocketAddr) + Send + 'static,
) {
    let (queue, due) = mpsc::channel::<(Instant, Vec<u8>, SocketAddr)>();
    from.set_read_timeout(Some(GLANCE)).expect("a timeout");
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let mut buf = vec![0; 64 * 1024];
        while !over.load(Ordering::Relaxed) {
            if let Ok((n, peer)) = from.recv_from(&mut buf) {
                let _ = queue.send((Instant::now() + delay, buf[..n].to_vec(), peer));
            }
        }
    });
    std::thread::spawn(move || {
        for (at, bytes, peer) in due {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            hand_on(&bytes, peer);
        }
    });
}
