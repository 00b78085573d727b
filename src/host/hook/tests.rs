//! Tests of `hook`.

use super::*;
use serde_json::json;

fn said(json: Value) -> Option<String> {
    let (state, message) = read(&json)?;
    Some(format!("{state} {}", message.unwrap_or_default()))
}

#[test]
fn claude_codes_events() {
    let event = |name: &str, more: Value| {
        let mut json = json!({"hook_event_name": name});
        if let (Some(all), Value::Object(more)) = (json.as_object_mut(), more) {
            all.extend(more);
        }
        said(json)
    };
    assert_eq!(
        event("SessionStart", json!({"source": "startup"})).as_deref(),
        Some("idle ")
    );
    assert_eq!(event("SessionStart", json!({"source": "compact"})), None);
    let run = json!({"tool_name": "Bash", "tool_input": {"command": "npm install"}});
    assert_eq!(
        event("PreToolUse", run.clone()).as_deref(),
        Some("working Bash")
    );
    assert_eq!(
        event("PermissionRequest", run).as_deref(),
        Some("blocked(permission) Allow npm install?")
    );
    let ask = json!({"tool_name": "AskUserQuestion",
                     "tool_input": {"questions": [{"question": "Which colour?"}]}});
    assert_eq!(
        event("PermissionRequest", ask).as_deref(),
        Some("blocked(question) Which colour?")
    );
    let stop = |last: &str, behind: Value| {
        event(
            "Stop",
            json!({"last_assistant_message": last, "background_tasks": behind}),
        )
    };
    assert_eq!(stop("It is done.", json!([])).as_deref(), Some("done "));
    assert_eq!(
        stop("Done. Shall I commit it?", json!([])).as_deref(),
        Some("blocked(question) Shall I commit it?")
    );
    assert_eq!(
        stop("It runs.", json!([{}])).as_deref(),
        Some("working 1 task in the background")
    );
    assert_eq!(event("Notification", json!({})), None);
}

#[test]
fn codex_tells_only_its_question_and_not_its_helpers() {
    let turn = |asked: &str, last: &str| {
        said(
            json!({"type": "agent-turn-complete", "input-messages": [asked],
                    "last-assistant-message": last}),
        )
    };
    assert_eq!(turn("fix it", "Fixed."), None);
    assert_eq!(
        turn("fix it", "Which one?").as_deref(),
        Some("blocked(question) Which one?")
    );
    assert_eq!(
        turn("A title. Do not answer the request.\nfix it", "Fix what?"),
        None
    );
    assert_eq!(said(json!({"type": "something-else"})), None);
    assert_eq!(said(json!([])), None);
}
