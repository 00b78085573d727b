//! Stdin and stdout as streams that never block the runtime and never set O_NONBLOCK on what the shell
//! shares with us: a terminal is opened a second time; anything else gets a thread of its own.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rustix::fs::{Mode, OFlags};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

/// What a thread takes or gives at once.
const CHUNK: usize = 16 * 1024;

/// Stdin.
///
/// # Errors
/// No thread could be started.
pub fn input() -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    if io::stdin().is_terminal()
        && let Some(tty) = again(0, OFlags::RDONLY)
        // Named for pipes, it takes whatever can be polled.
        && let Ok(tty) = pipe::Receiver::from_file_unchecked(tty)
    {
        return Ok(Box::new(tty));
    }
    Ok(Box::new(Inward::start(io::stdin())?))
}

/// Stdout.
///
/// # Errors
/// No thread could be started.
pub fn output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    if io::stdout().is_terminal()
        && let Some(tty) = again(1, OFlags::WRONLY)
        && let Ok(tty) = pipe::Sender::from_file_unchecked(tty)
    {
        return Ok(Box::new(tty));
    }
    Ok(Box::new(Outward::start(io::stdout())?))
}

/// The terminal behind `fd`, behind a descriptor of our own that never blocks. `None` where it cannot be
/// opened again: another user's terminal, no /proc.
fn again(fd: u32, access: OFlags) -> Option<File> {
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{fd}");
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    Some(File::from(file))
}

/// A reader with a thread that may block in it for ever.
struct Inward {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Inward {
    fn start(mut from: impl Read + Send + 'static) -> io::Result<Self> {
        let (send, chunks) = mpsc::channel(1);
        let work = move || {
            let mut buf = vec![0; CHUNK];
            loop {
                let chunk = match from.read(&mut buf) {
                    Ok(0) => return,
                    Ok(n) => Ok(Bytes::copy_from_slice(buf.get(..n).unwrap_or_default())),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(e) => Err(e),
                };
                let failed = chunk.is_err();
                if send.blocking_send(chunk).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("stdin".into())
            .spawn(work)?;
        Ok(Self {
            chunks,
            rest: Bytes::new(),
        })
    }
}

impl AsyncRead for Inward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(self.chunks.poll_recv(cx)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(e)) => return Poll::Ready(Err(e)),
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.rest.len().min(buf.remaining());
        buf.put_slice(self.rest.get(..n).unwrap_or_default());
        self.rest.advance(n);
        Poll::Ready(Ok(()))
    }
}

type Done = oneshot::Sender<io::Result<()>>;

/// A writer with a thread; one chunk at a time is under way.
struct Outward {
    chunks: mpsc::UnboundedSender<(Bytes, Done)>,
    busy: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Outward {
    fn start(mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (chunks, mut receive) = mpsc::unbounded_channel::<(Bytes, Done)>();
        let work = move || {
            while let Some((bytes, done)) = receive.blocking_recv() {
                let wrote = to.write_all(&bytes).and_then(|()| to.flush());
                // Nobody waits any more: the attachment is over.
                let _ = done.send(wrote);
            }
        };
        std::thread::Builder::new()
            .name("stdout".into())
            .spawn(work)?;
        Ok(Self { chunks, busy: None })
    }
}

impl AsyncWrite for Outward {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let n = bytes.len().min(CHUNK);
        let chunk = Bytes::copy_from_slice(bytes.get(..n).unwrap_or_default());
        let (done, busy) = oneshot::channel();
        if self.chunks.send((chunk, done)).is_err() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.busy = Some(busy);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(busy) = &mut self.busy else {
            return Poll::Ready(Ok(()));
        };
        let wrote = ready!(Pin::new(busy).poll(cx));
        self.busy = None;
        Poll::Ready(wrote.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn threads_carry_bytes_in_order_and_report_the_end() -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        let mut out = Outward::start(writer)?;
        let mut back = Inward::start(reader)?;
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let copy = sent.clone();
        let write = tokio::spawn(async move {
            out.write_all(&copy).await?;
            out.flush().await
        });
        let mut got = Vec::new();
        back.read_to_end(&mut got).await?;
        write.await.map_err(io::Error::other)??;
        assert!(got == sent);
        Ok(())
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_an_error_at_the_next_write() -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        let mut out = Outward::start(writer)?;
        drop(reader);
        let outcome = async {
            out.write_all(b"x").await?;
            out.flush().await
        };
        let failed = outcome.await.expect_err("a broken pipe");
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
        Ok(())
    }
}
