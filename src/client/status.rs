//! What sessions are doing: hosts asked side by side, so many at a time, and none waited for that is silent.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::cloud::Doors;
use super::connect::connect_within;
use super::control::Happened;
use super::limits::Limits;
use super::reach::{Hosts, host_is_dead, reach, reach_within};
use super::registry::{Known, Registry};
use crate::error::{Context, Error, Kind, Result};
use crate::model::{Millis, SessionEvent, SessionId, SessionStatus, now_ms};
use crate::provision::{Machine, Rented, quote};
use crate::ssh::Ask;

/// How long a host may take to answer before it is called unreachable.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How long all of them may take together, however many are silent.
pub const IN_ALL: Duration = Duration::from_secs(6);
/// So many are asked at a time: each is a socket, and some systems give a process 256.
const ABREAST: usize = 100;
/// And so many of them on this machine, whose own CPU is at the other end of each handshake too.
const ABREAST_HERE: usize = 16;
/// So many times as long may it take where AWS is asked first: to let this device in, or for where a machine is now.
const BY_AWS: u32 = 5;

/// Whether a session's host can be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Live,
    Ended,
    /// Its host died without an end.
    Lost,
    /// Its machine was stopped from outside, and can be started again.
    Stopped,
    /// Its machine is there, and its launch is not through.
    Launching,
    /// It does not answer; `status` is what it said last.
    Unreachable,
    /// Another owner's, as the tags tell of it: its host was not asked.
    Foreign,
}

/// One session as it can be told now: what `status --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub session: SessionId,
    pub name: Option<String>,
    pub provider: String,
    /// Whose it is, where that is another owner: an ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
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
    /// Where that was asked for and can be had.
    #[serde(skip)]
    pub happened: Option<Happened>,
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
            owner: None,
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
            happened: None,
        }
    }

    /// Another owner's session, as its tags tell of it.
    pub fn of_another(machine: &Machine) -> Option<Self> {
        let known = super::cloud::known(machine)?;
        let status = known.last.clone();
        let mut report = Self::new(&known, Presence::Foreign, status);
        let rented = machine.rented.as_ref()?;
        report.owner = Some(rented.owner.clone());
        report.ttl_left_ms = rented.deadline.map(|d| d.saturating_sub(now_ms()));
        Some(report)
    }

    /// What is known without asking anybody.
    pub fn remembered(known: &Known) -> Self {
        let ended = known.last.as_ref().is_some_and(|l| l.ended.is_some());
        let rented = known.rented.as_ref();
        let presence = match (known.live, ended) {
            (true, _) if rented.is_some_and(|r| r.stopped) => Presence::Stopped,
            (true, _) if rented.is_some_and(|r| r.provisional) => Presence::Launching,
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

/// One session, asked now where it is known to be; never fails. A machine that is silent is not waited for longer than
/// `patience`.
pub async fn report(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    patience: Duration,
) -> Report {
    report_since(registry, known, ask, patience, None).await
}

/// As [`report`], for somebody who means this one: a rented machine that is silent is followed to where it is now, and
/// lets this device in from where that is.
pub async fn report_one(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    patience: Duration,
) -> Report {
    asked(
        registry,
        known,
        ask,
        patience,
        (Limits::each(patience), None),
    )
    .await
}

/// As [`report`], with what happened since then, where that is asked for. What one that is over has left is read
/// where it lies.
async fn report_since(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    patience: Duration,
    since: Option<Millis>,
) -> Report {
    let how = (Limits::each(patience).as_known(), since);
    // Boxed: it is long, and part of much that is longer.
    let mut report = Box::pin(asked(registry, known, ask.clone(), patience, how)).await;
    let over = matches!(report.presence, Presence::Ended | Presence::Lost);
    if over && since.is_some() && known.provider != "ec2" {
        let limits = Limits::each(patience);
        let read = timeout(patience, events_on_disk(known, &ask, limits)).await;
        report.happened = read.ok().and_then(Result::ok);
    }
    report
}

async fn asked(
    registry: &Registry,
    known: &Known,
    ask: Arc<dyn Ask>,
    patience: Duration,
    (limits, since): (Limits, Option<Millis>),
) -> Report {
    let cannot_answer = |r: &Rented| r.stopped || r.provisional;
    if !known.live || known.rented.as_ref().is_some_and(cannot_answer) {
        let mut report = Report::remembered(known);
        report.unreachable_because = waits_for(known, report.presence);
        return report;
    }
    let stranger = || known.last.as_ref().is_none_or(|l| l.version.is_empty());
    let by_aws = known.provider == "ec2" && (!limits.as_known || stranger());
    let longest = if by_aws { patience * BY_AWS } else { patience };
    let asked = async {
        let host = reach_within(known, ask.clone(), limits).await;
        let host = host.map_err(|e| (e, false))?;
        let status = async {
            let mut control = host.control().await?;
            let status = control.status().await?;
            Ok((
                status,
                match since {
                    Some(since) => control.events(since).await?,
                    None => None,
                },
            ))
        };
        status.await.map_err(|e| (e, true))
    };
    match timeout(longest, asked).await {
        Ok(Ok((status, happened))) => {
            registry.ledger().saw(&status, now_ms());
            let mut report = Report::new(known, Presence::Live, Some(status));
            report.happened = happened;
            report
        }
        Ok(Err((e, machine))) => gone(registry, known, &ask, patience, &e, machine).await,
        Err(_) => silent(known, format!("no answer in {} s", longest.as_secs())),
    }
}

fn silent(known: &Known, why: String) -> Report {
    let mut report = Report::remembered(known);
    if report.presence == Presence::Unreachable {
        report.unreachable_because = Some(why);
    }
    report
}

/// What has to happen to a machine that cannot answer, and how.
fn waits_for(known: &Known, presence: Presence) -> Option<String> {
    let id = &known.id;
    match presence {
        Presence::Stopped => Some(format!(
            "its machine is stopped: `remote restart {id}` starts it, `remote terminate {id}` ends it"
        )),
        Presence::Launching => {
            let rented = known.rented.as_ref()?;
            Some(format!(
                "its launch on {} is not through: cut off, it ends itself within 10 minutes of its boot; `remote \
                 terminate {id}` ends it now",
                rented.device
            ))
        }
        _ => None,
    }
}

/// A host that did not answer may just have ended: its directory says so, where its machine answers.
async fn gone(
    registry: &Registry,
    known: &Known,
    ask: &Arc<dyn Ask>,
    patience: Duration,
    why: &Error,
    machine: bool,
) -> Report {
    let mut now = registry.get(&known.id).unwrap_or_else(|| known.clone());
    if now.ssh.is_some() && machine {
        let limits = Limits::each(patience / 2).as_known();
        if let Ok(Ok(last)) = timeout(patience / 2, on_disk_within(&now, ask, limits)).await {
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

/// Asks all of them, each answer with its place in `known`, as it comes. It is over after [`IN_ALL`], whoever is
/// silent. Where rented machines are, and this device has moved, it is let in anew, and they are asked again.
pub fn ask_all(
    registry: &Registry,
    known: &[Known],
    ask: &Arc<dyn Ask>,
    patience: Duration,
) -> mpsc::UnboundedReceiver<(usize, Report)> {
    let known = known.iter().map(|k| (k.clone(), None));
    ask_each(registry, known, ask, patience)
}

/// As [`ask_all`], and what happened since then.
pub fn ask_each(
    registry: &Registry,
    known: impl IntoIterator<Item = (Known, Option<Millis>)>,
    ask: &Arc<dyn Ask>,
    patience: Duration,
) -> mpsc::UnboundedReceiver<(usize, Report)> {
    let (send, answers) = mpsc::unbounded_channel();
    let turns = Arc::new(Semaphore::new(ABREAST));
    let turns_here = Arc::new(Semaphore::new(ABREAST_HERE));
    let doors = Arc::new(Doors::new(ask.clone()));
    let until = Instant::now() + IN_ALL;
    for (index, (known, since)) in known.into_iter().enumerate() {
        let (registry, ask) = (registry.clone(), ask.clone());
        let turns = match known.ssh {
            Some(_) => turns.clone(),
            None => turns_here.clone(),
        };
        let (send, doors) = (send.clone(), doors.clone());
        tokio::spawn(async move {
            let report = match timeout_at(until, turns.acquire_owned()).await {
                Ok(_turn) => {
                    let asked = async {
                        let first =
                            report_since(&registry, &known, ask.clone(), patience, since).await;
                        let rented = known.rented.as_ref();
                        let shut = rented.filter(|_| first.presence == Presence::Unreachable);
                        match shut {
                            Some(rented) if doors.open(&rented.region).await => {
                                report_since(&registry, &known, ask, patience, since).await
                            }
                            _ => first,
                        }
                    };
                    let late = |_| silent(&known, "it did not answer in time".to_owned());
                    timeout_at(until, asked).await.unwrap_or_else(late)
                }
                Err(_) => silent(&known, "not asked: too many others were silent".to_owned()),
            };
            // Nobody wants to know any more.
            let _ = send.send((index, report));
        });
    }
    answers
}

/// What a session's host wrote last into its directory, here or on its machine.
///
/// # Errors
/// It never wrote anything, or its machine cannot be reached.
pub async fn on_disk(known: &Known, ask: &Arc<dyn Ask>) -> Result<SessionStatus> {
    on_disk_within(known, ask, Limits::default()).await
}

async fn on_disk_within(
    known: &Known,
    ask: &Arc<dyn Ask>,
    limits: Limits,
) -> Result<SessionStatus> {
    let text = file_of(known, "last.json", ask, limits).await?;
    serde_json::from_slice(&text).context(format!("the last status of {} is damaged", known.id))
}

async fn events_on_disk(known: &Known, ask: &Arc<dyn Ask>, limits: Limits) -> Result<Happened> {
    let text = file_of(known, "events.jsonl", ask, limits).await?;
    let events = SessionEvent::read_all(&text);
    let now = events.last().map_or(0, |e| e.at);
    Ok(Happened { events, now })
}

/// A file of a session's directory, wherever that is.
async fn file_of(known: &Known, name: &str, ask: &Arc<dyn Ask>, limits: Limits) -> Result<Vec<u8>> {
    Ok(match (&known.dir, &known.ssh) {
        (Some(dir), _) => {
            let file = dir.path().join(name);
            std::fs::read(&file).context(format!("cannot read {}", file.display()))?
        }
        (None, Some(place)) => {
            let connection = connect_within(known, ask.clone(), limits).await?;
            let command = format!("cat {}", quote(&format!("{}/{name}", place.dir)));
            let ran = super::dial::run(&connection, &command, tokio::io::empty()).await?;
            if ran.status != 0 {
                return Err(Error::user(format!(
                    "{} holds nothing of {} any more",
                    place.destination, known.id
                )));
            }
            ran.stdout
        }
        (None, None) => return Err(Error::internal(format!("{} is nowhere", known.id))),
    })
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
        known = registry.get(&known.id).unwrap_or(known);
        let again = report(&registry, &known, ask.clone(), PATIENCE).await;
        presence = again.presence;
        if send.send(again).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
