//! The configuration as verbs see it: all layers merged, each value with its origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agents::BUILT_IN;
use super::file::{self, Scope};
use super::keys::{self, KEYS, Key};
use super::{AgentDef, AutoRule, Bindings, NotifyRule, Origin, Paths, RepoCommands, Value};
use crate::error::{Error, Result};
use crate::model::{Mode, Money};

/// A repository's own file, found from the current directory up to the top of the work tree.
pub const REPO_FILE: &str = ".remote.toml";

/// The usual names of tokens, and whose they are.
const GIT_CREDENTIALS: [(&str, &str); 4] = [
    ("github.com", "GITHUB_TOKEN"),
    ("github.com", "GH_TOKEN"),
    ("gitlab.com", "GITLAB_TOKEN"),
    ("bitbucket.org", "BITBUCKET_TOKEN"),
];

/// The configuration, all layers merged.
#[derive(Debug, Clone)]
pub struct Config {
    values: BTreeMap<&'static str, (Value, Origin)>,
    pub(super) agents: BTreeMap<String, AgentDef>,
    pub(super) binaries: BTreeMap<String, PathBuf>,
    pub(super) rules: Vec<AutoRule>,
    pub(super) notify: Vec<NotifyRule>,
    pub(super) bindings: Bindings,
    pub(super) git: BTreeMap<String, String>,
    repo_file: Option<PathBuf>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `/home/me/.config/remote/config.toml:3`, `REMOTE_TTL`, `--config`.
    pub place: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self {
            values: BTreeMap::new(),
            agents: BTreeMap::new(),
            binaries: BTreeMap::new(),
            rules: Vec::new(),
            notify: NotifyRule::built_in(),
            bindings: Bindings::default(),
            git: BTreeMap::new(),
            repo_file: None,
        };
        for key in KEYS {
            if let Some(Ok(value)) = key.default.map(|text| key.shape.parse(text)) {
                config.set(key, value, Origin::BuiltIn);
            }
        }
        let mut problems = Vec::new();
        file::apply(
            &mut config,
            BUILT_IN,
            Path::new(""),
            Scope::BuiltIn,
            &mut problems,
        );
        debug_assert!(problems.is_empty(), "{problems:?}");
        config
    }
}

impl Config {
    /// All layers but the flags: built in, config.toml, `.remote.toml` (from `cwd` up), `REMOTE_*`.
    ///
    /// # Errors
    /// A file that is no TOML, an unknown key (with the nearest one), a value of the wrong type: each with
    /// file and line.
    pub fn load(paths: &Paths, cwd: &Path) -> Result<Self> {
        let (config, problems) = Self::read(paths, cwd, |name| std::env::var(name).ok());
        problems
            .into_iter()
            .next()
            .map_or(Ok(config), |first| Err(first.into()))
    }

    /// As [`Config::load`], with any source of variables, and everything that is wrong.
    pub fn read(
        paths: &Paths,
        cwd: &Path,
        var: impl Fn(&str) -> Option<String>,
    ) -> (Self, Vec<Problem>) {
        let mut config = Self::default();
        let mut problems = Vec::new();
        let user = Self::file(paths);
        let repo = find_repo_file(cwd, &paths.home);
        let files = [
            Some((user, Scope::User)),
            repo.clone().map(|p| (p, Scope::Repo)),
        ];
        for (path, scope) in files.into_iter().flatten() {
            match std::fs::read_to_string(&path) {
                Ok(text) => file::apply(&mut config, &text, &path, scope, &mut problems),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => problems.push(Problem {
                    place: path.display().to_string(),
                    message: format!("the file cannot be read: {e}"),
                    hint: None,
                }),
            }
        }
        config.repo_file = repo;
        for key in KEYS {
            let Some(text) = var(key.env).filter(|text| !text.is_empty()) else {
                continue;
            };
            if key.name == "agent" && text.parse::<u32>().is_ok() && var("REMOTE_SESSION").is_some()
            {
                // We run inside an agent, whose host says so: this is its number, not a wish.
                continue;
            }
            match key.shape.parse(&text) {
                Ok(value) => config.set(key, value, Origin::Variable(key.env)),
                Err(why) => problems.push(Problem {
                    place: key.env.to_owned(),
                    message: format!("`{}` {why}", key.name),
                    hint: None,
                }),
            }
        }
        (config, problems)
    }

    /// The user's file.
    pub fn file(paths: &Paths) -> PathBuf {
        paths.config.join("config.toml")
    }

    /// The repository's file that was read, if there is one.
    pub fn repo_file(&self) -> Option<&Path> {
        self.repo_file.as_deref()
    }

    /// The top layer: `KEY=VALUE`.
    ///
    /// # Errors
    /// As for a file.
    pub fn set_flag(&mut self, pair: &str) -> Result<()> {
        let (name, text) = pair.split_once('=').ok_or_else(|| {
            Error::config(format!("`--config {pair}` is no KEY=VALUE"))
                .hint("write it as `--config ttl=90m`")
        })?;
        let Some(key) = keys::find(name.trim()) else {
            let error = Error::config(format!("--config: unknown key `{}`", name.trim()));
            return Err(match keys::nearest(name, KEYS.iter().map(|k| k.name)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("run `remote config show` for the keys there are"),
            });
        };
        let value = key
            .shape
            .parse(text.trim())
            .map_err(|why| Error::config(format!("--config: `{}` {why}", key.name)))?;
        self.set(key, value, Origin::Flag);
        Ok(())
    }

    pub(super) fn set(&mut self, key: &'static Key, value: Value, origin: Origin) {
        self.values.insert(key.name, (value, origin));
    }

    /// A key's value and where it came from.
    pub fn get(&self, name: &str) -> Option<(&Value, &Origin)> {
        self.values.get(name).map(|(value, origin)| (value, origin))
    }

    /// A text key's value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|(value, _)| file::as_text(value))
    }

    fn time(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some((Value::Duration(time), _)) => Some(*time),
            _ => None,
        }
    }

    /// The agent of that name.
    ///
    /// # Errors
    /// Unknown: names the nearest.
    pub fn agent(&self, name: &str) -> Result<&AgentDef> {
        self.agents.get(name).ok_or_else(|| {
            let error = Error::config(format!("there is no agent `{name}`"));
            match keys::nearest(name, self.agents.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => {
                    let all: Vec<_> = self.agents.keys().map(String::as_str).collect();
                    error.hint(format!(
                        "there are {}; add yours to config.toml as `[agents.{name}]`, or run any \
                         program with `remote dispatch --command '{name} …'`",
                        all.join(", ")
                    ))
                }
            }
        })
    }

    /// All agents by name.
    pub fn agents(&self) -> impl Iterator<Item = (&str, &AgentDef)> {
        self.agents.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// The agent that runs a task where none is named.
    pub fn default_agent(&self) -> &str {
        self.text("agent").unwrap_or("claude")
    }

    /// `local`, `ssh` or `ec2`.
    pub fn provider(&self) -> &str {
        self.text("provider").unwrap_or("local")
    }

    /// Whether anybody has chosen a provider; where not, a dispatch says that it runs on this machine.
    pub fn provider_is_chosen(&self) -> bool {
        self.get("provider")
            .is_some_and(|(_, origin)| *origin != Origin::BuiltIn)
    }

    /// The `ssh` provider's machine, `me@box`.
    pub fn host(&self) -> Option<&str> {
        self.text("ssh.host")
    }

    /// How agents run on `provider`: as set, or autonomous on ec2, whose machine is thrown away, and
    /// careful elsewhere.
    pub fn mode(&self, provider: &str) -> Mode {
        match self.text("mode") {
            Some("autonomous") => Mode::Autonomous,
            Some(_) => Mode::Careful,
            None if provider == "ec2" => Mode::Autonomous,
            None => Mode::Careful,
        }
    }

    /// `--ttl` where it is not given; `None` where nothing is set: the provider's default holds.
    pub fn ttl(&self) -> Option<Duration> {
        self.time("ttl")
    }

    pub fn idle(&self) -> Option<Duration> {
        self.time("idle")
    }

    pub fn linger(&self) -> Option<Duration> {
        self.time("linger")
    }

    pub fn wait_limit(&self) -> Option<Duration> {
        self.time("wait_limit")
    }

    /// A shell command to run before the agents; see [`Config::unallowed`].
    pub fn setup(&self) -> Option<&str> {
        self.text("setup")
    }

    /// A shell command that says whether the work is good; see [`Config::unallowed`].
    pub fn check(&self) -> Option<&str> {
        self.text("check")
    }

    /// Whether agents' results are pulled by themselves while their session is followed or attached to.
    pub fn auto_pull(&self) -> bool {
        self.text("auto_pull") != Some("no")
    }

    /// A further key that leaves an attached session, by its tmux name (`C-]`); `~.` always does.
    pub fn detach_key(&self) -> Option<&str> {
        self.text("detach_key")
    }

    /// Lines above the screen that `attach` brings into the terminal's own scrollback.
    pub fn scrollback(&self) -> u32 {
        match self.get("scrollback") {
            Some((Value::Count(lines), _)) => *lines,
            _ => 0,
        }
    }

    /// Host binaries for other systems: `[host.binaries]`, the system's name to the file.
    pub fn host_binaries(&self) -> &BTreeMap<String, PathBuf> {
        &self.binaries
    }

    /// The secrets that every agent is given, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.text("secrets").into_iter().flat_map(|l| l.split(' '))
    }

    /// For which host of git which secret serves, what a person has set before what is usual.
    pub fn git_credentials(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.git.iter().map(|(h, n)| (h.as_str(), n.as_str()));
        own.chain(GIT_CREDENTIALS)
    }

    /// The family from which a machine is chosen by its task.
    pub fn auto_family(&self) -> &str {
        self.text("auto.family").unwrap_or("m6i")
    }

    /// What an hour of a machine may cost that is chosen by its task alone.
    pub fn auto_max_price(&self) -> Money {
        match self.get("auto.max_price") {
            Some((Value::Money(amount), _)) => *amount,
            _ => Money::micros(1_000_000),
        }
    }

    /// What a day may cost, where the person has said.
    pub fn daily_budget(&self) -> Option<Money> {
        match self.get("daily_budget") {
            Some((Value::Money(amount), _)) => Some(*amount),
            _ => None,
        }
    }

    /// Whether nothing is to be drawn over what stands on the terminal.
    pub fn screen_reader(&self) -> bool {
        self.text("screen_reader") == Some("yes")
    }

    /// Which task gets which machine, in the order in which they are tried.
    pub fn auto_rules(&self) -> &[AutoRule] {
        &self.rules
    }

    /// The multiplexer's keys.
    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// How people are told of what happens in their sessions.
    pub fn notify(&self) -> &[NotifyRule] {
        &self.notify
    }

    /// The commands that the repository's file wants to run.
    pub fn repo_commands(&self) -> Option<RepoCommands> {
        let file = self.repo_file.as_ref()?;
        let from_repo = |name: &str| match self.get(name) {
            Some((Value::Text(text), Origin::File(path, _))) if path == file => Some(text.clone()),
            _ => None,
        };
        let (setup, check) = (from_repo("setup"), from_repo("check"));
        (setup.is_some() || check.is_some()).then(|| RepoCommands {
            file: file.clone(),
            setup,
            check,
        })
    }

    /// The commands of the repository's file where nobody has allowed them yet: nothing of it may run.
    pub fn unallowed(&self, paths: &Paths) -> Option<RepoCommands> {
        self.repo_commands().filter(|c| !c.are_allowed(paths))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let error = Self::config(format!("{}: {}", problem.place, problem.message));
        match problem.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// The nearest `.remote.toml`, from `cwd` up to the top of the work tree. Outside of one only `cwd` itself
/// is looked at: a file higher up was not put there for this directory.
fn find_repo_file(cwd: &Path, home: &Path) -> Option<PathBuf> {
    let top = cwd
        .ancestors()
        .take_while(|dir| *dir != home || *dir == cwd)
        .find(|dir| dir.join(".git").exists())
        .unwrap_or(cwd);
    cwd.ancestors()
        .take_while(|dir| dir.starts_with(top))
        .map(|dir| dir.join(REPO_FILE))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests;
