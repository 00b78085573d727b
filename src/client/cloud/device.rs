//! This device's key: one for all its EC2 sessions, made at the first use, never sent anywhere but for its
//! public half.

use russh::keys::ssh_key::LineEnding;
use russh::keys::{HashAlg, PrivateKey, decode_secret_key};

use crate::config::Paths;
use crate::error::{Context, Result};
use crate::provision::ec2::Device;
use crate::provision::{Survives, write_whole};
use crate::ssh::keys;

/// The device's name and key, made where there is none yet.
///
/// # Errors
/// Its file cannot be read or written, or holds no key.
pub fn device(paths: &Paths) -> Result<Device> {
    let identity = paths.state.join("device").join("id_ed25519");
    let key = match std::fs::read_to_string(&identity) {
        Ok(text) => decode_secret_key(&text, None)
            .context(format!("{} holds no private key", identity.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => make(&identity)?,
        Err(e) => return Err(e).context(format!("{} cannot be read", identity.display())),
    };
    let name = name(&key);
    let mut public = key.public_key().clone();
    public.set_comment(format!("remote:{name}"));
    Ok(Device {
        public_key: public
            .to_openssh()
            .context("the device's public key cannot be written")?,
        name,
        identity,
    })
}

fn make(identity: &std::path::Path) -> Result<PrivateKey> {
    let key = keys::generate_ed25519();
    let text = key
        .to_openssh(LineEnding::LF)
        .context("a key cannot be made")?;
    let dir = identity.parent().unwrap_or(identity);
    std::fs::create_dir_all(dir)
        .and_then(|()| write_whole(identity, text.as_bytes(), Survives::PowerCut))
        .context(format!("{} cannot be written", identity.display()))?;
    Ok(key)
}

/// The machine's name as others may see it (letters, digits, `-` and `.`), and what tells it from another
/// device of that name: a machine keeps one key for each name.
fn name(key: &PrivateKey) -> String {
    let who = crate::client::who();
    let host = who.rsplit('@').next().unwrap_or_default();
    let name: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(48)
        .collect();
    let name = if name.is_empty() { "device" } else { &name };
    let print = key.fingerprint(HashAlg::Sha256);
    let mark: String = print
        .as_bytes()
        .iter()
        .take(3)
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("{name}-{mark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_keeps_its_key() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let first = device(&paths)?;
        assert!(
            first.public_key.starts_with("ssh-ed25519 AAAA"),
            "{first:?}"
        );
        assert!(first.public_key.contains(" remote:"), "{first:?}");
        assert_eq!(device(&paths)?, first);
        let other = tempfile::tempdir()?;
        let paths_of_other = Paths::new(|v| (v == "HOME").then(|| other.path().into()))?;
        assert_ne!(device(&paths_of_other)?.name, first.name);
        std::fs::write(&first.identity, "not a key")?;
        assert!(device(&paths).is_err());
        Ok(())
    }
}
