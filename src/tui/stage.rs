//! The whole terminal, taken and given back: the same for panes and for a player.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::client::attach::RESET_ALL;

/// A frame is not drawn sooner after the one before.
pub const FRAME: Duration = Duration::from_millis(16);
/// How long the rest of a sequence is waited for.
pub const SEQUENCE: Duration = Duration::from_millis(50);
/// The terminal is not waited for longer when we leave.
const LEAVE: Duration = Duration::from_secs(2);

/// The alternate screen, its title put aside.
pub const ENTER: &[u8] = b"\x1b[22;0t\x1b[?1049h";
const RESTORE_TITLE: &[u8] = b"\x1b[23;0t";

/// Puts the terminal back; `first` is what else has to go from it. One that takes nothing cannot be helped.
pub async fn leave(output: &mut (impl AsyncWriteExt + Unpin), first: &[u8]) {
    let put_back = async {
        output.write_all(first).await?;
        output.write_all(RESET_ALL).await?;
        output.write_all(RESTORE_TITLE).await?;
        output.flush().await
    };
    let _ = tokio::time::timeout(LEAVE, put_back).await;
}

/// Until then; for ever where there is no such time.
pub async fn sleep(until: Option<Instant>) {
    match until {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
