//! `remote host bridge --dir DIR`: the host's socket over standard input and output, any number of streams at
//! a time, for SSH servers that forbid forwarding to it.

use tokio::net::UnixStream;

use super::files;
use crate::config::SessionDir;
use crate::error::{Context, Result};
use crate::model::HostEndpoint;
use crate::proto::serve_bridge;

/// Serves until standard input ends.
///
/// # Errors
/// No host runs on `dir`, or the stream is damaged.
pub async fn serve(dir: &SessionDir) -> Result<()> {
    let endpoint: HostEndpoint = files::read_json(&dir.endpoint())
        .map_err(|e| e.hint("no host runs there; `remote restart` starts one"))?;
    let socket = endpoint.socket;
    serve_bridge(tokio::io::stdin(), tokio::io::stdout(), move || {
        let socket = socket.clone();
        async move { UnixStream::connect(&socket).await }
    })
    .await
    .context("the bridge to the session's host")
}
