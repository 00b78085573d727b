//! Agents as data.

use std::collections::BTreeMap;

use crate::model::Mode;

/// How to run an agent program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentDef {
    /// argv; `{task}` stands for the task, which is appended where it does not occur.
    pub command: Vec<String>,
    /// argv that goes on where it left off; empty where the program cannot.
    pub resume: Vec<String>,
    pub env: BTreeMap<String, String>,
    /// A shell command to run before the agent, in its directory.
    pub setup: Option<String>,
    /// Further arguments in careful mode.
    pub careful: Vec<String>,
    /// Further arguments in autonomous mode.
    pub autonomous: Vec<String>,
}

impl AgentDef {
    /// The argv for a task (which may be empty) in a mode.
    pub fn argv(&self, _task: &str, _mode: Mode) -> Vec<String> {
        self.command.clone()
    }

    /// The argv that goes on where it left off; empty where the program cannot.
    pub fn resume_argv(&self, _mode: Mode) -> Vec<String> {
        self.resume.clone()
    }
}
