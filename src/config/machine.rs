//! What a rented machine knows of itself: /etc/remote/machine.json, written by its user-data. Where it is
//! there and we are root, sessions live on the work volume and agents run as a user of their own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::model::SessionId;

/// Where user-data puts it.
pub const MACHINE_FILE: &str = "/etc/remote/machine.json";
/// The work volume's place.
pub const WORK: &str = "/work";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFile {
    /// The session the machine was rented for.
    pub session: SessionId,
    /// Who logs in over SSH and may do everything: `ubuntu`.
    pub login: String,
    /// Who agents run as.
    pub agent: String,
    /// Whether agents may use sudo.
    pub sudo: bool,
}

impl MachineFile {
    /// This machine's; `None` on one that was not rented.
    ///
    /// # Errors
    /// It is there, and cannot be read or is damaged.
    pub fn here() -> Result<Option<Self>> {
        Self::read(Path::new(MACHINE_FILE))
    }

    /// From a file; `None` where there is none.
    ///
    /// # Errors
    /// As [`MachineFile::here`].
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(e) => return Err(e).context(format!("{} cannot be read", path.display())),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| {
            Error::config(format!("{} is damaged", path.display()))
                .because(e)
                .hint("user-data writes it when a machine boots: `remote terminate` this one and begin anew")
        })
    }

    /// Where sessions' directories lie on a rented machine.
    pub fn sessions() -> PathBuf {
        Path::new(WORK).join(".remote/sessions")
    }

    /// Where the agents' user keeps the repositories that sessions work on.
    pub fn repositories() -> PathBuf {
        Path::new(WORK).join("repo")
    }

    /// Where a session's agents have their working trees.
    pub fn trees(session: &SessionId) -> PathBuf {
        Path::new(WORK).join("tree").join(session.as_str())
    }

    /// Where each session's sockets lie, in a directory of its name; gone after a reboot, as they are.
    pub fn sockets() -> PathBuf {
        PathBuf::from("/run/remote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_no_error_and_damage_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("machine.json");
        assert_eq!(MachineFile::read(&path).expect("none"), None);
        let text = r#"{"session":"session-abc234","login":"ubuntu","agent":"agent","sudo":true,"later":1}"#;
        std::fs::write(&path, text).expect("written");
        let machine = MachineFile::read(&path).expect("read").expect("there");
        assert_eq!((machine.login.as_str(), machine.sudo), ("ubuntu", true));
        for damaged in [
            "",
            "{",
            "[]",
            r#"{"session":"../x","login":"","agent":"","sudo":1}"#,
        ] {
            std::fs::write(&path, damaged).expect("written");
            let refused = MachineFile::read(&path).expect_err(damaged);
            assert!(refused.message.contains("machine.json"), "{refused}");
        }
    }
}
