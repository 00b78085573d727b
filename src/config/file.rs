//! Reads one TOML text into settings and agents. Every complaint names file and line, and all of them are
//! found in one go.

mod bindings;
mod git;
mod notify;
mod rules;
mod trust;

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::agent::AgentDef;
use super::keys::{self, KEYS, Key};
use super::settings::{Config, Problem, REPO_FILE};
use super::value::{Origin, Shape, Value};

/// What a text may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    BuiltIn,
    User,
    /// A repository's file: only what concerns it.
    Repo,
}

const AGENT_KEYS: [&str; 12] = [
    "command",
    "resume",
    "env",
    "setup",
    "on_warning",
    "home",
    "hooks",
    "credentials",
    "trust",
    "secrets",
    "careful",
    "autonomous",
];

/// Puts what `text` says on top of `config`; what is wrong with it goes to `problems`.
pub fn apply(
    config: &mut Config,
    text: &str,
    path: &Path,
    scope: Scope,
    problems: &mut Vec<Problem>,
) {
    let mut reader = Reader {
        text,
        path,
        scope,
        problems,
    };
    match DeTable::parse(text) {
        Ok(table) => reader.table(config, table.get_ref(), ""),
        Err(e) => {
            let at = e.span().map_or(0, |s| s.start);
            reader.complain(at, e.message().to_owned(), None);
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    scope: Scope,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The keys of a table; `prefix` is "" or "ssh.".
    fn table(&mut self, config: &mut Config, table: &DeTable<'_>, prefix: &str) {
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            let at = name.span().start;
            if let Some(key) = keys::find(&full) {
                self.setting(config, key, value, at);
            } else if full == "agents" && self.scope != Scope::Repo {
                self.agents(config, value);
            } else if full == "host.binaries" && self.scope != Scope::Repo {
                self.binaries(config, value);
            } else if full == "auto.rules" && self.scope != Scope::Repo {
                self.rules(config, value);
            } else if full == "notify" && self.scope != Scope::Repo {
                self.notify(config, value);
            } else if full == "keys" && self.scope != Scope::Repo {
                self.bindings(config, value);
            } else if full == "git.credentials" && self.scope != Scope::Repo {
                self.git_credentials(config, value);
            } else if prefix.is_empty() && matches!(full.as_str(), "ssh" | "host" | "auto" | "git")
            {
                match value.get_ref().as_table() {
                    Some(inner) => self.table(config, inner, &format!("{full}.")),
                    None => self.wrong(at, &full, &format!("a table `[{full}]`"), value),
                }
            } else {
                self.unknown(at, &full);
            }
        }
    }

    fn setting(
        &mut self,
        config: &mut Config,
        key: &'static Key,
        value: &Spanned<DeValue<'_>>,
        at: usize,
    ) {
        if self.scope == Scope::Repo && !key.in_repo {
            let message = format!("`{}` is yours to set, not a repository's", key.name);
            self.complain(at, message, Some("set it in config.toml".to_owned()));
            return;
        }
        let parsed = match (key.shape, value.get_ref()) {
            (Shape::Names, DeValue::Array(list)) => {
                let names = list.iter().map(|name| name.get_ref().as_str());
                match names.collect::<Option<Vec<_>>>() {
                    Some(names) => key.shape.parse(&names.join(" ")),
                    None => Err(String::new()),
                }
            }
            (Shape::Count(_) | Shape::Money, DeValue::Integer(n)) => key.shape.parse(n.as_str()),
            (Shape::Money, DeValue::Float(n)) => key.shape.parse(n.as_str()),
            (Shape::Count(_), _) | (_, DeValue::Integer(_)) => Err(String::new()),
            (shape, other) => match other.as_str() {
                Some(text) => shape.parse(text),
                None => Err(String::new()),
            },
        };
        match parsed {
            Ok(value) => {
                let origin = self.origin(at);
                config.set(key, value, origin);
            }
            Err(why) if why.is_empty() => {
                self.wrong(at, key.name, &key.shape.expected(), value);
            }
            Err(why) => self.complain(at, format!("`{}` {why}", key.name), None),
        }
    }

    fn agents(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(
                value.span().start,
                "agents",
                "tables `[agents.NAME]`",
                value,
            );
            return;
        };
        for (name, value) in table {
            let (at, full) = (name.span().start, format!("agents.{}", name.get_ref()));
            let Some(fields) = value.get_ref().as_table() else {
                self.wrong(at, &full, "a table", value);
                continue;
            };
            let mut agent = config
                .agents
                .get(name.get_ref().as_ref())
                .cloned()
                .unwrap_or_default();
            agent.origin = self.origin(at);
            for (key, value) in fields {
                self.agent_field(&mut agent, &full, key, value);
            }
            if agent.command.is_empty() {
                let message = format!("`{full}` has no command");
                self.complain(
                    at,
                    message,
                    Some("add `command = [\"PROGRAM\"]`".to_owned()),
                );
                continue;
            }
            config.agents.insert(name.get_ref().to_string(), agent);
        }
    }

    fn agent_field(
        &mut self,
        agent: &mut AgentDef,
        full: &str,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let (at, name) = (key.span().start, key.get_ref().as_ref());
        let path = format!("{full}.{name}");
        let list = match name {
            "command" => &mut agent.command,
            "resume" => &mut agent.resume,
            "hooks" => &mut agent.hooks,
            "credentials" => &mut agent.credentials,
            "secrets" => &mut agent.secrets,
            "careful" => &mut agent.careful,
            "autonomous" => &mut agent.autonomous,
            "setup" | "on_warning" => {
                match value.get_ref().as_str() {
                    Some(text) => {
                        let text = Some(text.to_owned()).filter(|t| !t.is_empty());
                        match name {
                            "setup" => agent.setup = text,
                            _ => agent.on_warning = text,
                        }
                    }
                    None => self.wrong(at, &path, "text in quotes", value),
                }
                return;
            }
            "home" => {
                match value.get_ref().as_str() {
                    Some("own") => agent.own_home = true,
                    Some("shared") => agent.own_home = false,
                    _ => self.wrong(at, &path, "\"own\" or \"shared\"", value),
                }
                return;
            }
            "trust" => {
                agent.trust = self.trust(agent.trust.take(), &path, value);
                return;
            }
            "env" => {
                match value.get_ref().as_table().and_then(texts) {
                    Some(env) => agent.env.extend(env),
                    None => self.wrong(at, &path, "a table of names and texts", value),
                }
                return;
            }
            _ => {
                let hint = keys::nearest(name, AGENT_KEYS)
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("an agent has {}", AGENT_KEYS.join(", ")));
                self.complain(at, format!("unknown key `{path}`"), Some(hint));
                return;
            }
        };
        let words = value.get_ref().as_array().and_then(|array| {
            array
                .iter()
                .map(|word| word.get_ref().as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
        match words {
            Some(words) => *list = words,
            None => self.wrong(
                at,
                &path,
                "a list of texts: [\"program\", \"argument\"]",
                value,
            ),
        }
    }

    fn binaries(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        match value.get_ref().as_table().and_then(texts) {
            Some(all) => config
                .binaries
                .extend(all.into_iter().map(|(system, path)| (system, path.into()))),
            None => self.wrong(
                value.span().start,
                "host.binaries",
                "a table of systems and files",
                value,
            ),
        }
    }

    fn unknown(&mut self, at: usize, full: &str) {
        let known = KEYS
            .iter()
            .filter(|k| k.in_repo || self.scope != Scope::Repo)
            .map(|k| k.name)
            .chain(
                ["agents", "keys", "notify"]
                    .into_iter()
                    .filter(|_| self.scope != Scope::Repo),
            );
        let hint = match keys::nearest(full, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.scope == Scope::Repo => {
                let all: Vec<_> = KEYS.iter().filter(|k| k.in_repo).map(|k| k.name).collect();
                format!("{REPO_FILE} may set {}", all.join(", "))
            }
            None => "run `remote config show` for the keys there are".to_owned(),
        };
        self.complain(at, format!("unknown key `{full}`"), Some(hint));
    }

    fn wrong(&mut self, at: usize, name: &str, expected: &str, value: &Spanned<DeValue<'_>>) {
        let got = match value.get_ref() {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(n) => format!("the number {}", n.as_str()),
            DeValue::Float(n) => format!("the number {}", n.as_str()),
            DeValue::Boolean(b) => b.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.complain(at, format!("`{name}` must be {expected}, not {got}"), None);
    }

    fn origin(&self, at: usize) -> Origin {
        match self.scope {
            Scope::BuiltIn => Origin::BuiltIn,
            _ => Origin::File(self.path.to_owned(), self.line(at)),
        }
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|b| **b == b'\n').count()
    }

    fn complain(&mut self, at: usize, message: String, hint: Option<String>) {
        self.problems.push(Problem {
            place: Origin::File(self.path.to_owned(), self.line(at)).to_string(),
            message,
            hint,
        });
    }
}

/// A table whose values are all texts.
fn texts(table: &DeTable<'_>) -> Option<Vec<(String, String)>> {
    table
        .iter()
        .map(|(k, v)| Some((k.get_ref().to_string(), v.get_ref().as_str()?.to_owned())))
        .collect()
}

/// A text setting's value in a text, for callers that need only that.
pub fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
