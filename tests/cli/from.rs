//! `dispatch --from FILE`: a session a line, side by side.

use std::collections::BTreeSet;

use serde_json::Value;

use super::common::SOON;
use super::common::env::{TestEnv, session_in};
use super::common::process::run;
use super::common::terminal::size;

/// A home in which the task is the program that runs: `rest` for a thousand seconds.
fn home() -> TestEnv {
    let env = TestEnv::new();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let text = "agent = \"it\"\n[agents.it]\ncommand = [\"{task}\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    env.script("rest", "#!/bin/sh\nexec sleep 1000\n");
    env
}

fn tasks(env: &TestEnv, text: &str) {
    std::fs::write(env.work().join("tasks"), text).unwrap();
}

fn live(env: &TestEnv) -> Vec<Value> {
    let told = env.ok(&["status", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    told.as_array().cloned().unwrap_or_else(|| panic!("{told}"))
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let env = home();
    tasks(
        &env,
        "# five of them\nrest\n\nrest\nno-such-program\n  rest\nrest\n",
    );
    let ran = env.run(&["dispatch", "--from", "tasks", "--name", "nightly-%n"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let printed: BTreeSet<&str> = ran.stdout.lines().collect();
    assert_eq!(printed.len(), 4, "a name a line: {}", ran.all());
    for line in ran.stdout.lines() {
        assert_eq!(session_in(line).as_deref(), Some(line), "{}", ran.all());
    }
    for said in [
        "this machine",
        "4 sessions run\n",
        "1 failed:\n  line 5  agent `it` needs the program `no-such-program`",
        "Hint: install `no-such-program` there",
        "`remote wait --any`",
        "`remote attach ",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.all());
    }
    let listed = live(&env);
    let ids: BTreeSet<&str> = listed
        .iter()
        .filter_map(|s| s["session"].as_str())
        .collect();
    assert_eq!(ids, printed, "{listed:?}");
    for name in ["nightly-1", "nightly-2", "nightly-4", "nightly-5"] {
        assert_eq!(env.status(name)["presence"], "live", "{name}");
    }
    env.ok(&["terminate", "--all", "--yes"]);
    env.await_no_process();
}

#[test]
fn nothing_starts_where_a_line_or_a_flag_is_wrong() {
    let env = home();
    let good = "rest\n";
    let long = format!("rest\n{}\n", "x".repeat(100 * 1024 + 1));
    for (text, more, code, said) in [
        (
            "rest\n\nre\x07st\n",
            &[][..],
            1,
            "tasks, line 3: the task holds the control character U+0007",
        ),
        (&long, &[], 1, "tasks, line 2: the task is over 100 KiB"),
        ("# none\n", &[], 1, "there is no task in tasks"),
        (
            good,
            &["--name", "x"],
            1,
            "Hint: put `%n` where the task's number belongs: `--name x-%n`",
        ),
        (
            good,
            &["--name", "a b %n"],
            1,
            "`a b 1` cannot be a session's name",
        ),
        (good, &["--ttl", "0s"], 1, "--ttl 0s is too short"),
        (good, &["--agent", "ti"], 2, "did you mean `it`?"),
        (
            good,
            &["--provider", "local", "--dry-run"],
            1,
            "nothing is rented on provider `local`",
        ),
        (
            good,
            &["--provider", "local", "--spot"],
            1,
            "`--spot` is about a machine that is rented",
        ),
        (good, &["--command", "true"], 2, "cannot be used with"),
        (good, &["a task"], 2, "cannot be used with"),
        (good, &["--into", "x"], 2, "cannot be used with"),
    ] {
        tasks(&env, text);
        let mut args = vec!["dispatch", "--from", "tasks"];
        args.extend(more);
        let ran = env.run(&args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.all());
        assert_eq!(ran.stdout, "");
    }
    let ran = env.run(&["dispatch", "--from", "nowhere"]);
    assert!(
        ran.stderr.contains("cannot read the tasks in nowhere"),
        "{}",
        ran.all()
    );
    assert!(live(&env).is_empty());
}

#[test]
fn from_stdin_an_object_is_printed_for_each() {
    let env = home();
    let args = [
        "dispatch", "--from", "-", "--json", "-n", "2", "--ttl", "1h",
    ];
    let ran = run(&mut env.remote(&args), b"rest\r\nnowhere\r\nrest", 2 * SOON);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let mut told: Vec<Value> = ran
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    told.sort_by_key(|t| t["line"].as_u64());
    let states: Vec<&Value> = told.iter().map(|t| &t["state"]).collect();
    assert_eq!(states, ["runs", "failed", "runs"]);
    assert_eq!(told[0]["agents"], serde_json::json!([1, 2]));
    assert_eq!(told[1]["session"], Value::Null);
    assert!(told[1]["error"].as_str().unwrap().contains("`nowhere`"));
    assert!(told[1]["hints"][0].as_str().unwrap().contains("`nowhere`"));
    let session = told[2]["session"].as_str().unwrap();
    let left = env.status(session)["ttl_left_ms"].as_u64();
    assert!(
        left.is_some_and(|ms| (3_500_000..=3_600_000).contains(&ms)),
        "{left:?}"
    );
    env.ok(&["terminate", "--all", "--yes"]);
}

#[test]
fn on_a_terminal_each_has_a_line_that_stays() {
    let env = home();
    tasks(&env, &"rest\n".repeat(12));
    let mut terminal = env.terminal(&["dispatch", "--from", "tasks"], size(100, 30));
    terminal.wait_text("12 sessions run");
    assert_eq!(terminal.wait_exit(), 0);
    let shown = terminal.text();
    let lines: Vec<&String> = shown.iter().filter(|l| l.contains("  runs ")).collect();
    assert_eq!(lines.len(), 12, "{shown:#?}");
    let named = shown.iter().filter(|l| session_in(l).is_some()).count();
    assert_eq!(named, 12, "no name is printed twice: {shown:#?}");
    assert!(!shown.iter().any(|l| l.contains("more")), "{shown:#?}");
    env.ok(&["terminate", "--all", "--yes"]);
}
