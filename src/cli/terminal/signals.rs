//! Signals as events of an attachment.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::size;
use crate::client::attach::Outside;

/// SIGTSTP has no name in tokio; it is 20 on Linux and 18 on macOS and the BSDs.
#[cfg(target_os = "linux")]
const TSTP: i32 = 20;
#[cfg(not(target_os = "linux"))]
const TSTP: i32 = 18;
#[cfg(target_os = "linux")]
const CONT: i32 = 18;
#[cfg(not(target_os = "linux"))]
const CONT: i32 = 19;

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const TERM: i32 = 15;

/// What the terminal and others tell us from now on.
///
/// # Errors
/// The handlers cannot be set.
pub fn outside() -> io::Result<(mpsc::Sender<Outside>, mpsc::Receiver<Outside>)> {
    let (send, receive) = mpsc::channel(16);
    let more = send.clone();
    let on = |n: i32| signal(SignalKind::from_raw(n));
    let mut resized = signal(SignalKind::window_change())?;
    let (mut stopped, mut continued) = (on(TSTP)?, on(CONT)?);
    let (mut hup, mut int, mut quit, mut term) = (on(HUP)?, on(INT)?, on(QUIT)?, on(TERM)?);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                Some(()) = resized.recv() => None,
                Some(()) = stopped.recv() => Some(Outside::Suspend),
                Some(()) = continued.recv() => Some(Outside::Continued),
                n = ending(&mut hup, HUP) => Some(Outside::Signal(n)),
                n = ending(&mut int, INT) => Some(Outside::Signal(n)),
                n = ending(&mut quit, QUIT) => Some(Outside::Signal(n)),
                n = ending(&mut term, TERM) => Some(Outside::Signal(n)),
                () = send.closed() => return,
            };
            let resized = matches!(event, None | Some(Outside::Continued));
            if let Some(event) = event
                && send.send(event).await.is_err()
            {
                return;
            }
            // While we were stopped it may have changed without a word.
            if resized
                && let Some((cells, pixels)) = size()
                && send.send(Outside::Resize(cells, pixels)).await.is_err()
            {
                return;
            }
        }
    });
    Ok((more, receive))
}

async fn ending(signal: &mut Signal, number: i32) -> i32 {
    match signal.recv().await {
        Some(()) => number,
        None => std::future::pending().await,
    }
}
