//! Commands that come with a repository run only once a person has seen and allowed them: what somebody
//! else committed is not what the person typed. What is remembered is a hash of the place and the text,
//! so that a change asks again.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Paths;
use crate::error::{Context, Result};

/// The commands that a repository's `.remote.toml` wants to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoCommands {
    /// The `.remote.toml`.
    pub file: PathBuf,
    pub setup: Option<String>,
    pub check: Option<String>,
}

impl RepoCommands {
    /// Key and command, for showing.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let setup = self.setup.as_deref().map(|c| ("setup", c));
        let check = self.check.as_deref().map(|c| ("check", c));
        setup.into_iter().chain(check)
    }

    /// Whether a person has allowed exactly these, here.
    pub fn are_allowed(&self, paths: &Paths) -> bool {
        self.mark(paths).exists()
    }

    /// Remembers that a person has allowed exactly these, here.
    ///
    /// # Errors
    /// Where the state directory cannot be written.
    pub fn allow(&self, paths: &Paths) -> Result<()> {
        let mark = self.mark(paths);
        let dir = mark.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&mark, format!("{}\n", self.file.display())))
            .context(format!("{} cannot be written", mark.display()))
    }

    fn mark(&self, paths: &Paths) -> PathBuf {
        let file = self.file.canonicalize();
        let file = file.as_ref().unwrap_or(&self.file);
        let mut hash = Sha256::new();
        // Each part with its length: no two sets of commands read the same.
        for part in [
            Some(file.as_os_str().as_encoded_bytes()),
            self.setup.as_deref().map(str::as_bytes),
            self.check.as_deref().map(str::as_bytes),
        ] {
            match part {
                Some(bytes) => {
                    hash.update((bytes.len() as u64 + 1).to_be_bytes());
                    hash.update(bytes);
                }
                None => hash.update(0u64.to_be_bytes()),
            }
        }
        let name: String = hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        paths.state.join("allowed").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_command_or_another_place_asks_again() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let commands = RepoCommands {
            file: home.path().join("a/.remote.toml"),
            setup: Some("make".to_owned()),
            check: None,
        };
        assert!(!commands.are_allowed(&paths));
        commands.allow(&paths)?;
        assert!(commands.are_allowed(&paths));
        let other = |file: &str, setup: Option<&str>, check: Option<&str>| {
            RepoCommands {
                file: home.path().join(file),
                setup: setup.map(str::to_owned),
                check: check.map(str::to_owned),
            }
            .are_allowed(&paths)
        };
        assert!(!other("a/.remote.toml", Some("make all"), None));
        assert!(!other("a/.remote.toml", None, Some("make")));
        assert!(!other("b/.remote.toml", Some("make"), None));
        assert_eq!(commands.lines().collect::<Vec<_>>(), [("setup", "make")]);
        Ok(())
    }
}
