//! Asking the person at the terminal, also where stdin is something else.

use std::fs::File;
use std::io::{Read, Write};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::Ui;
use crate::error::{Error, Result};

/// The longest answer that is read.
const LONGEST: usize = 4096;

/// Asks on the terminal itself (not stdin); `None` where there is no terminal, or at its end (Ctrl-D).
/// Without `echo` what is typed is not shown. Blocks: call it from `spawn_blocking` in async code.
pub fn prompt(question: &str, echo: bool) -> Option<String> {
    let mut tty = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .ok()?;
    let quiet = if echo { None } else { Some(Quiet::on(&tty)?) };
    tty.write_all(clean(question).as_bytes()).ok()?;
    tty.flush().ok()?;
    let answer = read_line(&mut tty);
    if quiet.is_some() {
        // The newline that was typed was not shown either.
        let _ = tty.write_all(b"\n");
    }
    answer
}

/// Asks for a yes. `assume` is `--yes`.
///
/// # Errors
/// Where nobody can be asked: it names `--yes`.
pub fn confirm(ui: &Ui, question: &str, assume: bool) -> Result<bool> {
    if assume {
        return Ok(true);
    }
    let nobody = || {
        Error::user(format!("{question} Nobody can be asked here"))
            .hint("say `--yes` to go on without being asked")
    };
    if !ui.in_is_terminal() {
        return Err(nobody());
    }
    let answer = prompt(&format!("{question} [y/N] "), true).ok_or_else(nobody)?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

fn read_line(tty: &mut impl Read) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match tty.read(&mut byte) {
            Ok(0) if line.is_empty() => return None,
            Ok(0) => break,
            Ok(_) if byte == [b'\n'] => break,
            Ok(_) if line.len() < LONGEST => line.extend_from_slice(&byte),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// A question may hold what another machine says: nothing in it may move the cursor.
fn clean(question: &str) -> String {
    question
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect()
}

/// Echo off, and on again when it is dropped.
struct Quiet(File, Termios);

impl Quiet {
    fn on(tty: &File) -> Option<Self> {
        let before = termios::tcgetattr(tty).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        let handle = tty.try_clone().ok()?;
        termios::tcsetattr(tty, OptionalActions::Flush, &silent).ok()?;
        Some(Self(handle, before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.0, OptionalActions::Now, &self.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_newline_or_at_the_end() {
        assert_eq!(read_line(&mut &b"yes\nno"[..]).as_deref(), Some("yes"));
        assert_eq!(read_line(&mut &b"yes"[..]).as_deref(), Some("yes"));
        assert_eq!(read_line(&mut &b""[..]), None);
        assert_eq!(clean("a\x1b[2Jb\nc"), "a[2Jb\nc");
    }
}
