//! Many sessions at once: waited for, looked at and typed into side by side.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::SOON;
use super::common::env::TestEnv;
use super::common::process::run;

/// A home in which the task is the program that runs: `nap` until Enter is typed.
fn home() -> TestEnv {
    let env = TestEnv::new();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let text = "agent = \"it\"\n[agents.it]\ncommand = [\"{task}\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    env.script("nap", "#!/bin/sh\nread x\necho \"got $x\"\nexit 0\n");
    env.script("list", "#!/bin/sh\nread x\necho \"got $x\"\nread x\n");
    env
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Starts so many, each a session of its own, and tells how long that took.
fn start(env: &TestEnv, count: usize) -> Duration {
    std::fs::write(env.work().join("tasks"), "nap\n".repeat(count)).unwrap();
    let begun = Instant::now();
    let mut all = env.remote(&["dispatch", "--from", "tasks", "--name", "many-%n"]);
    let ran = run(&mut all, b"", 4 * SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(ran.stdout.lines().count(), count, "{}", ran.all());
    begun.elapsed()
}

#[test]
fn of_a_hundred_the_first_is_named_at_once_and_nothing_is_left() {
    const MANY: usize = 100;
    let env = home();
    let started = start(&env, MANY);

    let begun = Instant::now();
    let listed = json(&env.ok(&["status", "--json"]).stdout);
    let listed = listed.as_array().unwrap();
    let answered = begun.elapsed();
    let silent: Vec<&Value> = listed.iter().filter(|s| s["presence"] != "live").collect();
    assert_eq!((listed.len(), silent.len()), (MANY, 0), "{silent:?}");

    let mut wait = env.remote(&["wait", "--any", "--state", "exited", "--json"]);
    let wait = wait.stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = wait.spawn().unwrap();
    // Its own answer to the same question, so that the wait before it has heard all of them, or nearly so.
    env.ok(&["wait", "--any", "--state", "working,unknown,idle,starting"]);
    env.ok(&["send", "many-57", "--enter"]);
    let event = Instant::now();
    let waited = waiting.wait_with_output().unwrap();
    let named = event.elapsed();
    let arrived = json(&String::from_utf8_lossy(&waited.stdout));
    let id = listed
        .iter()
        .find(|s| s["name"] == "many-57")
        .map(|s| s["session"].clone());
    assert_eq!(arrived.as_array().map(Vec::len), Some(1), "{arrived}");
    assert_eq!(Some(arrived[0]["session"].clone()), id, "{arrived}");
    assert!(
        named < Duration::from_secs(15),
        "it was named after {named:?}"
    );

    let begun = Instant::now();
    let told = env.run(&["broadcast", "", "--enter", "--yes", "--json"]);
    let typed = begun.elapsed();
    let told = json(&told.stdout);
    let sent: BTreeSet<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["sent"] == true)
        .filter_map(|t| t["session"].as_str())
        .collect();
    assert_eq!(sent.len(), MANY - 1, "{told}");
    let begun = Instant::now();
    env.ok(&["wait", "--timeout", "50s"]);
    let ended = begun.elapsed();
    env.await_no_process();
    println!(
        "{MANY} sessions: started in {started:.1?}, status {answered:.1?}, the one named {named:.1?} after its \
         event, typed into all others in {typed:.1?}, all over {ended:.1?} later"
    );
}

#[test]
fn one_that_cannot_be_reached_spoils_nothing() {
    let env = home();
    start(&env, 2);
    // One whose host's key is another's: nobody who answers there is to be trusted.
    let listed = json(&env.ok(&["status", "--json"]).stdout);
    let broken = listed[0]["session"].as_str().unwrap().to_owned();
    let file = env.session_dir(&broken).join("endpoint.json");
    let sound = std::fs::read_to_string(&file).unwrap();
    let other = std::fs::read_to_string(
        env.session_dir(listed[1]["session"].as_str().unwrap())
            .join("endpoint.json"),
    )
    .unwrap();
    let key = |text: &str| json(text)["host_key"].as_str().unwrap().to_owned();
    std::fs::write(&file, sound.replace(&key(&sound), &key(&other))).unwrap();

    let mut wait = env.remote(&["wait", "--any", "--state", "exited"]);
    let wait = wait.stdout(Stdio::piped()).stderr(Stdio::piped());
    let waiting = wait.spawn().unwrap();
    let told = env.run(&["broadcast", "go on", "--enter", "--yes"]);
    assert_eq!(told.code, 1, "{}", told.all());
    let row = |id: &str| {
        told.stdout
            .lines()
            .find(|l| l.starts_with(id))
            .unwrap_or_default()
    };
    assert!(!row(&broken).contains("sent"), "{}", told.all());
    assert!(
        row(listed[1]["session"].as_str().unwrap()).ends_with("sent"),
        "{}",
        told.all()
    );
    let waited = waiting.wait_with_output().unwrap();
    let named = String::from_utf8_lossy(&waited.stdout).into_owned();
    assert!(
        named.starts_with(listed[1]["session"].as_str().unwrap()),
        "{named}"
    );
    std::fs::write(&file, sound).unwrap();
}

#[test]
fn a_broadcast_asks_first_and_reaches_those_it_is_for() {
    let env = home();
    let two = env.dispatch(&["--name", "two", "--agents", "2", "list"]);
    let one = env.dispatch(&["--name", "one", "nap"]);
    let asked = env.run(&["broadcast", "hello", "--enter"]);
    assert_eq!(asked.code, 1, "{}", asked.all());
    for said in [
        "(two)/1  ".to_owned(),
        "(two)/2  ".to_owned(),
        format!("{one} (one)/1  "),
        "Type \"hello\" and Enter into 3 agents of 2 sessions? Nobody can be asked here".to_owned(),
        "say `--yes`".to_owned(),
    ] {
        assert!(asked.stderr.contains(&said), "{said}: {}", asked.all());
    }
    let told = env.ok(&["broadcast", "hello", "--enter", "--yes", "two/2", "one"]);
    let rows: Vec<_> = told.stdout.lines().collect();
    assert!(rows[0].starts_with("AGENT"), "{}", told.all());
    assert!(rows[1].starts_with(&format!("{two}/2")) && rows[1].ends_with("sent"));
    assert!(rows[2].starts_with(&format!("{one}/1")) && rows[2].ends_with("sent"));
    assert_eq!(rows.len(), 3);
    env.ok(&["wait", "one", "--state", "exited"]);
    let log = |agent: &str| String::from_utf8_lossy(&env.raw_logs(agent)).into_owned();
    assert!(log("one").contains("got hello"));
    super::common::await_true("its line", SOON, || log("two/2").contains("got hello"));
    assert!(!log("two/1").contains("hello"));

    let none = env.ok(&["broadcast", "y", "--state", "blocked", "--json"]);
    assert_eq!(json(&none.stdout), Value::Array(vec![]));
    let wrong = env.run(&["broadcast", "y", "--yes", "two/7"]);
    assert_eq!(wrong.code, 1);
    let row = format!("{two}/7");
    assert!(wrong.stdout.contains(&row), "{}", wrong.all());
    let why = "there is no such agent";
    assert!(wrong.stdout.contains(why), "{}", wrong.all());
    let wrong = env.run(&["wait", "two/7", "--state", "done"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("has no agent 7"), "{}", wrong.all());

    let both = env.run(&["send", "two/1,two/2", "again", "--enter"]);
    assert_eq!((both.code, both.stdout.as_str()), (0, ""), "{}", both.all());
    super::common::await_true("its line", SOON, || log("two/1").contains("got again"));
    env.ok(&["terminate", "--all", "--yes"]);
}
