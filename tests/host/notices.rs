//! People are told what happens while they look elsewhere: by the session's host with nobody there, by one client of
//! several, on a desktop, in words that are the agent's own and harmless.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;

use crate::agents::sh;
use crate::common::env::{TestEnv, remote_binary};
use crate::common::process::run;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL, find};
use crate::common::{SOON, await_some, await_true};

/// What must be on no disk but the configuration's.
const SECRET: &str = "s3cr3t-t0ken";

/// A service that takes webhooks.
struct Hook {
    port: u16,
    told: Receiver<Value>,
    answers: Sender<u16>,
}

impl Hook {
    /// Answers 200, but for the first ones as it is told to.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (tell, told) = channel();
        let (answers, wanted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut reader = BufReader::new(stream.try_clone().expect("its other half"));
                let mut length = 0;
                let mut head = String::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a line");
                    if let Some((name, value)) = line.split_once(':')
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        length = value.trim().parse().expect("a length");
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                    head += &line;
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("the body");
                assert!(head.starts_with(&format!("POST /hook/{SECRET} ")), "{head}");
                assert!(head.to_lowercase().contains("application/json"), "{head}");
                let status = wanted.try_recv().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nno");
                stream.write_all(answer.as_bytes()).expect("an answer");
                let mut body: Value = serde_json::from_slice(&body).expect("JSON");
                body["answered"] = status.into();
                if tell.send(body).is_err() {
                    return;
                }
            }
        });
        Self {
            port,
            told,
            answers,
        }
    }

    fn rule(&self, on: &str) -> String {
        format!(
            "[[notify]]\non = [{on}]\nhow = \"webhook\"\nafter = \"1s\"\n\
             url = \"http://127.0.0.1:{}/hook/{SECRET}\"\n",
            self.port
        )
    }

    fn next(&self) -> Value {
        self.told.recv_timeout(SOON).expect("a webhook's request")
    }
}

fn configure(env: &TestEnv, text: &str) {
    let dir = env.home().join(".config/remote");
    std::fs::create_dir_all(&dir).expect("the configuration's directory");
    std::fs::write(dir.join("config.toml"), text).expect("a configuration");
}

/// Works until it is typed to, then asks, then fails.
fn asks() -> String {
    sh("printf '\\033]7501;state=working\\033\\\\up'; read x; \
        printf '\\033]7501;state=blocked:kind=permission:msg=%s\\033\\\\' \"$(printf 'Allow <b>?' | base64)\"; \
        read x; exit 3")
}

fn type_to(env: &TestEnv, session: &str) {
    env.ok(&["send", session, "--enter"]);
}

/// Whether a file below `dir` holds the secret.
fn holds_secret(dir: &Path) -> bool {
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let path = entry.path();
            match path.is_dir() {
                true => holds_secret(&path),
                false => {
                    find(&std::fs::read(path).unwrap_or_default(), SECRET.as_bytes()).is_some()
                }
            }
        })
}

#[test]
fn a_host_tells_a_webhook_with_nobody_there_and_keeps_its_url_to_itself() {
    let env = TestEnv::new();
    let hook = Hook::start();
    configure(&env, &hook.rule("\"blocked\", \"error\", \"ended\""));
    let session = env.dispatch(&["--name", "auth", "--command", &asks()]);
    type_to(&env, &session);
    let asked = hook.next();
    assert_eq!(
        asked["text"],
        "auth/1 is blocked(permission): Allow &lt;b&gt;?"
    );
    assert_eq!(asked["session"], session);
    assert_eq!(asked["agent"], 1);
    assert_eq!(
        (&asked["event"], &asked["number"]),
        (&"blocked".into(), &1.into())
    );
    assert_eq!(asked["message"], "Allow <b>?");
    assert!(!holds_secret(&env.home().join(".local")), "on disk");
    let status = env.status(&session);
    assert_eq!(status["status"]["news"][0]["event"], "blocked");
    assert!(!status.to_string().contains(SECRET));
    type_to(&env, &session);
    let failed = hook.next();
    assert_eq!(failed["text"], "auth/1 has failed, exited(3)");
    let ended = hook.next();
    assert_eq!(ended["event"], "ended");
    assert!(
        ended["text"]
            .as_str()
            .is_some_and(|t| t.starts_with("auth has ended: ")),
        "{ended}"
    );
    assert!(ended.get("total").is_none(), "nothing costs here: {ended}");
    env.await_no_process();
    assert!(hook.told.try_recv().is_err(), "each once");
    assert!(!holds_secret(&env.home().join(".local")), "on disk");
}

#[test]
fn a_webhook_that_fails_is_tried_again_and_one_that_refuses_is_a_warning() {
    let env = TestEnv::new();
    let hook = Hook::start();
    configure(&env, &hook.rule("\"blocked\""));
    for answer in [503, 429] {
        hook.answers.send(answer).expect("it runs");
    }
    let session = env.dispatch(&["--command", &asks()]);
    type_to(&env, &session);
    let tries: Vec<Value> = (0..3).map(|_| hook.next()).collect();
    let answered: Vec<_> = tries.iter().map(|t| t["answered"].clone()).collect();
    assert_eq!(answered, [503, 429, 200]);
    assert!(tries.iter().all(|t| t["number"] == 1), "{tries:?}");
    assert_eq!(
        env.status(&session)["status"]["warnings"],
        Value::Array(vec![])
    );

    hook.answers.send(404).expect("it runs");
    let other = env.dispatch(&["--command", &asks()]);
    type_to(&env, &other);
    hook.next();
    let said =
        |s: &remote_compute::model::SessionStatus| s.warnings.iter().any(|w| w.contains("404"));
    let warnings = env.await_status("a warning", &other, said).warnings;
    let told = format!("the webhook http://127.0.0.1:{}/… was not told", hook.port);
    assert!(warnings.iter().any(|w| w.contains(&told)), "{warnings:?}");
    assert!(!format!("{warnings:?}").contains(SECRET));
}

#[test]
fn rules_survive_the_hosts_replacement_and_an_end_that_nears_is_told() {
    let env = TestEnv::new();
    let hook = Hook::start();
    configure(&env, &hook.rule("\"blocked\", \"ending\""));
    // The last warning is two minutes before.
    let session = env.dispatch(&["--ttl", "123s", "--command", &asks()]);
    let ending = hook.next();
    assert_eq!(
        ending["text"],
        format!("{session} ends in 2m: its time (TTL) is up")
    );
    let binary = env.work().join("remote-new");
    std::fs::copy(remote_binary(), &binary).expect("a copy of the binary");
    let binary = binary.to_string_lossy();
    env.ok(&["host", "upgrade", &session, "--binary", &binary]);
    // It is away for a moment.
    await_true("the new binary", SOON, || {
        env.run(&["send", &session, "--enter"]).code == 0
    });
    let asked = hook.next();
    assert_eq!(
        (&ending["number"], &asked["event"], &asked["number"]),
        (&1.into(), &"blocked".into(), &2.into())
    );
    assert!(!holds_secret(&env.home().join(".local")), "on disk");
}

#[test]
fn a_host_over_ssh_tells_too_and_runs_commands() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let hook = Hook::start();
    let command = "[[notify]]\nhow = \"command\"\non = [\"ended\"]\nwhere = \"host\"\n\
                   command = \"env | grep REMOTE_NOTICE_ > told; pwd >> told\"\n";
    configure(&client, &(hook.rule("\"blocked\"") + command));
    let to = ["--provider", "ssh", "--host", "box", "--command", &asks()];
    let session = client.dispatch(&to);
    type_to(&client, &session);
    assert_eq!(hook.next()["provider"], "ssh");
    assert!(!holds_secret(server.home()) && !holds_secret(&client.home().join(".local")));
    client.ok(&["terminate", &session, "--yes"]);
    // The host has waited for it.
    let told = std::fs::read_to_string(server.home().join("told")).expect("the command's file");
    for line in [
        "REMOTE_NOTICE_EVENT=ended".to_owned(),
        format!("REMOTE_NOTICE_SESSION={session}"),
        server.home().display().to_string(),
    ] {
        assert!(told.lines().any(|l| l == line), "{line} in {told}");
    }
    assert!(told.contains("REMOTE_NOTICE_TEXT=session-"), "{told}");
    server.await_no_process();
}

fn notifications(raw: &[u8]) -> usize {
    let mut rest = raw;
    let mut count = 0;
    while let Some(at) = find(rest, b"\x1b]9;session-") {
        count += 1;
        rest = &rest[at + 1..];
    }
    count
}

#[test]
fn of_two_clients_one_tells_the_terminal_and_by_itself() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &asks()]);
    let mut attached = Terminal::spawn_bare(env.remote(&["attach", &session]), USUAL);
    attached.wait_raw(0, b"up");
    let mut watch = Terminal::spawn_bare(env.remote(&["status", "--watch"]), USUAL);
    watch.wait_text(&session);
    attached.send("\r");
    let text = format!("\x1b]9;{session}/1 is blocked(permission): Allow <b>?\x1b\\");
    await_some("a notification", SOON, || {
        attached.settle(std::time::Duration::from_millis(20));
        watch.settle(std::time::Duration::from_millis(20));
        let told = [attached.raw(), watch.raw()];
        told.iter().find_map(|raw| find(raw, text.as_bytes()))
    });
    // The rule of the bell is another one: whoever was first has it. Neither is told twice.
    watch.send("q");
    assert_eq!(watch.wait_exit(), 0);
    attached.send("\r");
    assert_eq!(attached.wait_exit(), 3);
    assert_eq!(
        notifications(attached.raw()) + notifications(watch.raw()),
        1
    );
    let bells = |raw: &[u8]| raw.iter().filter(|b| **b == 7).count();
    assert_eq!(bells(attached.raw()) + bells(watch.raw()), 1);
}

#[test]
fn a_desktop_is_told_of_the_end_by_whoever_follows() {
    let env = TestEnv::new();
    let told = env.home().join("told");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> {}\n", told.display());
    env.script("notify-send", &script);
    let own = env.home().join("own");
    let rules = format!(
        "[[notify]]\nhow = \"desktop\"\non = [\"done\", \"error\"]\n\
         [[notify]]\nhow = \"command\"\non = [\"error\"]\n\
         command = \"echo $REMOTE_NOTICE_STATE > {}\"\n",
        own.display()
    );
    configure(&env, &rules);
    let mut follow = env.remote(&["dispatch", "--name", "it", "--command", "exit 4"]);
    let ran = run(&mut follow, b"", 2 * SOON);
    assert_eq!(ran.code, 4, "{}", ran.all());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    await_true("the notification", SOON, || read(&told).contains("exited"));
    assert_eq!(
        read(&told),
        "--app-name=remote\n--\nit/1\nhas failed, exited(4)\n"
    );
    await_true("the command", SOON, || read(&own) == "exited(4)\n");
}
