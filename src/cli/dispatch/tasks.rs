//! A file of tasks, one a line. What cannot be a task is refused with its line's number before anything starts:
//! half a file dispatched is worse than none.

use std::io::Read;
use std::path::Path;

use super::task::LONGEST;
use crate::error::{Context, Error, Result};

/// More machines at once are a mistake more often than a wish.
const MOST: usize = 200;
/// A file of more is no list of tasks.
const FILE: u64 = 4 * 1024 * 1024;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    /// From 1, as editors count.
    pub line: usize,
    pub text: String,
}

/// Reads `path`, or stdin where it is `-`.
///
/// # Errors
/// It cannot be read, holds no task, too many, or a line that can be none.
pub(super) fn read(path: &Path) -> Result<Vec<Task>> {
    if path == Path::new("-") {
        return parse(&bytes(std::io::stdin().lock(), "stdin")?, "stdin");
    }
    let name = path.display().to_string();
    let file = std::fs::File::open(path).context(format!("cannot read the tasks in {name}"))?;
    parse(&bytes(file, &name)?, &name)
}

fn bytes(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(FILE + 1)
        .read_to_end(&mut bytes)
        .context(format!("cannot read the tasks in {name}"))?;
    if bytes.len() as u64 > FILE {
        return Err(
            Error::user(format!("{name} is over {} MiB", FILE / 1024 / 1024)).hint(
                "a file for `--from` holds one task a line: put long texts into files of their own",
            ),
        );
    }
    Ok(bytes)
}

fn parse(bytes: &[u8], name: &str) -> Result<Vec<Task>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut tasks = Vec::new();
    for (n, raw) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = n + 1;
        let refused = |why: String, hint: &str| {
            Err(Error::user(format!("{name}, line {line}: {why}")).hint(hint))
        };
        let Ok(text) = std::str::from_utf8(raw) else {
            return refused("it is not UTF-8".to_owned(), "save the file as UTF-8");
        };
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if text.len() as u64 > LONGEST {
            return refused(
                format!("the task is over {} KiB", LONGEST / 1024),
                "put the long part into a file and let the task name it",
            );
        }
        if let Some(c) = text.chars().find(|c| c.is_control() && *c != '\t') {
            return refused(
                format!("the task holds the control character U+{:04X}", c as u32),
                "take it out: a task is plain text",
            );
        }
        tasks.push(Task {
            line,
            text: text.to_owned(),
        });
    }
    if tasks.is_empty() {
        return Err(Error::user(format!("there is no task in {name}"))
            .hint("write one task a line; lines that begin with `#` are passed over"));
    }
    if tasks.len() > MOST {
        return Err(Error::user(format!(
            "{name} holds {} tasks, and {MOST} are the most that are dispatched at once",
            tasks.len()
        ))
        .hint(format!(
            "split it: `split -l {MOST} FILE`, then one `remote dispatch --from` for each part"
        )));
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(bytes: &[u8]) -> String {
        parse(bytes, "tasks").expect_err("it").message
    }

    #[test]
    fn tasks_are_lines_that_are_neither_empty_nor_comments() -> Result<()> {
        let text = b"\xef\xbb\xbffix it\r\n\n  # later\n\tadd\ttests  \n#no\nlast";
        let tasks = parse(text, "tasks")?;
        let found: Vec<_> = tasks.iter().map(|t| (t.line, t.text.as_str())).collect();
        assert_eq!(found, [(1, "fix it"), (4, "add\ttests"), (6, "last")]);
        Ok(())
    }

    #[test]
    fn what_can_be_no_task_is_named_by_its_line() {
        assert!(refused(b"").contains("there is no task in tasks"));
        assert!(refused(b"\n# x\n").contains("there is no task"));
        assert_eq!(
            refused(b"a\nb\x1b[2J\n"),
            "tasks, line 2: the task holds the control character U+001B"
        );
        assert!(refused(b"a\n\n\xff\n").starts_with("tasks, line 3: it is not UTF-8"));
        assert!(refused(b"a\0b").contains("line 1") && refused(b"a\rb").contains("U+000D"));
        let long = [b"x\n".to_vec(), vec![b'y'; 100 * 1024 + 1]].concat();
        assert!(refused(&long).starts_with("tasks, line 2: the task is over 100 KiB"));
        assert!(parse(&long[..long.len() - 1], "tasks").is_ok());
        assert!(refused("x\n".repeat(201).as_bytes()).contains("201 tasks"));
        assert!(bytes(std::io::repeat(b'\n'), "tasks").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_tasks_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for task in parse(&bytes, "tasks").unwrap_or_default() {
                prop_assert!(!task.text.is_empty() && task.line > 0);
                prop_assert!(task.text.chars().all(|c| !c.is_control() || c == '\t'));
            }
        }
    }
}
