//! Joins an SSH channel to a local stream. The stream is read only as fast as the channel's window lets
//! us send: a slow client holds back the program, not our memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

const CHUNK_SMALL: usize = 4 << 10;
const CHUNK: usize = 64 << 10;
/// Once both directions are over, the client closes the channel; should it not, we do after this long.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Reads a stream in pieces that need no copy to be sent on; large ones only for streams that fill them.
pub struct Pieces<R> {
    reader: R,
    buf: BytesMut,
    chunk: usize,
}

impl<R: AsyncRead + Unpin> Pieces<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buf: BytesMut::new(),
            chunk: CHUNK_SMALL,
        }
    }

    /// The next piece; `None` at the end, which an error is too. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        if self.buf.capacity() < self.chunk / 4 {
            self.buf.reserve(self.chunk);
        }
        match self.reader.read_buf(&mut self.buf).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.chunk = if n >= CHUNK_SMALL / 2 {
                    CHUNK
                } else {
                    self.chunk
                };
                Some(self.buf.split().freeze())
            }
        }
    }
}

/// Carries bytes both ways until the client closes the channel, or both directions are over.
pub async fn join<S: AsyncRead + AsyncWrite + Unpin>(channel: Channel<Msg>, stream: S) {
    let (mut from_client, to_client) = channel.split();
    let (reader, writer) = tokio::io::split(stream);
    let input_over = Notify::new();
    let over = async {
        tokio::join!(upwards(reader, &to_client), input_over.notified());
        tokio::time::sleep(CLOSE_TIME).await;
    };
    tokio::select! {
        () = downwards(&mut from_client, writer, &input_over) => {}
        () = over => {
            let _ = to_client.close().await;
        }
    }
}

async fn upwards<R: AsyncRead + Unpin>(reader: R, to_client: &ChannelWriteHalf<Msg>) {
    let mut pieces = Pieces::new(reader);
    while let Some(piece) = pieces.next().await {
        if to_client.data_bytes(piece).await.is_err() {
            return;
        }
    }
    let _ = to_client.eof().await;
}

/// Goes on listening after the client's end of file: its close ends a writer that waits for window,
/// which would otherwise wait forever.
async fn downwards<W: AsyncWrite + Unpin>(
    from_client: &mut ChannelReadHalf,
    mut writer: W,
    over: &Notify,
) {
    let mut writable = true;
    while let Some(message) = from_client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let failed = writable && writer.write_all(&data).await.is_err();
                if failed {
                    writable = false;
                    over.notify_one();
                }
            }
            ChannelMsg::Eof => {
                let _ = writer.shutdown().await;
                writable = false;
                over.notify_one();
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}
