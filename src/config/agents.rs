//! The agents that are built in, written as a user would write theirs.

/// Read as the lowest layer of the configuration.
pub const BUILT_IN: &str = r#"
[agents.claude]
command = ["claude"]
resume = ["claude", "--continue"]
autonomous = ["--dangerously-skip-permissions"]

[agents.codex]
command = ["codex"]
resume = ["codex", "resume", "--last"]
autonomous = ["--dangerously-bypass-approvals-and-sandbox"]

[agents.opencode]
command = ["opencode", "--prompt={task}"]
resume = ["opencode", "--continue"]
autonomous = ["--auto"]

# Runs the task and ends; without one it talks.
[agents.aider]
command = ["aider", "--message={task}"]
resume = ["aider", "--restore-chat-history"]
autonomous = ["--yes-always"]

[agents.gemini]
command = ["gemini", "--prompt-interactive={task}"]
resume = ["gemini", "--resume=latest"]
autonomous = ["--yolo"]

# The task is a command line.
[agents.shell]
command = ["sh", "-c", "{task}"]
"#;
