//! What was signed, when, for whom: a line of JSON each in `signed.jsonl`. What cannot be written down is not signed.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::{Millis, SessionId};

const FILE: &str = "signed.jsonl";
/// Where the older half goes once there is so much of it.
const OLD: &str = "signed.old.jsonl";
const LARGE: u64 = 4 << 20;

/// One line. Names are a contract.
#[derive(Debug, Serialize)]
pub struct Signed<'a> {
    pub at: Millis,
    pub session: &'a SessionId,
    /// 0 where it is not known which one's program asked.
    pub agent: u32,
    /// Its fingerprint.
    pub key: &'a str,
    pub comment: &'a str,
    /// What it was signed for, by the request's own words.
    pub purpose: &'a str,
    /// `signed`, or `denied` by the person who was asked.
    pub outcome: &'static str,
}

/// The log's file in a state directory.
pub fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// # Errors
/// The file system's; nothing is written then.
pub fn write(file: &Path, line: &Signed<'_>) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    if file.metadata().is_ok_and(|m| m.len() > LARGE) {
        std::fs::rename(file, file.with_file_name(OLD))?;
    }
    // One write each: lines of several clients do not mix.
    let mut open = OpenOptions::new();
    open.append(true).create(true).mode(0o600);
    open.open(file)?.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_and_a_large_file_is_put_aside() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = file(dir.path());
        let session = "session-abc234".parse().expect("a name");
        let line = Signed {
            at: 1,
            session: &session,
            agent: 2,
            key: "SHA256:x",
            comment: "me",
            purpose: "a login as git",
            outcome: "signed",
        };
        write(&log, &line).expect("written");
        write(&log, &line).expect("written");
        let text = std::fs::read_to_string(&log).expect("the log");
        assert_eq!(text.lines().count(), 2);
        let first: serde_json::Value =
            serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(
            (&first["agent"], &first["outcome"]),
            (&2.into(), &"signed".into())
        );
        std::fs::write(&log, vec![b'x'; LARGE as usize + 1]).expect("a large one");
        write(&log, &line).expect("written");
        assert!(log.metadata().expect("there").len() < 1000);
        assert!(dir.path().join(OLD).metadata().expect("there").len() > LARGE);
        assert!(write(&dir.path().join("none/x"), &line).is_err());
    }
}
