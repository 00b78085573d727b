//! A queue of bytes between two tasks: unbounded where the channel's meter bounds it, else with a limit
//! at which the pushing side waits. A reader that is dropped turns it into a drain.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::client::Meter;
use super::lock;

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    /// The first chunk's length when it was pushed: what the meter gets back once it is read.
    whole: usize,
    end: Option<Option<String>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    drained: bool,
}

/// The queue itself; both sides share it.
pub struct Queue {
    state: Mutex<State>,
    meter: Arc<Meter>,
    /// Bytes at which [`Queue::push`] waits.
    limit: usize,
}

impl Queue {
    pub fn new(meter: Arc<Meter>, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            meter,
            limit,
        })
    }

    /// Appends; waits while the queue is over its limit.
    pub async fn push(&self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.drained || state.bytes < self.limit {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        let mut state = lock(&self.state);
        if state.drained {
            self.meter.read(chunk.len());
            return;
        }
        if state.chunks.is_empty() {
            state.whole = chunk.len();
        }
        state.bytes = state.bytes.saturating_add(chunk.len());
        state.chunks.push_back(chunk);
        if let Some(waker) = state.reader.take() {
            waker.wake();
        }
    }

    /// Nothing more comes: a clean end, or why not.
    pub fn finish(&self, failure: Option<String>) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(failure);
        if let Some(waker) = state.reader.take() {
            waker.wake();
        }
    }

    /// The reader is gone: what is queued and what still comes is dropped.
    pub fn drain(&self) {
        let mut state = lock(&self.state);
        state.drained = true;
        for chunk in std::mem::take(&mut state.chunks) {
            self.meter.read(chunk.len());
        }
        state.bytes = 0;
        if let Some(waker) = state.writer.take() {
            waker.wake();
        }
    }

    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let Some(front) = state.chunks.front_mut() else {
            return match &state.end {
                Some(None) => Poll::Ready(Ok(())),
                Some(Some(why)) => Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    why.clone(),
                ))),
                None => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        let n = front.len().min(buf.remaining());
        buf.put_slice(&front.split_to(n));
        state.bytes = state.bytes.saturating_sub(n);
        if front.is_empty() {
            self.meter.read(state.whole);
            state.chunks.pop_front();
            state.whole = state.chunks.front().map_or(0, Bytes::len);
        }
        if state.bytes < self.limit
            && let Some(waker) = state.writer.take()
        {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
