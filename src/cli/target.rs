//! What a verb is to work on: a session, or one of its agents, as typed.

use std::sync::Arc;
use std::time::Duration;

use super::{Ctx, prompt};
use crate::client::reach::Hosts;
use crate::client::status::newest;
use crate::client::{Control, Known, Registry};
use crate::error::{Error, Result};
use crate::model::AgentRef;
use crate::ssh::{Ask, BoxFuture};

/// A session and, where one was named, one of its agents.
#[derive(Debug, Clone)]
pub struct Target {
    pub known: Known,
    pub agent: Option<u32>,
}

impl Target {
    /// What `typed` names; the last session where nothing was typed.
    ///
    /// # Errors
    /// Unknown or ambiguous.
    pub fn find(registry: &Registry, typed: Option<&AgentRef>) -> Result<Self> {
        Ok(match typed {
            Some(r) => Self {
                known: registry.resolve(&r.session)?,
                agent: r.agent,
            },
            None => Self {
                known: registry.latest()?,
                agent: None,
            },
        })
    }

    /// With its agents, asked for where nothing is known of them: a session that is known by its tags alone has none. Where
    /// nobody can be asked it stays as it is.
    pub async fn with_agents(mut self, registry: &Registry, hosts: &Hosts) -> Self {
        if self.agents().is_empty()
            && let Ok(status) = newest(registry, &self.known, hosts).await
        {
            self.known.last = Some(status);
        }
        self
    }

    /// The agents it has, as far as is known without asking its host.
    pub fn agents(&self) -> Vec<u32> {
        self.known.agents()
    }

    /// The one agent that is meant: the named one, or the only one; `None` where nothing is known of its agents.
    ///
    /// # Errors
    /// There are several and none was named. Whether a named one exists is for its host to say.
    pub fn one(&self, verb: &str) -> Result<Option<u32>> {
        match (self.agent, self.agents()) {
            (None, none) if none.is_empty() => Ok(None),
            (_, agents) => self.only(verb, &agents).map(Some),
        }
    }

    /// As [`Target::one`], by what the host says.
    ///
    /// # Errors
    /// As [`Target::one`], and what asking can fail with.
    pub async fn one_live(&self, verb: &str, control: &mut Control) -> Result<u32> {
        if let Some(agent) = self.agent {
            return Ok(agent);
        }
        let status = control.status().await?;
        let agents: Vec<u32> = status.agents.iter().map(|a| a.number).collect();
        self.only(verb, &agents)
    }

    /// As [`Target::one`], where these are its agents.
    ///
    /// # Errors
    /// As [`Target::one`].
    pub fn only(&self, verb: &str, agents: &[u32]) -> Result<u32> {
        if let Some(agent) = self.agent {
            return Ok(agent);
        }
        match agents {
            [] => Ok(1),
            [one] => Ok(*one),
            many @ [first, ..] => {
                let id = &self.known.id;
                Err(
                    Error::user(format!("{} has {} agents", self.known.label(), many.len()))
                        .hint(format!("name one of them: `remote {verb} {id}/{first}`")),
                )
            }
        }
    }
}

/// Whoever sits at the terminal.
pub fn person(ctx: &Ctx) -> Arc<dyn Ask> {
    Arc::new(Person { ui: ctx.ui })
}

struct Person {
    ui: super::Ui,
}

impl Ask for Person {
    fn ask<'a>(&'a self, question: &'a str, echo: bool) -> BoxFuture<'a, Option<String>> {
        let question = question.to_owned();
        self.ui.line_is_free();
        Box::pin(async move {
            // Blocks on the terminal, where other tasks must go on.
            tokio::task::spawn_blocking(move || prompt(&question, echo))
                .await
                .ok()
                .flatten()
        })
    }

    fn tell(&self, line: &str) {
        self.ui.line_is_free();
        self.ui.note(line);
    }
}

/// Reads a time for clap: `90s`, `1h 30m`.
///
/// # Errors
/// What is no time, with examples.
pub fn time(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|e| format!("{e}; write a time as 90s, 30m, 1h or 2days"))
}

/// Resolves when Ctrl-C is pressed.
pub async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_refused_with_examples() {
        assert_eq!(time("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        for bad in ["", "x", "5", "-1m", "1 fortnight"] {
            let said = time(bad).expect_err(bad);
            assert!(said.contains("90s, 30m"), "{said}");
        }
    }
}
