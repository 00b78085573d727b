//! Authentication in OpenSSH's order: keys of the agent that the configuration names, other keys of the
//! agent, key files (each with its certificate first), then questions. Passphrases are asked for only
//! once the server has said that it would take the key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{AgentAuthError, MethodKind, MethodSet, SendError, Signer};

use super::Ask;
use super::agent::{self, Agent};
use super::client::{ClientHandler, Registry};
use super::error::{SshError, SshErrorKind};
use super::resolve::Resolved;

const PASSPHRASE_TRIES: usize = 3;

/// A key file of the configuration, as far as it can be read without a passphrase.
struct KeyFile {
    path: PathBuf,
    public: PublicKey,
    /// `None`: encrypted, or only its public half is here (the agent or a token has the rest).
    private: Option<Arc<PrivateKey>>,
}

/// One way to prove who we are by a key.
enum Candidate {
    Agent(AgentIdentity),
    /// A certificate on disk whose key the agent holds.
    AgentWith(Certificate, String),
    File(KeyFile),
    Certificate(Certificate, KeyFile),
}

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
    let (mut agent, candidates) = attempt.candidates().await;
    let sure = r.identities_only
        && matches!(candidates.as_slice(), [Candidate::File(k)] if k.private.is_some());
    // With one key that is surely meant, the question which methods there are is a round trip for nothing.
    if !sure {
        let result = attempt.handle.authenticate_none(&r.user).await?;
        if let Step::In = attempt.took(result)? {
            return Ok(());
        }
    }
    for candidate in candidates {
        if !attempt.takes(MethodKind::PublicKey) {
            break;
        }
        if let Step::In = attempt.key(candidate, agent.as_mut()).await? {
            return Ok(());
        }
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

    async fn candidates(&self) -> (Option<Agent>, Vec<Candidate>) {
        if !self.r.publickey {
            return (None, Vec::new());
        }
        let files: Vec<KeyFile> = self
            .r
            .identity_files
            .iter()
            .filter_map(|p| KeyFile::read(p))
            .collect();
        let certificates: Vec<Certificate> = self
            .r
            .certificate_files
            .iter()
            .cloned()
            .chain(
                self.r
                    .identity_files
                    .iter()
                    .map(|p| with_suffix(p, "-cert.pub")),
            )
            .filter_map(|p| Certificate::from_openssh(&std::fs::read_to_string(p).ok()?).ok())
            .collect();
        let opened = agent::open(&self.r.agent, self.handle.agent_session_binding()).await;
        let (agent, held) = opened.map_or((None, Vec::new()), |(agent, held)| (Some(agent), held));
        (
            agent,
            order(files, &certificates, held, self.r.identities_only),
        )
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
        let user = self.r.user.clone();
        let result = match (candidate, agent) {
            (Candidate::Agent(identity), Some(agent)) => {
                let signed = match identity {
                    AgentIdentity::PublicKey { key, .. } => {
                        self.handle
                            .authenticate_publickey_with(user, key, hash, agent)
                            .await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle
                            .authenticate_certificate_with(user, certificate, hash, agent)
                            .await
                    }
                };
                match signed {
                    Ok(result) => result,
                    Err(e) => {
                        self.note(&format!("the agent would not sign: {e}"));
                        return Ok(Step::On);
                    }
                }
            }
            (Candidate::AgentWith(certificate, _), Some(agent)) => {
                let mut signer = ByKey(agent);
                match self
                    .handle
                    .authenticate_certificate_with(user, certificate, hash, &mut signer)
                    .await
                {
                    Ok(result) => result,
                    Err(e) => {
                        self.note(&format!("the agent would not sign: {e}"));
                        return Ok(Step::On);
                    }
                }
            }
            (Candidate::Agent(_) | Candidate::AgentWith(..), None) => return Ok(Step::On),
            (Candidate::File(file), _) => {
                let Some(key) = self.unlock(&file, None, hash).await? else {
                    return Ok(Step::On);
                };
                let key = PrivateKeyWithHashAlg::new(key, hash);
                self.handle.authenticate_publickey(user, key).await?
            }
            (Candidate::Certificate(certificate, file), _) => {
                let Some(key) = self.unlock(&file, Some(&certificate), hash).await? else {
                    return Ok(Step::On);
                };
                self.handle
                    .authenticate_openssh_cert(user, key, certificate)
                    .await?
            }
        };
        self.took(result)
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

/// Agent's keys that the configuration names, in its order; then the agent's others; then key files
/// that the agent does not hold. Each key's certificate goes before it.
fn order(
    files: Vec<KeyFile>,
    certificates: &[Certificate],
    held: Vec<AgentIdentity>,
    only: bool,
) -> Vec<Candidate> {
    let named = |identity: &AgentIdentity| {
        let key = identity.public_key();
        files
            .iter()
            .position(|f| f.public.key_data() == key.key_data())
            .or_else(|| {
                let certified = certificates
                    .iter()
                    .position(|c| c.public_key() == key.key_data());
                certified.map(|index| index.saturating_add(files.len()))
            })
    };
    let mut agent: Vec<(usize, AgentIdentity)> = held
        .into_iter()
        .filter_map(|identity| match named(&identity) {
            Some(index) => Some((index, identity)),
            None => (!only).then_some((usize::MAX, identity)),
        })
        .collect();
    agent.sort_by_key(|(index, _)| *index);
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut in_agent: Vec<PublicKey> = Vec::new();
    for (_, identity) in agent {
        if let AgentIdentity::PublicKey { key, comment } = &identity {
            in_agent.push(key.clone());
            let certified = certificates
                .iter()
                .filter(|c| c.public_key() == key.key_data());
            candidates.extend(certified.map(|c| Candidate::AgentWith(c.clone(), comment.clone())));
        }
        candidates.push(Candidate::Agent(identity));
    }
    for file in files {
        if in_agent
            .iter()
            .any(|k| k.key_data() == file.public.key_data())
        {
            continue;
        }
        for c in certificates
            .iter()
            .filter(|c| c.public_key() == file.public.key_data())
        {
            candidates.push(Candidate::Certificate(c.clone(), file.again()));
        }
        candidates.push(Candidate::File(file));
    }
    candidates
}

impl KeyFile {
    fn read(path: &Path) -> Option<Self> {
        let public = || std::fs::read_to_string(with_suffix(path, ".pub")).ok();
        let public = || PublicKey::from_openssh(&public()?).ok();
        let Ok(text) = std::fs::read_to_string(path) else {
            return Some(Self {
                path: path.to_owned(),
                public: public()?,
                private: None,
            });
        };
        if let Ok(key) = russh::keys::decode_secret_key(&text, None) {
            let public = key.public_key().clone();
            return Some(Self {
                path: path.to_owned(),
                public,
                private: Some(Arc::new(key)),
            });
        }
        // Encrypted: OpenSSH's format has the public half in clear, others need the .pub beside them.
        let inside = || {
            PrivateKey::from_openssh(&text)
                .ok()
                .map(|k| k.public_key().clone())
        };
        // IdentityFile may name a public key, for one that the agent holds.
        let itself = || PublicKey::from_openssh(&text).ok();
        let public = inside().or_else(public).or_else(itself)?;
        Some(Self {
            path: path.to_owned(),
            public,
            private: None,
        })
    }

    fn again(&self) -> Self {
        Self {
            path: self.path.clone(),
            public: self.public.clone(),
            private: self.private.clone(),
        }
    }
}

impl Candidate {
    fn describe(&self) -> (Algorithm, String) {
        match self {
            Self::Agent(identity) => {
                let key = identity.public_key();
                let kind = match identity {
                    AgentIdentity::PublicKey { .. } => "key",
                    AgentIdentity::Certificate { .. } => "certificate",
                };
                let name = match identity.comment() {
                    "" => key.fingerprint(HashAlg::Sha256).to_string(),
                    comment => comment.to_owned(),
                };
                (key.algorithm(), format!("the agent's {kind} {name}"))
            }
            Self::AgentWith(c, name) => {
                let key = PublicKey::new(c.public_key().clone(), "");
                (
                    key.algorithm(),
                    format!(
                        "the certificate {:?} with the agent's key {name}",
                        c.key_id()
                    ),
                )
            }
            Self::File(file) => (
                file.public.algorithm(),
                format!("the key {}", file.path.display()),
            ),
            Self::Certificate(c, file) => {
                let label = format!(
                    "the certificate {:?} with {}",
                    c.key_id(),
                    file.path.display()
                );
                (file.public.algorithm(), label)
            }
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Has the agent sign for a certificate with the bare key: agents look up what they hold, and this one
/// does not hold the certificate.
struct ByKey<'a>(&'a mut Agent);

impl Signer for ByKey<'_> {
    type Error = AgentAuthError;
    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let bare = AgentIdentity::from(key.public_key().into_owned());
        self.0.auth_sign(&bare, hash, data).await
    }
}

/// Signs nothing: it only learns that the server would take the key.
struct Probe;

enum ProbeEnd {
    Taken,
    Gone,
}

impl From<SendError> for ProbeEnd {
    fn from(_: SendError) -> Self {
        Self::Gone
    }
}

impl Signer for Probe {
    type Error = ProbeEnd;
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        _: Vec<u8>,
    ) -> Result<Vec<u8>, ProbeEnd> {
        Err(ProbeEnd::Taken)
    }
}
