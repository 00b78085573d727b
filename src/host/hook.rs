//! What agents' hooks say of themselves in their JSON: the events of Claude Code's hooks, and the one of Codex's
//! `notify`. An event that says nothing sure of the state says nothing.

use serde_json::Value;

use super::state::question;
use crate::model::{AgentState, BlockedOn};

/// Codex asks its model for a title in a turn of its own, and tells of that turn's end too.
const HELPER: &str = "Do not answer the request.";

/// The state and a text, of a hook's JSON.
pub fn read(json: &Value) -> Option<(AgentState, Option<String>)> {
    match text(json, "hook_event_name") {
        Some(event) => claude(event, json),
        None => codex(json),
    }
}

fn text<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    json.get(name).and_then(Value::as_str)
}

fn blocked(on: BlockedOn) -> AgentState {
    AgentState::Blocked { on }
}

fn claude(event: &str, json: &Value) -> Option<(AgentState, Option<String>)> {
    let tool = text(json, "tool_name");
    let own = |message: Option<&str>| message.map(str::to_owned);
    Some(match event {
        // In the middle of a turn too, when the conversation was made shorter.
        "SessionStart" if text(json, "source") != Some("compact") => (AgentState::Idle, None),
        "UserPromptSubmit" | "PreToolUse" | "PostToolUse" | "PostToolUseFailure" => {
            (AgentState::Working, own(tool))
        }
        "PermissionRequest" if tool == Some("AskUserQuestion") => {
            let asked = json.pointer("/tool_input/questions/0/question");
            (
                blocked(BlockedOn::Question),
                own(asked.and_then(Value::as_str)),
            )
        }
        "PermissionRequest" => (blocked(BlockedOn::Permission), tool.map(|t| allow(t, json))),
        "Stop" => turn_over(json),
        "StopFailure" => (AgentState::Error, own(text(json, "last_assistant_message"))),
        _ => return None,
    })
}

/// `Allow npm install?`, `Allow Write src/main.rs?`
fn allow(tool: &str, json: &Value) -> String {
    let input = |name: &str| json.pointer(&format!("/tool_input/{name}"))?.as_str();
    if let Some(command) = input("command") {
        return format!("Allow {command}?");
    }
    match ["file_path", "path", "url", "query"]
        .into_iter()
        .find_map(input)
    {
        Some(object) => format!("Allow {tool} {object}?"),
        None => format!("Allow {tool}?"),
    }
}

/// A turn is over: done, unless it ends with a question or its tasks go on in the background.
fn turn_over(json: &Value) -> (AgentState, Option<String>) {
    let behind = json.get("background_tasks").and_then(Value::as_array);
    match behind.map_or(0, Vec::len) {
        0 => {}
        1 => {
            return (
                AgentState::Working,
                Some("1 task in the background".to_owned()),
            );
        }
        n => {
            return (
                AgentState::Working,
                Some(format!("{n} tasks in the background")),
            );
        }
    }
    match text(json, "last_assistant_message").and_then(question) {
        Some(asked) => (blocked(BlockedOn::Question), Some(asked)),
        None => (AgentState::Done, None),
    }
}

/// Only the question that a turn ends with: whether the turn was the person's or a helper's cannot be told
/// for sure, and its own reports tell the rest.
fn codex(json: &Value) -> Option<(AgentState, Option<String>)> {
    if text(json, "type") != Some("agent-turn-complete") {
        return None;
    }
    let asked_of_it = json.get("input-messages").and_then(Value::as_array)?;
    let helper = |m: &Value| m.as_str().is_none_or(|m| m.contains(HELPER));
    if asked_of_it.iter().any(helper) {
        return None;
    }
    let asked = text(json, "last-assistant-message").and_then(question)?;
    Some((blocked(BlockedOn::Question), Some(asked)))
}

#[cfg(test)]
mod tests;
