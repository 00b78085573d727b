//! An agent's history sent to a client: what is on disk, then, if wanted, what comes, until the agent's end.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::hub::Written;
use crate::mux::{HistoryError, HistoryReader};
use crate::proto::{ErrorCode, ToClient, WireError};

/// Sent in one frame, give or take a record.
const FRAME: usize = 64 * 1024;
/// And never more than this.
const FRAME_MAX: usize = 512 * 1024;

/// What part of a history is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub offset: u64,
    pub tail: Option<u64>,
    pub follow: bool,
}

fn failed(e: &HistoryError) -> WireError {
    WireError::new(ErrorCode::Io, e.to_string())
}

/// Some records as one frame's bytes; empty at the end for now. Reads files, so not on the runtime's threads.
fn some(reader: &mut HistoryReader) -> Result<Vec<u8>, HistoryError> {
    let mut out = Vec::new();
    while out.len() < FRAME {
        match reader.next_record()? {
            Some(record) => record.encode(&mut out),
            None => break,
        }
    }
    Ok(out)
}

/// Streams `range` of the history in `dir` as data frames of request `request`.
///
/// # Errors
/// A history that cannot be read; what was sent before is good.
pub async fn stream(
    dir: PathBuf,
    range: Range,
    request: u32,
    mut written: watch::Receiver<Written>,
    out: &mpsc::Sender<ToClient>,
) -> Result<(), WireError> {
    let blocking = |e: tokio::task::JoinError| WireError::new(ErrorCode::Io, e.to_string());
    let mut reader = tokio::task::spawn_blocking(move || {
        let mut reader = HistoryReader::open(&dir)?;
        match range.tail {
            Some(tail) => reader.seek_tail(tail)?,
            None => reader.seek(range.offset)?,
        }
        Ok(reader)
    })
    .await
    .map_err(blocking)?
    .map_err(|e: HistoryError| failed(&e))?;
    loop {
        // Looked at before reading: what is written after is seen the next time round.
        let state = *written.borrow_and_update();
        let (back, bytes) = tokio::task::spawn_blocking(move || {
            let bytes = some(&mut reader);
            (reader, bytes)
        })
        .await
        .map_err(blocking)?;
        reader = back;
        let bytes = bytes.map_err(|e| failed(&e))?;
        if bytes.is_empty() {
            if !range.follow || state.over {
                return Ok(());
            }
            if written.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        // One record may be as long as the longest frame: frames end anywhere, in records too.
        let mut rest = Bytes::from(bytes);
        while !rest.is_empty() {
            let bytes = rest.split_to(rest.len().min(FRAME_MAX));
            if out.send(ToClient::Data { request, bytes }).await.is_err() {
                return Ok(());
            }
        }
    }
}
