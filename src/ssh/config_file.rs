//! A small reader of ssh_config(5), for machines without an `ssh` program to ask: Host with negation,
//! Match for what can be judged from here, Include. It answers in the words of `ssh -G`: lowercase
//! keyword, value. Settings that hang on a condition it cannot judge are an error naming the line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::SshError;
use super::pattern;

/// Values by lowercase keyword. The first value set wins; only lists accumulate.
pub type Options = BTreeMap<String, Vec<String>>;

/// Keywords whose values add up over the whole configuration.
const LISTS: &[&str] = &["identityfile", "certificatefile"];

/// The keywords that decide how we connect; all others are skipped.
const KNOWN: &[&str] = &[
    "addressfamily",
    "certificatefile",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "kbdinteractiveauthentication",
    "numberofpasswordprompts",
    "passwordauthentication",
    "port",
    "proxycommand",
    "proxyjump",
    "proxyusefdpass",
    "pubkeyauthentication",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
];

const INCLUDE_DEPTH: usize = 16;

/// Whom the configuration is read for.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// As typed.
    pub host: &'a str,
    /// As typed or given by an option.
    pub user: Option<&'a str>,
    /// Who runs this.
    pub local_user: &'a str,
    pub home: &'a Path,
}

/// Whether the settings being read apply.
#[derive(Debug, Clone)]
enum Block {
    Applies,
    Skipped,
    /// Behind a condition that only `ssh` can judge.
    Unclear(String),
}

struct Reader<'a> {
    target: &'a Target<'a>,
    options: Options,
}

/// Reads one file after the other into `options`; a file that does not exist is empty.
///
/// # Errors
/// Kind `Config` with file and line: bad quoting, Include too deep, a condition that cannot be judged.
pub fn read(files: &[PathBuf], target: &Target<'_>, options: Options) -> Result<Options, SshError> {
    let mut reader = Reader { target, options };
    for file in files {
        reader.file(file, &mut Block::Applies, 0)?;
    }
    Ok(reader.options)
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, outer: &mut Block, depth: usize) -> Result<(), SshError> {
        if depth > INCLUDE_DEPTH {
            return Err(SshError::config(format!(
                "{}: Include goes too deep",
                path.display()
            )));
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => {
                return Err(SshError::config(format!("cannot read {}", path.display())).because(e));
            }
        };
        let mut block = outer.clone();
        for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let place = || format!("{}:{}", path.display(), index + 1);
            let words = split(line)
                .ok_or_else(|| SshError::config(format!("{}: a quote is not closed", place())))?;
            let Some((keyword, values)) = words.split_first() else {
                continue;
            };
            let keyword = keyword.to_ascii_lowercase();
            match keyword.as_str() {
                "host" => block = self.host(values, outer),
                "match" => block = self.condition(values, outer, &place()),
                "include" => {
                    for value in values {
                        for file in included(value, path, self.target.home) {
                            self.file(&file, &mut block, depth + 1)?;
                        }
                    }
                }
                _ if KNOWN.contains(&keyword.as_str()) => match &block {
                    Block::Applies => self.set(keyword, values),
                    Block::Skipped => {}
                    Block::Unclear(why) => {
                        return Err(SshError::config(format!(
                            "{}: `{keyword}` depends on `{why}`, which only the ssh program can judge",
                            place()
                        ))
                        .hint("install the OpenSSH client, or move this setting under a plain `Host` line"));
                    }
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn set(&mut self, keyword: String, values: &[String]) {
        if values.is_empty() {
            return;
        }
        let value = values.join(" ");
        let list = LISTS.contains(&keyword.as_str());
        let known = self.options.entry(keyword).or_default();
        if (list && !known.contains(&value)) || known.is_empty() {
            known.push(value);
        }
    }

    fn host(&self, patterns: &[String], outer: &Block) -> Block {
        let ours = pattern::list_matches(patterns.iter().map(String::as_str), self.target.host);
        within(outer, if ours { Block::Applies } else { Block::Skipped })
    }

    fn condition(&self, words: &[String], outer: &Block, place: &str) -> Block {
        let mut result = Block::Applies;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name.to_ascii_lowercase()),
                None => (false, word.to_ascii_lowercase()),
            };
            let subject = match name.as_str() {
                "all" => None,
                "host" => Some(self.hostname()),
                "originalhost" => Some(self.target.host.to_owned()),
                "user" => Some(self.user()),
                "localuser" => Some(self.target.local_user.to_owned()),
                _ => {
                    return match (outer, result) {
                        (Block::Skipped, _) | (_, Block::Skipped) => Block::Skipped,
                        _ => Block::Unclear(format!("Match {name}")),
                    };
                }
            };
            let ours = match subject {
                None => true,
                Some(subject) => match words.next() {
                    Some(list) => pattern::list_matches(list.split(','), &subject),
                    None => {
                        tracing::warn!("{place}: Match {name} names nothing");
                        false
                    }
                },
            };
            if ours == negated {
                result = Block::Skipped;
            }
        }
        within(outer, result)
    }

    fn hostname(&self) -> String {
        let set = self.options.get("hostname").and_then(|v| v.first());
        set.map_or_else(
            || self.target.host.to_owned(),
            |name| name.replace("%h", self.target.host),
        )
    }

    fn user(&self) -> String {
        let set = self.options.get("user").and_then(|v| v.first());
        self.target
            .user
            .map(str::to_owned)
            .or_else(|| set.cloned())
            .unwrap_or_else(|| self.target.local_user.to_owned())
    }
}

/// A block of an included file never applies where its Include does not.
fn within(outer: &Block, inner: Block) -> Block {
    match (outer, inner) {
        (Block::Skipped, _) => Block::Skipped,
        (Block::Unclear(_), Block::Applies) => outer.clone(),
        (_, inner) => inner,
    }
}

/// Words of a line: `keyword value`, `keyword=value`, `"quoted value"`, `#` comments.
/// `None` for a quote that is not closed.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut chars = line.trim().chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() || (c == '=' && words.len() == 1) {
            chars.next();
            continue;
        }
        if c == '#' {
            break;
        }
        let mut word = String::new();
        let mut quoted = false;
        while let Some(&c) = chars.peek() {
            if c == '"' {
                quoted = !quoted;
            } else if !quoted && (c.is_whitespace() || (c == '=' && words.is_empty())) {
                break;
            } else {
                word.push(c);
            }
            chars.next();
        }
        if quoted {
            return None;
        }
        words.push(word);
    }
    Some(words)
}

/// The files an Include names: relative to the including file's own directory, as ~/.ssh and /etc/ssh
/// are; wildcards in the last part only.
fn included(value: &str, from: &Path, home: &Path) -> Vec<PathBuf> {
    let path = match value.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => from.parent().unwrap_or(Path::new("/")).join(value),
    };
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if !name.contains(['*', '?']) {
        return vec![path];
    }
    let Some(Ok(entries)) = path.parent().map(std::fs::read_dir) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|e| {
            let file = e.file_name().to_string_lossy().into_owned();
            pattern::matches(&name, &file) && (!file.starts_with('.') || name.starts_with('.'))
        })
        .map(|e| e.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests;
