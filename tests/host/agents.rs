//! Commands that tests run as agents.

use std::path::PathBuf;

use crate::common::env::TestEnv;

/// `script` as one command line for `--command`, whatever the shell of the host's user is.
pub fn sh(script: &str) -> String {
    format!("sh -c {}", shell_words::quote(script))
}

/// Prints `text` (which does not occur in its own command line) and stays.
pub fn says(text: &str) -> String {
    let (head, tail) = text.split_at(text.len() / 2);
    sh(&format!(
        "printf '%s%s\\n' '{head}' '{tail}'; exec sleep 600"
    ))
}

/// A shell that answers each line `x` with `got x`.
pub fn answers() -> String {
    sh("stty -echo; printf 'RE''ADY\\n'; while read -r x; do printf 'got %s\\n' \"$x\"; done")
}

/// The numbered stream: its command line, the record of what it reads, and its progress.
pub struct Stream {
    pub command: String,
    pub record: PathBuf,
    progress: PathBuf,
}

impl Stream {
    /// Prints `kib` KiB a second.
    pub fn new(env: &TestEnv, kib: u32) -> Self {
        let script = env.script("stream.pl", include_str!("../common/agents/stream.pl"));
        let record = env.work().join("record");
        let progress = env.work().join("progress");
        let command = format!(
            "perl {} {} {} {kib}",
            script.display(),
            record.display(),
            progress.display()
        );
        Self {
            command,
            record,
            progress,
        }
    }

    /// The number of the last line printed.
    pub fn printed(&self) -> u64 {
        std::fs::read_to_string(&self.progress)
            .ok()
            .and_then(|t| t.parse().ok())
            .unwrap_or(0)
    }

    /// Every byte that the agent has read.
    pub fn recorded(&self) -> Vec<u8> {
        std::fs::read(&self.record).unwrap_or_default()
    }
}

/// Bytes of one line of the stream, its end included.
pub const LINE: u64 = 98 + 14 + 2;
