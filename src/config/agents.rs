//! The agents that are built in, written as a user would write theirs.

/// Read as the lowest layer of the configuration.
pub const BUILT_IN: &str = r##"
[agents.claude]
command = ["claude"]
resume = ["claude", "--continue"]
autonomous = ["--dangerously-skip-permissions"]
credentials = ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"]
# Settings for this run alone: no file of the person's or the repository's is touched.
hooks = ["--settings", '''{"hooks": {
  "SessionStart": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "UserPromptSubmit": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "PermissionRequest": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "PostToolUse": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "PostToolUseFailure": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "Stop": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}],
  "StopFailure": [{"hooks":[{"type":"command","command":"[ -x \"$REMOTE_BINARY\" ] || exit 0; exec \"$REMOTE_BINARY\" host notify --hook","timeout":10}]}]
}}''']

[agents.claude.trust]
record = "~/.claude.json"
at = ["projects", "{repo}", "hasTrustDialogAccepted"]
is = "true"
env = { CLAUDE_CODE_SANDBOXED = "1" }

[agents.codex]
command = ["codex"]
resume = ["codex", "resume", "--last"]
autonomous = ["--dangerously-bypass-approvals-and-sandbox"]
credentials = ["OPENAI_API_KEY", "CODEX_API_KEY"]
hooks = ["-c", '''notify=["sh", "-c", '[ -x "$REMOTE_BINARY" ] || exit 0; exec "$REMOTE_BINARY" host notify --json "$1"', "sh"]''']

[agents.codex.trust]
record = "~/.codex/config.toml"
at = ["projects", "{repo}", "trust_level"]
is = "trusted"
args = ["-c", 'projects={"{cwd}"={trust_level="trusted"}}']

[agents.opencode]
command = ["opencode", "--prompt={task}"]
resume = ["opencode", "--continue"]
autonomous = ["--auto"]

# Runs the task and ends; without one it talks.
[agents.aider]
command = ["aider", "--message={task}"]
resume = ["aider", "--restore-chat-history"]
autonomous = ["--yes-always"]
credentials = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY"]

[agents.gemini]
command = ["gemini", "--prompt-interactive={task}"]
resume = ["gemini", "--resume=latest"]
autonomous = ["--yolo"]
credentials = ["GEMINI_API_KEY", "GOOGLE_API_KEY"]

# The task is a command line.
[agents.shell]
command = ["sh", "-c", "{task}"]
"##;
