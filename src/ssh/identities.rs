//! The keys there are to offer: the agent's and those on disk, in OpenSSH's order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey};

use super::agent::{self, Agent};
use super::resolve::Resolved;

/// A key file of the configuration, as far as it can be read without a passphrase.
pub struct KeyFile {
    pub path: PathBuf,
    pub public: PublicKey,
    /// `None`: encrypted, or only its public half is here (the agent or a token has the rest).
    pub private: Option<Arc<PrivateKey>>,
}

/// One way to prove who we are by a key.
pub enum Candidate {
    Agent(AgentIdentity),
    /// A certificate on disk whose key the agent holds.
    AgentWith(Certificate, String),
    File(KeyFile),
    Certificate(Certificate, KeyFile),
}

/// All that may be offered, in order, and the agent that signs for its part of it.
pub async fn gather(
    r: &Resolved,
    binding: Option<&AgentSessionBinding>,
) -> (Option<Agent>, Vec<Candidate>) {
    if !r.publickey {
        return (None, Vec::new());
    }
    let files: Vec<KeyFile> = r
        .identity_files
        .iter()
        .filter_map(|p| KeyFile::read(p))
        .collect();
    let beside = r.identity_files.iter().map(|p| with_suffix(p, "-cert.pub"));
    let certificates: Vec<Certificate> = r
        .certificate_files
        .iter()
        .cloned()
        .chain(beside)
        .filter_map(|p| Certificate::from_openssh(&std::fs::read_to_string(p).ok()?).ok())
        .collect();
    let opened = agent::open(&r.agent, binding).await;
    let (agent, held) = opened.map_or((None, Vec::new()), |(agent, held)| (Some(agent), held));
    (agent, order(files, &certificates, held, r.identities_only))
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
    /// Its algorithm, and what to call it in a message.
    pub fn describe(&self) -> (Algorithm, String) {
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
