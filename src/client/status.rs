//! What sessions are doing: all hosts asked side by side, none waited for longer than the others need.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::reach::{Hosts, connect, host_is_dead, reach};
use super::registry::{Known, Registry};
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Millis, SessionId, SessionStatus, now_ms};
use crate::provision::quote;
use crate::ssh::Ask;

/// How long a host may take to answer before it is called unreachable.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a session's host can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Live,
    Ended,
    /// Its host died without an end.
    Lost,
    /// It does not answer; `status` is what it said last.
    Unreachable,
}

/// One session as it can be told now: what `status --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub session: SessionId,
    pub name: Option<String>,
    pub provider: String,
    pub presence: Presence,
    /// Why it does not answer.
    pub unreachable_because: Option<String>,
    /// Where its files lie: a directory here, or `host:directory`.
    pub place: String,
    /// When `status` was made.
    pub seen: Millis,
    /// Milliseconds until its deadline, where it has one.
    pub ttl_left_ms: Option<Millis>,
    pub status: Option<SessionStatus>,
}

impl Report {
    fn new(known: &Known, presence: Presence, status: Option<SessionStatus>) -> Self {
        let over = status.as_ref().is_some_and(|s| s.ended.is_some());
        let presence = if over { Presence::Ended } else { presence };
        let deadline = status.as_ref().and_then(|s| s.spec.ends.deadline);
        Self {
            session: known.id.clone(),
            name: status
                .as_ref()
                .map_or_else(|| known.name.clone(), |s| s.spec.name.clone()),
            provider: known.provider.clone(),
            presence,
            unreachable_because: None,
            place: match (&known.dir, &known.ssh) {
                (Some(dir), _) => dir.path().display().to_string(),
                (None, Some(ssh)) => format!("{}:{}", ssh.destination, ssh.dir),
                (None, None) => String::new(),
            },
            seen: status.as_ref().map_or(known.last_seen, |s| s.now),
            ttl_left_ms: deadline
                .filter(|_| presence == Presence::Live)
                .map(|d| d.saturating_sub(now_ms())),
            status,
        }
    }

    /// What is known without asking anybody.
    pub fn remembered(known: &Known) -> Self {
        let ended = known.last.as_ref().is_some_and(|l| l.ended.is_some());
        let presence = match (known.live, ended) {
            (true, _) => Presence::Unreachable,
            (false, true) => Presence::Ended,
            (false, false) => Presence::Lost,
        };
        let mut report = Self::new(known, presence, known.last.clone());
        if !known.live {
            // It will not answer again; when it spoke last is the end that people ask for.
            report.seen = known.last_seen;
        }
        report
    }
}

/// One session, asked now; never fails and never takes longer than `patience`.
pub async fn report(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    patience: Duration,
) -> Report {
    if !known.live {
        return Report::remembered(known);
    }
    let asked = async {
        let host = reach(known, ask.clone()).await?;
        host.control().await?.status().await
    };
    match tokio::time::timeout(patience, asked).await {
        Ok(Ok(status)) => {
            registry.ledger().saw(&status, now_ms());
            Report::new(known, Presence::Live, Some(status))
        }
        Ok(Err(e)) => gone(registry, known, &ask, patience, &e).await,
        Err(_) => {
            let mut report = Report::remembered(known);
            report.unreachable_because = Some(format!("no answer in {} s", patience.as_secs()));
            report
        }
    }
}

/// A host that did not answer may just have ended: its directory says so.
async fn gone(
    registry: &Registry,
    known: &Known,
    ask: &Arc<dyn Ask>,
    patience: Duration,
    why: &Error,
) -> Report {
    let mut now = registry
        .resolve(known.id.as_str())
        .unwrap_or_else(|_| known.clone());
    if now.ssh.is_some() {
        if let Ok(Ok(last)) = tokio::time::timeout(patience / 2, on_disk(&now, ask)).await {
            registry.ledger().saw(&last, now_ms());
            now.live = last.ended.is_none();
            now.last = Some(last);
        }
        if now.live && host_is_dead(why) {
            registry.ledger().lost(&now.id);
            now.live = false;
        }
    }
    let mut report = Report::remembered(&now);
    if report.presence == Presence::Unreachable {
        report.unreachable_because = Some(why.to_string());
    }
    report
}

/// All of them, asked side by side, in the order given.
pub async fn report_all(
    registry: &Registry,
    known: &[Known],
    ask: Arc<dyn Ask>,
    patience: Duration,
) -> Vec<Report> {
    let mut tasks = JoinSet::new();
    for (index, known) in known.iter().cloned().enumerate() {
        let (registry, ask) = (registry.clone(), ask.clone());
        tasks.spawn(async move { (index, report(&registry, &known, ask, patience).await) });
    }
    let mut reports = tasks.join_all().await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// What a session's host wrote last into its directory, here or on its machine.
///
/// # Errors
/// It never wrote anything, or its machine cannot be reached.
pub async fn on_disk(known: &Known, ask: &Arc<dyn Ask>) -> Result<SessionStatus> {
    let text = match (&known.dir, &known.ssh) {
        (Some(dir), _) => {
            std::fs::read(dir.last()).context(format!("cannot read {}", dir.last().display()))?
        }
        (None, Some(place)) => {
            let connection = connect(known, ask.clone()).await?;
            let command = format!("cat {}", quote(&format!("{}/last.json", place.dir)));
            let ran = super::reach::run(&connection, &command, tokio::io::empty()).await?;
            if ran.status != 0 {
                return Err(Error::user(format!(
                    "{} holds nothing of {} any more",
                    place.destination, known.id
                )));
            }
            ran.stdout
        }
        (None, None) => return Err(Error::internal(format!("{} is nowhere", known.id))),
    };
    serde_json::from_slice(&text).context(format!("the last status of {} is damaged", known.id))
}

/// The newest status there is: the live host's, else the one it left behind.
///
/// # Errors
/// Neither can be had.
pub async fn newest(registry: &Registry, known: &Known, hosts: &Hosts) -> Result<SessionStatus> {
    if known.live {
        let asked = async { hosts.reach(known).await?.control().await?.status().await };
        match asked.await {
            Ok(status) => {
                registry.ledger().saw(&status, now_ms());
                return Ok(status);
            }
            Err(e) if e.kind != Kind::Connection => return Err(e),
            Err(_) => {}
        }
    }
    let status = on_disk(known, &hosts.ask()).await?;
    registry.ledger().saw(&status, now_ms());
    Ok(status)
}

/// Sends a report of `known` at each change until it is over or nobody listens.
pub async fn watch(
    registry: Registry,
    known: Known,
    ask: Arc<dyn Ask>,
    send: mpsc::Sender<Report>,
) {
    let first = report(&registry, &known, ask.clone(), PATIENCE).await;
    let mut presence = first.presence;
    if send.send(first).await.is_err() {
        return;
    }
    let mut known = known;
    while matches!(presence, Presence::Live | Presence::Unreachable) {
        let stream = async {
            reach(&known, ask.clone())
                .await?
                .control()
                .await?
                .watch()
                .await
        };
        if let Ok(mut stream) = stream.await {
            while let Ok(status) = stream.next().await {
                registry.ledger().saw(&status, now_ms());
                let report = Report::new(&known, Presence::Live, Some(status));
                if send.send(report).await.is_err() {
                    return;
                }
            }
        } else {
            tokio::time::sleep(PATIENCE).await;
        }
        known = registry.resolve(known.id.as_str()).unwrap_or(known);
        let again = report(&registry, &known, ask.clone(), PATIENCE).await;
        presence = again.presence;
        if send.send(again).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{
        AgentState, AgentStatus, DEFAULT_SIZE, EndKind, Ended, Ends, Evidence, SessionSpec, Source,
    };

    /// A status with agents numbered from 1 in these states.
    pub(in super::super) fn status(id: &str, states: &[AgentState]) -> SessionStatus {
        let agents = (1..).zip(states).map(|(number, state)| AgentStatus {
            number,
            name: "sh".into(),
            argv: vec!["sh".into()],
            task: String::new(),
            state: *state,
            since: 0,
            evidence: Evidence {
                source: Source::Process,
                at: 0,
                message: None,
                progress: None,
            },
            title: String::new(),
            pid: None,
            size: DEFAULT_SIZE,
            started: 0,
            ended: None,
            bytes: 0,
            full_screen: false,
        });
        SessionStatus {
            agents: agents.collect(),
            spec: SessionSpec {
                id: id.parse().expect("a good id"),
                name: None,
                task: String::new(),
                provider: "local".into(),
                owner: String::new(),
                created: 0,
                ends: Ends::default(),
                agents: Vec::new(),
                price_microusd_per_hour: 0,
                budget_microusd: None,
            },
            attached: Vec::new(),
            ends: Vec::new(),
            ended: None,
            warnings: Vec::new(),
            now: 7,
            version: "0".into(),
        }
    }

    #[test]
    fn what_is_remembered_says_how_it_ended() {
        let mut last = status("session-abc234", &[]);
        let mut known = Known {
            id: last.spec.id.clone(),
            name: None,
            provider: "local".into(),
            dir: None,
            ssh: None,
            rented: None,
            last: None,
            last_seen: 3,
            created: 0,
            live: true,
        };
        assert_eq!(Report::remembered(&known).presence, Presence::Unreachable);
        known.live = false;
        assert_eq!(Report::remembered(&known).presence, Presence::Lost);
        last.ended = Some(Ended {
            kind: EndKind::Exited,
            at: 1,
            why: "all over".into(),
        });
        known.last = Some(last);
        assert_eq!(Report::remembered(&known).presence, Presence::Ended);
    }
}
