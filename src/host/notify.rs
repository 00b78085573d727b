//! `remote host notify`: an agent's hook tells the host what the agent is doing, by way of agent.sock.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::hook;
use crate::error::{Context, Error, Result};
use crate::model::{AgentState, BlockedOn};
use crate::proto::{Conn, Op, Outcome, Request, ToClient, ToHost};

/// A hook must not hold its agent up for longer.
const LIMIT: Duration = Duration::from_secs(5);
/// What is read of a hook's JSON, and how long it is waited for.
const HOOK_MAX: u64 = 1 << 20;
const HOOK_LIMIT: Duration = Duration::from_secs(2);

/// What to tell. `on`, `message` and even `state` may come from the hook's JSON instead.
#[derive(Debug, Clone, Default)]
pub struct Notification {
    /// `idle`, `working`, `blocked`, `done` or `error`.
    pub state: Option<String>,
    /// `permission`, `question` or `auth`.
    pub on: Option<String>,
    pub message: Option<String>,
    pub progress: Option<u8>,
    /// Read the hook's JSON from standard input.
    pub hook: bool,
    /// The hook's JSON itself.
    pub json: Option<String>,
}

/// Where the host listens for this agent; from the environment that the host gave it.
#[derive(Debug, Clone)]
pub struct Place {
    pub socket: PathBuf,
    pub agent: u32,
}

impl Place {
    /// From `REMOTE_AGENT_SOCKET` and `REMOTE_AGENT`.
    ///
    /// # Errors
    /// They are not set: this is no agent's process.
    pub fn from_env() -> Result<Self> {
        let socket = std::env::var_os("REMOTE_AGENT_SOCKET").map(PathBuf::from);
        let agent = std::env::var("REMOTE_AGENT")
            .ok()
            .and_then(|n| n.parse().ok());
        match (socket, agent) {
            (Some(socket), Some(agent)) => Ok(Self { socket, agent }),
            _ => Err(Error::user(
                "this is not an agent of a session: REMOTE_AGENT_SOCKET and REMOTE_AGENT are not set",
            )
            .hint("`remote host notify` is for agents' hooks")),
        }
    }
}

fn parse_state(word: &str, on: Option<&str>) -> Result<AgentState> {
    Ok(match word {
        "idle" => AgentState::Idle,
        "working" => AgentState::Working,
        "done" => AgentState::Done,
        "error" => AgentState::Error,
        "blocked" => AgentState::Blocked {
            on: match on {
                Some("permission") => BlockedOn::Permission,
                Some("question") => BlockedOn::Question,
                Some("auth") => BlockedOn::Auth,
                _ => BlockedOn::Unknown,
            },
        },
        other => {
            return Err(Error::user(format!("`{other}` is not a state"))
                .hint("states are idle, working, blocked, done and error"));
        }
    })
}

/// The first JSON value of standard input: its end is not waited for, for an agent may leave it open. `None`
/// where none came in time.
async fn read_hook(
    input: impl Read + Send + 'static,
    limit: Duration,
) -> Option<serde_json::Value> {
    let (send, read) = oneshot::channel();
    // A thread of its own, which nobody waits for at the end of the process.
    std::thread::spawn(move || {
        let text = serde_json::Deserializer::from_reader(input.take(HOOK_MAX));
        let first = text.into_iter().next().and_then(|value| value.ok());
        let _ = send.send(first);
    });
    tokio::time::timeout(limit, read).await.ok()?.ok()?
}

fn resolve(
    n: &Notification,
    json: Option<serde_json::Value>,
) -> Result<Option<(AgentState, Option<String>)>> {
    let known = json.as_ref().and_then(hook::read);
    let own = json
        .as_ref()
        .and_then(|j| j.get("message"))
        .and_then(|m| m.as_str())
        .map(str::to_owned);
    let found = match (&n.state, known) {
        (Some(word), known) => Some((
            parse_state(word, n.on.as_deref())?,
            known.and_then(|(_, message)| message),
        )),
        (None, Some(known)) => Some(known),
        (None, None) if n.hook || n.json.is_some() => None,
        (None, None) => {
            return Err(Error::user(
                "say what to notify of: --state, or --hook with JSON on stdin",
            ));
        }
    };
    Ok(found.map(|(state, message)| (state, n.message.clone().or(own).or(message))))
}

/// Tells the host; returns what the host wants the agent to know (an end that nears), to be printed.
///
/// # Errors
/// A wrong state, no host, or its refusal.
pub async fn send(place: &Place, notification: &Notification) -> Result<Vec<String>> {
    let hook = match &notification.json {
        Some(json) => serde_json::from_str(json).ok(),
        None if notification.hook => read_hook(std::io::stdin(), HOOK_LIMIT).await,
        None => None,
    };
    let Some((state, message)) = resolve(notification, hook)? else {
        return Ok(Vec::new());
    };
    let op = Op::Notify {
        agent: place.agent,
        state,
        message,
        progress: notification.progress,
    };
    match ask(place, op).await? {
        Outcome::Text { lines } => Ok(lines),
        _ => Ok(Vec::new()),
    }
}

/// Asks the host by way of agent.sock.
///
/// # Errors
/// No host, or its refusal.
pub async fn ask(place: &Place, op: Op) -> Result<Outcome> {
    tokio::time::timeout(LIMIT, tell(place, op))
        .await
        .map_err(|_| Error::connection("the session's host does not answer"))?
}

async fn tell(place: &Place, op: Op) -> Result<Outcome> {
    let gone = format!("no host listens on {}", place.socket.display());
    let stream = UnixStream::connect(&place.socket).await.context(gone)?;
    let mut conn = Conn::<_, ToClient, ToHost>::client(stream, "agent")
        .await
        .context("the host's greeting")?;
    conn.sender
        .send(&ToHost::Request(Request { id: 1, op }))
        .await
        .context("telling the host")?;
    loop {
        match conn.receiver.next().await.context("the host's answer")? {
            Some(ToClient::Reply(reply)) => {
                return match reply.outcome {
                    Outcome::Failed { error } => Err(error.into()),
                    outcome => Ok(outcome),
                };
            }
            Some(_) => {}
            None => return Err(Error::connection("the host closed the connection")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Option<serde_json::Value> {
        serde_json::from_str(text).ok()
    }

    #[tokio::test]
    async fn a_hook_that_leaves_its_stdin_open_is_understood_and_a_silent_one_not_waited_for() {
        use std::io::Write;
        let (read, mut write) = std::io::pipe().expect("a pipe");
        write
            .write_all(br#"{"hook_event_name":"Stop"} "#)
            .expect("written");
        let got = read_hook(read, HOOK_LIMIT).await.expect("a value");
        assert_eq!(got["hook_event_name"], "Stop");
        let (read, open) = std::io::pipe().expect("a pipe");
        assert_eq!(read_hook(read, Duration::from_millis(20)).await, None);
        drop((write, open));
    }

    #[test]
    fn words_win_over_the_hooks_own_event() {
        let hook =
            r#"{"hook_event_name":"PermissionRequest","tool_name":"Bash","message":"run it?"}"#;
        let n = Notification {
            hook: true,
            ..Notification::default()
        };
        let (state, message) = resolve(&n, json(hook)).expect("fine").expect("a state");
        assert_eq!(state.to_string(), "blocked(permission)");
        assert_eq!(message.as_deref(), Some("run it?"));
        let n = Notification {
            state: Some("done".into()),
            message: Some("mine".into()),
            hook: true,
            ..Notification::default()
        };
        let found = resolve(&n, json(hook)).expect("fine").expect("a state");
        assert_eq!(found, (AgentState::Done, Some("mine".into())));
    }

    #[test]
    fn what_says_nothing_is_nothing_and_nonsense_is_refused() {
        let hook = Notification {
            hook: true,
            ..Notification::default()
        };
        assert_eq!(resolve(&hook, json("not json")).expect("fine"), None);
        assert_eq!(
            resolve(&hook, json(r#"{"hook_event_name":"SessionEnd"}"#)).expect("fine"),
            None
        );
        let wrong = Notification {
            state: Some("sleeping".into()),
            ..Notification::default()
        };
        assert!(resolve(&wrong, None).is_err_and(|e| e.message.contains("sleeping")));
        assert!(resolve(&Notification::default(), None).is_err());
    }
}
