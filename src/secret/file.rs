//! Where there is no keychain: a directory that stock `age` can read. `identity.age` is an age key behind a
//! passphrase (scrypt), `recipient` its public half, and each secret a file `NAME.age` to it: storing one asks
//! for nothing, and the slow way from passphrase to key is gone once, not for each secret.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, x25519};

use super::Passphrase;
use super::remembered;
use crate::error::{Context, Error, Result};

/// A script's passphrase, or the command that prints it.
const VARIABLE: &str = "REMOTE_PASSPHRASE";
const COMMAND: &str = "REMOTE_PASSPHRASE_COMMAND";
/// Tries at the terminal.
const TRIES: usize = 3;

/// The encrypted store.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
}

impl Files {
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.age"))
    }

    fn identity(&self) -> PathBuf {
        self.dir.join("identity.age")
    }

    /// The kernel's name for what unlocks this directory.
    fn what(&self) -> String {
        format!("remote:{}", self.dir.display())
    }

    pub fn set(&self, name: &str, value: &str, person: &dyn Passphrase) -> Result<()> {
        let recipient = match fs::read_to_string(self.dir.join("recipient")) {
            Ok(text) => text.trim().parse().map_err(|e| {
                Error::user(format!("{}/recipient is damaged: {e}", self.dir.display()))
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.begin(person)?,
            Err(e) => return Err(e).context(format!("{} cannot be read", self.dir.display())),
        };
        let sealed = age::encrypt(&recipient, value.as_bytes())
            .map_err(|e| Error::internal(format!("{name} cannot be encrypted")).because(e))?;
        write(&self.path(name), &sealed)
    }

    /// Makes the key, behind a new passphrase.
    fn begin(&self, person: &dyn Passphrase) -> Result<x25519::Recipient> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .context(format!("{} cannot be made", self.dir.display()))?;
        let passphrase = match from_environment()? {
            Some(passphrase) => passphrase,
            None => person.choose().ok_or_else(nobody)?,
        };
        if passphrase.is_empty() {
            return Err(Error::user("an empty passphrase protects nothing"));
        }
        let identity = x25519::Identity::generate();
        let text = identity.to_string();
        let lock = scrypt::Recipient::new(SecretString::from(passphrase));
        let sealed = age::encrypt(&lock, text.expose_secret().as_bytes())
            .map_err(|e| Error::internal("the key cannot be encrypted").because(e))?;
        write(&self.identity(), &sealed)?;
        let public = identity.to_public();
        write(
            &self.dir.join("recipient"),
            format!("{public}\n").as_bytes(),
        )?;
        remembered::keep(&self.what(), text.expose_secret());
        Ok(public)
    }

    /// Whether [`Files::get`] would ask nobody.
    pub fn is_unlocked(&self) -> bool {
        std::env::var_os(VARIABLE).is_some()
            || std::env::var_os(COMMAND).is_some()
            || remembered::recall(&self.what()).is_some()
    }

    pub fn get(&self, name: &str, person: &dyn Passphrase) -> Result<String> {
        let path = self.path(name);
        let sealed = fs::read(&path).context(format!("{} cannot be read", path.display()))?;
        let identity = self.unlock(person)?;
        let damaged = || {
            Error::user(format!("{} cannot be decrypted", path.display()))
                .hint(format!("store it anew: `remote secret set {name}`"))
        };
        let value = age::decrypt(&identity, &sealed).map_err(|e| damaged().because(e))?;
        String::from_utf8(value).map_err(|_| damaged())
    }

    fn unlock(&self, person: &dyn Passphrase) -> Result<x25519::Identity> {
        if let Some(text) = remembered::recall(&self.what())
            && let Ok(identity) = text.parse()
        {
            return Ok(identity);
        }
        let path = self.identity();
        let sealed = fs::read(&path).context(format!("{} cannot be read", path.display()))?;
        let given = from_environment()?;
        let tries = if given.is_some() { 1 } else { TRIES };
        for _ in 0..tries {
            let passphrase = given.clone().or_else(|| person.ask()).ok_or_else(nobody)?;
            let lock = scrypt::Identity::new(SecretString::from(passphrase));
            match age::decrypt(&lock, &sealed) {
                Ok(text) => {
                    let text = String::from_utf8(text).unwrap_or_default();
                    let identity = text
                        .trim()
                        .parse()
                        .map_err(|e| Error::user(format!("{} is damaged: {e}", path.display())))?;
                    remembered::keep(&self.what(), text.trim());
                    return Ok(identity);
                }
                // Also a file that is damaged where the passphrase is tried.
                Err(
                    age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed,
                ) => {}
                Err(e) => {
                    let damaged = format!("{} cannot be decrypted", path.display());
                    return Err(Error::user(damaged).because(e));
                }
            }
        }
        Err(
            Error::user("that is not the passphrase of the secrets here").hint(format!(
                "a forgotten one cannot be found again: remove {} and store the secrets anew",
                self.dir.display()
            )),
        )
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(e).context(format!("{} cannot be removed", self.path(name).display()))
            }
            _ => Ok(()),
        }
    }

    /// Asks for the passphrase again the next time.
    pub fn lock(&self) {
        remembered::forget(&self.what());
    }
}

fn from_environment() -> Result<Option<String>> {
    if let Ok(passphrase) = std::env::var(VARIABLE)
        && !passphrase.is_empty()
    {
        return Ok(Some(passphrase));
    }
    match std::env::var(COMMAND) {
        Ok(command) if !command.is_empty() => super::command::run(COMMAND, &command).map(Some),
        _ => Ok(None),
    }
}

fn nobody() -> Error {
    Error::user("the passphrase of the secrets here is needed, and nobody can be asked").hint(
        format!(
            "run it at a terminal, or set {VARIABLE}, or {COMMAND} to a command that prints it"
        ),
    )
}

pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    let whole = || -> io::Result<()> {
        // Readable by its owner only, as the library makes them.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    whole().context(format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(&'static str);

    impl Passphrase for Says {
        fn choose(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
        fn ask(&self) -> Option<String> {
            Some(self.0.to_owned())
        }
    }

    struct Nobody;

    impl Passphrase for Nobody {
        fn choose(&self) -> Option<String> {
            None
        }
        fn ask(&self) -> Option<String> {
            None
        }
    }

    #[test]
    fn what_was_stored_needs_the_passphrase_and_nothing_on_disk_has_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = Files::new(&dir.path().join("secrets"));
        assert!(files.set("A", "first value", &Nobody).is_err());
        files
            .set("A", "first value", &Says("open sesame"))
            .expect("stored");
        // Storing another asks nobody.
        files.set("B", "second value", &Nobody).expect("stored");
        files.lock();
        let wrong = files.get("A", &Says("close sesame")).expect_err("refused");
        assert!(wrong.message.contains("not the passphrase"), "{wrong}");
        let read = |name| files.get(name, &Says("open sesame")).expect("read");
        assert_eq!(
            (read("A"), read("B")),
            ("first value".into(), "second value".into())
        );
        for entry in fs::read_dir(&files.dir).expect("listed").flatten() {
            let bytes = fs::read(entry.path()).expect("read");
            let has = |text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
            assert!(!has(b"value") && !has(b"sesame") && !has(b"AGE-SECRET"));
        }
        files.lock();
        assert!(files.get("A", &Nobody).is_err());
        files.remove("A").expect("removed");
        files.remove("A").expect("twice is fine");
        assert!(files.get("A", &Says("open sesame")).is_err());
        files.lock();
    }
}
