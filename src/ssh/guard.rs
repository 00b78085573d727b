//! A stream that can be cut from outside. A russh session that is stuck in a write to a peer that went
//! away would hold its socket for the kernel's quarter of an hour; cutting ends it at once.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lock;

/// Cuts the [`Guarded`] stream it belongs to.
#[derive(Debug, Default)]
pub struct Switch {
    cut: AtomicBool,
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Switch {
    /// Every read and write of the stream fails from now on.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        for waker in lock(&self.wakers).iter_mut() {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.cut.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut"));
        }
        Ok(())
    }

    /// Remembers who to wake; the flag is looked at again, for a cut between the two.
    fn park<T>(&self, side: usize, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if let Some(slot) = lock(&self.wakers).get_mut(side) {
            match slot {
                Some(w) if w.will_wake(cx.waker()) => {}
                _ => *slot = Some(cx.waker().clone()),
            }
        }
        match self.check() {
            Err(e) => Poll::Ready(Err(e)),
            Ok(()) => Poll::Pending,
        }
    }
}

/// A byte stream with its [`Switch`].
#[derive(Debug)]
pub struct Guarded<S> {
    inner: S,
    switch: Arc<Switch>,
}

impl<S> Guarded<S> {
    pub fn new(inner: S) -> (Self, Arc<Switch>) {
        let switch = Arc::new(Switch::default());
        let guarded = Self {
            inner,
            switch: Arc::clone(&switch),
        };
        (guarded, switch)
    }
}

const READ: usize = 0;
const WRITE: usize = 1;

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.switch.check()?;
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Pending => self.switch.park(READ, cx),
            ready => ready,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.switch.check()?;
        match Pin::new(&mut self.inner).poll_write(cx, buf) {
            Poll::Pending => self.switch.park(WRITE, cx),
            ready => ready,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.switch.check()?;
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Pending => self.switch.park(WRITE, cx),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Pending => self.switch.park(WRITE, cx),
            ready => ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_cut_wakes_a_reader_that_waits() {
        let (a, _b) = tokio::io::duplex(64);
        let (mut guarded, switch) = Guarded::new(a);
        let reader = tokio::spawn(async move { guarded.read_u8().await });
        tokio::task::yield_now().await;
        switch.cut();
        let e = reader.await.expect("task").expect_err("cut");
        assert_eq!(e.kind(), io::ErrorKind::ConnectionAborted);
    }
}
