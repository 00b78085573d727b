//! What the loop waits for; what is not there is waited for for ever. Each can be dropped at any point
//! without losing anything.

use std::future::pending;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::dial::DialError;
use super::super::outlet::Outlet;
use super::{Dialing, READ, Stream};
use crate::proto::{FrameError, Receiver, Sender, ToClient, ToHost};

pub(super) async fn read(
    input: &mut Option<Box<dyn AsyncRead + Send + Unpin>>,
    buf: &mut BytesMut,
) -> std::io::Result<usize> {
    match input {
        Some(input) => {
            buf.reserve(READ);
            input.read_buf(buf).await
        }
        None => pending().await,
    }
}

pub(super) async fn flush(sender: &mut Option<Sender<Stream, ToHost>>) -> Result<(), FrameError> {
    match sender {
        Some(sender) if sender.queued() > 0 => sender.flush().await,
        _ => pending().await,
    }
}

pub(super) async fn write(
    output: &mut Box<dyn AsyncWrite + Send + Unpin>,
    outlet: &Outlet,
    suspended: bool,
) -> std::io::Result<usize> {
    match outlet.front() {
        Some((_, bytes)) if !suspended => output.write(bytes).await,
        _ => pending().await,
    }
}

pub(super) async fn next(
    receiver: &mut Option<Receiver<Stream, ToClient>>,
) -> Result<Option<ToClient>, FrameError> {
    match receiver {
        Some(receiver) => receiver.next().await,
        None => pending().await,
    }
}

pub(super) async fn dialed(dialing: &mut Option<Dialing>) -> Result<Stream, DialError> {
    match dialing {
        Some(dialing) => dialing.await,
        None => pending().await,
    }
}

pub(super) async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => pending().await,
    }
}
