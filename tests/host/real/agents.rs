//! Claude Code, Codex and aider at work.

use serde_json::{Value, json};

use super::scene::{Scene, await_it};

const KEY: &str = "sk-ant-test-0123456789abcdefghij";

/// One turn: a command that is asked for, a commit, an end.
fn turn() -> Value {
    json!({
        "PERMIT": [
            {"gate": "think", "run": "echo made > made.txt", "escalate": true, "why": "Allow making a file?"},
            {"run": "git add made.txt && git commit -qm made", "escalate": true, "why": "Allow committing?"},
            {"gate": "end", "say": "All done here."},
        ],
        "CHOOSE": [{"ask": "Which colour?", "options": ["Red", "Blue"]}, {"say": "Blue it is."}],
        "WONDER": [{"say": "I looked at it. Should I delete the old files?"}],
        "BREAK": [{"fail": 400}],
    })
}

pub fn claude(name: &'static str, known: bool, script: Value) -> Scene {
    let scene = Scene::prepare("claude", name, script);
    let work = scene.env.work().display().to_string();
    scene.file(
        ".config/remote/config.toml",
        "[agents.claude]\ncareful = [\"--permission-mode\", \"manual\"]\n",
    );
    if known {
        let known = json!({
            "hasCompletedOnboarding": true,
            "customApiKeyResponses": {"approved": [&KEY[KEY.len() - 20..]], "rejected": []},
            "projects": {work: {"hasTrustDialogAccepted": true}},
        });
        scene.file(".claude.json", &known.to_string());
    }
    scene
}

/// What tells it where its model is.
pub fn claude_environment(scene: &Scene) -> Vec<String> {
    let variables = [
        format!("ANTHROPIC_BASE_URL=http://127.0.0.1:{}", scene.model.port),
        format!("ANTHROPIC_API_KEY={KEY}"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1".to_owned(),
    ];
    let given = |v| ["--env".to_owned(), v];
    variables.into_iter().flat_map(given).collect()
}

fn start_claude(scene: &mut Scene, task: &str) {
    let environment = claude_environment(scene);
    let mut args: Vec<&str> = environment.iter().map(String::as_str).collect();
    args.push(task);
    scene.start(&args);
}

fn hash(question: &Value) -> String {
    question["hash"].as_str().expect("a hash").to_owned()
}

#[test]
fn claude_code_asks_is_answered_commits_and_is_done() {
    let mut s = claude("turn", true, turn());
    start_claude(&mut s, "PERMIT please");
    s.await_gate("think");
    s.is("working");
    s.release("think");
    s.await_text("Do you want to proceed?");
    let status = s.is("blocked(permission)");
    assert!(
        status
            .evidence
            .message
            .is_some_and(|m| m.contains("echo made > made.txt")),
        "says what it asks for"
    );
    let shown = s.env.ok(&["status"]).stdout;
    assert!(
        shown.contains("blocked: \"") && shown.contains("echo made"),
        "{shown}"
    );

    let asked = s.question();
    let lines = asked["lines"].to_string();
    assert!(
        lines.contains("echo made > made.txt") && lines.contains("1. Yes"),
        "{lines}"
    );
    assert!(
        !lines.contains("PERMIT please"),
        "only the question: {lines}"
    );
    let other = s.answer("1", "0123456789abcdef");
    assert_eq!(other.code, 1, "{}", other.all());
    assert!(
        other.stdout.contains("Do you want to proceed?"),
        "{}",
        other.all()
    );
    let right = s.answer("1", &hash(&asked));
    assert_eq!(right.code, 0, "{}", right.all());
    await_it("the file", || {
        s.env.work().join("made.txt").exists().then_some(())
    });
    await_it("another question", || {
        (s.screen().contains("Do you want to proceed?") && s.screen().contains("git commit"))
            .then_some(())
    });
    s.is("blocked(permission)");
    // What was seen before is not what is asked now, though the dialog is alike.
    let late = s.answer("1", &hash(&asked));
    assert_eq!(late.code, 1, "{}", late.all());
    let asked = s.question();
    assert_eq!(s.answer("1", &hash(&asked)).code, 0);
    s.await_gate("end");
    s.is("working");
    s.release("end");
    s.await_text("All done here.");
    s.is("done");
    let log = s.env.command("git").args(["log", "--format=%s"]).output();
    assert_eq!(
        String::from_utf8_lossy(&log.expect("git").stdout),
        "made\nbegun\n"
    );
    s.save();
}

#[test]
fn claude_code_asks_questions_fails_and_is_interrupted() {
    let mut s = claude("questions", true, turn());
    start_claude(&mut s, "CHOOSE please");
    s.await_text("Enter to select");
    let status = s.is("blocked(question)");
    assert!(
        status
            .evidence
            .message
            .is_some_and(|m| m.contains("Which colour?"))
    );
    s.send(&["--key", "2"]);
    s.await_text("Blue it is.");
    s.is("done");
    // To its own report this turn is done; its hook knows its last words.
    s.send(&["WONDER", "--enter"]);
    s.await_text("Should I delete the old files?");
    let status = s.is("blocked(question)");
    assert_eq!(
        status.evidence.message.as_deref(),
        Some("Should I delete the old files?")
    );
    s.send(&["BREAK", "--enter"]);
    s.await_text("the stand-in fails");
    s.is("error");
    s.send(&["PERMIT", "--enter"]);
    s.await_gate("think");
    s.is("working");
    s.send(&["--key", "Escape"]);
    // Its prompt holds the message again.
    s.await_screen("the message, and no work", |screen| {
        screen.contains("PERMIT") && !screen.contains('…') && !screen.contains("esc to interrupt")
    });
    s.is("idle");
    s.save();
}

#[test]
fn claude_codes_first_questions_are_known() {
    let mut s = claude("first", false, turn());
    // The very first screens ask a server of its maker's: they are not shown here.
    s.file(".claude.json", r#"{"hasCompletedOnboarding": true}"#);
    start_claude(&mut s, "PERMIT please");
    s.await_text("Yes, I trust this folder");
    s.is("blocked(permission)");
    s.save();
}

#[test]
fn what_claude_code_reports_against_its_screen_is_doubted() {
    let mut s = claude("login", true, turn());
    let url = format!("ANTHROPIC_BASE_URL=http://127.0.0.1:{}", s.model.port);
    let quiet = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1";
    s.start(&["--env", &url, "--env", quiet]);
    s.await_text("manual mode on");
    s.is("idle");
    // It goes on reporting that it is idle.
    s.send(&["/login", "--enter"]);
    s.await_text("Select login method");
    let status = s.is_doubted("blocked(auth)");
    assert_eq!(
        status.evidence.message.as_deref(),
        Some("its report says idle, its screen says blocked")
    );
    s.save();
}

pub fn codex(name: &'static str, known: bool, script: Value) -> Scene {
    let scene = Scene::prepare("codex", name, script);
    let trust = match known {
        true => format!(
            "[projects.\"{}\"]\ntrust_level = \"trusted\"\n",
            scene.env.work().display()
        ),
        false => String::new(),
    };
    let text = format!(
        "model = \"stand-in\"\nmodel_provider = \"standin\"\napproval_policy = \"on-request\"\n\
         sandbox_mode = \"read-only\"\n[model_providers.standin]\nname = \"standin\"\n\
         base_url = \"http://127.0.0.1:{}/v1\"\nwire_api = \"responses\"\nenv_key = \"STANDIN_KEY\"\n{trust}",
        scene.model.port
    );
    scene.file(".codex/config.toml", &text);
    scene.file(
        ".config/remote/config.toml",
        "[agents.codex]\ncareful = [\"--no-daemon\"]\nenv = { STANDIN_KEY = \"x\" }\n",
    );
    scene
}

#[test]
fn codex_asks_is_answered_commits_and_is_done() {
    let mut s = codex("turn", true, turn());
    s.start(&["PERMIT please"]);
    s.await_gate("think");
    s.is("working");
    s.release("think");
    s.await_text("Press enter to confirm");
    s.is("blocked(permission)");
    let asked = s.question();
    let lines = asked["lines"].to_string();
    assert!(
        lines.contains("Allow making a file?") && lines.contains("1. Yes"),
        "{lines}"
    );
    assert_eq!(s.answer("y", "0123456789abcdef").code, 1);
    let right = s.answer("y", &hash(&asked));
    assert_eq!(right.code, 0, "{}", right.all());
    await_it("the file", || {
        s.env.work().join("made.txt").exists().then_some(())
    });
    s.await_text("Allow committing?");
    s.is("blocked(permission)");
    let asked = s.question();
    assert_eq!(s.answer("y", &hash(&asked)).code, 0);
    s.await_gate("end");
    s.is("working");
    s.release("end");
    s.await_text("All done here.");
    s.is("done");
    let log = s.env.command("git").args(["log", "--format=%s"]).output();
    assert_eq!(
        String::from_utf8_lossy(&log.expect("git").stdout),
        "made\nbegun\n"
    );
    // The prompt takes a little until what is typed is a message.
    s.send(&["WONDER", "--enter"]);
    s.await_text("Should I delete the old files?");
    s.is("blocked(question)");
    s.send(&["BREAK", "--enter"]);
    s.await_text("the stand-in fails");
    s.is("error");
    s.save();
}

#[test]
fn codexs_first_questions_are_known() {
    let mut s = codex("first", false, turn());
    s.start(&["PERMIT please"]);
    s.await_text("trust");
    s.is("blocked(permission)");
    s.save();
}

#[test]
fn codex_asks_who_pays_for_it() {
    let mut s = Scene::prepare("codex", "login", turn());
    s.start(&["PERMIT please"]);
    s.await_text("Sign in with ChatGPT");
    s.is("blocked(auth)");
    s.save();
}

#[test]
fn aider_asks_is_answered_and_is_done() {
    let mut s = Scene::prepare("aider", "turn", turn());
    let base = format!("http://127.0.0.1:{}/v1", s.model.port);
    s.file(
        ".config/remote/config.toml",
        "[agents.aider]\ncommand = [\"aider\", \"--model\", \"openai/stand-in\", \"--no-check-update\", \
         \"--no-show-release-notes\", \"--analytics-disable\", \"--no-show-model-warnings\", \"--no-gitignore\", \
         \"--edit-format\", \"diff\"]\n",
    );
    let base = format!("OPENAI_API_BASE={base}");
    s.start(&["--env", &base, "--env", "OPENAI_API_KEY=x"]);
    s.await_text("\ndiff>\n");
    s.is("idle");
    s.send(&["PERMIT", "--enter"]);
    s.await_gate("think");
    s.is("working");
    s.release("think");
    s.await_text("(Y)es/(N)o");
    s.is("blocked(question)");
    let asked = s.question();
    assert_eq!(s.answer("n", &hash(&asked)).code, 0);
    s.is("done");
    s.save();
}
