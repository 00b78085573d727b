//! Whether to believe a host that it is itself: pinned keys, recorded keys, host certificates, and the
//! question that is put to a person for everything else. The rules are OpenSSH's (sshconnect.c).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::Ask;
use super::error::{SshError, SshErrorKind};
use super::keys;
use super::known_hosts::{self, Entry, Known, Strict, Verdict, name_of};
use super::resolve::Resolved;

/// Where trust in a host comes from.
#[derive(Debug, Clone)]
pub enum HostTrust {
    /// The user's and the system's known_hosts files, and the user.
    KnownHosts,
    /// Exactly this key (a line such as `ssh-ed25519 AAAA…`); nobody is ever asked.
    Pinned(String),
}

/// Trust, made ready for one connection.
pub struct Judge {
    rule: Rule,
    place: String,
    ask: Arc<dyn Ask>,
    /// A person is being asked: the handshake's clock stands still.
    pub asking: Arc<AtomicBool>,
    /// The key changed and the configuration lets that pass: no password may be sent.
    pub doubtful: Arc<AtomicBool>,
}

enum Rule {
    Pinned(PublicKey),
    Known(Box<Records>),
}

struct Records {
    /// The name keys are recorded under.
    name: String,
    /// What a certificate must name.
    principal: String,
    known: Known,
    /// For a port other than 22: what is recorded for the bare name.
    portless: Option<Known>,
    file: Option<PathBuf>,
    strict: Strict,
    hash: bool,
    /// As the user would name the host to ssh.
    login: String,
}

const DEFAULT_ORDER: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

impl Judge {
    pub fn new(r: &Resolved, trust: &HostTrust, ask: Arc<dyn Ask>) -> Result<Self, SshError> {
        let rule = match trust {
            HostTrust::Pinned(line) => Rule::Pinned(keys::parse_public(line)?),
            HostTrust::KnownHosts => Rule::Known(Box::new(Records::read(r))),
        };
        Ok(Self {
            rule,
            place: r.place(),
            ask,
            asking: Arc::new(AtomicBool::new(false)),
            doubtful: Arc::new(AtomicBool::new(false)),
        })
    }

    /// The host key algorithms to offer, those of recorded keys first, and the certificate ones.
    pub fn algorithms(&self) -> (Vec<Algorithm>, Vec<Algorithm>) {
        match &self.rule {
            Rule::Pinned(key) => {
                let ours = |a: &Algorithm| plain_type(a) == plain_type(&key.algorithm());
                (DEFAULT_ORDER.into_iter().filter(ours).collect(), Vec::new())
            }
            Rule::Known(records) => {
                let mut types = records.known.types();
                if types.is_empty() {
                    types = records
                        .portless
                        .as_ref()
                        .map(Known::types)
                        .unwrap_or_default();
                }
                let recorded = |a: &Algorithm| types.contains(&plain_type(a));
                let (mut first, rest): (Vec<_>, Vec<_>) =
                    DEFAULT_ORDER.into_iter().partition(recorded);
                first.extend(rest);
                let certificates = if records.known.has_authority() {
                    DEFAULT_ORDER.to_vec()
                } else {
                    Vec::new()
                };
                (first, certificates)
            }
        }
    }

    /// Lets a host's key pass, or says why not. May ask the person.
    pub async fn check(&self, shown: &PublicKeyOrCertificate) -> Result<(), SshError> {
        let key = shown.public_key();
        match &self.rule {
            Rule::Pinned(pinned) if pinned.key_data() == key.key_data() => Ok(()),
            Rule::Pinned(pinned) => Err(SshError::new(
                SshErrorKind::HostKeyChanged,
                format!(
                    "{} shows another host key than the pinned one: {} instead of {}",
                    self.place,
                    key.fingerprint(HashAlg::Sha256),
                    pinned.fingerprint(HashAlg::Sha256)
                ),
            )
            .hint("somebody may be in between, or the machine behind this address was replaced")),
            Rule::Known(records) => {
                if let Some(certificate) = shown.certificate()
                    && self.certified(records, certificate)?
                {
                    return Ok(());
                }
                self.recorded(records, &key).await
            }
        }
    }

    /// Whether an authority that is recorded vouches for the host. A certificate of an authority that
    /// is not known proves nothing: its bare key is judged instead.
    fn certified(&self, records: &Records, c: &Certificate) -> Result<bool, SshError> {
        let authority = PublicKey::new(c.signature_key().clone(), "");
        let blob = authority.to_bytes().unwrap_or_default();
        let own = PublicKey::new(c.public_key().clone(), "")
            .to_bytes()
            .unwrap_or_default();
        for blob in [&blob, &own] {
            if let Some(entry) = records.known.revoked(blob) {
                return Err(self.revoked(entry));
            }
        }
        if !records.known.authority(&blob) {
            return Ok(false);
        }
        let wrong = |why: String| {
            SshError::new(
                SshErrorKind::HostKeyChanged,
                format!("{}'s host certificate is not good: {why}", self.place),
            )
        };
        if c.cert_type() != CertType::Host {
            return Err(wrong("it is a user's certificate".into()));
        }
        let now = crate::model::now_ms() / 1000;
        if c.validate_at(now, [&authority.fingerprint(HashAlg::Sha256)])
            .is_err()
        {
            return Err(wrong(
                "it is expired, not yet valid, or its signature is wrong".into(),
            ));
        }
        if c.critical_options().iter().next().is_some() {
            return Err(wrong("it has critical options".into()));
        }
        let names = c.valid_principals();
        if !names.is_empty() && !names.contains(&records.principal) {
            return Err(wrong(format!(
                "it is for {}, not for {}",
                names.join(", "),
                records.principal
            )));
        }
        Ok(true)
    }

    async fn recorded(&self, records: &Records, key: &PublicKey) -> Result<(), SshError> {
        let blob = key.to_bytes().map_err(|e| {
            SshError::new(SshErrorKind::Protocol, "the host's key cannot be encoded").because(e)
        })?;
        let key_type = plain_type(&key.algorithm()).to_owned();
        match records.known.judge(&key_type, &blob) {
            Verdict::Match => Ok(()),
            Verdict::Revoked(entry) => Err(self.revoked(&entry)),
            Verdict::Changed(entry) if records.strict == Strict::No => {
                self.doubtful.store(true, Ordering::Release);
                self.ask.tell(&format!(
                    "warning: the host key of {} has changed ({}:{}); passwords are not sent",
                    self.place,
                    entry.file.display(),
                    entry.line
                ));
                Ok(())
            }
            Verdict::Changed(entry) => Err(self.changed(records, key, &entry)),
            Verdict::New { other_types } => {
                let portless = records.portless.as_ref().map(|k| k.judge(&key_type, &blob));
                match portless {
                    Some(Verdict::Match) => Ok(()),
                    Some(Verdict::Revoked(entry)) => Err(self.revoked(&entry)),
                    _ => {
                        self.unknown(records, key, &key_type, &blob, &other_types)
                            .await
                    }
                }
            }
        }
    }

    async fn unknown(
        &self,
        records: &Records,
        key: &PublicKey,
        key_type: &str,
        blob: &[u8],
        other_types: &[String],
    ) -> Result<(), SshError> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let refused = || {
            SshError::new(
                SshErrorKind::HostKeyUnknown,
                format!(
                    "the host key of {} is not known: {key_type} {fingerprint}",
                    self.place
                ),
            )
            .hint(format!(
                "compare the fingerprint, then log in once with `ssh {}` to record it",
                records.login
            ))
        };
        match records.strict {
            Strict::Yes => return Err(refused()),
            Strict::AcceptNew | Strict::No => {}
            Strict::Ask => {
                let known = match other_types {
                    [] => "This key is not known by any other names.".to_owned(),
                    types => format!(
                        "Keys of other types are already known for this host: {}.",
                        types.join(", ")
                    ),
                };
                let mut prompt = format!(
                    "The authenticity of host '{}' can't be established.\n{key_type} key fingerprint is {fingerprint}.\n{known}\nAre you sure you want to continue connecting (yes/no/[fingerprint])? ",
                    self.place
                );
                self.asking.store(true, Ordering::Release);
                let answer = loop {
                    let answer = self.ask.ask(&prompt, true).await;
                    match answer.as_deref().map(str::trim) {
                        Some("yes") => break true,
                        Some(typed) if typed == fingerprint => break true,
                        None | Some("no") => break false,
                        Some(_) => {
                            prompt = "Please type 'yes', 'no' or the fingerprint: ".to_owned()
                        }
                    }
                };
                self.asking.store(false, Ordering::Release);
                if !answer {
                    return Err(refused());
                }
            }
        }
        self.record(records, key_type, blob);
        Ok(())
    }

    fn record(&self, records: &Records, key_type: &str, blob: &[u8]) {
        let Some(file) = &records.file else { return };
        let mut salt = [0u8; 20];
        let salt = (records.hash && getrandom::fill(&mut salt).is_ok()).then_some(salt);
        let line = known_hosts::line(&records.name, key_type, blob, salt);
        match known_hosts::append(file, &line) {
            Ok(()) => self.ask.tell(&format!(
                "recorded the host key of {} in {}",
                self.place,
                file.display()
            )),
            Err(e) => self.ask.tell(&format!(
                "warning: the host key of {} could not be recorded in {}: {e}",
                self.place,
                file.display()
            )),
        }
    }

    fn changed(&self, records: &Records, key: &PublicKey, entry: &Entry) -> SshError {
        SshError::new(
            SshErrorKind::HostKeyChanged,
            format!(
                "the host key of {} has changed: it shows {} {}, and {}:{} has another",
                self.place,
                plain_type(&key.algorithm()),
                key.fingerprint(HashAlg::Sha256),
                entry.file.display(),
                entry.line
            ),
        )
        .hint("somebody may be in between; ask whoever runs the machine before going on")
        .hint(format!(
            "where the change is known to be right: `ssh-keygen -f {} -R '{}'`",
            shell_words::quote(&entry.file.to_string_lossy()),
            records.name
        ))
    }

    fn revoked(&self, entry: &Entry) -> SshError {
        SshError::new(
            SshErrorKind::Revoked,
            format!(
                "the host key of {} is revoked by {}:{}",
                self.place,
                entry.file.display(),
                entry.line
            ),
        )
    }
}

impl Records {
    fn read(r: &Resolved) -> Self {
        let name = match &r.host_key_alias {
            Some(alias) => alias.to_ascii_lowercase(),
            None => name_of(&r.host, r.port),
        };
        let files = || r.known_hosts.iter().chain(&r.known_hosts_global);
        let portless = (r.host_key_alias.is_none() && r.port != 22)
            .then(|| Known::read(files(), &name_of(&r.host, 22)));
        Self {
            known: Known::read(files(), &name),
            portless,
            principal: r
                .host_key_alias
                .clone()
                .unwrap_or_else(|| r.host.to_ascii_lowercase()),
            file: r.known_hosts.first().cloned(),
            strict: r.strict,
            hash: r.hash_known_hosts,
            login: match r.port {
                22 => r.destination.clone(),
                port => format!("-p {port} {}", r.destination),
            },
            name,
        }
    }
}

/// The key's type as known_hosts writes it: RSA keys are `ssh-rsa` whatever hash signs.
fn plain_type(algorithm: &Algorithm) -> &str {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa",
        other => other.as_str(),
    }
}
