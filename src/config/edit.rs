//! Changes one value of a TOML text and nothing else: comments and order are the person's.

use toml::de::DeTable;

use crate::error::{Error, Result};

/// `text` with `name` (`provider`, `ssh.host`) set to `value`.
///
/// # Errors
/// Where `text` is no TOML.
pub fn set_in_file(text: &str, name: &str, value: &str) -> Result<String> {
    let table = DeTable::parse(text)
        .map_err(|e| Error::config(format!("the file is no TOML: {}", e.message())))?;
    let quoted = toml::Value::from(value).to_string();
    let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
    let inner = match section {
        "" => Some(table.get_ref()),
        _ => table
            .get_ref()
            .get(section)
            .and_then(|s| s.get_ref().as_table()),
    };
    if let Some(old) = inner.and_then(|table| table.get(key)) {
        let span = old.span();
        let (before, after) = (text.get(..span.start), text.get(span.end..));
        return Ok([before, Some(&quoted), after]
            .into_iter()
            .flatten()
            .collect());
    }
    let line = format!("{key} = {quoted}\n");
    if section.is_empty() {
        // Above everything: below a table's header it would be that table's.
        return Ok(line + text);
    }
    let header = format!("[{section}]");
    let mut out = String::new();
    let mut done = false;
    for old in text.split_inclusive('\n') {
        out += old;
        if !done && old.trim() == header {
            if !old.ends_with('\n') {
                out.push('\n');
            }
            out += &line;
            done = true;
        }
    }
    if !done {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let gap = if out.is_empty() { "" } else { "\n" };
        out += &format!("{gap}{header}\n{line}");
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays() -> Result<()> {
        assert_eq!(set_in_file("", "provider", "ssh")?, "provider = \"ssh\"\n");
        let text = "# mine\nprovider = 'local' # why\n\n[agents.x]\ncommand = [\"x\"]\n";
        let changed = set_in_file(text, "provider", "ssh")?;
        assert_eq!(changed, text.replace("'local'", "\"ssh\""));
        let changed = set_in_file(&changed, "ssh.host", "a\"b")?;
        assert!(
            changed.ends_with("[\"x\"]\n\n[ssh]\nhost = 'a\"b'\n"),
            "{changed}"
        );
        let changed = set_in_file(&changed, "ssh.host", "me@box")?;
        assert!(changed.ends_with("[ssh]\nhost = \"me@box\"\n"), "{changed}");
        let changed = set_in_file("[ssh]\n# none\n[x]\n", "ssh.host", "b")?;
        assert_eq!(changed, "[ssh]\nhost = \"b\"\n# none\n[x]\n");
        assert_eq!(set_in_file("[x]\n", "agent", "y")?, "agent = \"y\"\n[x]\n");
        assert!(set_in_file("=", "agent", "y").is_err());
        Ok(())
    }
}
