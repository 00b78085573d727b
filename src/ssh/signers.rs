//! Who signs an authentication: russh asks once the server has said that it would take the key.

use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode;
use russh::keys::ssh_key::{Signature, private::KeypairData};
use russh::keys::{HashAlg, PrivateKey};
use russh::{AgentAuthError, SendError, Signer};

use super::agent::Agent;

/// Signs for a certificate with a key from disk. russh's own way signs RSA with SHA-1, which servers refuse.
pub struct OnDisk(pub Arc<PrivateKey>);

impl Signer for OnDisk {
    type Error = AgentAuthError;
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        let signature: Signature = match self.0.key_data() {
            KeypairData::Rsa(pair) => (pair, hash).try_sign(&data),
            other => other.try_sign(&data),
        }
        .map_err(|_| russh::keys::Error::CouldNotReadKey)?;
        signature
            .encode_prefixed(&mut data)
            .map_err(russh::keys::Error::from)?;
        Ok(data)
    }
}

/// Has the agent sign for a certificate with the bare key: agents look up what they hold, and this one
/// does not hold the certificate.
pub struct ByKey<'a>(pub &'a mut Agent);

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
pub struct Probe;

pub enum ProbeEnd {
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
