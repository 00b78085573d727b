//! Other ways to say the same: `remote.workspace.create x` (a link to this program) is
//! `remote workspace create x`, and `remote help x` is `remote x --help`.

use std::ffi::OsString;
use std::path::Path;

/// The words that a dotted name stands for: `remote.workspace.create` is `remote`, `workspace`, `create`.
/// Empty for any other name.
pub fn words(program: &Path) -> Vec<&str> {
    let name = program.file_name().and_then(|n| n.to_str()).unwrap_or("");
    match name.strip_prefix("remote.") {
        Some(rest) if rest.split('.').all(|w| !w.is_empty()) => name.split('.').collect(),
        _ => Vec::new(),
    }
}

/// `argv` in the one spelling that clap knows.
pub fn expand(argv: Vec<OsString>) -> Vec<OsString> {
    let mut argv = undotted(argv);
    if argv.get(1).is_some_and(|verb| verb == "help") {
        argv.remove(1);
        argv.push("--help".into());
    }
    argv
}

fn undotted(argv: Vec<OsString>) -> Vec<OsString> {
    let Some(program) = argv.first().cloned() else {
        return vec!["remote".into()];
    };
    let words = words(Path::new(&program));
    if words.is_empty() {
        return argv;
    }
    words
        .into_iter()
        .map(OsString::from)
        .chain(argv.into_iter().skip(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(argv: &[&str]) -> Vec<String> {
        expand(argv.iter().map(OsString::from).collect())
            .into_iter()
            .map(|a| a.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_dotted_name_is_its_verbs() {
        assert_eq!(
            expanded(&["/usr/bin/remote.workspace.create", "--name", "a.b"]),
            ["remote", "workspace", "create", "--name", "a.b"]
        );
        assert_eq!(expanded(&["remote", "status"]), ["remote", "status"]);
        assert_eq!(expanded(&["./remote-1.2", "status"])[0], "./remote-1.2");
        assert_eq!(expanded(&["remote."]), ["remote."]);
        assert_eq!(expanded(&[]), ["remote"]);
        assert_eq!(expanded(&["remote", "help"]), ["remote", "--help"]);
        assert_eq!(
            expanded(&["remote", "help", "config", "show"]),
            ["remote", "config", "show", "--help"]
        );
    }
}
