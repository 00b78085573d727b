//! The secrets of a session: in this process' memory, and nowhere else. Which agent is given which is in its
//! specification, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Hub;
use crate::host::{credential, environment};
use crate::model::secret::{git_secret, given};
use crate::model::{AgentSpec, SecretValue};
use crate::proto::{ErrorCode, WireError};
use crate::secret::redact::Redactor;
use crate::secret::{check_name, check_value};

/// So many names at most: a session is no vault.
const MOST: usize = 256;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    pub values: BTreeMap<String, SecretValue>,
    /// All there ever were: an agent that was given one before it was changed may still show it.
    pub seen: BTreeSet<SecretValue>,
}

impl Hub {
    /// Takes values in, over earlier ones of the same name. What is stored and told is without them from here on.
    ///
    /// # Errors
    /// No names or values, too many, or the host is being replaced.
    pub fn take_secrets(&self, secrets: BTreeMap<String, SecretValue>) -> Result<(), WireError> {
        let refuse = |why: String| WireError::new(ErrorCode::BadRequest, why);
        for (name, value) in &secrets {
            check_name(name).map_err(|e| refuse(e.message))?;
            check_value(name, value.expose()).map_err(|e| refuse(e.message))?;
        }
        let mut inner = self.lock();
        if inner.frozen {
            return Err(WireError::new(
                ErrorCode::Upgrading,
                format!("{} is being upgraded", self.id),
            )
            .hint("do it again in a moment"));
        }
        let known = &inner.secrets.values;
        let fresh = secrets.keys().filter(|n| !known.contains_key(*n)).count();
        if known.len() + fresh > MOST {
            return Err(refuse(format!("a session has {MOST} secrets at most")));
        }
        inner.secrets.seen.extend(secrets.values().cloned());
        inner.secrets.values.extend(secrets);
        self.redact(&inner.secrets);
        Ok(())
    }

    /// Goes on with what an earlier binary had.
    pub fn adopt_secrets(&self, secrets: Secrets) {
        let mut inner = self.lock();
        inner.secrets = secrets;
        self.redact(&inner.secrets);
    }

    fn redact(&self, secrets: &Secrets) {
        let redactor = Redactor::new(secrets.seen.iter().map(SecretValue::expose));
        self.redactors.send_replace(Arc::new(redactor));
    }

    /// For the next binary.
    pub fn secrets(&self) -> Secrets {
        self.lock().secrets.clone()
    }

    pub fn has_secrets(&self) -> bool {
        !self.lock().secrets.seen.is_empty()
    }

    /// What takes their values out of a text.
    pub fn redactors(&self) -> watch::Receiver<Arc<Redactor>> {
        self.redactors.subscribe()
    }

    /// All that an agent's own programs and what is run in its place get.
    ///
    /// # Errors
    /// As [`Hub::give_secrets`].
    pub fn environment(&self, spec: &AgentSpec) -> Result<BTreeMap<String, String>, String> {
        let mut env = environment::of_agent(self, spec);
        self.give_secrets(spec, &mut env)?;
        Ok(env)
    }

    /// Puts an agent's secrets into its environment.
    ///
    /// # Errors
    /// It was promised what is not here: which, and what to do.
    fn give_secrets(
        &self,
        spec: &AgentSpec,
        env: &mut BTreeMap<String, String>,
    ) -> Result<(), String> {
        let inner = self.lock();
        let values = &inner.secrets.values;
        let missing: Vec<&str> = given(&spec.env)
            .filter(|name| !values.contains_key(*name))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "agent {} is to be given {}, which this host does not have: `remote restart {}/{}` sends it, from a \
                 device that has it",
                spec.number,
                missing.join(", "),
                self.id,
                spec.number
            ));
        }
        for name in given(&spec.env) {
            if let Some(value) = values.get(name) {
                env.insert(name.to_owned(), value.expose().to_owned());
            }
        }
        credential::configure_git(spec, env);
        Ok(())
    }

    /// What agents are to be given and is not here.
    pub fn missing_secrets(&self) -> Vec<String> {
        let inner = self.lock();
        let values = &inner.secrets.values;
        let all: BTreeSet<&str> = inner
            .spec
            .agents
            .iter()
            .flat_map(|a| given(&a.env))
            .filter(|name| !values.contains_key(*name))
            .collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// What git of agent `number` is given for `host`.
    ///
    /// # Errors
    /// Nothing: it was not given that secret.
    pub fn git_secret(&self, number: u32, host: &str) -> Result<SecretValue, WireError> {
        let inner = self.lock();
        let spec = inner.spec.agents.iter().find(|a| a.number == number);
        let name = spec.and_then(|s| git_secret(&s.env, host));
        let value = name.and_then(|name| inner.secrets.values.get(name));
        value.cloned().ok_or_else(|| {
            let shown: String = host.chars().filter(|c| !c.is_control()).take(200).collect();
            WireError::new(
                ErrorCode::NotAllowed,
                format!("agent {number} was given no secret for {shown}"),
            )
        })
    }
}
