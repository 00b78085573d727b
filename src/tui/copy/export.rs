//! All lines for another program, an editor or a pager: as a file that nobody else can read and that is gone once
//! the program is.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};

use tempfile::{NamedTempFile, TempPath};

use super::{Copy, Next};

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `$VISUAL`, `$EDITOR` or vi, on plain text.
    Editor,
    /// `$PAGER` or less, on text with its looks.
    Pager,
}

/// Those that begin at a line by `+LINE`.
const AT_LINE: [&str; 13] = [
    "vi", "vim", "nvim", "view", "ex", "nano", "pico", "emacs", "micro", "joe", "kak", "less",
    "more",
];

impl Tool {
    /// What is run, without a shell; the file's name and where to begin are to follow.
    fn argv(self, env: &BTreeMap<String, String>) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Editor => &["VISUAL", "EDITOR"],
            Self::Pager => &["PAGER"],
        };
        let set = names.iter().filter_map(|name| env.get(*name));
        let mut words = set
            .filter_map(|line| shell_words::split(line).ok())
            .filter(|argv| !argv.is_empty());
        let default = match self {
            Self::Editor => "vi",
            Self::Pager => "less",
        };
        let mut argv = words.next().unwrap_or_else(|| vec![default.to_owned()]);
        if self == Self::Pager && name_of(&argv) == "less" {
            argv.push("-R".to_owned());
        }
        argv
    }
}

fn name_of(argv: &[String]) -> &str {
    let program = argv.first().map_or("", String::as_str);
    program.rsplit('/').next().unwrap_or(program)
}

impl Copy {
    /// More of the history was asked for, and comes by [`Copy::complete`] or not at all.
    pub fn expect(&mut self) {
        self.awaits = Some(None);
    }

    /// Nothing is to come any more; what waited for it.
    pub fn arrived(&mut self) -> Option<Tool> {
        self.word = None;
        self.awaits.take().flatten()
    }

    pub(super) fn wants(&mut self, tool: Tool) -> Next {
        match &mut self.awaits {
            Some(then) => {
                *then = Some(tool);
                self.word = Some("the history is being read".to_owned());
                Next::Stay
            }
            None => Next::Export(tool),
        }
    }

    /// Writes all lines for a program: what to run, and the file, which is gone when that is dropped.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn export(
        &self,
        tool: Tool,
        env: &BTreeMap<String, String>,
    ) -> io::Result<(Vec<String>, TempPath)> {
        let mut builder = tempfile::Builder::new();
        // Of mode 0600.
        let file: NamedTempFile = builder
            .prefix("remote-history-")
            .suffix(".txt")
            .tempfile()?;
        let mut out = BufWriter::new(file);
        for row in &self.lines {
            match tool {
                Tool::Editor => out.write_all(row.text().as_bytes())?,
                Tool::Pager => out.write_all(&without_links(&row.bytes))?,
            }
            if !row.wrapped {
                out.write_all(b"\n")?;
            }
        }
        let path = out.into_inner()?.into_temp_path();
        let mut argv = tool.argv(env);
        if AT_LINE.contains(&name_of(&argv)) {
            let ends = self.lines.iter().take(self.at.0).filter(|row| !row.wrapped);
            argv.push(format!("+{}", ends.count() + 1));
        }
        argv.push(path.display().to_string());
        Ok((argv, path))
    }
}

/// Not every pager knows hyperlinks.
fn without_links(row: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len());
    let mut rest = row;
    while let Some(at) = memchr::memmem::find(rest, b"\x1b]8;") {
        let (before, link) = rest.split_at(at);
        out.extend_from_slice(before);
        let end = memchr::memmem::find(link, b"\x1b\\").map_or(link.len(), |end| end + 2);
        rest = link.get(end..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests;
