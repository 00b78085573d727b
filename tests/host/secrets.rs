//! A secret goes to the agent it is for, is shown to who is attached, and is nowhere else: a canary is looked for on
//! every disk, in every process, in all that is printed.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::agents::sh;
use crate::common::SOON;
use crate::common::env::{TestEnv, remote_binary};
use crate::common::process::run;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL};

const CANARY: &str = "cn4ry-Zq8/xT+k3Lm9=w";

/// Shows its secret in every way there is, a line each time it is told to.
const SHOWS: &str = r#"
stty -echo
printf '\033]0;title %s\007whole %s\n' "$CANARY" "$CANARY"
printf 'split %.7s' "$CANARY"
read -r x
printf '%s\n' "${CANARY#???????}"
for before in '' x xy; do printf '%s%s' "$before" "$CANARY" | base64; done
"$REMOTE_BINARY" host notify --state blocked --on question --message "use $CANARY?"
printf 'RE''ADY\n'
while read -r x; do
    case $x in
        half) printf 'half %.7s' "$CANARY" ;;
        rest) printf '%s\n' "${CANARY#???????}" ;;
        *) printf 'again %s %s\n' "$x" "$CANARY" ;;
    esac
done
"#;

/// The value as it may not be found: itself, and its base64 but for the characters that neighbours have a part in.
fn forms() -> Vec<Vec<u8>> {
    let mut all = vec![CANARY.as_bytes().to_vec()];
    for before in 0..3 {
        let text = STANDARD_NO_PAD.encode([&b"xy"[..before], CANARY.as_bytes()].concat());
        let (from, to) = (
            (before * 8_usize).div_ceil(6),
            (before + CANARY.len()) * 8 / 6,
        );
        all.push(text.as_bytes()[from..to].to_vec());
    }
    all
}

fn leaks(bytes: &[u8]) -> bool {
    let has = |form: &Vec<u8>| bytes.windows(form.len()).any(|w| w == form);
    forms().iter().any(has)
}

/// No file below `dir` has it.
fn assert_clean(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        if kind.is_dir() {
            assert_clean(&path);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            // The program under test has no canary.
            let ours = bytes.starts_with(b"\x7fELF");
            assert!(ours || !leaks(&bytes), "{} has the secret", path.display());
        }
    }
}

/// No argument of any process has it, and no environment but an agent's.
fn assert_no_process_has_it() {
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let shown = String::from_utf8_lossy(&read("cmdline")).into_owned();
        assert!(!leaks(shown.as_bytes()), "in the arguments of {shown}");
        let environ = read("environ");
        let agents = environ.windows(13).any(|w| w == b"REMOTE_AGENT=");
        assert!(agents || !leaks(&environ), "in the environment of {shown}");
    }
}

fn store(env: &mut TestEnv) {
    env.set("REMOTE_PASSPHRASE", "open sesame");
    let ran = run(
        &mut env.remote(&["secret", "set", "CANARY"]),
        format!("{CANARY}\n").as_bytes(),
        SOON,
    );
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.all().contains("kept in the encrypted file"),
        "{}",
        ran.all()
    );
}

/// The attached terminal, once the agent has shown everything.
fn watch_it_show(env: &TestEnv, session: &str) -> Terminal {
    let mut t = env.attach(&format!("{session}/1"), USUAL);
    t.wait_text(&format!("whole {CANARY}"));
    t.wait_text("split cn4ry-Z");
    t.send("\r");
    t.wait_text(&format!("split {CANARY}"));
    t.wait_text("READY");
    t
}

fn assert_nothing_told(env: &TestEnv, session: &str) {
    for args in [
        &["status", "--json", session][..],
        &["status", "--all"],
        &["logs", "--raw", session],
        &["logs", "--plain", session],
        &["logs", "--cast", "-", session],
        &["replay", "--speed", "1000", "--max-idle", "10ms", session],
        &["secret", "list", "--json"],
        &["doctor"],
        &["config", "show", "--json"],
    ] {
        let out = env.remote(args).output().expect("remote runs");
        assert!(
            !leaks(&out.stdout) && !leaks(&out.stderr),
            "{args:?} tells it"
        );
    }
    let raw = String::from_utf8_lossy(&env.raw_logs(session)).into_owned();
    let stars = "*".repeat(CANARY.len());
    assert!(
        raw.contains(&format!("\x1b]0;title {stars}\x07whole {stars}\r\n")),
        "{raw}"
    );
    assert!(raw.contains(&format!("split {stars}\r\n")), "{raw}");
}

#[test]
fn on_this_machine_the_canary_is_seen_by_who_is_attached_and_by_nobody_else() {
    let mut env = TestEnv::new();
    store(&mut env);
    let session = env.dispatch(&["--no-repo", "--secret", "CANARY", "--command", &sh(SHOWS)]);
    let mut t = watch_it_show(&env, &session);
    let blocked = env.await_status("the question", &session, |s| {
        s.agents
            .first()
            .is_some_and(|a| a.evidence.message.is_some())
    });
    let message = blocked.agents[0].evidence.message.clone();
    assert_eq!(message, Some(format!("use {}?", "*".repeat(CANARY.len()))));
    assert_no_process_has_it();
    assert_nothing_told(&env, &session);
    assert_clean(env.home());

    // Another binary, the same secrets, one of them half told: in memory all the way.
    t.send("half\r");
    t.wait_text("half cn4ry-Z");
    let binary = env.work().join("remote-new");
    std::fs::copy(remote_binary(), &binary).expect("a copy of the binary");
    env.ok(&[
        "host",
        "upgrade",
        &session,
        "--binary",
        &binary.to_string_lossy(),
    ]);
    t.send("rest\r");
    t.wait_text(&format!("half {CANARY}"));
    t.send("upgraded\r");
    t.wait_text(&format!("again upgraded {CANARY}"));
    let raw = String::from_utf8_lossy(&env.raw_logs(&session)).into_owned();
    assert!(
        raw.contains(&format!("half {}\r\n", "*".repeat(CANARY.len()))),
        "{raw}"
    );
    t.send("\r~.");
    t.wait_exit();
    env.ok(&["restart", &session]);
    let mut t = watch_it_show(&env, &session);
    t.send("restarted\r");
    t.wait_text(&format!("again restarted {CANARY}"));
    t.send("\r~.");
    t.wait_exit();
    assert_nothing_told(&env, &session);
    assert_clean(env.home());

    // The host dies, and its memory with it.
    env.kill_host(&session);
    let ran = env.ok(&["restart", &session]);
    assert!(ran.all().contains("Sent CANARY"), "{}", ran.all());
    let t = watch_it_show(&env, &session);
    drop(t);
    env.kill_host(&session);
    env.ok(&["secret", "rm", "CANARY"]);
    let ran = env.run(&["restart", &session]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.all().contains("remote secret set CANARY"),
        "{}",
        ran.all()
    );
    assert_clean(env.home());
}

#[test]
fn over_a_real_sshd_neither_side_keeps_the_canary() {
    let (mut client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    store(&mut client);
    let session = client.dispatch(&[
        "--no-repo",
        "--provider",
        "ssh",
        "--host",
        "box",
        "--agents",
        "2",
        "--secret",
        "1:CANARY",
        "--command",
        &sh(SHOWS),
    ]);
    let t = watch_it_show(&client, &session);
    // The other agent has none.
    let mut other = client.attach(&format!("{session}/2"), USUAL);
    other.wait_text("whole");
    assert!(!leaks(other.raw()));
    assert_no_process_has_it();
    assert_nothing_told(&client, &format!("{session}/1"));
    assert_clean(client.home());
    assert_clean(server.home());
    drop((t, other));
    client.ok(&["terminate", "--yes", &session]);
    assert_clean(client.home());
    assert_clean(server.home());
}

#[test]
fn a_dispatch_without_the_secret_starts_nothing_and_says_what_to_run() {
    let mut env = TestEnv::new();
    let dispatch = [
        "dispatch",
        "--no-repo",
        "--secret",
        "NOPE",
        "--command",
        "true",
    ];
    let ran = env.run(&dispatch);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(
        ran.all().contains("remote secret set NOPE"),
        "{}",
        ran.all()
    );
    // A command that fails, and a passphrase that is another.
    env.ok(&[
        "secret",
        "set",
        "NOPE",
        "--from-command",
        "echo no >&2; exit 3",
    ]);
    let ran = env.run(&dispatch);
    assert!(
        ran.code == 1 && ran.all().contains("the command for NOPE failed"),
        "{}",
        ran.all()
    );
    store(&mut env);
    env.ok(&["secret", "lock"]);
    env.set("REMOTE_PASSPHRASE", "close sesame");
    let ran = env.run(&[
        "dispatch",
        "--no-repo",
        "--secret",
        "CANARY",
        "--command",
        "true",
    ]);
    assert!(
        ran.code == 1 && ran.all().contains("not the passphrase"),
        "{}",
        ran.all()
    );
    // One whose time is over says so itself.
    let token = "printf 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2ln'";
    env.ok(&["secret", "set", "NOPE", "--from-command", token]);
    let ran = env.run(&dispatch);
    assert!(
        ran.code == 1 && ran.all().contains("NOPE has been of no use"),
        "{}",
        ran.all()
    );
    assert!(
        !env.sessions_dir().exists()
            || std::fs::read_dir(env.sessions_dir()).is_ok_and(|d| d.count() == 0)
    );
}

#[test]
fn a_stored_credential_goes_to_its_agent_by_itself() {
    let env = TestEnv::new();
    env.script(
        "claude",
        "#!/bin/sh\nprintf 'key <%s>\\n' \"$ANTHROPIC_API_KEY\"\n",
    );
    env.ok(&[
        "secret",
        "set",
        "ANTHROPIC_API_KEY",
        "--from-command",
        "echo from-a-command",
    ]);
    let ran = env.ok(&["dispatch", "--no-repo", "do it"]);
    assert!(
        ran.stderr.contains("secrets   ANTHROPIC_API_KEY"),
        "{}",
        ran.all()
    );
    // Not attached to, but followed: what is stored.
    assert!(ran.stdout.contains("key <**************>"), "{}", ran.all());
    let ran = env.ok(&["dispatch", "--no-repo", "--no-secrets", "do it"]);
    assert!(ran.stdout.contains("key <>"), "{}", ran.all());
    let ran = env.ok(&[
        "dispatch",
        "--no-repo",
        "--env",
        "ANTHROPIC_API_KEY=own",
        "do it",
    ]);
    assert!(ran.stdout.contains("key <own>"), "{}", ran.all());
}

#[test]
fn git_is_given_the_token_of_its_own_agent_alone() {
    let env = TestEnv::new();
    env.ok(&[
        "secret",
        "set",
        "GITHUB_TOKEN",
        "--from-command",
        "echo first-token",
    ]);
    let script = r#"
ask() { printf 'protocol=https\nhost=%s\n\n' "$1" | git credential fill 2>&1 | sed -n 's/^password=/got </p; s/^username=/user </p'; }
export GIT_TERMINAL_PROMPT=0
stty -echo
echo UP
while read -r host; do ask "$host" > "out.$REMOTE_AGENT"; echo "ASKED $host"; done
"#;
    let session = env.dispatch(&[
        "--no-repo",
        "--agents",
        "2",
        "--secret",
        "1:GITHUB_TOKEN",
        "--command",
        &sh(script),
    ]);
    let ask = |agent: u32, host: &str| {
        let mut t = env.attach(&format!("{session}/{agent}"), USUAL);
        t.wait_text("UP");
        t.send(format!("{host}\r"));
        t.wait_text(&format!("ASKED {host}"));
        t.send("~.");
        t.wait_exit();
        std::fs::read_to_string(env.work().join(format!("out.{agent}"))).expect("what git said")
    };
    assert_eq!(
        ask(1, "github.com"),
        "user <x-access-token\ngot <first-token\n"
    );
    assert_eq!(ask(1, "gitlab.com"), "");
    assert_eq!(ask(2, "github.com"), "");
    // A new value is used at once, by the same process.
    env.ok(&[
        "secret",
        "set",
        "GITHUB_TOKEN",
        "--from-command",
        "echo second-token",
    ]);
    env.ok(&["secret", "send", &session]);
    std::fs::remove_file(env.work().join("out.1")).expect("removed");
    let mut t = env.attach(&format!("{session}/1"), USUAL);
    t.send("GitHub.com\r");
    t.wait_text("ASKED GitHub.com");
    let said = std::fs::read_to_string(env.work().join("out.1")).expect("what git said");
    assert_eq!(said, "user <x-access-token\ngot <second-token\n");
}
