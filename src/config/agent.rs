//! An agent as data: the argv that starts it on a task, the one that goes on where it left off, and what
//! each mode adds. Nothing here knows any agent by name.

use std::collections::BTreeMap;

use super::{Origin, Trust};
use crate::model::Mode;

const TASK: &str = "{task}";
const MODE: &str = "{mode}";

/// How to run an agent program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentDef {
    /// The program and its arguments. `{task}` stands for the task, which is appended where it does not
    /// occur; a word `{mode}` for the hooks' and the mode's arguments, which else come last but before an appended task.
    pub command: Vec<String>,
    /// The same, to go on where it left off; empty where the program cannot.
    pub resume: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// A shell command to run before the agent, in its directory.
    pub setup: Option<String>,
    /// A shell command that its host runs when an end of the session nears.
    pub on_warning: Option<String>,
    /// It has a home directory of its own, where a repository is brought.
    pub own_home: bool,
    /// Further arguments by which it tells its host what it is doing.
    pub hooks: Vec<String>,
    /// The variables of which it needs one for its model's API.
    pub credentials: Vec<String>,
    /// How it is told to trust a working tree that was made for it.
    pub trust: Option<Trust>,
    /// The secrets that it is given, by name.
    pub secrets: Vec<String>,
    /// Further arguments in careful mode.
    pub careful: Vec<String>,
    /// Further arguments in autonomous mode.
    pub autonomous: Vec<String>,
    /// Where it was set last.
    pub origin: Origin,
}

impl Default for AgentDef {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            resume: Vec::new(),
            env: BTreeMap::new(),
            setup: None,
            on_warning: None,
            own_home: false,
            hooks: Vec::new(),
            credentials: Vec::new(),
            trust: None,
            secrets: Vec::new(),
            careful: Vec::new(),
            autonomous: Vec::new(),
            origin: Origin::BuiltIn,
        }
    }
}

impl AgentDef {
    /// The argv for a task in a mode. Without a task every word that holds `{task}` is left out, and with
    /// it an option right before it, so that the program starts as if called with none.
    pub fn argv(&self, task: &str, mode: Mode) -> Vec<String> {
        let appended = !self.command.iter().any(|w| w.contains(TASK));
        let mut argv: Vec<String> = Vec::new();
        for word in self.with_mode(&self.command, mode) {
            if !word.contains(TASK) {
                argv.push(word);
            } else if !task.is_empty() {
                argv.push(word.replace(TASK, task));
            } else if word == TASK && argv.len() > 1 && argv.last().is_some_and(|w| is_option(w)) {
                argv.pop();
            }
        }
        if appended && !task.is_empty() {
            if task.starts_with('-') {
                // Or the program would take the task for an option.
                argv.push("--".to_owned());
            }
            argv.push(task.to_owned());
        }
        argv
    }

    /// The argv that goes on where it left off; empty where the program cannot.
    pub fn resume_argv(&self, mode: Mode) -> Vec<String> {
        if self.resume.is_empty() {
            return Vec::new();
        }
        self.with_mode(&self.resume, mode)
    }

    /// The same, told to trust the working tree that is made for it.
    pub fn trusting(&self) -> Self {
        let mut told = self.clone();
        if let Some(trust) = &self.trust {
            told.hooks.extend(trust.words());
            told.env.extend(trust.env.clone());
        }
        told
    }

    /// The program that must be there for this agent to run.
    pub fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    fn with_mode(&self, words: &[String], mode: Mode) -> Vec<String> {
        let own = match mode {
            Mode::Autonomous => &self.autonomous,
            Mode::Careful => &self.careful,
        };
        let extra = &[self.hooks.as_slice(), own].concat();
        if words.iter().any(|w| w == MODE) {
            let mut argv = Vec::new();
            for word in words {
                if word == MODE {
                    argv.extend_from_slice(extra);
                } else {
                    argv.push(word.clone());
                }
            }
            argv
        } else {
            [words, extra.as_slice()].concat()
        }
    }
}

fn is_option(word: &str) -> bool {
    word.starts_with('-')
}

#[cfg(test)]
mod tests;
