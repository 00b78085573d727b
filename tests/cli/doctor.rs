//! The doctor looks and tells, and fails only for what is needed.

use super::common::env::TestEnv;

fn findings(env: &TestEnv) -> (i32, serde_json::Value) {
    let ran = env.run(&["doctor", "--json"]);
    (ran.code, serde_json::from_str(&ran.stdout).unwrap())
}

fn verdict(json: &serde_json::Value, name: &str) -> String {
    let all = json["findings"].as_array().unwrap();
    let found = all.iter().find(|f| f["name"] == name).unwrap();
    found["verdict"].as_str().unwrap().to_owned()
}

#[test]
fn a_fresh_home_is_healthy() {
    let env = TestEnv::new();
    let (code, json) = findings(&env);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["healthy"], true);
    assert_eq!(verdict(&json, "configuration"), "good");
    assert_eq!(verdict(&json, "directories"), "good");
    assert_eq!(verdict(&json, "ssh keys"), "lacking");
    assert_eq!(verdict(&json, "aws"), "lacking");
}

#[test]
fn what_is_needed_and_missing_fails_with_a_remedy() {
    let mut env = TestEnv::new();
    env.set("REMOTE_PROVIDER", "ssh");
    let (code, json) = findings(&env);
    assert_eq!(code, 1, "{json:#}");
    assert_eq!(verdict(&json, "provider"), "missing");
    assert_eq!(verdict(&json, "ssh keys"), "missing");
    let text = env.run(&["doctor"]).stdout;
    assert!(text.contains("remote init --provider ssh --host"), "{text}");
}

#[test]
fn credentials_are_found_and_never_shown() {
    let mut env = TestEnv::new();
    env.set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    env.set("AWS_SECRET_ACCESS_KEY", "verysecret");
    env.set("AWS_REGION", "eu-central-1");
    let ran = env.run(&["doctor"]);
    assert!(
        ran.stdout
            .contains("credentials found, region eu-central-1"),
        "{}",
        ran.all()
    );
    assert!(!ran.all().contains("verysecret") && !ran.all().contains("AKIAEXAMPLE"));
}

#[test]
fn a_wrong_configuration_is_told_not_died_of() {
    let env = TestEnv::new();
    let dir = env.home().join(".config/remote");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.toml"), "tll = 1\nx = 2\n").unwrap();
    let ran = env.run(&["doctor"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("unknown key `tll` (and 1 more)"),
        "{}",
        ran.all()
    );
}
