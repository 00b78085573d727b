//! Is a program there? Asked on the machine where it will run, before anything starts.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long a login shell may take to say its PATH.
const LOGIN_SHELL: Duration = Duration::from_secs(5);

/// Where `program` would be started from: itself when it holds a slash (from `cwd`), else the first
/// executable of that name on `path`.
pub fn find_program(program: &str, path: Option<&OsStr>, cwd: &Path) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    if program.contains('/') {
        return Some(cwd.join(program)).filter(|p| executable(p));
    }
    std::env::split_paths(path?)
        .map(|dir| cwd.join(dir).join(program))
        .find(|p| executable(p))
}

fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// The PATH that a login shell sets. A command run over SSH gets none of what ~/.profile adds, so that an
/// agent in ~/.local/bin would not be found. `None` where the shell does not say so within 5 s.
pub async fn login_path() -> Option<OsString> {
    const MARK: &str = "remote-login-path=";
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let child = Command::new(shell)
        .args(["-l", "-c", "echo \"remote-login-path=$PATH\""])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let said = tokio::time::timeout(LOGIN_SHELL, child.wait_with_output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let path = text.lines().rev().find_map(|l| l.strip_prefix(MARK))?;
    (!path.is_empty()).then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_path_and_by_name() {
        let path: &OsStr = OsStr::new("/nowhere:/bin:/usr/bin");
        assert!(find_program("sh", Some(path), Path::new("/")).is_some());
        assert!(find_program("/bin/sh", None, Path::new("/")).is_some());
        assert!(find_program("bin/sh", None, Path::new("/")).is_some());
        assert_eq!(
            find_program("surely-no-such-program", Some(path), Path::new("/")),
            None
        );
        assert_eq!(
            find_program("tmp", Some(OsStr::new("/")), Path::new("/")),
            None
        );
        assert_eq!(find_program("", Some(path), Path::new("/")), None);
    }

    #[tokio::test]
    async fn a_login_shell_says_its_path() {
        let path = login_path().await.expect("a shell");
        assert!(find_program("sh", Some(&path), Path::new("/")).is_some());
    }
}
