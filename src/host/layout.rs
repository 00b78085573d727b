//! How a person's panes lay when this session was last among them. Hosts keep it for the person's other devices,
//! for no other place is known to all of them; it means nothing here.

use serde::{Deserialize, Serialize};

use super::files::{read_json, write_json_often};
use super::hub::Hub;
use crate::model::Millis;
use crate::proto::{ErrorCode, Outcome, WireError};

/// Bytes. A hundred panes take ten thousand.
const MOST: usize = 64 * 1024;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    at: Millis,
    layout: String,
}

/// Keeps it, unless there is a newer one.
///
/// # Errors
/// It is too long, or the disk is full.
pub fn keep(hub: &Hub, at: Millis, layout: String) -> Result<(), WireError> {
    if layout.len() > MOST {
        let why = format!("a layout of {} bytes is more than {MOST}", layout.len());
        return Err(WireError::new(ErrorCode::BadRequest, why));
    }
    if at <= read(hub).at {
        return Ok(());
    }
    write_json_often(&hub.dir.layout(), &Kept { at, layout })
        .map_err(|e| WireError::new(ErrorCode::Io, format!("the layout cannot be kept: {e}")))
}

/// The newest one.
pub fn kept(hub: &Hub) -> Outcome {
    let Kept { at, layout } = read(hub);
    Outcome::Layout { at, layout }
}

fn read(hub: &Hub) -> Kept {
    read_json(&hub.dir.layout()).unwrap_or_default()
}
