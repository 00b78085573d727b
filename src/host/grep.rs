//! A search through an agent's history where it lies: only what is found is sent.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::{Found, Search, Searched};
use crate::mux::{HistoryError, HistoryReader, Seeker};
use crate::proto::{ErrorCode, ToClient, WireError};

/// Read at a time: between two times a search that nobody waits for any more ends.
const READ: usize = 1 << 20;
/// What is found is sent at the latest once it has so many bytes, give or take a record's.
const SEND: usize = 64 << 10;
/// The most in one frame.
const FRAME_MAX: usize = 512 << 10;

struct Looking {
    reader: HistoryReader,
    seeker: Seeker,
    found: Vec<Found>,
}

impl Looking {
    /// Looks further; true once there is no more. Reads files, so not on the runtime's threads.
    fn some(&mut self) -> Result<bool, HistoryError> {
        let (mut read, mut found, mut sent) = (0, 0, 0);
        while read < READ && found < SEND {
            let Some(record) = self.reader.next_record()? else {
                return Ok(true);
            };
            read += record.bytes.len();
            if !self.seeker.record(&record, &mut self.found) {
                return Ok(true);
            }
            let new = self.found.iter().skip(sent);
            found += new.map(Found::weight).sum::<usize>();
            sent = self.found.len();
        }
        Ok(false)
    }
}

fn io(e: impl ToString) -> WireError {
    WireError::new(ErrorCode::Io, e.to_string())
}

/// Streams what is found in the history in `dir`, as data frames of request `request`.
///
/// # Errors
/// A pattern that is none, a history that cannot be read; what was sent before is good.
pub async fn stream(
    dir: PathBuf,
    search: &Search,
    request: u32,
    out: &mpsc::Sender<ToClient>,
) -> Result<Searched, WireError> {
    let seeker = Seeker::new(search);
    let seeker = seeker.map_err(|e| WireError::new(ErrorCode::BadRequest, e.to_string()))?;
    let reader = tokio::task::spawn_blocking(move || HistoryReader::open(&dir));
    let mut looking = Looking {
        reader: reader.await.map_err(io)?.map_err(io)?,
        seeker,
        found: Vec::new(),
    };
    loop {
        let (back, over) = tokio::task::spawn_blocking(move || {
            let over = looking.some();
            (looking, over)
        })
        .await
        .map_err(io)?;
        looking = back;
        let over = over.map_err(io)?;
        let searched = over.then(|| looking.seeker.finish(&mut looking.found));
        send(&mut looking.found, request, out).await?;
        if let Some(searched) = searched {
            return Ok(searched);
        }
        if out.is_closed() {
            return Err(io("nobody waits for this any more"));
        }
    }
}

async fn send(
    found: &mut Vec<Found>,
    request: u32,
    out: &mpsc::Sender<ToClient>,
) -> Result<(), WireError> {
    let mut lines = Vec::new();
    for line in found.drain(..) {
        serde_json::to_writer(&mut lines, &line).map_err(io)?;
        lines.push(b'\n');
    }
    let mut rest = Bytes::from(lines);
    while !rest.is_empty() {
        let bytes = rest.split_to(rest.len().min(FRAME_MAX));
        let sent = out.send(ToClient::Data { request, bytes }).await;
        sent.map_err(|_| io("nobody waits for this any more"))?;
    }
    Ok(())
}
