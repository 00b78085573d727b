//! News in words: a line for people, JSON for a webhook, variables for a command.

use serde_json::{Value, json};

use crate::model::{Money, News, NewsKind, SessionStatus};

/// More of an agent's words is left out.
const LONGEST: usize = 300;

/// The session, and the agent where it is one's: `auth/2`, `session-abc123`.
pub fn title(status: &SessionStatus, news: &News) -> String {
    let spec = &status.spec;
    let name = spec.name.as_deref().unwrap_or(spec.id.as_str());
    match news.agent {
        Some(agent) => format!("{name}/{agent}"),
        None => name.to_owned(),
    }
}

/// What is to be said of it: `is blocked(permission): Allow npm install?`.
pub fn body(news: &News) -> String {
    let state = news.state.as_deref().unwrap_or("");
    let message = news.message.as_deref().map(short);
    if news.event == NewsKind::Ending
        && let Some(when) = message
            .as_deref()
            .and_then(|m| m.strip_prefix("this session "))
    {
        return when.to_owned();
    }
    let head = match news.event {
        NewsKind::Blocked if state.is_empty() => "is blocked".to_owned(),
        NewsKind::Blocked => format!("is {state}"),
        NewsKind::Done if state.starts_with("exited") => "is done: it has exited".to_owned(),
        NewsKind::Done => "is done".to_owned(),
        NewsKind::Error if matches!(state, "" | "error") => "has failed".to_owned(),
        NewsKind::Error => format!("has failed, {state}"),
        NewsKind::Ending => "ends soon".to_owned(),
        NewsKind::Interrupted => "is interrupted".to_owned(),
        NewsKind::Ended => "has ended".to_owned(),
        NewsKind::Unknown => "has news".to_owned(),
    };
    let said = match message {
        Some(message) => format!("{head}: {message}"),
        None => head,
    };
    match news.total_microusd {
        Some(total) => format!("{said}; total {}", Money::micros(total)),
        None => said,
    }
}

/// One line.
pub fn text(status: &SessionStatus, news: &News) -> String {
    format!("{} {}", title(status, news), body(news))
}

/// What a webhook gets. `text` alone is what Slack and its like show, with what could call somebody there made
/// harmless: an agent's words are not to be obeyed.
pub fn payload(status: &SessionStatus, news: &News) -> Value {
    let plain = text(status, news);
    let harmless = plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(news.at);
    let mut payload = json!({
        "text": harmless,
        "session": status.spec.id,
        "name": status.spec.name,
        "provider": status.spec.provider,
        "number": news.number,
        "agent": news.agent,
        "event": news.event,
        "state": news.state,
        "message": news.message.as_deref().map(short),
        "at": humantime::format_rfc3339_millis(at).to_string(),
    });
    if let (Some(total), Some(fields)) = (news.total_microusd, payload.as_object_mut()) {
        fields.insert("total".to_owned(), Money::micros(total).to_string().into());
        fields.insert("total_microusd".to_owned(), total.into());
    }
    payload
}

/// What a command gets, beside the environment it is run in.
pub fn environment(status: &SessionStatus, news: &News) -> Vec<(String, String)> {
    let agent = news.agent.map_or_else(String::new, |a| a.to_string());
    let total = news.total_microusd.map(Money::micros);
    [
        ("TEXT", text(status, news)),
        ("TITLE", title(status, news)),
        ("BODY", body(news)),
        ("SESSION", status.spec.id.to_string()),
        ("NAME", status.spec.name.clone().unwrap_or_default()),
        ("NUMBER", news.number.to_string()),
        ("AGENT", agent),
        ("EVENT", news.event.word().to_owned()),
        ("STATE", news.state.clone().unwrap_or_default()),
        (
            "MESSAGE",
            news.message.as_deref().map(short).unwrap_or_default(),
        ),
        ("TOTAL", total.map_or_else(String::new, |t| t.to_string())),
    ]
    .into_iter()
    .map(|(name, value)| (format!("REMOTE_NOTICE_{name}"), value))
    .collect()
}

fn short(text: &str) -> String {
    let mut chars = text.chars().filter(|c| !c.is_control());
    let mut short: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}
