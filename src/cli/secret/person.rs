//! The person who knows the passphrase, and secrets for a session that lost them.

use std::sync::Arc;

use crate::cli::ui::Ui;
use crate::cli::{Ctx, prompt};
use crate::client::{Control, secrets};
use crate::error::Result;
use crate::model::{SessionSpec, secret};
use crate::secret::Passphrase;

struct AtTerminal(Ui);

/// Whoever sits at the terminal.
pub fn at_terminal(ctx: &Ctx) -> Arc<dyn Passphrase> {
    Arc::new(AtTerminal(ctx.ui))
}

impl Passphrase for AtTerminal {
    fn choose(&self) -> Option<String> {
        self.0.line_is_free();
        self.0
            .note("This machine has no keychain: secrets are encrypted here, behind a passphrase.");
        loop {
            let first = prompt("New passphrase: ", false)?;
            if first.is_empty() {
                return None;
            }
            if prompt("Once more: ", false)? == first {
                return Some(first);
            }
            self.0.note("These are two.");
        }
    }

    fn ask(&self) -> Option<String> {
        self.0.line_is_free();
        let said = prompt("Passphrase of the secrets on this machine: ", false);
        said.filter(|p| !p.is_empty())
    }
}

/// Sends a host those secrets that `agents` of its session are to be given and it does not have, taken from this
/// device.
///
/// # Errors
/// This device does not have one either: which, and what to run.
pub async fn send_missing(
    ctx: &Ctx,
    control: &mut Control,
    spec: &SessionSpec,
    agents: &[u32],
) -> Result<()> {
    let mut names: Vec<String> = spec
        .agents
        .iter()
        .filter(|a| agents.contains(&a.number))
        .flat_map(|a| secret::given(&a.env))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    let missing = secrets::missing(control, names).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let told = missing.join(", ");
    let values = secrets::values(&ctx.paths, missing, at_terminal(ctx)).await?;
    secrets::send(control, &values).await?;
    ctx.ui.note(format!(
        "Sent {told}, which its host did not have any more."
    ));
    Ok(())
}
