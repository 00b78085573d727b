//! Layers of configuration, each value with its source.

use super::common::env::TestEnv;

fn write(env: &TestEnv, text: &str) -> std::path::PathBuf {
    let file = env.home().join(".config/remote/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn every_value_is_shown_with_where_it_came_from() {
    let mut env = TestEnv::new();
    let file = write(
        &env,
        "ttl = \"2h\"\nagent = \"codex\"\n[agents.mine]\ncommand = [\"mine\"]\n",
    );
    env.set("REMOTE_AGENT", "aider");
    let ran = env.ok(&["config", "show", "--json", "--config", "scrollback=7"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let of = |key: &str| {
        let entry = &json["settings"][key];
        let text = |part: &str| entry[part].as_str().unwrap_or("-").to_owned();
        (text("value"), text("source"))
    };
    assert_eq!(
        of("ttl"),
        ("2h".to_owned(), format!("{}:1", file.display()))
    );
    assert_eq!(of("agent"), ("aider".to_owned(), "REMOTE_AGENT".to_owned()));
    assert_eq!(of("scrollback"), ("7".to_owned(), "--config".to_owned()));
    assert_eq!(of("provider"), ("local".to_owned(), "built in".to_owned()));
    assert_eq!(of("idle"), ("-".to_owned(), "-".to_owned()));
    assert_eq!(json["agents"]["mine"]["command"][0], "mine");
    let table = env.ok(&["config", "show"]).stdout;
    assert!(table.contains("REMOTE_AGENT"), "{table}");
}

#[test]
fn a_slip_is_refused_with_its_place_and_the_nearest_name() {
    let env = TestEnv::new();
    let file = write(&env, "\nprovidr = \"ssh\"\n");
    let ran = env.run(&["config", "show"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert_eq!(
        ran.stderr,
        format!(
            "Config error: {}:2: unknown key `providr`\nHint: did you mean `provider`?\n",
            file.display()
        )
    );
    let ran = env.run(&["config", "check"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stdout.contains(":2: unknown key `providr`"),
        "{}",
        ran.all()
    );
    assert_eq!(
        env.ok(&["config", "path"]).stdout.trim(),
        file.to_string_lossy()
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let env = TestEnv::new();
    let file = write(&env, "ttl = \"1h\"\nagent = \n");
    let ran = env.run(&["config", "show"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.stderr.contains(&format!("{}:2: ", file.display())),
        "{}",
        ran.stderr
    );
    std::fs::write(&file, b"\xff\xfe").unwrap();
    assert_eq!(env.run(&["config", "show"]).code, 2);
    std::fs::write(&file, "").unwrap();
    env.ok(&["config", "check"]);
}

#[test]
fn wrong_variables_and_flags_are_named() {
    let mut env = TestEnv::new();
    env.set("REMOTE_TTL", "10years");
    let ran = env.run(&["config", "show"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("REMOTE_TTL: `ttl` must be a time"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("over a year"), "{}", ran.stderr);
    let mut env = TestEnv::new();
    env.set("REMOTE_AGNET", "x");
    let ran = env.ok(&["config", "check"]);
    assert!(
        ran.stderr.contains("did you mean REMOTE_AGENT?"),
        "{}",
        ran.stderr
    );
    let ran = env.run(&["config", "show", "--config", "agnet=x"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("did you mean `agent`?"),
        "{}",
        ran.stderr
    );
}
