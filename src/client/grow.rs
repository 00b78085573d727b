//! A workspace that was made larger while a session's machine has it: the file system there grows along, mounted as
//! it is.

use std::sync::Arc;

use super::connect::connect;
use super::dial::run;
use super::registry::Known;
use crate::error::{Error, Result};
use crate::ssh::Ask;

/// Has the machine of `known` grow its work volume's file system, once the volume there has so many bytes.
///
/// # Errors
/// The machine cannot be reached, or says why it cannot.
pub async fn grow(known: &Known, bytes: u64, ask: Arc<dyn Ask>) -> Result<()> {
    let connection = connect(known, ask).await?;
    let command = format!("sudo -n /usr/local/sbin/remote-root grow {bytes}");
    let ran = run(&connection, &command, tokio::io::empty()).await?;
    match ran.status {
        0 => Ok(()),
        status => {
            let said = String::from_utf8_lossy(&ran.stderr);
            let said: Vec<&str> = said.lines().map(str::trim).collect();
            let said = said.join("; ");
            Err(Error::user(format!(
                "the file system on the machine of {} did not grow ({status})",
                known.label()
            ))
            .because(said))
        }
    }
}
