//! What doctor says of secrets: where they are kept, and whether those that agents are to be given are there. It asks
//! nobody for a passphrase and runs no command.

use super::Finding;
use crate::cli::Ctx;
use crate::error::Result;
use crate::model::now_ms;
use crate::secret::{Kept, Store, expiry, keychain_is_there};

/// Both findings. Blocks on the keychain.
pub fn all(ctx: &Ctx) -> Vec<Finding> {
    let mut findings = vec![match keychain_is_there() {
        true => Finding::good("keychain", "opens; secrets are kept in it"),
        false => Finding::good(
            "keychain",
            "none on this machine; secrets are kept in an encrypted file",
        ),
    }];
    let store = Store::open(&ctx.paths);
    findings.push(match store.and_then(|store| secrets(ctx, &store)) {
        Ok(finding) => finding,
        Err(e) => {
            let remedy = e.hints.first().cloned().unwrap_or_default();
            Finding::bad("secrets", true, e.message, remedy)
        }
    });
    findings
}

fn secrets(ctx: &Ctx, store: &Store) -> Result<Finding> {
    let agent = ctx.config.agent(ctx.config.default_agent()).ok();
    let named = ctx.config.secrets();
    let own = agent
        .iter()
        .flat_map(|a| a.secrets.iter().map(String::as_str));
    for name in named.chain(own) {
        if store.known(name).is_none() {
            return Ok(Finding::bad(
                "secrets",
                true,
                format!(
                    "the configuration has agents given {name}, which this device does not have"
                ),
                format!("run `remote secret set {name}`"),
            ));
        }
    }
    let mut told = Vec::new();
    for (name, known) in store.all() {
        let value = match store.look(name) {
            Ok(value) => value,
            Err(e) => {
                let remedy = format!("run `remote secret set {name}`");
                return Ok(Finding::bad("secrets", true, e.message, remedy));
            }
        };
        let over = value
            .as_ref()
            .and_then(|v| expiry(v.expose()))
            .is_some_and(|at| at <= now_ms());
        if over {
            return Ok(Finding::bad(
                "secrets",
                false,
                format!("{name} has ended: it says so itself"),
                format!("run `remote secret set {name}`"),
            ));
        }
        told.push(match (&known.kept, value) {
            (Kept::Command { .. }, _) => format!("{name} (a command)"),
            (Kept::File, None) => format!("{name} (locked)"),
            _ => name.to_owned(),
        });
    }
    Ok(match (lacks(ctx, store), told.is_empty()) {
        (Some((agent, first)), _) => Finding::bad(
            "secrets",
            false,
            format!("{agent} has no credential here to take to a rented machine"),
            format!("run `remote secret set {first}`, or it asks for a login there"),
        ),
        (None, true) => Finding::good("secrets", "none are stored"),
        (None, false) => Finding::good("secrets", told.join(", ")),
    })
}

/// The agent that runs by itself, where it would come to a rented machine with no credential, and which it could have.
fn lacks<'a>(ctx: &'a Ctx, store: &Store) -> Option<(&'a str, &'a str)> {
    let name = ctx.config.default_agent();
    let agent = ctx.config.agent(name).ok()?;
    let first = agent.credentials.first()?;
    let has = |v: &String| store.known(v).is_some() || agent.env.contains_key(v);
    let needs = ctx.config.provider() == "ec2" && !agent.credentials.iter().any(has);
    needs.then_some((name, first.as_str()))
}
