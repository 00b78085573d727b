//! Asking a person before a key signs: by the program that OpenSSH asks with, which no agent's screen can imitate, or on
//! the terminal where no agent draws on it. Where neither is to be had the answer is no.

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::ssh::Ask;

/// Whoever can be asked, and what they have allowed so far.
pub struct Confirm {
    program: Option<String>,
    terminal: Option<Arc<dyn Ask>>,
    /// Held while one is asked: one question at a time.
    allowed: Mutex<HashSet<String>>,
}

impl Confirm {
    /// `terminal`: where it is not an agent's.
    pub fn new(terminal: Option<Arc<dyn Ask>>) -> Self {
        Self {
            program: askpass(|name| std::env::var(name).ok()),
            terminal,
            allowed: Mutex::default(),
        }
    }

    /// Once for each key: what was allowed is not asked again.
    pub async fn allows(&self, key: &str, question: &str) -> bool {
        let mut allowed = self.allowed.lock().await;
        if allowed.contains(key) {
            return true;
        }
        let yes = self.ask(question).await;
        if yes {
            allowed.insert(key.to_owned());
        }
        yes
    }

    async fn ask(&self, question: &str) -> bool {
        if let Some(program) = &self.program {
            let status = tokio::process::Command::new(program)
                .arg(question)
                .env("SSH_ASKPASS_PROMPT", "confirm")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .status();
            return status.await.is_ok_and(|s| s.success());
        }
        let Some(terminal) = &self.terminal else {
            return false;
        };
        let answer = terminal.ask(&format!("{question} [y/N] "), true).await;
        answer.is_some_and(|a| matches!(a.trim(), "y" | "Y" | "yes"))
    }
}

/// The program to ask with, by OpenSSH's rules.
fn askpass(var: impl Fn(&str) -> Option<String>) -> Option<String> {
    let var = |name: &str| var(name).filter(|v| !v.is_empty());
    let forced = match var("SSH_ASKPASS_REQUIRE").as_deref() {
        Some("never") => return None,
        Some(how) => matches!(how, "force" | "prefer"),
        None => false,
    };
    let shows = forced || var("DISPLAY").is_some() || var("WAYLAND_DISPLAY").is_some();
    var("SSH_ASKPASS").filter(|_| shows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_asked_where_it_can_be_seen() {
        let with = |list: &'static [(&str, &str)]| {
            askpass(move |name| {
                let found = list.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| (*v).to_owned())
            })
        };
        assert_eq!(with(&[("SSH_ASKPASS", "a")]), None);
        assert!(with(&[("SSH_ASKPASS", "a"), ("DISPLAY", ":0")]).is_some());
        assert!(with(&[("SSH_ASKPASS", "a"), ("SSH_ASKPASS_REQUIRE", "force")]).is_some());
        let never = with(&[
            ("SSH_ASKPASS", "a"),
            ("DISPLAY", ":0"),
            ("SSH_ASKPASS_REQUIRE", "never"),
        ]);
        assert_eq!(never, None);
        assert_eq!(with(&[("DISPLAY", ":0"), ("SSH_ASKPASS", "")]), None);
    }

    #[tokio::test]
    async fn where_nobody_can_be_asked_it_is_no() {
        let confirm = Confirm {
            program: None,
            terminal: None,
            allowed: Mutex::default(),
        };
        assert!(!confirm.allows("key", "Sign?").await);
        let says = |program: &str| Confirm {
            program: Some(program.to_owned()),
            terminal: None,
            allowed: Mutex::default(),
        };
        assert!(!says("false").allows("key", "Sign?").await);
        let yes = says("true");
        assert!(yes.allows("key", "Sign?").await);
        assert!(yes.allowed.lock().await.contains("key"));
    }
}
