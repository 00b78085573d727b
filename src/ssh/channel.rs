//! One SSH channel as a byte stream.
//!
//! russh gives a channel's window back when data arrives, not when it is read, and stops the whole
//! connection when one channel's queue is full. So a connection is of one of two kinds: `Credited`
//! channels never fill their queue (what is in flight is bounded by the credit of the protocol inside,
//! and by a hard limit here), so one slow reader cannot stall the others; `Bulk` connections carry one
//! transfer each and do stall, which is what back-pressure is.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::{Meter, Side};
use super::connect::Inner;

/// How a connection treats a channel that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// It is queued, up to 64 MiB; then the channel fails. For streams with credit of their own.
    #[default]
    Credited,
    /// The whole connection waits. For transfers that have a connection to themselves.
    Bulk,
}

/// The most a credited channel may hold unread.
const HELD_MAX: i64 = 64 << 20;

impl Flow {
    /// Messages russh queues for a channel before it stops reading the connection.
    pub(super) fn queue(self) -> usize {
        match self {
            Self::Credited => 1 << 20,
            Self::Bulk => 64,
        }
    }

    pub(super) fn limit(self) -> i64 {
        match self {
            Self::Credited => HELD_MAX,
            Self::Bulk => i64::MAX,
        }
    }
}

/// How long a dropped channel waits for its peer to close it before it closes by itself.
const LINGER: Duration = Duration::from_millis(500);

/// What reading a channel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Eof,
    Closed,
}

/// A byte stream over one channel. Dropping it closes the channel; it keeps its connection alive.
pub struct Channel {
    halves: Option<(ChannelReadHalf, ChannelWriteHalf<Msg>)>,
    tx: Box<dyn AsyncWrite + Send + Unpin>,
    meter: Arc<Meter>,
    inner: Arc<Inner>,
    rest: Bytes,
    end: End,
    shut: bool,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Channel {
    pub(super) fn new(channel: russh::Channel<Msg>, inner: Arc<Inner>) -> Self {
        let (read, write) = channel.split();
        Self {
            tx: Box::new(write.make_writer()),
            meter: inner.registry.meter(write.id()),
            halves: Some((read, write)),
            inner,
            rest: Bytes::new(),
            end: End::Open,
            shut: false,
        }
    }

    /// Why the stream ended, if not by its peer's closing it.
    fn failure(&self) -> Option<io::Error> {
        if self.meter.overflowed() {
            let what = "more than 64 MiB were not read in time";
            return Some(io::Error::other(what));
        }
        let why = self.inner.registry.why_gone()?;
        Some(io::Error::new(io::ErrorKind::ConnectionReset, why))
    }

    fn ended(&mut self) -> Poll<io::Result<()>> {
        // Asked before `end` is set: an end of file that came earlier stays one.
        let failure = if self.end == End::Open {
            self.failure()
        } else {
            None
        };
        self.end = End::Closed;
        match failure {
            Some(e) => Poll::Ready(Err(e)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.rest.has_remaining() {
                let n = this.rest.len().min(buf.remaining());
                buf.put_slice(&this.rest.split_to(n));
                return Poll::Ready(Ok(()));
            }
            if this.end != End::Open {
                return Poll::Ready(Ok(()));
            }
            let Some((read, _)) = this.halves.as_mut() else {
                return Poll::Ready(Ok(()));
            };
            // `wait` keeps no state of its own: a new future at each poll loses nothing.
            let polled = {
                let waiting = pin!(read.wait());
                waiting.poll(cx)
            };
            let message = match polled {
                Poll::Pending => {
                    this.meter.park(Side::Read, cx.waker());
                    if this.meter.overflowed() && this.meter.empty() {
                        return this.ended();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(message) => message,
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    this.meter.taken();
                    this.meter.read(data.len());
                    this.rest = data;
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    this.meter.taken();
                    this.meter.read(data.len());
                }
                Some(ChannelMsg::Eof) => {
                    this.end = End::Eof;
                    return Poll::Ready(Ok(()));
                }
                Some(ChannelMsg::Close) => {
                    if this.meter.overflowed() {
                        return this.ended();
                    }
                    this.end = End::Closed;
                    return Poll::Ready(Ok(()));
                }
                Some(_) => {}
                None => return this.ended(),
            }
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let broken = |this: &Self| {
            let e = this.failure();
            e.unwrap_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the channel is closed"))
        };
        if this.shut || this.meter.closed() {
            return Poll::Ready(Err(broken(this)));
        }
        match Pin::new(&mut this.tx).poll_write(cx, buf) {
            Poll::Pending => {
                this.meter.park(Side::Write, cx.waker());
                if this.meter.closed() {
                    return Poll::Ready(Err(broken(this)));
                }
                Poll::Pending
            }
            ready => ready,
        }
    }

    /// Every write is a packet that is sent at once: there is nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.shut || this.meter.closed() {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.tx).poll_shutdown(cx) {
            Poll::Pending => {
                this.meter.park(Side::Write, cx.waker());
                Poll::Pending
            }
            Poll::Ready(result) => {
                this.shut = true;
                Poll::Ready(result)
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some((read, write)) = self.halves.take() {
            hang_up(&self.inner, read, write, self.shut);
        }
    }
}

/// Ends a channel politely and in the background: end of file, a moment for the peer to close (russh
/// frees a channel fully only when the peer closes first), then our own close.
pub fn hang_up(
    inner: &Arc<Inner>,
    mut read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    shut: bool,
) {
    let id = write.id();
    let closed = inner.registry.meter(id).closed();
    inner.registry.forget(id);
    if closed || inner.registry.why_gone().is_some() {
        return;
    }
    let keep = Arc::clone(inner);
    inner.runtime.spawn(async move {
        let polite = async {
            if !shut {
                let _ = write.eof().await;
            }
            while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {}
        };
        if tokio::time::timeout(LINGER, polite).await.is_err() {
            let _ = tokio::time::timeout(LINGER, write.close()).await;
        }
        keep.registry.forget(id);
    });
}
