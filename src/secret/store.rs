//! All secrets of this device by name: an index that says where each is kept, which holds no value, and the places
//! behind it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file::{Files, write};
use super::{check_name, check_value, command, keychain};
use crate::config::Paths;
use crate::error::{Context, Error, Result};
use crate::model::{Millis, SecretValue, now_ms};

/// Whoever knows the encrypted file's passphrase. Blocks.
pub trait Passphrase: Send + Sync {
    /// A new one; `None` where nobody can be asked, or will not say.
    fn choose(&self) -> Option<String>;
    fn ask(&self) -> Option<String>;
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kept", rename_all = "snake_case")]
pub enum Kept {
    Keychain,
    File,
    /// Nowhere: this prints it each time.
    Command {
        command: String,
    },
}

/// What is known of a secret without asking for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    #[serde(flatten)]
    pub kept: Kept,
    /// When it was stored.
    pub since: Millis,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    index: PathBuf,
    known: BTreeMap<String, Known>,
    files: Files,
}

impl Store {
    /// # Errors
    /// The index is damaged or cannot be read.
    pub fn open(paths: &Paths) -> Result<Self> {
        let dir = paths.data.join("secrets");
        let index = dir.join("index.json");
        let known = match fs::read(&index) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| {
                Error::user(format!("{} is damaged", index.display()))
                    .because(e)
                    .hint("remove it, and store the secrets anew with `remote secret set`")
            })?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(e) => return Err(e).context(format!("{} cannot be read", index.display())),
        };
        Ok(Self {
            index,
            known,
            files: Files::new(&dir),
        })
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &Known)> {
        self.known.iter().map(|(n, k)| (n.as_str(), k))
    }

    pub fn known(&self, name: &str) -> Option<&Known> {
        self.known.get(name)
    }

    /// Stores a value where this device has a place for it.
    ///
    /// # Errors
    /// What cannot be a name or a value; the place's refusal.
    pub fn set(&mut self, name: &str, value: &str, person: &dyn Passphrase) -> Result<Kept> {
        check_name(name)?;
        check_value(name, value)?;
        let kept = if keychain::is_there() {
            keychain::set(name, value)?;
            Kept::Keychain
        } else {
            self.files.set(name, value, person)?;
            Kept::File
        };
        self.note(name, kept.clone())?;
        Ok(kept)
    }

    /// Has `command` print it each time.
    ///
    /// # Errors
    /// What cannot be a name.
    pub fn set_command(&mut self, name: &str, command: &str) -> Result<()> {
        check_name(name)?;
        let command = command.to_owned();
        self.note(name, Kept::Command { command })
    }

    fn note(&mut self, name: &str, kept: Kept) -> Result<()> {
        let since = now_ms();
        let before = self.known.insert(name.to_owned(), Known { kept, since });
        self.save()?;
        match before {
            Some(before) if self.known.get(name).is_some_and(|k| k.kept != before.kept) => {
                self.drop_value(name, &before.kept)
            }
            _ => Ok(()),
        }
    }

    /// The value, asked for where it is kept. May ask the person; blocks.
    ///
    /// # Errors
    /// It is not known here, or its place does not give it.
    pub fn get(&self, name: &str, person: &dyn Passphrase) -> Result<SecretValue> {
        let known = self.known.get(name).ok_or_else(|| unknown(name))?;
        let value = match &known.kept {
            Kept::Keychain => keychain::get(name)?,
            Kept::File => self.files.get(name, person)?,
            Kept::Command { command } => command::run(name, command)?,
        };
        Ok(SecretValue::new(value))
    }

    /// Whether [`Store::get`] would find it, without asking anybody and without running a command.
    ///
    /// # Errors
    /// Its place does not give it.
    pub fn look(&self, name: &str) -> Result<Option<SecretValue>> {
        struct Nobody;
        impl Passphrase for Nobody {
            fn choose(&self) -> Option<String> {
                None
            }
            fn ask(&self) -> Option<String> {
                None
            }
        }
        let known = self.known.get(name).ok_or_else(|| unknown(name))?;
        match &known.kept {
            Kept::Command { .. } => Ok(None),
            Kept::File if !self.files.is_unlocked() => Ok(None),
            Kept::Keychain | Kept::File => self.get(name, &Nobody).map(Some),
        }
    }

    /// Removes it; false where there is none.
    ///
    /// # Errors
    /// Its place does not let it go.
    pub fn remove(&mut self, name: &str) -> Result<bool> {
        let Some(known) = self.known.remove(name) else {
            return Ok(false);
        };
        self.drop_value(name, &known.kept)?;
        self.save()?;
        Ok(true)
    }

    fn drop_value(&self, name: &str, kept: &Kept) -> Result<()> {
        match kept {
            Kept::Keychain => keychain::remove(name),
            Kept::File => self.files.remove(name),
            Kept::Command { .. } => Ok(()),
        }
    }

    /// Forgets what unlocks the encrypted file.
    pub fn lock(&self) {
        self.files.lock();
    }

    fn save(&self) -> Result<()> {
        let dir = self.index.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir).context(format!("{} cannot be made", dir.display()))?;
        let mut text = serde_json::to_vec_pretty(&self.known)
            .map_err(|e| Error::internal("the index cannot be written").because(e))?;
        text.push(b'\n');
        write(&self.index, &text)
    }
}

fn unknown(name: &str) -> Error {
    Error::user(format!("this device has no secret {name}")).hint(format!(
        "store it here: `remote secret set {name}`, or have a command print it: `remote secret set {name} \
         --from-command 'op read op://…'`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_kept_and_its_value_is_not() -> Result<()> {
        struct Nobody;
        impl Passphrase for Nobody {
            fn choose(&self) -> Option<String> {
                None
            }
            fn ask(&self) -> Option<String> {
                None
            }
        }
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let mut store = Store::open(&paths)?;
        let missing = store.get("TOKEN", &Nobody).expect_err("not yet");
        assert!(
            missing.hints[0].contains("remote secret set TOKEN"),
            "{missing:?}"
        );
        store.set_command("TOKEN", "echo the-$((1 + 1))-value")?;
        assert!(store.set_command("PATH", "true").is_err());
        let mut store = Store::open(&paths)?;
        assert_eq!(store.get("TOKEN", &Nobody)?.expose(), "the-2-value");
        assert_eq!(store.look("TOKEN")?, None);
        let index = fs::read_to_string(&store.index)?;
        assert!(!index.contains("the-2-value"), "{index}");
        assert!(store.remove("TOKEN")? && !store.remove("TOKEN")?);
        assert!(Store::open(&paths)?.known("TOKEN").is_none());
        Ok(())
    }
}
