//! A secret that a command prints each time it is used (`op read …`, `aws secretsmanager …`): only the command is
//! kept.

use std::io::Read;
use std::process::{Command, Stdio};

use super::LONGEST;
use crate::error::{Error, Result};

/// Runs `command` by the shell, at the terminal there is: it may ask for a finger. The value is what it prints,
/// without the newline at its end.
///
/// # Errors
/// It fails, or prints nothing that can be a value.
pub fn run(name: &str, command: &str) -> Result<String> {
    let failed = |why: String| {
        Error::user(format!("the command for {name} {why}")).hint(format!(
            "try it: `{command}`; another is set by `remote secret set {name} --from-command CMD`"
        ))
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|e| failed(format!("cannot be run: {e}")))?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // A byte more than may be, to know that there is more; and its end.
        let mut stdout = stdout.take(LONGEST as u64 + 3);
        stdout
            .read_to_end(&mut said)
            .map_err(|e| failed(format!("cannot be read: {e}")))?;
    }
    if said.len() > LONGEST + 2 {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|e| failed(format!("cannot be waited for: {e}")))?;
    if !status.success() && said.len() <= LONGEST + 2 {
        return Err(failed(format!("failed: {status}")));
    }
    let text = String::from_utf8(said).map_err(|_| failed("prints what is no text".to_owned()))?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    super::check_value(name, value).map_err(|e| failed(format!("prints nothing good: {e}")))?;
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_what_it_prints_and_a_failure_says_so() {
        assert_eq!(
            run("A", "printf 'va lue\\n'").ok().as_deref(),
            Some("va lue")
        );
        let said = |command: &str| run("A", command).expect_err(command).to_string();
        assert!(said("echo x; exit 3").contains("failed: exit status: 3"));
        assert!(said("true").contains("is empty"));
        assert!(said("yes").contains("bytes; the most is"));
    }
}
