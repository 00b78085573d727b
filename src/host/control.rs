//! A control stream: requests, any number under way, and the events of a watch.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::agent::{self, Answered, Command};
use super::fitting::fit;
use super::hub::{Hub, Order};
use super::logs::{self, Range};
use super::server::{Access, closed};
use super::settle::settle;
use super::{grep, layout, lenders, setup, upgrade, wrapup};
use crate::model::{AgentSpec, AgentState, Millis, Money, now_ms};
use crate::proto::{
    Conn, ErrorCode, Event, FrameError, Op, Outcome, Reply, Request, Sender, ToClient, ToHost,
    WireError,
};

/// Between two events of a watch.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);
/// Frames that wait for a slow reader of a log.
const QUEUE: usize = 16;
/// Requests of one stream under way; more wait in the socket.
const UNDER_WAY: usize = 256;
/// How long a killed agent may take to be noticed.
const NOTICED: Duration = Duration::from_secs(5);

type Stream = Conn<UnixStream, ToHost, ToClient>;

/// Serves one stream until the client or the host ends it. `first` was read already.
pub async fn serve(
    hub: Arc<Hub>,
    access: Access,
    conn: Stream,
    first: ToHost,
    mut closing: watch::Receiver<bool>,
) -> Result<(), FrameError> {
    let Conn {
        mut receiver,
        mut sender,
        ..
    } = conn;
    let (out, mut replies) = mpsc::channel::<ToClient>(QUEUE);
    let writer = tokio::spawn(async move {
        while let Some(message) = replies.recv().await {
            queue(&mut sender, &message)?;
            while let Ok(more) = replies.try_recv() {
                queue(&mut sender, &more)?;
            }
            sender.flush().await?;
        }
        sender.shutdown().await
    });
    let mut tasks = JoinSet::new();
    let mut next = Some(first);
    let result = loop {
        match next.take() {
            Some(ToHost::Request(Request { id, op })) => {
                tasks.spawn(answer(hub.clone(), access, id, op, out.clone()));
            }
            Some(ToHost::Ping(nonce)) => {
                let _ = out.send(ToClient::Pong(nonce)).await;
            }
            _ => {}
        }
        tokio::select! {
            message = receiver.next(), if tasks.len() < UNDER_WAY => match message {
                Ok(Some(message)) => next = Some(message),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            // Nothing can be told any more: the client must see that.
            () = out.closed() => break Err(FrameError::Closed),
            () = closed(&mut closing) => {
                // What was asked for is still answered: a watch or a followed log ends by itself.
                let _ = tokio::time::timeout(Duration::from_secs(1), async {
                    while tasks.join_next().await.is_some() {}
                }).await;
                break Ok(());
            }
        }
    };
    tasks.shutdown().await;
    drop(out);
    let _ = tokio::time::timeout(Duration::from_secs(2), writer).await;
    result
}

/// Puts a message on its way. One that fits no frame becomes an answer that says so.
fn queue<S: AsyncWrite>(
    sender: &mut Sender<S, ToClient>,
    message: &ToClient,
) -> Result<(), FrameError> {
    match (sender.queue(message), message) {
        (Err(FrameError::TooLong { length, .. }), ToClient::Reply(Reply { id, .. })) => {
            let why = format!("the answer has {length} bytes, more than can be sent");
            sender.queue(&ToClient::Reply(Reply {
                id: *id,
                outcome: Outcome::Failed {
                    error: WireError::new(ErrorCode::Io, why),
                },
            }))
        }
        (result, _) => result,
    }
}

async fn answer(hub: Arc<Hub>, access: Access, id: u32, op: Op, out: mpsc::Sender<ToClient>) {
    let (watching, lending) = (matches!(op, Op::Watch), matches!(op, Op::LendSshAgent));
    let outcome = match perform(&hub, access, id, op, &out).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Failed { error },
    };
    let failed = matches!(outcome, Outcome::Failed { .. });
    let reply = ToClient::Reply(Reply { id, outcome });
    if out.send(reply).await.is_err() || failed {
        return;
    }
    if watching {
        watch_status(&hub, &out).await;
    } else if lending {
        lenders::lend(&hub, &out).await;
    }
}

async fn watch_status(hub: &Hub, out: &mpsc::Sender<ToClient>) {
    let (mut changes, mut loads) = (hub.changes(), hub.loads());
    loop {
        changes.borrow_and_update();
        loads.borrow_and_update();
        let status = Box::new(fit(hub.status(now_ms())));
        let over = status.ended.is_some();
        if out
            .send(ToClient::Event(Event::Status { status }))
            .await
            .is_err()
            || over
        {
            return;
        }
        tokio::time::sleep(EVENT_INTERVAL).await;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = loads.changed() => if changed.is_err() { return },
            () = out.closed() => return,
        }
    }
}

async fn perform(
    hub: &Arc<Hub>,
    access: Access,
    id: u32,
    op: Op,
    out: &mpsc::Sender<ToClient>,
) -> Result<Outcome, WireError> {
    if let Access::Agent(speaker) = access {
        may_say(speaker, &op)?;
    }
    match op {
        Op::Status => Ok(Outcome::Status {
            status: Box::new(fit(hub.status(now_ms()))),
        }),
        Op::Watch => {
            hub.seen();
            Ok(Outcome::Done)
        }
        Op::Spawn { agent } => spawn(hub, agent).await,
        Op::Kill { agent, grace_ms } => {
            let hub = hub.clone();
            to_the_end(async move { kill(&hub, agent, grace_ms).await }).await?;
            Ok(Outcome::Done)
        }
        Op::Restart { agent, fresh } => {
            let hub = hub.clone();
            to_the_end(async move { restart(&hub, agent, fresh).await }).await
        }
        Op::Send { agent, text, keys } => {
            let keys = keys.into_iter().map(|k| k.0).collect();
            ask(hub, agent, |done| Command::Send { text, keys, done }).await??;
            Ok(Outcome::Done)
        }
        Op::Extend { deadline } => {
            if deadline <= now_ms() {
                return Err(WireError::new(
                    ErrorCode::BadRequest,
                    "the new deadline has passed already",
                )
                .hint("`remote terminate` ends a session at once"));
            }
            // The machine's own first: it must not end before its session.
            if let Some(rented) = &hub.rented {
                let moved = rented.deadline(deadline).await;
                moved.map_err(|why| WireError::new(ErrorCode::Io, why))?;
            }
            hub.extend(deadline);
            Ok(Outcome::Done)
        }
        Op::Budget { microusd } => {
            hub.set_budget(Money::micros(microusd))?;
            Ok(Outcome::Done)
        }
        Op::Rename { name } => {
            hub.rename(&super::state::clean(&name).unwrap_or_default());
            Ok(Outcome::Done)
        }
        Op::Terminate { why } => {
            let (done, wait) = oneshot::channel();
            hub.order(Order::Terminate { why, done }).await?;
            // A host that ends before it could say so has done what was asked.
            let _ = wait.await;
            Ok(Outcome::Done)
        }
        Op::Logs {
            agent,
            offset,
            tail,
            follow,
            check,
        } => {
            let (dir, written) = setup::log(hub, agent, check)?;
            hub.seen();
            let range = Range {
                offset,
                tail,
                follow,
            };
            logs::stream(dir, range, id, written, out).await?;
            Ok(Outcome::Done)
        }
        Op::Grep { agent, search } => {
            let (dir, _) = setup::log(hub, agent, None)?;
            hub.seen();
            let searched = grep::stream(dir, &search, id, out).await?;
            Ok(Outcome::Searched { searched })
        }
        Op::Setup { agent, command } => {
            setup::run(hub, &agent, &command, id, out).await?;
            Ok(Outcome::Done)
        }
        Op::Screen { agent } => Ok(Outcome::Text {
            lines: ask(hub, agent, |done| Command::Screen { done }).await?,
        }),
        Op::Question { agent } => {
            let question = ask(hub, agent, |done| Command::Question { done }).await?;
            Ok(Outcome::Question { question })
        }
        Op::Answer {
            agent,
            hash,
            text,
            keys,
            watch,
        } => {
            let keys = keys.into_iter().map(|k| k.0).collect();
            let answer = |done| Command::Answer {
                hash,
                text,
                keys,
                watch,
                done,
            };
            Ok(match ask(hub, agent, answer).await?? {
                Answered::Typed => Outcome::Done,
                Answered::Another(question) => Outcome::Question { question },
                Answered::Untaken(question) => Outcome::Untaken { question },
            })
        }
        Op::Tell { rules } => {
            hub.set_rules(rules)?;
            Ok(Outcome::Done)
        }
        // What is asked of it comes once this is answered.
        Op::LendSshAgent => Ok(Outcome::Done),
        Op::SshAgentReply { conn, message } => {
            hub.lenders.answered(conn, &message);
            Ok(Outcome::Done)
        }
        Op::Upgrade { path } => {
            let version = upgrade::verify(hub, &path).await?;
            let (done, wait) = oneshot::channel();
            let order = Order::Upgrade {
                path,
                version,
                done,
            };
            hub.order(order).await?;
            wait.await.unwrap_or(Ok(()))?;
            Ok(Outcome::Done)
        }
        Op::Notify {
            agent,
            state,
            message,
            progress,
        } => {
            let command = Command::Notify {
                state,
                message,
                progress,
            };
            let _ = hub.agent(agent)?.send(command).await;
            // Hooks hear of an end that nears.
            Ok(hub
                .last_notice()
                .map_or(Outcome::Done, |line| Outcome::Text { lines: vec![line] }))
        }
        Op::Events { since } => {
            let (events, now) = hub.events(since);
            Ok(Outcome::Events { events, now })
        }
        Op::Secrets { secrets } => hub.take_secrets(secrets).map(|()| Outcome::Done),
        Op::MissingSecrets => Ok(Outcome::Text {
            lines: hub.missing_secrets(),
        }),
        Op::KeepLayout { at, layout } => layout::keep(hub, at, layout).map(|()| Outcome::Done),
        Op::Layout => Ok(layout::kept(hub)),
        Op::GitCredential { agent, host } => {
            // Who may start agents knows what they are given; nobody else is told a value.
            if access == Access::Owner {
                let why = "a credential is given to an agent's git alone";
                return Err(WireError::new(ErrorCode::NotAllowed, why));
            }
            let password = hub.git_secret(agent, &host)?;
            Ok(Outcome::Credential { password })
        }
        Op::Unknown => Err(WireError::new(
            ErrorCode::Unsupported,
            format!(
                "this host (remote {}) does not know that request",
                hub.version
            ),
        )
        .hint("`remote host upgrade` brings it to your version; its agents go on")),
    }
}

/// An agent says how it is, and its git asks for its own credentials: of itself alone, and the latter only where it
/// is known who asks.
fn may_say(speaker: Option<u32>, op: &Op) -> Result<(), WireError> {
    let why = match (speaker, op) {
        (Some(own), Op::Notify { agent, .. } | Op::GitCredential { agent, .. })
            if own != *agent =>
        {
            format!("agent {own} cannot speak as agent {agent}")
        }
        (None, Op::GitCredential { .. }) => "which agent's git asks is not to be seen".to_owned(),
        (_, Op::Notify { .. } | Op::GitCredential { .. }) => return Ok(()),
        _ => "agents' socket takes only `notify` and `git_credential`".to_owned(),
    };
    Err(WireError::new(ErrorCode::NotAllowed, why))
}

/// What has been begun is finished, though the client that asked for it has gone: an agent is not to be left
/// half killed, or not started again.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, WireError>> + Send + 'static,
) -> Result<T, WireError> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|e| Err(WireError::new(ErrorCode::Io, e.to_string())))
}

/// Sends a command to an agent and waits for its answer.
async fn ask<T>(
    hub: &Hub,
    agent: u32,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, WireError> {
    let (done, wait) = oneshot::channel();
    let gone = || WireError::new(ErrorCode::Ending, "the session is ending");
    hub.agent(agent)?
        .send(command(done))
        .await
        .map_err(|_| gone())?;
    wait.await.map_err(|_| gone())
}

async fn spawn(hub: &Arc<Hub>, mut spec: AgentSpec) -> Result<Outcome, WireError> {
    if spec.argv.is_empty() {
        return Err(WireError::new(
            ErrorCode::BadRequest,
            "there is no command to run",
        ));
    }
    settle(hub, &mut spec).await;
    hub.reserve(&mut spec)?;
    let number = spec.number;
    // At once: clients on this machine read it there. What cannot be written now is tried again.
    if let Err(e) = hub.save_spec() {
        tracing::warn!("session.json cannot be written: {e}");
    }
    agent::start(hub, spec).await;
    let status = hub
        .agent_status(number)
        .ok_or_else(|| WireError::new(ErrorCode::Spawn, format!("agent {number} did not start")))?;
    if let (AgentState::Exited { code: 127 }, Some(why)) = (status.state, &status.evidence.message)
    {
        return Err(WireError::new(ErrorCode::Spawn, why.clone()));
    }
    Ok(Outcome::Agent {
        agent: Box::new(status),
    })
}

async fn kill(hub: &Hub, number: u32, grace_ms: Option<Millis>) -> Result<(), WireError> {
    hub.agent(number)?;
    let targets = hub.targets(Some(number));
    if targets.is_empty() {
        return Err(WireError::new(
            ErrorCode::AgentOver,
            format!("agent {number} has ended already"),
        )
        .hint(format!(
            "`remote restart {}/{number}` starts it again",
            hub.id
        )));
    }
    let grace = grace_ms.map_or(wrapup::GRACE, Duration::from_millis);
    let left = wrapup::end(hub, &targets, grace.min(Duration::from_secs(3600))).await;
    if !left.is_empty() {
        return Err(WireError::new(
            ErrorCode::Io,
            format!("processes of agent {number} could not be ended: {left:?}"),
        ));
    }
    let mut changes = hub.changes();
    let over = async {
        while hub.agent_status(number).is_some_and(|s| !s.state.is_over()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(NOTICED, over).await;
    Ok(())
}

async fn restart(hub: &Hub, number: u32, fresh: bool) -> Result<Outcome, WireError> {
    if hub.is_ending() {
        return Err(WireError::new(ErrorCode::Ending, "the session is ending"));
    }
    let _hold = hub.hold();
    hub.agent(number)?;
    if !hub.targets(Some(number)).is_empty() {
        kill(hub, number, None).await?;
    }
    let status = ask(hub, number, |done| Command::Restart { fresh, done }).await??;
    Ok(Outcome::Agent {
        agent: Box::new(status),
    })
}
