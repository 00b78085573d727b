//! The streams of a running command, and what holds its channel open.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use russh::ChannelWriteHalf;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::{Meter, Side};
use super::connect::Inner;
use super::queue::Queue;

/// How long a close may wait for a connection that does not move.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// Closes the channel when the last part of an `Exec` goes.
pub(super) struct Hold {
    pub write: Arc<ChannelWriteHalf<Msg>>,
    pub inner: Arc<Inner>,
    pub meter: Arc<Meter>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.inner.registry.forget(self.write.id());
        // We close: nothing of the channel reaches the sorting task any more.
        self.meter.end();
        if self.meter.closed() {
            return;
        }
        let (write, inner) = (Arc::clone(&self.write), Arc::clone(&self.inner));
        self.inner.runtime.spawn(async move {
            let _ = tokio::time::timeout(CLOSE_TIME, write.close()).await;
            drop(inner);
        });
    }
}

/// Writes to the command. Dropping it, or shutting it down, is the end of its input.
pub struct ExecStdin {
    tx: Box<dyn AsyncWrite + Send + Unpin>,
    hold: Arc<Hold>,
    shut: bool,
}

/// Reads one output of the command.
pub struct ExecReader {
    queue: Arc<Queue>,
    _hold: Arc<Hold>,
}

impl std::fmt::Debug for ExecStdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecStdin").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ExecReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecReader").finish_non_exhaustive()
    }
}

impl AsyncRead for ExecReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.queue.poll_read(cx, buf)
    }
}

impl Drop for ExecReader {
    fn drop(&mut self) {
        self.queue.drain();
    }
}

impl AsyncWrite for ExecStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let broken = || io::Error::new(io::ErrorKind::BrokenPipe, "the command no longer reads");
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.shut || self.hold.meter.closed() {
            return Poll::Ready(Err(broken()));
        }
        match Pin::new(&mut self.tx).poll_write(cx, buf) {
            Poll::Pending => {
                self.hold.meter.park(Side::Write, cx.waker());
                if self.hold.meter.closed() {
                    return Poll::Ready(Err(broken()));
                }
                Poll::Pending
            }
            ready => ready,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shut || self.hold.meter.closed() {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.tx).poll_shutdown(cx);
        self.shut |= result.is_ready();
        result
    }
}

impl Drop for ExecStdin {
    fn drop(&mut self) {
        if !self.shut && !self.hold.meter.closed() {
            let hold = Arc::clone(&self.hold);
            self.hold.inner.runtime.clone().spawn(async move {
                let _ = hold.write.eof().await;
            });
        }
    }
}

impl ExecStdin {
    pub(super) fn new(tx: Box<dyn AsyncWrite + Send + Unpin>, hold: Arc<Hold>) -> Self {
        Self {
            tx,
            hold,
            shut: false,
        }
    }
}

impl ExecReader {
    pub(super) fn new(queue: Arc<Queue>, hold: Arc<Hold>) -> Self {
        Self { queue, _hold: hold }
    }
}
