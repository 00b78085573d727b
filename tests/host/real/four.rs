//! Four real agents at a time on one repository: each in a working tree of its own that it need not be told to
//! trust, asked for permission, answered, done; their branches pulled and merged.

use std::path::Path;

use remote_compute::model::{AgentState, AgentStatus};
use serde_json::{Value, json};

use super::agents::{claude, claude_environment, codex};
use super::scene::Scene;
use crate::common::env::TestEnv;

const AGENTS: u32 = 4;

/// A file by each, which its name says, and a commit.
pub fn turn() -> Value {
    json!({"PERMIT": [
        {"run": "echo made > made-$REMOTE_AGENT.txt", "escalate": true, "why": "Allow making a file?"},
        {"run": "git add . && git commit -qm \"made by $REMOTE_AGENT\"", "escalate": true, "why": "Allow committing?"},
        {"say": "All done here."},
    ]})
}

fn asks(status: &AgentStatus) -> bool {
    matches!(status.state, AgentState::Blocked { .. })
}

/// Answers whoever waits until all are done; how often each was answered.
fn answer_all(env: &TestEnv, session: &str, key: &str) -> Vec<u32> {
    let mut answered = vec![0; AGENTS as usize];
    loop {
        let mut number = 0;
        env.await_status("somebody who waits, or all to be done", session, |s| {
            number = s.agents.iter().find(|a| asks(a)).map_or(0, |a| a.number);
            let all = s.agents.len() == AGENTS as usize;
            number != 0 || all && s.agents.iter().all(|a| a.state == AgentState::Done)
        });
        if number == 0 {
            return answered;
        }
        let name = format!("{session}/{number}");
        let asked: Value =
            serde_json::from_str(&env.ok(&["answer", &name, "--json"]).stdout).expect("JSON");
        if asked["state"] != "blocked" {
            continue;
        }
        let (lines, hash) = (asked["lines"].to_string(), asked["hash"].as_str());
        assert!(
            !lines.to_lowercase().contains("trust"),
            "{name} asks for trust: {lines}"
        );
        let ran = env.run(&["answer", &name, key, "--seen", hash.expect("a hash")]);
        // It may have drawn the question anew in between; whatever was typed was taken.
        assert!(!ran.all().contains("still shows"), "{}", ran.all());
        if ran.code == 0 {
            answered[number as usize - 1] += 1;
        }
    }
}

fn all_at_work(mut s: Scene, args: &[&str], key: &str) {
    s.start_in_repository(&[&["--agents", "4"], args, &["PERMIT please"]].concat());
    let (env, session) = (&s.env, s.session.as_str());
    assert_eq!(answer_all(env, session, key), [2; AGENTS as usize]);
    env.ok(&["pull", session]);
    let git = |args: &[&str]| {
        let out = env.command("git").args(args).output().expect("git");
        assert!(
            out.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    for n in 1..=AGENTS {
        let branch = format!("remote/{session}/{n}");
        assert_eq!(
            git(&["log", "--format=%s", &branch]),
            format!("made by {n}\nbegun\n")
        );
        env.ok(&["merge", &format!("{session}/{n}")]);
        let made = format!("made-{n}.txt");
        assert_eq!(
            std::fs::read_to_string(env.work().join(made))
                .ok()
                .as_deref(),
            Some("made\n")
        );
    }
    assert_eq!(git(&["status", "--porcelain"]), "");
    nothing_is_touched(env.home());
}

/// The programs' own records name no tree of ours.
fn nothing_is_touched(home: &Path) {
    for file in [".codex/config.toml", ".claude/settings.json"] {
        let text = std::fs::read_to_string(home.join(file)).unwrap_or_default();
        assert!(!text.contains("/work/1"), "{file}: {text}");
    }
}

#[test]
fn four_of_claude_code_on_one_repository() {
    let s = claude("four", true, turn());
    let environment = claude_environment(&s);
    let args: Vec<&str> = environment.iter().map(String::as_str).collect();
    all_at_work(s, &args, "1");
}

#[test]
fn four_of_codex_on_one_repository() {
    let s = codex("four", true, turn());
    all_at_work(s, &[], "y");
}
