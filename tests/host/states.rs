//! What a person sees of agents' states, and what their terminal is told; by scripted agents, which are always
//! there. Real programs are in `real`.

use remote_compute::model::{AgentState, AgentStatus, EndKind, Source};
use serde_json::Value;

use crate::agents::sh;
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL, find};

fn await_agent(env: &TestEnv, session: &str, what: &str, said: &str) -> AgentStatus {
    let seen = |a: &AgentStatus| {
        let message = a.evidence.message.as_deref().unwrap_or_default();
        a.state.to_string() == what && message.contains(said)
    };
    let status = env.await_status(what, session, |s| s.agents.iter().any(seen));
    status.agents.into_iter().find(seen).expect("it")
}

fn hash(env: &TestEnv, session: &str) -> String {
    let asked = env.ok(&["answer", session, "--json"]).stdout;
    let asked: Value = serde_json::from_str(&asked).expect("JSON");
    asked["hash"].as_str().expect("a hash").to_owned()
}

/// Reports a question, then waits.
fn reports() -> String {
    sh(
        "printf '\\033]7501;state=working:progress=40:msg=%s\\033\\\\' \"$(printf Half | base64)\"; \
        read x; printf '\\033]7501;state=blocked:kind=question:msg=%s\\033\\\\up' \
        \"$(printf 'Which one?' | base64)\"; exec sleep 600",
    )
}

#[test]
fn a_terminal_that_shows_states_is_told_them_with_their_words() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &reports()]);
    let half = await_agent(&env, &session, "working", "Half");
    assert_eq!(
        (half.evidence.progress, half.evidence.source),
        (Some(40), Source::Report)
    );
    let mut t = Terminal::spawn_bare(env.remote(&["attach", &session]), USUAL);
    t.wait_raw(0, b"\x1b]7501;?\x1b\\");
    t.send("\x1b]7501;?\x1b\\\x1b[?62c");
    let id = format!("id={session}/1:app=remote");
    let told = format!("\x1b]7501;state=working:{id}:progress=40:msg=SGFsZg==\x1b\\");
    t.wait_for("its work", |t| find(t.raw(), told.as_bytes()).is_some());
    t.send("\r");
    let told = format!("\x1b]7501;state=blocked:{id}:kind=question:msg=V2hpY2ggb25lPw==\x1b\\");
    t.wait_for("its question", |t| find(t.raw(), told.as_bytes()).is_some());
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);

    let mut watch = Terminal::spawn_bare(env.remote(&["status", "--watch"]), USUAL);
    watch.wait_raw(0, b"\x1b]7501;?\x1b\\\x1b[c");
    watch.send("\x1b]7501;?\x1b\\\x1b[?62c");
    watch.wait_for("its question", |t| find(t.raw(), told.as_bytes()).is_some());
    watch.send("q");
    assert_eq!(watch.wait_exit(), 0);
}

#[test]
fn a_terminal_that_does_not_is_told_nothing() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &reports()]);
    let mut t = Terminal::spawn_bare(env.remote(&["attach", &session]), USUAL);
    t.wait_raw(0, b"\x1b]7501;?\x1b\\");
    t.send("\x1b[?62c\r");
    t.wait_raw(0, b"up");
    await_agent(&env, &session, "blocked(question)", "Which one?");
    t.send("\r~.");
    assert_eq!(t.wait_exit(), 0);
    assert!(find(t.raw(), b"]7501;state=").is_none());
    // Nor the agent's own reports, which are the host's to pass on.
    assert!(find(t.raw(), b"kind=question").is_none());
}

#[test]
fn a_question_is_shown_and_answered_only_while_it_is_the_one_that_was_seen() {
    let env = TestEnv::new();
    let session = env.dispatch(&[
        "--command",
        &sh(
            "printf 'Allow npm install? [y/N] '; read x; echo \"first $x\"; \
             printf 'Really? [y/N] '; read x; echo \"then $x\"; exec sleep 600",
        ),
    ]);
    let asks = await_agent(&env, &session, "blocked(question)", "Allow npm install?");
    assert_eq!(asks.evidence.source, Source::Screen);
    let shown = env.ok(&["status"]).stdout;
    assert!(
        shown.contains("blocked: \"Allow npm install? [y/N]\""),
        "{shown}"
    );

    let first = hash(&env, &session);
    let shown = env.ok(&["answer", &session]);
    assert!(
        shown.stdout.contains("  | Allow npm install? [y/N]"),
        "{}",
        shown.all()
    );
    assert!(
        shown.all().contains(&format!("--seen {first}")),
        "{}",
        shown.all()
    );
    let unseen = env.run(&["answer", &session, "y"]);
    assert_eq!(unseen.code, 1, "{}", unseen.all());
    assert!(
        unseen.stderr.contains("nothing was sent"),
        "{}",
        unseen.all()
    );

    let mut t = env.terminal(&["answer", &session], USUAL);
    t.wait_text("answer:");
    t.send("y\r");
    assert_eq!(t.wait_exit(), 0);
    await_agent(&env, &session, "blocked(question)", "Really?");
    let late = env.run(&["answer", &session, "y", "--seen", &first]);
    assert_eq!(late.code, 1, "{}", late.all());
    assert!(late.stdout.contains("  | Really? [y/N]"), "{}", late.all());

    env.ok(&["answer", &session, "n", "--seen", &hash(&env, &session)]);
    env.await_status("the second answer", &session, |_| {
        String::from_utf8_lossy(&env.raw_logs(&session)).contains("then n")
    });
    let text = String::from_utf8_lossy(&env.raw_logs(&session)).into_owned();
    assert!(
        text.contains("first y") && !text.contains("then y"),
        "{text}"
    );
}

/// Asks as Claude Code does, and drops so many keys before it takes one.
fn dropping(env: &TestEnv, keys: u32) -> String {
    let script = format!(
        "#!/bin/sh\nstty raw -echo\nprintf '────────────────────────\\r\\n Do you want to proceed?\\r\\n \
         ❯ 1. Yes\\r\\n   2. No\\r\\n Esc to cancel\\r\\n'\nn=0\nwhile [ $n -lt {keys} ]; do \
         dd bs=1 count=1 2>/dev/null >>keys; n=$((n+1)); done\ndd bs=1 count=1 2>/dev/null >>keys\n\
         printf '\\033[2J\\033[Htaken'\nexec sleep 600\n"
    );
    env.script("claude", &script);
    let session = env.dispatch(&["--no-repo", "--agent", "claude"]);
    await_agent(env, &session, "blocked(permission)", "");
    session
}

#[test]
fn an_answer_that_was_dropped_is_typed_again() {
    let env = TestEnv::new();
    let session = dropping(&env, 2);
    env.ok(&["answer", &session, "1", "--seen", &hash(&env, &session)]);
    assert!(String::from_utf8_lossy(&env.raw_logs(&session)).contains("taken"));
    let keys = std::fs::read_to_string(env.work().join("keys")).expect("the keys");
    assert_eq!(keys, "111");
}

#[test]
fn an_answer_that_is_not_taken_is_told_so() {
    let env = TestEnv::new();
    let session = dropping(&env, 100);
    let told = env.run(&["answer", &session, "1", "--seen", &hash(&env, &session)]);
    assert_eq!(told.code, 1, "{}", told.all());
    let seen = hash(&env, &session);
    for part in [
        "still shows the question",
        "  |  ❯ 1. Yes",
        &format!("--seen {seen}"),
    ] {
        assert!(told.all().contains(part), "{part}: {}", told.all());
    }
    let told = env.run(&["answer", &session, "2", "--seen", &seen, "--json"]);
    assert_eq!(told.code, 1, "{}", told.all());
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(
        (&told["answered"], &told["untaken"]),
        (&false.into(), &true.into())
    );
}

/// A prompt that shows nothing of what is typed may have taken it: a second time it would answer what comes next.
#[test]
fn what_may_have_been_taken_is_not_typed_again() {
    let env = TestEnv::new();
    let script = "stty -echo -icanon; printf 'Password: '; dd bs=1 count=2 2>/dev/null >keys; \
                  dd bs=1 count=1 2>/dev/null >more; exec sleep 600";
    let session = env.dispatch(&["--no-repo", "--command", &sh(script)]);
    await_agent(&env, &session, "blocked(auth)", "");
    let told = env.run(&["answer", &session, "x", "--seen", &hash(&env, &session)]);
    assert_eq!(told.code, 1, "{}", told.all());
    assert!(told.stderr.contains("not taken"), "{}", told.all());
    let read = |file| std::fs::read(env.work().join(file)).expect("what was read");
    assert_eq!((read("keys").len(), read("more").len()), (2, 0));
}

#[test]
fn an_agent_that_asks_nothing_is_not_answered() {
    let env = TestEnv::new();
    let report = "printf '\\033]7501;state=working\\033\\\\'; exec sleep 600";
    let session = env.dispatch(&["--command", &sh(report)]);
    await_agent(&env, &session, "working", "");
    let ran = env.run(&["answer", &session, "y"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("asks nothing: it is working"),
        "{}",
        ran.all()
    );
    assert!(
        ran.stderr.contains(&format!("remote send {session}/1")),
        "{}",
        ran.all()
    );
}

#[test]
fn evidence_that_contradicts_itself_is_unknown() {
    let env = TestEnv::new();
    let script = "printf '\\033]7501;state=working\\033\\\\'; printf 'Password: '; exec sleep 600";
    let session = env.dispatch(&["--command", &sh(script)]);
    let both = "its report says working, its screen says blocked";
    await_agent(&env, &session, "unknown", both);
    let shown = env.ok(&["status", &session]).stdout;
    assert!(shown.contains("unknown") && shown.contains(both), "{shown}");
}

/// Runs the hooks that it is started with, as Claude Code does.
const HOOKED: &str = r#"#!/bin/sh
[ "$1" = --settings ] || exit 9
hook() {
    command=$(printf %s "$settings" | python3 -c 'import json, sys
print(json.load(sys.stdin)["hooks"][sys.argv[1]][0]["hooks"][0]["command"])' "$1")
    printf '{"hook_event_name": "%s", "tool_name": "Bash", "tool_input": {"command": "npm install"}, %s}' \
        "$1" "\"last_assistant_message\": \"$2\", \"background_tasks\": []" | sh -c "$command"
}
settings=$2
hook UserPromptSubmit
hook PermissionRequest
read x
hook Stop "Installed. Shall I run the tests?"
read x
hook Stop "All is done."
exec sleep 600
"#;

#[test]
fn hooks_on_the_command_line_tell_who_waits_and_who_is_done() {
    let env = TestEnv::new();
    env.script("claude", HOOKED);
    let session = env.dispatch(&["--agent", "claude", "--linger", "1s", "install it"]);
    let asks = await_agent(&env, &session, "blocked(permission)", "Allow npm install?");
    assert_eq!(asks.evidence.source, Source::Hook);
    let shown = env.ok(&["status"]).stdout;
    assert!(shown.contains("blocked: \"Allow npm install?\""), "{shown}");
    env.ok(&["send", &session, "y", "--enter"]);
    // Its turn is over, and the session stays: it asks something.
    await_agent(
        &env,
        &session,
        "blocked(question)",
        "Shall I run the tests?",
    );
    env.ok(&["send", &session, "no", "--enter"]);
    let ended = env.await_status("the end", &session, |s| s.ended.is_some());
    assert_eq!(ended.ended.map(|e| e.kind), Some(EndKind::Over));
    assert_ne!(ended.agents[0].state, AgentState::Unknown);
    // Nothing of the person's or the repository's was touched for it.
    let left: Vec<_> = std::fs::read_dir(env.work())
        .expect("it")
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!env.home().join(".claude").exists());
}

#[test]
fn answer_without_a_name_takes_the_one_that_waits_or_lists_them() {
    let env = TestEnv::new();
    let nobody = env.run(&["answer"]);
    assert_eq!(nobody.code, 1, "{}", nobody.all());
    assert!(nobody.stderr.contains("nobody waits"), "{}", nobody.all());
    let asks = |what: &str| {
        sh(&format!(
            "printf '{what} [y/N] '; read x; echo \"got $x\"; exec sleep 600"
        ))
    };
    let idle = env.dispatch(&["--no-repo", "--command", &sh("exec sleep 600")]);
    let one = env.dispatch(&["--no-repo", "--command", &asks("Install?")]);
    await_agent(&env, &one, "blocked(question)", "Install?");
    let shown = env.ok(&["answer"]);
    assert!(
        shown.stdout.contains("  | Install? [y/N]"),
        "{}",
        shown.all()
    );
    let two = env.dispatch(&["--no-repo", "--command", &asks("Delete?")]);
    await_agent(&env, &two, "blocked(question)", "Delete?");
    let listed = env.ok(&["answer"]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[0].starts_with(&format!("{one}/1 is blocked(question): \"Install? [y/N]\"")),
        "{listed}"
    );
    assert!(
        lines[1].contains(&two) && !listed.contains(&idle),
        "{listed}"
    );
    let json: Value = serde_json::from_str(&env.ok(&["answer", "--json"]).stdout).expect("JSON");
    assert_eq!(json[1]["session"], two.as_str());
}
