//! AWS and one session's machine, looked at.

use std::sync::Arc;

use super::Finding;
use crate::cli::Ctx;
use crate::client::diagnosis::{decide, probe};
use crate::client::status::PATIENCE;
use crate::client::{Known, reach};
use crate::ssh::Nobody;

/// AWS, the way there, and the session's machine where one is named.
pub async fn on_ec2(ctx: &Ctx, known: Option<&Known>) -> Vec<Finding> {
    let stage = ctx.ui.stage("aws");
    stage.waits("looking at AWS and the way there");
    // Nobody is asked for a password by a look.
    let seen = probe(&ctx.paths, &ctx.config, known, Arc::new(Nobody)).await;
    drop(stage);
    match seen {
        Ok(seen) => decide(&seen),
        Err(e) => {
            let remedy = e.hints.into_iter().next().unwrap_or_default();
            vec![Finding::bad("aws region", true, e.message, remedy)]
        }
    }
}

/// A session on this machine, or behind the user's own ssh.
pub async fn elsewhere(known: &Known) -> Finding {
    const NAME: &str = "session";
    let asked = async {
        reach(known, Arc::new(Nobody))
            .await?
            .control()
            .await?
            .status()
            .await
    };
    match tokio::time::timeout(PATIENCE * 5, asked).await {
        Ok(Ok(status)) => Finding::good(
            NAME,
            format!("its host answers (remote {})", status.version),
        ),
        Ok(Err(e)) => {
            let remedy = match e.hints.first() {
                Some(hint) => hint.clone(),
                None => format!("run `remote status {}`", known.id),
            };
            Finding::bad(NAME, true, e.to_string(), remedy)
        }
        Err(_) => Finding::bad(
            NAME,
            true,
            "its host does not answer",
            match &known.ssh {
                Some(place) => format!("try `ssh {} true`", place.destination),
                None => format!("run `remote restart {}`", known.id),
            },
        ),
    }
}
