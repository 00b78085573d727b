//! What tells a person outside of the terminal: the desktop's notifier, and a command of their own. Each is a program
//! that is left to itself: a client does not wait for it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::model::{News, SessionStatus};
use crate::notice::environment;
use crate::provision::find_program;

/// One that takes longer is ended, as long as this client lives.
const LIMIT: Duration = Duration::from_secs(60);
const SCRIPT: [&str; 3] = [
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
];

/// Shows a notification; false where this machine has nothing that could.
pub(super) fn desktop(title: &str, body: &str) -> bool {
    let path = std::env::var_os("PATH");
    let find = |name: &str| find_program(name, path.as_deref(), Path::new("/"));
    let Some(mut command) = notifier(find, title, body) else {
        return false;
    };
    start(&mut command);
    true
}

fn notifier(find: impl Fn(&str) -> Option<PathBuf>, title: &str, body: &str) -> Option<Command> {
    if let Some(program) = find("notify-send") {
        // Its body is markup.
        let body = body
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        return Some(with(
            program,
            ["--app-name=remote", "--", title, body.as_str()],
        ));
    }
    let program = find("osascript")?;
    let [begin, show, end] = SCRIPT;
    Some(with(
        program,
        ["-e", begin, "-e", show, "-e", end, title, body],
    ))
}

fn with<'a>(program: PathBuf, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(program);
    command.args(args.into_iter().map(OsStr::new));
    command
}

/// Runs the person's own command, with the news in its environment.
pub(super) fn command(line: &str, status: &SessionStatus, news: &News) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).envs(environment(status, news));
    start(&mut command);
}

fn start(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for the client.
        .process_group(0);
    match command.spawn() {
        Ok(mut child) => {
            tokio::spawn(async move {
                if tokio::time::timeout(LIMIT, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
            });
        }
        Err(e) => tracing::debug!("a notice's program cannot be started: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_words_are_no_markup_and_no_script() {
        let args = |name: &'static str| {
            let find = |n: &str| (n == name).then(|| PathBuf::from(n));
            let command = notifier(find, "auth/2", "-e <b>\"x\"")?;
            let args = command.as_std().get_args();
            Some(
                args.map(|a| a.to_string_lossy().into_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            args("notify-send").expect("there"),
            ["--app-name=remote", "--", "auth/2", "-e &lt;b&gt;\"x\""]
        );
        let told = args("osascript").expect("there");
        assert_eq!(told[6..], ["auth/2", "-e <b>\"x\""]);
        assert_eq!(args("neither"), None);
    }
}
