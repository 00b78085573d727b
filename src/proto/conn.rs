//! Frames over any byte stream: a buffered receiver that can be dropped between any two polls without
//! losing bytes, a sender that batches, and the exchange of hellos.

use std::marker::PhantomData;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::codec::{Message, ToClient, ToHost};
use super::frame::{FrameError, HEADER, RawFrame, decode_header};
use super::message::{Hello, PROTOCOL};

const READ_CHUNK: usize = 64 * 1024;

/// The reading half: yields messages of type `M`.
#[derive(Debug)]
pub struct Receiver<S, M> {
    stream: ReadHalf<S>,
    buf: BytesMut,
    message: PhantomData<fn() -> M>,
}

/// The writing half: takes messages of type `M`.
#[derive(Debug)]
pub struct Sender<S, M> {
    stream: WriteHalf<S>,
    buf: BytesMut,
    message: PhantomData<fn(M)>,
}

impl<S: AsyncRead, M: Message> Receiver<S, M> {
    /// The next message of a kind that is known here; `None` at a clean end. Cancel-safe.
    ///
    /// # Errors
    /// A frame over the bound, a malformed one, an end in the middle of one, or the stream's own error.
    pub async fn next(&mut self) -> Result<Option<M>, FrameError> {
        loop {
            while let Some(frame) = self.take_frame()? {
                if let Some(message) = M::decode(frame)? {
                    return Ok(Some(message));
                }
            }
            if self.buf.capacity() - self.buf.len() < READ_CHUNK / 2 {
                self.buf.reserve(READ_CHUNK);
            }
            if self.stream.read_buf(&mut self.buf).await? == 0 {
                return if self.buf.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Truncated)
                };
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<RawFrame>, FrameError> {
        let Some(header) = self.buf.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (kind, length) = decode_header(*header)?;
        if self.buf.len() < HEADER + length {
            return Ok(None);
        }
        self.buf.advance(HEADER);
        let body = self.buf.split_to(length).freeze();
        Ok(Some(RawFrame { kind, body }))
    }
}

impl<S: AsyncWrite, M: Message> Sender<S, M> {
    /// Puts a message into the buffer; [`Sender::flush`] sends it.
    ///
    /// # Errors
    /// A message over the bound.
    pub fn queue(&mut self, message: &M) -> Result<(), FrameError> {
        message.encode(&mut self.buf)
    }

    /// Writes all that was queued. Cancel-safe: what is not yet written stays queued.
    ///
    /// # Errors
    /// The stream's own.
    pub async fn flush(&mut self) -> Result<(), FrameError> {
        while !self.buf.is_empty() {
            let n = self.stream.write(&self.buf).await?;
            if n == 0 {
                return Err(FrameError::Closed);
            }
            self.buf.advance(n);
        }
        self.stream.flush().await?;
        Ok(())
    }

    /// [`Sender::queue`], then [`Sender::flush`].
    ///
    /// # Errors
    /// Those of both.
    pub async fn send(&mut self, message: &M) -> Result<(), FrameError> {
        self.queue(message)?;
        self.flush().await
    }

    /// Bytes that wait to be written.
    pub fn queued(&self) -> usize {
        self.buf.len()
    }

    /// Ends the stream cleanly.
    ///
    /// # Errors
    /// The stream's own.
    pub async fn shutdown(&mut self) -> Result<(), FrameError> {
        self.flush().await?;
        Ok(self.stream.shutdown().await?)
    }
}

/// A stream whose hellos have been exchanged.
#[derive(Debug)]
pub struct Conn<S, In, Out> {
    pub receiver: Receiver<S, In>,
    pub sender: Sender<S, Out>,
    /// What the other side said of itself.
    pub peer: Hello,
}

/// A stream's two directions with no hellos exchanged: for who sends more than a hello at once.
pub fn halves<S: AsyncRead + AsyncWrite, In, Out>(stream: S) -> (Receiver<S, In>, Sender<S, Out>) {
    let (read, write) = tokio::io::split(stream);
    (
        Receiver {
            stream: read,
            buf: BytesMut::new(),
            message: PhantomData,
        },
        Sender {
            stream: write,
            buf: BytesMut::new(),
            message: PhantomData,
        },
    )
}

/// This binary's own hello.
pub fn hello(who: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        software: concat!("remote ", env!("CARGO_PKG_VERSION")).to_owned(),
        who: who.to_owned(),
    }
}

fn check(peer: &Hello, remedy: &'static str) -> Result<(), FrameError> {
    if peer.protocol.major == PROTOCOL.major {
        return Ok(());
    }
    Err(FrameError::Version {
        theirs: format!("{} ({})", peer.protocol, peer.software),
        ours: PROTOCOL.to_string(),
        remedy,
    })
}

impl<S: AsyncRead + AsyncWrite> Conn<S, ToClient, ToHost> {
    /// The client's side: says hello, hears the host's.
    ///
    /// # Errors
    /// [`FrameError::Version`] for another major protocol; whatever the stream gives.
    pub async fn client(stream: S, who: &str) -> Result<Self, FrameError> {
        let (mut receiver, mut sender) = halves::<S, ToClient, ToHost>(stream);
        sender.send(&ToHost::Hello(hello(who))).await?;
        match receiver.next().await? {
            Some(ToClient::Hello(peer)) => {
                check(
                    &peer,
                    "install the same version on both sides, or `remote host upgrade` on the session's machine",
                )?;
                Ok(Self {
                    receiver,
                    sender,
                    peer,
                })
            }
            Some(_) => Err(FrameError::Unexpected {
                expected: "hello",
                kind: 0,
            }),
            None => Err(FrameError::Closed),
        }
    }
}

impl<S: AsyncRead + AsyncWrite> Conn<S, ToHost, ToClient> {
    /// The host's side. Its hello is sent even where the versions differ, so that the client can say so.
    ///
    /// # Errors
    /// As for the client's side.
    pub async fn host(stream: S, who: &str) -> Result<Self, FrameError> {
        let (mut receiver, mut sender) = halves::<S, ToHost, ToClient>(stream);
        match receiver.next().await? {
            Some(ToHost::Hello(peer)) => {
                sender.send(&ToClient::Hello(hello(who))).await?;
                check(&peer, "the client must be of the same major protocol")?;
                Ok(Self {
                    receiver,
                    sender,
                    peer,
                })
            }
            Some(_) => Err(FrameError::Unexpected {
                expected: "hello",
                kind: 0,
            }),
            None => Err(FrameError::Closed),
        }
    }
}
