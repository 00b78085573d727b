//! Authentication in OpenSSH's order: keys of the agent that the configuration names, other keys of the
//! agent, key files (each with its certificate first), then questions. Passphrases are asked for only
//! once the server has said that it would take the key.

use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{AgentAuthError, MethodKind, MethodSet, Signer};

use super::Ask;
use super::agent::Agent;
use super::client::{ClientHandler, Registry};
use super::error::{SshError, SshErrorKind};
use super::identities::{Candidate, KeyFile, gather};
use super::resolve::Resolved;
use super::signers::{ByKey, OnDisk, Probe, ProbeEnd};

const PASSPHRASE_TRIES: usize = 3;

struct Attempt<'a> {
    handle: &'a mut Handle<ClientHandler>,
    r: &'a Resolved,
    ask: &'a Arc<dyn Ask>,
    registry: &'a Registry,
    /// What the server still takes; `None` before it said.
    methods: Option<MethodSet>,
    tried: Vec<String>,
    rsa: Option<Option<HashAlg>>,
}

enum Step {
    In,
    /// Refused, or one of several methods is through: see `Attempt::methods`.
    On,
}

/// Authenticates, or says what was tried.
pub async fn authenticate(
    handle: &mut Handle<ClientHandler>,
    r: &Resolved,
    ask: &Arc<dyn Ask>,
    passwords: bool,
    registry: &Registry,
) -> Result<(), SshError> {
    let mut attempt = Attempt {
        handle,
        r,
        ask,
        registry,
        methods: None,
        tried: Vec::new(),
        rsa: None,
    };
    let (mut agent, candidates) = gather(r, attempt.handle.agent_session_binding()).await;
    // A key's refusal says as well which methods there are: to ask before costs a round trip.
    let ask_first = candidates.is_empty();
    if ask_first && let Step::In = attempt.nothing().await? {
        return Ok(());
    }
    for candidate in candidates {
        if !attempt.takes(MethodKind::PublicKey) {
            break;
        }
        if let Step::In = attempt.key(candidate, agent.as_mut()).await? {
            return Ok(());
        }
    }
    // Some servers know who calls by other means and let them in for nothing. Asked late it counts as a
    // failure, so not where something else is left to try.
    let left = [MethodKind::KeyboardInteractive, MethodKind::Password];
    if !ask_first
        && !left.iter().any(|m| attempt.takes(*m))
        && let Step::In = attempt.nothing().await?
    {
        return Ok(());
    }
    if passwords {
        if r.keyboard_interactive
            && let Step::In = attempt.interactive().await?
        {
            return Ok(());
        }
        if r.password
            && let Step::In = attempt.password().await?
        {
            return Ok(());
        }
    }
    Err(attempt.refused())
}

impl Attempt<'_> {
    fn takes(&self, method: MethodKind) -> bool {
        self.methods.as_ref().is_none_or(|m| m.contains(&method))
    }

    fn took(&mut self, result: AuthResult) -> Result<Step, SshError> {
        match result {
            AuthResult::Success => Ok(Step::In),
            AuthResult::Failure {
                remaining_methods, ..
            } => {
                // russh answers an end of the connection as a refusal that leaves no method.
                if remaining_methods.is_empty()
                    && (self.handle.is_closed() || self.registry.why_gone().is_some())
                {
                    return Err(self.refused());
                }
                self.methods = Some(remaining_methods);
                Ok(Step::On)
            }
        }
    }

    async fn nothing(&mut self) -> Result<Step, SshError> {
        let result = self.handle.authenticate_none(&self.r.user).await?;
        self.took(result)
    }

    fn refused(&self) -> SshError {
        let methods = self
            .methods
            .as_ref()
            .map(|m| m.iter().map(<&str>::from).collect::<Vec<_>>().join(", "));
        let mut message = format!("{} does not let {} in", self.r.place(), self.r.user);
        if let Some(methods) = methods.filter(|m| !m.is_empty()) {
            message.push_str(&format!(" (it takes {methods})"));
        }
        let gone = self.registry.why_gone();
        match self.tried.as_slice() {
            [] => message.push_str("; there was no key to try"),
            tried => message.push_str(&format!("; tried {}", tried.join(", "))),
        }
        if let Some(why) = &gone {
            message.push_str(&format!("; {why}"));
        }
        let error = SshError::new(SshErrorKind::Auth, message);
        if gone.is_some() && self.tried.len() > 4 {
            return error.hint(format!(
                "too many keys were offered: set `IdentitiesOnly yes` and the right `IdentityFile` for {} in ~/.ssh/config",
                self.r.destination
            ));
        }
        error.hint(format!(
            "run `ssh -v {}` to see what the server says",
            self.r.destination
        ))
    }

    /// The hash an RSA key signs with; `None` where the server takes SHA-1 only, which we do not do.
    async fn rsa_hash(&mut self) -> Option<HashAlg> {
        if self.rsa.is_none() {
            let best = self.handle.best_supported_rsa_hash().await;
            self.rsa = Some(match best {
                Ok(Some(hash)) => hash,
                // It did not say (no EXT_INFO): all of the last ten years know this one.
                _ => Some(HashAlg::Sha512),
            });
        }
        self.rsa.flatten()
    }

    async fn key(
        &mut self,
        candidate: Candidate,
        agent: Option<&mut Agent>,
    ) -> Result<Step, SshError> {
        let (algorithm, label) = candidate.describe();
        let mut hash = None;
        if matches!(algorithm, Algorithm::Rsa { .. }) {
            hash = self.rsa_hash().await;
            if hash.is_none() {
                self.tried.push(format!(
                    "{label} (not offered: the server takes SHA-1 only)"
                ));
                return Ok(Step::On);
            }
        }
        self.tried.push(label);
        match (candidate, agent) {
            (Candidate::Agent(AgentIdentity::PublicKey { key, .. }), Some(agent)) => {
                let user = &self.r.user;
                let result = self
                    .handle
                    .authenticate_publickey_with(user, key, hash, agent)
                    .await;
                self.signed(result)
            }
            (Candidate::Agent(AgentIdentity::Certificate { certificate, .. }), Some(agent)) => {
                self.certificate(certificate, hash, agent).await
            }
            (Candidate::AgentWith(certificate, _), Some(agent)) => {
                self.certificate(certificate, hash, &mut ByKey(agent)).await
            }
            (Candidate::Agent(_) | Candidate::AgentWith(..), None) => Ok(Step::On),
            (Candidate::File(file), _) => {
                let Some(key) = self.unlock(&file, None, hash).await? else {
                    return Ok(Step::On);
                };
                let key = PrivateKeyWithHashAlg::new(key, hash);
                let result = self
                    .handle
                    .authenticate_publickey(&self.r.user, key)
                    .await?;
                self.took(result)
            }
            (Candidate::Certificate(certificate, file), _) => {
                let Some(key) = self.unlock(&file, Some(&certificate), hash).await? else {
                    return Ok(Step::On);
                };
                self.certificate(certificate, hash, &mut OnDisk(key)).await
            }
        }
    }

    async fn certificate<S: Signer<Error = AgentAuthError>>(
        &mut self,
        certificate: Certificate,
        hash: Option<HashAlg>,
        signer: &mut S,
    ) -> Result<Step, SshError> {
        let user = &self.r.user;
        let result = self
            .handle
            .authenticate_certificate_with(user, certificate, hash, signer)
            .await;
        self.signed(result)
    }

    fn signed(&mut self, result: Result<AuthResult, AgentAuthError>) -> Result<Step, SshError> {
        match result {
            Ok(result) => self.took(result),
            Err(e) => {
                self.note(&format!("no signature: {e}"));
                Ok(Step::On)
            }
        }
    }

    /// The private key; where it is encrypted, only if the server would take it and a person opens it.
    async fn unlock(
        &mut self,
        file: &KeyFile,
        certificate: Option<&Certificate>,
        hash: Option<HashAlg>,
    ) -> Result<Option<Arc<PrivateKey>>, SshError> {
        if let Some(key) = &file.private {
            return Ok(Some(Arc::clone(key)));
        }
        let mut probe = Probe;
        let user = self.r.user.clone();
        let probed = match certificate {
            Some(c) => {
                self.handle
                    .authenticate_certificate_with(user, c.clone(), hash, &mut probe)
                    .await
            }
            None => {
                self.handle
                    .authenticate_publickey_with(user, file.public.clone(), hash, &mut probe)
                    .await
            }
        };
        match probed {
            Ok(result) => {
                self.took(result)?;
                return Ok(None);
            }
            Err(ProbeEnd::Gone) => return Err(self.refused()),
            Err(ProbeEnd::Taken) => {}
        }
        let Ok(text) = std::fs::read_to_string(&file.path) else {
            self.note("the server would take it, but its private half is not here");
            return Ok(None);
        };
        let mut prompt = format!("Enter passphrase for key '{}': ", file.path.display());
        for _ in 0..PASSPHRASE_TRIES {
            let Some(passphrase) = self.ask.ask(&prompt, false).await.filter(|p| !p.is_empty())
            else {
                self.note("its passphrase was not given");
                return Ok(None);
            };
            if let Ok(key) = russh::keys::decode_secret_key(&text, Some(&passphrase)) {
                return Ok(Some(Arc::new(key)));
            }
            prompt = format!("Bad passphrase, try again for '{}': ", file.path.display());
        }
        self.note("its passphrase was wrong");
        Ok(None)
    }

    /// Adds to what is said of the last thing tried.
    fn note(&mut self, what: &str) {
        if let Some(last) = self.tried.last_mut() {
            last.push_str(&format!(" ({what})"));
        }
    }

    async fn interactive(&mut self) -> Result<Step, SshError> {
        let mut rounds = 0;
        while rounds < self.r.password_prompts && self.takes(MethodKind::KeyboardInteractive) {
            rounds += 1;
            let mut asked = false;
            let user = self.r.user.clone();
            let mut answer = self
                .handle
                .authenticate_keyboard_interactive_start(user, None)
                .await?;
            loop {
                match answer {
                    Answer::Success => return Ok(Step::In),
                    Answer::Failure {
                        remaining_methods,
                        partial_success,
                    } => {
                        self.took(AuthResult::Failure {
                            remaining_methods,
                            partial_success,
                        })?;
                        break;
                    }
                    Answer::InfoRequest {
                        name,
                        instructions,
                        prompts,
                    } => {
                        for line in [name, instructions].iter().flat_map(|t| t.lines()) {
                            self.ask.tell(line);
                        }
                        let mut responses = Vec::with_capacity(prompts.len());
                        for prompt in prompts {
                            let text =
                                format!("({}@{}) {}", self.r.user, self.r.host, prompt.prompt);
                            asked = true;
                            let Some(response) = self.ask.ask(&text, prompt.echo).await else {
                                self.tried
                                    .push("keyboard-interactive (nobody answered)".into());
                                return Ok(Step::On);
                            };
                            responses.push(response);
                        }
                        answer = self
                            .handle
                            .authenticate_keyboard_interactive_respond(responses)
                            .await?;
                    }
                }
            }
            if !asked {
                break;
            }
            self.tried.push("keyboard-interactive".into());
        }
        Ok(Step::On)
    }

    async fn password(&mut self) -> Result<Step, SshError> {
        let prompt = format!("{}@{}'s password: ", self.r.user, self.r.host);
        for _ in 0..self.r.password_prompts {
            if !self.takes(MethodKind::Password) {
                break;
            }
            let Some(password) = self.ask.ask(&prompt, false).await else {
                self.tried.push("a password (nobody gave one)".into());
                break;
            };
            self.tried.push("a password".into());
            let result = self
                .handle
                .authenticate_password(&self.r.user, password)
                .await?;
            if let Step::In = self.took(result)? {
                return Ok(Step::In);
            }
        }
        Ok(Step::On)
    }
}
