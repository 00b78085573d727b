//! Many byte streams over one, for SSH servers that forbid forwarding to a Unix socket: one exec of
//! `remote host bridge` then carries them all. A frame is `channel u32, length u32` (big-endian) and that
//! many bytes; length 0 ends that direction; the first frame of a channel opens it. There is no flow control
//! of its own: attachments have their credit. On the host's side a channel that piles up more than [`QUEUE`]
//! frames is ended; the client's side waits for its reader.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::mpsc;

use super::frame::FrameError;

/// The most bytes one bridge frame carries.
pub const BRIDGE_MAX: usize = 64 * 1024;
const HEADER: usize = 8;
/// Frames that may wait for one channel's reader.
const QUEUE: usize = 128;
const PIPE: usize = 64 * 1024;

/// Appends the frames for `bytes` on `channel`; none at all for no bytes, see [`encode_end`].
pub fn encode_bridge(out: &mut BytesMut, channel: u32, bytes: &[u8]) {
    for part in bytes.chunks(BRIDGE_MAX) {
        out.reserve(HEADER + part.len());
        out.put_u32(channel);
        out.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
        out.put_slice(part);
    }
}

/// Appends the frame that ends `channel` in this direction.
pub fn encode_end(out: &mut BytesMut, channel: u32) {
    out.put_u32(channel);
    out.put_u32(0);
}

/// Takes one frame off the front; `None` when it is not all there. Empty bytes are the channel's end.
///
/// # Errors
/// A frame over [`BRIDGE_MAX`].
pub fn decode_bridge(buf: &mut BytesMut) -> Result<Option<(u32, Bytes)>, FrameError> {
    let Some(header) = buf.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let mut h = &header[..];
    let (channel, length) = (h.get_u32(), h.get_u32() as usize);
    if length > BRIDGE_MAX {
        return Err(FrameError::TooLong { kind: 0, length });
    }
    if buf.len() < HEADER + length {
        return Ok(None);
    }
    buf.advance(HEADER);
    Ok(Some((channel, buf.split_to(length).freeze())))
}

type Channels = Arc<Mutex<HashMap<u32, mpsc::Sender<Bytes>>>>;
type ToWire = mpsc::Sender<(u32, Bytes)>;

fn locked(channels: &Channels) -> std::sync::MutexGuard<'_, HashMap<u32, mpsc::Sender<Bytes>>> {
    channels.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's half: opens channels over a stream to `remote host bridge`.
#[derive(Debug, Clone)]
pub struct Mux {
    channels: Channels,
    to_wire: ToWire,
    next: Arc<AtomicU32>,
}

impl Mux {
    /// Takes the stream over; needs a tokio runtime. Ends when the stream does.
    pub fn new<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (to_wire, wire) = mpsc::channel(QUEUE);
        let channels = Channels::default();
        tokio::spawn(write_all(write, wire));
        let readers = channels.clone();
        tokio::spawn(async move {
            let result = deliver_all(read, &readers).await;
            locked(&readers).clear();
            result
        });
        Self {
            channels,
            to_wire,
            next: Arc::new(AtomicU32::new(1)),
        }
    }

    /// A new stream to the host's socket.
    ///
    /// # Errors
    /// `NotConnected` when the bridge has ended.
    pub fn open(&self) -> io::Result<DuplexStream> {
        if self.to_wire.is_closed() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let channel = self.next.fetch_add(1, Ordering::Relaxed);
        let (send, receive) = mpsc::channel(QUEUE);
        locked(&self.channels).insert(channel, send);
        let (channels, to_wire) = (self.channels.clone(), self.to_wire.clone());
        tokio::spawn(async move {
            pump(channel, theirs, receive, to_wire).await;
            locked(&channels).remove(&channel);
        });
        Ok(ours)
    }

    /// The stream underneath has ended.
    pub fn is_closed(&self) -> bool {
        self.to_wire.is_closed()
    }
}

/// The host's half: each channel that the client opens gets a stream from `open`. Ends when `stream` does.
///
/// # Errors
/// A malformed frame, or the stream's own error.
pub async fn serve_bridge<R, W, T, F, Fut>(read: R, write: W, open: F) -> Result<(), FrameError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Send + 'static,
    F: Fn() -> Fut,
    Fut: Future<Output = io::Result<T>> + Send + 'static,
{
    let (to_wire, wire) = mpsc::channel(QUEUE);
    let writer = tokio::spawn(write_all(write, wire));
    let channels = Channels::default();
    let mut seen = HashSet::new();
    let result = read_all(read, |channel, bytes| {
        if seen.insert(channel) {
            let (send, receive) = mpsc::channel(QUEUE);
            locked(&channels).insert(channel, send);
            let (opening, to_wire, channels) = (open(), to_wire.clone(), channels.clone());
            tokio::spawn(async move {
                match opening.await {
                    Ok(stream) => pump(channel, stream, receive, to_wire).await,
                    Err(_) => {
                        let _ = to_wire.send((channel, Bytes::new())).await;
                    }
                }
                locked(&channels).remove(&channel);
            });
        }
        deliver(&channels, channel, bytes);
    })
    .await;
    locked(&channels).clear();
    drop(to_wire);
    writer.abort();
    result
}

/// Hands bytes to a channel; one that is full is ended rather than let the others wait for it.
fn deliver(channels: &Channels, channel: u32, bytes: Bytes) {
    let mut channels = locked(channels);
    if let Some(to) = channels.get(&channel)
        && to.try_send(bytes).is_err()
    {
        channels.remove(&channel);
    }
}

/// Waits for a channel whose reader is slow: a log that is read slowly is held back, not cut off, as it is
/// over a channel of SSH. An attachment has credit for less than a channel's queue, so it is never waited for.
async fn deliver_all<R: AsyncRead + Unpin>(
    mut read: R,
    channels: &Channels,
) -> Result<(), FrameError> {
    let mut buf = BytesMut::new();
    while let Some((channel, bytes)) = next_frame(&mut read, &mut buf).await? {
        let to = locked(channels).get(&channel).cloned();
        if let Some(to) = to
            && to.send(bytes).await.is_err()
        {
            locked(channels).remove(&channel);
        }
    }
    Ok(())
}

async fn read_all<R: AsyncRead + Unpin>(
    mut read: R,
    mut each: impl FnMut(u32, Bytes),
) -> Result<(), FrameError> {
    let mut buf = BytesMut::new();
    while let Some((channel, bytes)) = next_frame(&mut read, &mut buf).await? {
        each(channel, bytes);
    }
    Ok(())
}

/// The next frame; `None` at a clean end.
async fn next_frame<R: AsyncRead + Unpin>(
    read: &mut R,
    buf: &mut BytesMut,
) -> Result<Option<(u32, Bytes)>, FrameError> {
    loop {
        if let Some(frame) = decode_bridge(buf)? {
            return Ok(Some(frame));
        }
        buf.reserve(HEADER + BRIDGE_MAX);
        if read.read_buf(buf).await? == 0 {
            return if buf.is_empty() {
                Ok(None)
            } else {
                Err(FrameError::Truncated)
            };
        }
    }
}

async fn write_all<W: AsyncWrite + Unpin>(
    mut write: W,
    mut wire: mpsc::Receiver<(u32, Bytes)>,
) -> io::Result<()> {
    let mut out = BytesMut::new();
    while let Some(first) = wire.recv().await {
        let mut next = Some(first);
        while let Some((channel, bytes)) = next {
            if bytes.is_empty() {
                encode_end(&mut out, channel);
            } else {
                encode_bridge(&mut out, channel, &bytes);
            }
            next = (out.len() < BRIDGE_MAX)
                .then(|| wire.try_recv().ok())
                .flatten();
        }
        write.write_all_buf(&mut out).await?;
        write.flush().await?;
    }
    write.shutdown().await
}

/// Carries one channel until both its directions have ended.
async fn pump<T: AsyncRead + AsyncWrite>(
    channel: u32,
    stream: T,
    from_wire: mpsc::Receiver<Bytes>,
    to_wire: ToWire,
) {
    let (read, write) = tokio::io::split(stream);
    tokio::join!(pump_out(channel, read, to_wire), pump_in(write, from_wire));
}

async fn pump_out<T: AsyncRead>(channel: u32, mut read: ReadHalf<T>, to_wire: ToWire) {
    let mut buf = BytesMut::new();
    loop {
        buf.reserve(16 * 1024);
        match read.read_buf(&mut buf).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                if to_wire.send((channel, buf.split().freeze())).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = to_wire.send((channel, Bytes::new())).await;
}

async fn pump_in<T: AsyncWrite>(mut write: WriteHalf<T>, mut from_wire: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = from_wire.recv().await {
        if bytes.is_empty() || write.write_all(&bytes).await.is_err() {
            break;
        }
        if write.flush().await.is_err() {
            break;
        }
    }
    let _ = write.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn channels_are_apart_and_end_one_by_one() -> Result<(), Box<dyn std::error::Error>> {
        let (client, host) = tokio::io::duplex(1000);
        let (read, write) = tokio::io::split(host);
        // Every channel echoes.
        let serving = tokio::spawn(serve_bridge(read, write, || async {
            let (ours, theirs) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let (mut r, mut w) = tokio::io::split(ours);
                let _ = tokio::io::copy(&mut r, &mut w).await;
                let _ = w.shutdown().await;
            });
            Ok(theirs)
        }));
        let mux = Mux::new(client);
        let big = vec![7u8; 200_000];
        let mut one = mux.open()?;
        let mut two = mux.open()?;
        two.write_all(b"two").await?;
        let (mut r, mut w) = tokio::io::split(one);
        let sent = big.clone();
        let writing = tokio::spawn(async move {
            w.write_all(&sent).await?;
            w.shutdown().await
        });
        let mut back = Vec::new();
        r.read_to_end(&mut back).await?;
        writing.await??;
        assert!(back == big);
        let mut answer = [0; 3];
        two.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"two");
        one = mux.open()?;
        drop(one);
        drop((two, r, mux));
        serving.abort();
        Ok(())
    }

    #[tokio::test]
    async fn a_slow_reader_gets_all_of_a_long_log() -> Result<(), Box<dyn std::error::Error>> {
        const LONG: usize = 8 << 20;
        let (client, host) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(host);
        tokio::spawn(serve_bridge(read, write, || async {
            let (ours, mut theirs) = tokio::io::duplex(PIPE);
            tokio::spawn(async move {
                let _ = theirs.write_all(&vec![7; LONG]).await;
                let _ = theirs.shutdown().await;
            });
            Ok(ours)
        }));
        let mut stream = Mux::new(client).open()?;
        stream.write_all(b"log").await?;
        // More comes than is kept for a channel before anything is read.
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await?;
        assert_eq!(back.len(), LONG);
        Ok(())
    }

    #[tokio::test]
    async fn a_channel_that_cannot_be_opened_ends() -> Result<(), Box<dyn std::error::Error>> {
        let (client, host) = tokio::io::duplex(1000);
        let (read, write) = tokio::io::split(host);
        tokio::spawn(serve_bridge(read, write, || async {
            Err::<DuplexStream, _>(io::ErrorKind::NotFound.into())
        }));
        let mut stream = Mux::new(client).open()?;
        stream.write_all(b"hello").await?;
        assert_eq!(stream.read(&mut [0; 8]).await?, 0);
        Ok(())
    }

    #[test]
    fn a_length_over_the_bound_is_refused() {
        let mut buf = BytesMut::from(&[0, 0, 0, 1, 0xff, 0, 0, 0][..]);
        assert!(decode_bridge(&mut buf).is_err());
    }
}
