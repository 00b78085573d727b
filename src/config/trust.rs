//! Whether an agent's program may trust a working tree that was made for it. Programs ask their person about each
//! directory that they have not seen; of a tree that was made from a repository which the person has told the program
//! to trust, that was asked already. Their record is read and never written: the program is told for this run alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

/// What stands for the agent's working tree in an argument until that is made.
const CWD: &str = "{cwd}";
/// The same in an argv, where a task may hold any text: a character of no script on either side.
pub const CWD_LATER: &str = "\u{f8ff}cwd\u{f8ff}";
const REPO: &str = "{repo}";
const HOME: &str = "~/";

/// An agent's `trust`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The program's own record, JSON or TOML: `~/.claude.json`.
    pub record: String,
    /// The way to a repository's entry in it; `{repo}` stands for the top of its working tree.
    pub at: Vec<String>,
    /// What stands there where it is trusted.
    pub is: String,
    /// Further arguments by which the program trusts its directory in this run.
    pub args: Vec<String>,
    /// Variables that do the same.
    pub env: BTreeMap<String, String>,
}

impl Trust {
    /// The person has told the program to trust the repository at `top`.
    pub fn has(&self, home: &Path, top: &Path) -> bool {
        let file = match self.record.strip_prefix(HOME) {
            Some(below) => home.join(below),
            None => self.record.clone().into(),
        };
        let (Some(top), Ok(text)) = (top.to_str(), std::fs::read_to_string(&file)) else {
            return false;
        };
        let read: Option<Json> = match file.extension().is_some_and(|e| e == "toml") {
            true => toml::from_str(&text).ok(),
            false => serde_json::from_str(&text).ok(),
        };
        let entry = read.as_ref().and_then(|record| {
            let mut way = self.at.iter();
            way.try_fold(record, |at, name| at.get(name.replace(REPO, top)))
        });
        match entry {
            Some(Json::String(text)) => *text == self.is,
            Some(Json::Bool(yes)) => yes.to_string() == self.is,
            _ => false,
        }
    }

    /// Its arguments, for an argv in which [`put`] sets the directory.
    pub fn words(&self) -> Vec<String> {
        self.args
            .iter()
            .map(|a| a.replace(CWD, CWD_LATER))
            .collect()
    }
}

/// Sets the directory in an argv, now that there is one.
pub fn put(argv: &mut [String], cwd: &Path) {
    for word in argv {
        if word.contains(CWD_LATER) {
            *word = word.replace(CWD_LATER, &cwd.to_string_lossy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(agent: &str) -> Trust {
        let config = Config::default();
        let agent = config.agent(agent).expect("built in");
        agent.trust.clone().expect("it has one")
    }

    #[test]
    fn what_the_person_told_the_program_is_read() {
        let home = tempfile::tempdir().expect("a home");
        let top = Path::new("/src/my repo");
        for (agent, file, yes, no) in [
            (
                "claude",
                ".claude.json",
                r#"{"projects": {"/src/my repo": {"hasTrustDialogAccepted": true}}}"#,
                r#"{"projects": {"/src/my repo": {"hasTrustDialogAccepted": false}, "/src": {"hasTrustDialogAccepted": true}}}"#,
            ),
            (
                "codex",
                ".codex/config.toml",
                "[projects.\"/src/my repo\"]\ntrust_level = \"trusted\"\n",
                "[projects.\"/src/my repo\"]\ntrust_level = \"untrusted\"\n",
            ),
        ] {
            let trust = of(agent);
            let file = home.path().join(file);
            std::fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            assert!(!trust.has(home.path(), top), "{agent}: no record");
            for (text, trusted) in [(yes, true), (no, false), ("{", false), ("", false)] {
                std::fs::write(&file, text).expect("written");
                assert_eq!(trust.has(home.path(), top), trusted, "{agent}: {text}");
            }
        }
    }

    #[test]
    fn the_directory_is_set_where_the_agents_words_say_and_in_no_task() {
        let mut argv = of("codex").words();
        argv.push("what is {cwd}?".to_owned());
        put(&mut argv, Path::new("/tree"));
        assert_eq!(
            argv,
            [
                "-c",
                r#"projects={"/tree"={trust_level="trusted"}}"#,
                "what is {cwd}?"
            ]
        );
    }
}
