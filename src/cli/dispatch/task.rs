//! Where the task comes from: the command line, stdin, a file, or the person's editor.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use super::{Args, Ctx};
use crate::error::{Context, Error, Result};

/// A task longer than this is a mistake: it has to fit into an argument list.
pub(super) const LONGEST: u64 = 100 * 1024;

const ASK: &str = "\n# What should the agent do? Lines that begin with # are left out.\n";

impl Args {
    /// The task; `None` where a command or an agent without one was asked for.
    pub(super) fn task_text(&self, ctx: &Ctx) -> Result<Option<String>> {
        let text = if let Some(file) = &self.file {
            read_file(file)?
        } else {
            match self.task.as_deref() {
                Some(task) => return given(task).map(Some),
                None if self.has_work() => return Ok(None),
                None if ctx.ui.in_is_terminal() => edit()?,
                None => {
                    return Err(Error::user("there is nothing to do").hint(
                        "say what: `remote dispatch \"fix the flaky test\"`, `remote dispatch --command \
                         'make test'`, or `-` to read it from stdin",
                    ));
                }
            }
        };
        sound(&text).map(Some)
    }

    /// There is something to run without a task.
    fn has_work(&self) -> bool {
        self.command.is_some() || !self.argv.is_empty() || self.agent.is_some()
    }

    /// What runs, where there is no task.
    pub(super) fn what(&self) -> String {
        match &self.command {
            Some(command) => command.clone(),
            None => shell_words::join(&self.argv),
        }
    }
}

/// A task as it was given on the command line: text, `-` for stdin, or `@FILE`.
pub(super) fn given(task: &str) -> Result<String> {
    let text = match (task, task.strip_prefix('@')) {
        ("-", _) => read(std::io::stdin().lock(), "stdin")?,
        (_, Some(file)) => read_file(Path::new(file))?,
        (task, None) => task.to_owned(),
    };
    sound(&text)
}

fn sound(text: &str) -> Result<String> {
    let task = text.trim();
    if task.is_empty() {
        return Err(Error::user("the task is empty")
            .hint("say what to do: `remote dispatch \"fix the flaky test\"`"));
    }
    if task.contains('\0') {
        return Err(Error::user(
            "the task holds a NUL byte; no program can be given one",
        ));
    }
    Ok(task.to_owned())
}

fn read_file(path: &Path) -> Result<String> {
    let file =
        std::fs::File::open(path).context(format!("cannot read the task {}", path.display()))?;
    read(file, &path.display().to_string())
}

fn read(from: impl Read, name: &str) -> Result<String> {
    let mut text = String::new();
    from.take(LONGEST + 1)
        .read_to_string(&mut text)
        .context(format!("cannot read the task from {name}"))?;
    if text.len() as u64 > LONGEST {
        return Err(
            Error::user(format!("the task in {name} is over {} KiB", LONGEST / 1024))
                .hint("put the long part into a file and let the task name it"),
        );
    }
    Ok(text)
}

fn edit() -> Result<String> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|e| !e.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned());
    let path = std::env::temp_dir().join(format!("remote-task-{}.md", std::process::id()));
    let result = edit_in(&editor, &path);
    let _ = std::fs::remove_file(&path);
    result
}

fn edit_in(editor: &str, path: &Path) -> Result<String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .context(format!("cannot write {}", path.display()))?;
    file.write_all(ASK.as_bytes())?;
    // An editor may be set with arguments, so the shell takes it apart, as git does.
    let status = Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$@\""), editor])
        .arg(path)
        .status()
        .context(format!("cannot start the editor `{editor}`"))?;
    if !status.success() {
        return Err(
            Error::user(format!("the editor `{editor}` ended with {status}"))
                .hint("nothing was started"),
        );
    }
    Ok(uncommented(&read_file(path)?))
}

fn uncommented(text: &str) -> String {
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editor_writes_the_task_and_comments_are_left_out() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("task");
        let text = edit_in("sed -i '1s/^/fix it/'", &path)?;
        assert_eq!(text.trim(), "fix it");
        std::fs::remove_file(&path)?;
        assert!(edit_in("false", &path).is_err());
        Ok(())
    }

    #[test]
    fn a_task_has_a_bound() {
        assert!(read(std::io::repeat(b'x'), "stdin").is_err());
        assert!(read(&b"\xff"[..], "stdin").is_err());
    }
}
