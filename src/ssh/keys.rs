//! Private keys of our own: made, saved and loaded in OpenSSH's format.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use russh::keys::Algorithm;
use russh::keys::ssh_key::LineEnding;
pub use russh::keys::{PrivateKey, PublicKey};

use super::error::SshError;

/// A new ed25519 key.
pub fn generate_ed25519() -> PrivateKey {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
        .expect("ed25519 keys need nothing but 32 random bytes")
}

/// Loads an unencrypted private key.
///
/// # Errors
/// Kind `Config`, naming the file, where it cannot be read or is not such a key.
pub fn load(path: &Path) -> Result<PrivateKey, SshError> {
    russh::keys::load_secret_key(path, None).map_err(|e| {
        SshError::config(format!("{} is not a usable private key", path.display())).because(e)
    })
}

/// Writes a private key: mode 0600, and whole or not at all.
///
/// # Errors
/// Kind `Config`, naming the file.
pub fn save(path: &Path, key: &PrivateKey) -> Result<(), SshError> {
    let fail = |e: Box<dyn std::error::Error + Send + Sync>| {
        SshError::config(format!("cannot write the key {}", path.display())).because(e)
    };
    let text = key.to_openssh(LineEnding::LF).map_err(|e| fail(e.into()))?;
    write_private(path, text.as_bytes()).map_err(|e| fail(e.into()))
}

/// The public half as one line of authorized_keys: `ssh-ed25519 AAAA…`, without a comment.
pub fn public_line(key: &PrivateKey) -> String {
    let public = PublicKey::new(key.public_key().key_data().clone(), "");
    public.to_openssh().unwrap_or_default()
}

/// Parses a line such as [`public_line`] makes.
///
/// # Errors
/// Kind `Config` for anything else.
pub fn parse_public(line: &str) -> Result<PublicKey, SshError> {
    PublicKey::from_openssh(line.trim())
        .map_err(|e| SshError::config(format!("not a public key: {line:?}")).because(e))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let _ = fs::remove_file(&temporary);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_survives_the_disk_and_ssh_keygen_reads_it() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("key");
        let key = generate_ed25519();
        save(&path, &key).expect("save");
        save(&path, &key).expect("save over it");
        let mode = fs::metadata(&path).expect("stat").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(public_line(&load(&path).expect("load")), public_line(&key));
        let out = std::process::Command::new("ssh-keygen")
            .args(["-y", "-f"])
            .arg(&path)
            .output()
            .expect("ssh-keygen");
        assert_eq!(
            String::from_utf8_lossy(&out.stdout).trim(),
            public_line(&key)
        );
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1);
    }

    #[test]
    fn a_file_that_is_no_key_is_named() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("nokey");
        fs::write(&path, "hello").expect("write");
        let e = load(&path).expect_err("no key");
        assert!(e.message.contains("nokey"), "{e}");
    }
}
