//! This device's key: one for all its EC2 sessions, made at the first use, never sent anywhere but for its
//! public half.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{HashAlg, PrivateKey, decode_secret_key};

use crate::config::Paths;
use crate::error::{Context, Error, Result};
use crate::provision::ec2::Device;
use crate::provision::{Survives, write_whole};
use crate::ssh::keys;

/// The device's name and key, made where there is none yet.
///
/// # Errors
/// Its file cannot be read or written, or holds no key.
pub fn device(paths: &Paths) -> Result<Device> {
    if let Some(device) = known(paths)? {
        return Ok(device);
    }
    let identity = identity(paths);
    make(&identity)?;
    // Whoever was first, this is the key from now on.
    known(paths)?.ok_or_else(|| Error::user(format!("{} is gone again", identity.display())))
}

/// As [`device`], where it has been used; makes nothing.
///
/// # Errors
/// As [`device`].
pub fn known(paths: &Paths) -> Result<Option<Device>> {
    let identity = identity(paths);
    let key = match std::fs::read_to_string(&identity) {
        Ok(text) => decode_secret_key(&text, None)
            .context(format!("{} holds no private key", identity.display()))?,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).context(format!("{} cannot be read", identity.display())),
    };
    of(key, identity).map(Some)
}

fn identity(paths: &Paths) -> PathBuf {
    paths.state.join("device").join("id_ed25519")
}

fn of(key: PrivateKey, identity: PathBuf) -> Result<Device> {
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

/// Makes the key, unless another command does so at the same time: machines know the key that is there.
fn make(identity: &Path) -> Result<()> {
    let key = keys::generate_ed25519();
    let text = key
        .to_openssh(LineEnding::LF)
        .context("a key cannot be made")?;
    let dir = identity.parent().unwrap_or(identity);
    let print = key.fingerprint(HashAlg::Sha256);
    let mark = print.as_bytes().iter().take(8);
    let mark: String = mark.map(|b| format!("{b:02x}")).collect();
    let beside = dir.join(format!("new-{mark}"));
    let made = std::fs::create_dir_all(dir)
        .and_then(|()| write_whole(&beside, text.as_bytes(), Survives::PowerCut))
        .and_then(|()| match std::fs::hard_link(&beside, identity) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    let _ = std::fs::remove_file(&beside);
    made.context(format!("{} cannot be written", identity.display()))
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
    #[test]
    fn commands_that_make_the_key_at_once_have_the_same() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let made: Vec<Device> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| device(&paths))).collect();
            let ends = all.into_iter().map(|one| one.join().expect("no panic"));
            ends.collect::<Result<_>>()
        })?;
        assert!(made.iter().all(|d| *d == made[0]), "{made:?}");
        let dir = made[0].identity.parent().expect("a directory");
        assert_eq!(std::fs::read_dir(dir)?.count(), 1);
        Ok(())
    }
}
