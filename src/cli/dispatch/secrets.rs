//! The flags that say which secrets agents are given, and the check that they are there before anything starts.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::ArgAction;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::secret::at_terminal;
use crate::cli::{Ctx, complete, span};
use crate::client::secrets::{Values, ending, values};
use crate::config::AgentDef;
use crate::error::{Error, Result};
use crate::model::secret::{GIT_CREDENTIALS, GIVEN, given};
use crate::model::{AgentSpec, now_ms};
use crate::secret::{Store, check_name};

/// Which secrets.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Secrets")]
pub struct SecretArgs {
    /// Give the agents this secret of yours as a variable; `2:NAME` gives it to agent 2 alone; may be repeated
    ///
    /// Besides those that the configuration names, and the agent's own credential where you have stored one
    /// (ANTHROPIC_API_KEY and its like; see `remote secret`). A token of a git host serves the agent's git too.
    #[arg(long = "secret", value_name = "[AGENTS:]NAME", action = ArgAction::Append)]
    #[arg(add = ArgValueCandidates::new(complete::secrets))]
    secrets: Vec<String>,
    /// Give them no other secrets than --secret names
    #[arg(long)]
    no_secrets: bool,
}

/// One `--secret`: for whom (empty: all), and which.
fn parse(text: &str) -> Result<(Vec<u32>, &str)> {
    let Some((agents, name)) = text.split_once(':') else {
        return Ok((Vec::new(), text));
    };
    let numbers: std::result::Result<Vec<u32>, _> =
        agents.split(',').map(|n| n.trim().parse()).collect();
    match numbers {
        Ok(numbers) if !numbers.contains(&0) => Ok((numbers, name)),
        _ => Err(
            Error::user(format!("`--secret {text}`: `{agents}` names no agents"))
                .hint("say for example `--secret 2:GITHUB_TOKEN` or `--secret 1,3:GITHUB_TOKEN`"),
        ),
    }
}

impl SecretArgs {
    /// The first credential of an agent that this device has.
    pub fn credential<'a>(&self, ctx: &Ctx, agent: &'a AgentDef) -> Result<Option<&'a str>> {
        if self.no_secrets {
            return Ok(None);
        }
        let store = Store::open(&ctx.paths)?;
        let mut names = agent.credentials.iter().map(String::as_str);
        Ok(names.find(|name| store.known(name).is_some()))
    }

    /// Writes into the agents' environments which secrets they are given, by name. `agent` is the configured one that
    /// runs, if one does.
    pub fn mark(
        &self,
        ctx: &Ctx,
        provider: &str,
        agent: Option<&AgentDef>,
        specs: &mut [AgentSpec],
    ) -> Result<()> {
        let store = Store::open(&ctx.paths)?;
        let last = specs.len();
        let mut wanted: Vec<(Vec<u32>, String)> = Vec::new();
        for text in &self.secrets {
            let (numbers, name) = parse(text)?;
            check_name(name)?;
            if let Some(other) = numbers.iter().find(|n| **n as usize > last) {
                return Err(
                    Error::user(format!("`--secret {text}`: there is no agent {other}"))
                        .hint(format!("this starts {last}; more with `--agents`")),
                );
            }
            wanted.push((numbers, name.to_owned()));
        }
        if !self.no_secrets {
            let configured = ctx.config.secrets().map(str::to_owned);
            let own = agent.into_iter().flat_map(|a| a.secrets.iter().cloned());
            wanted.extend(configured.chain(own).map(|name| (Vec::new(), name)));
        }
        for (_, name) in &wanted {
            if store.known(name).is_none() {
                return Err(missing(name, &self.secrets));
            }
        }
        let credential = agent
            .map(|a| self.credential(ctx, a))
            .transpose()?
            .flatten();
        for spec in specs {
            let mine = |(numbers, _): &&(Vec<u32>, String)| {
                numbers.is_empty() || numbers.contains(&spec.number)
            };
            let mut names: BTreeSet<&str> = wanted
                .iter()
                .filter(mine)
                .map(|(_, n)| n.as_str())
                .collect();
            if let (Some(name), Some(agent)) = (credential, agent) {
                // One is enough, and one that is set for it is meant. Here it has this shell's, too.
                let here = |v: &str| provider == "local" && std::env::var_os(v).is_some();
                let has =
                    |v: &String| names.contains(v.as_str()) || spec.env.contains_key(v) || here(v);
                if !agent.credentials.iter().any(has) {
                    names.insert(name);
                }
            }
            if names.is_empty() {
                continue;
            }
            let names: Vec<&str> = names.into_iter().collect();
            spec.env.insert(GIVEN.to_owned(), names.join(" "));
            let mut hosts: Vec<(&str, &str)> = Vec::new();
            for (host, name) in ctx.config.git_credentials() {
                if names.contains(&name) && hosts.iter().all(|(known, _)| *known != host) {
                    hosts.push((host, name));
                }
            }
            if !hosts.is_empty() {
                let pairs: Vec<String> = hosts.iter().map(|(h, n)| format!("{h}={n}")).collect();
                spec.env.insert(GIT_CREDENTIALS.to_owned(), pairs.join(" "));
            }
        }
        Ok(())
    }
}

fn missing(name: &str, asked: &[String]) -> Error {
    let here = format!("store it here: `remote secret set {name}`");
    let error = Error::user(format!("this device has no secret {name}")).hint(here);
    match asked.iter().any(|a| a.ends_with(name)) {
        true => error,
        false => error.hint("the configuration has agents given it; `--no-secrets` does not"),
    }
}

/// Takes the values that `agents` are to be given: what cannot be had is better known before anything starts.
///
/// # Errors
/// One cannot be had, or its time is over.
pub(super) async fn take<'a>(
    ctx: &Ctx,
    agents: impl IntoIterator<Item = &'a AgentSpec>,
    ttl: Option<Duration>,
) -> Result<Values> {
    let names: BTreeSet<String> = agents
        .into_iter()
        .flat_map(|a| given(&a.env))
        .map(str::to_owned)
        .collect();
    let names: Vec<String> = names.into_iter().collect();
    if names.is_empty() {
        return Ok(Values::new());
    }
    let told = names.join(", ");
    let values = values(&ctx.paths, names, at_terminal(ctx)).await?;
    let now = now_ms();
    let ttl = ttl.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    for (name, at) in ending(&values, now.saturating_add(ttl).max(now + 1)) {
        if at <= now {
            let ago = span(Duration::from_millis(now - at));
            return Err(Error::user(format!(
                "{name} has been of no use for {ago}: it says so itself"
            ))
            .hint(format!("store a new one: `remote secret set {name}`")));
        }
        ctx.ui.warn(format!(
            "{name} ends in {}, before the session does; `remote secret send` gives its agents' git a new one",
            span(Duration::from_millis(at - now))
        ));
    }
    ctx.ui.note(format!("  secrets   {told}"));
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_before_the_name() {
        assert_eq!(parse("A").ok(), Some((vec![], "A")));
        assert_eq!(parse("1,3:A").ok(), Some((vec![1, 3], "A")));
        for wrong in ["x:A", "0:A", ":A", "1-3:A"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
