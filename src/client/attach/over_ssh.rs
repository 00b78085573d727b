//! Streams to a session's host over SSH: the first connection may ask a person, later ones repeat what was
//! answered, for by then the terminal is the agent's.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::{Mutex, watch};

use super::dial::{BoxFuture, Dial, DialError};
use crate::client::control::{ByteStream, Control};
use crate::client::handover::refresh;
use crate::client::limits::Limits;
use crate::client::link::Retry;
use crate::client::reach::{HostConn, host_is_dead, reach, reach_within};
use crate::client::registry::{Known, Registry};
use crate::error::{Error, Kind, Result};
use crate::ssh::{self, Ask, SshError};

/// A host that is being replaced by a newer one is away for a moment; after so many dials it is dead.
const AWAY: u32 = 6;

/// Opens streams to one session's host.
pub struct HostDial {
    registry: Registry,
    known: Known,
    ask: Arc<Remembering>,
    open: Mutex<Option<HostConn>>,
    /// As `open`, for who wants to know when it changes.
    now: watch::Sender<Option<HostConn>>,
    away: AtomicU32,
    /// Counts the connections that were given up.
    given_up: watch::Sender<u64>,
}

impl HostDial {
    /// Connects, asking `ask` where needed; over `host` where that is open already.
    ///
    /// # Errors
    /// The session is over, or its machine cannot be reached.
    pub async fn open(
        registry: Registry,
        known: Known,
        ask: Arc<dyn Ask>,
        host: Option<HostConn>,
    ) -> Result<Self> {
        let ask = Arc::new(Remembering::new(ask));
        let host = match host {
            Some(host) => host,
            None => reach(&known, ask.clone()).await?,
        };
        ask.quiet.store(true, Ordering::Relaxed);
        Ok(Self {
            registry,
            known,
            ask,
            now: watch::Sender::new(Some(host.clone())),
            open: Mutex::new(Some(host)),
            away: AtomicU32::new(0),
            given_up: watch::Sender::new(0),
        })
    }

    /// Changes when the connection is given up: whatever else goes over it is to be let go too.
    pub fn given_up(&self) -> watch::Receiver<u64> {
        self.given_up.subscribe()
    }

    /// A control stream over the connection there is; it makes none.
    ///
    /// # Errors
    /// There is none now, or the host does not listen.
    pub async fn control(&self) -> Result<Control> {
        let open = self.open.lock().await.clone();
        match open {
            Some(host) => host.control().await,
            None => Err(Error::connection("there is no connection now")),
        }
    }

    /// The connection that is used, whichever that is.
    pub fn connections(&self) -> watch::Receiver<Option<HostConn>> {
        self.now.subscribe()
    }

    async fn stream(&self, refresh: bool) -> std::result::Result<Box<dyn ByteStream>, DialError> {
        let mut open = self.open.lock().await;
        if refresh {
            // The old connection may hang as the old stream did.
            *open = None;
            self.given_up.send_modify(|n| *n = n.wrapping_add(1));
            self.now.send_replace(None);
        }
        let host = match &*open {
            Some(host) => host.clone(),
            None => {
                let known = self.registry.known(&self.known.id);
                let known = known.map_err(|e| failed(Retry::Never, &e))?;
                self.lives(&known)?;
                let known = self.newest(known).await?;
                let limits = Limits::default().as_known();
                let host = reach_within(&known, self.ask.clone(), limits).await;
                let host = host.map_err(|e| failed(retry(&e), &e))?;
                self.now.send_replace(Some(host.clone()));
                open.insert(host).clone()
            }
        };
        let stream = host.stream().await;
        match stream {
            Ok(stream) => {
                self.away.store(0, Ordering::Relaxed);
                Ok(stream)
            }
            Err(e) if host_is_dead(&e) => Err(failed(self.away(), &e)),
            Err(e) => Err(failed(Retry::Soon, &e)),
        }
    }

    /// Once more without a host where there should be one.
    fn away(&self) -> Retry {
        if self.away.fetch_add(1, Ordering::Relaxed) < AWAY {
            Retry::Soon
        } else {
            Retry::Never
        }
    }

    /// A rented machine may have another address by now, and be gone without a word.
    async fn newest(&self, known: Known) -> std::result::Result<Known, DialError> {
        if known.rented.is_none() || !self.ask.quiet.load(Ordering::Relaxed) {
            return Ok(known);
        }
        match refresh(&self.registry, &known, self.ask.clone()).await {
            Ok(known) => Ok(known),
            Err(e) if e.kind == Kind::User => Err(failed(Retry::Never, &e)),
            // AWS may be out of reach while the machine is not.
            Err(_) => Ok(known),
        }
    }

    fn lives(&self, known: &Known) -> std::result::Result<(), DialError> {
        let Err(e) = known.must_live() else {
            return Ok(());
        };
        let ended = known.last.as_ref().is_some_and(|l| l.ended.is_some());
        let retry = if ended { Retry::Never } else { self.away() };
        Err(failed(retry, &e))
    }
}

impl Dial for HostDial {
    fn dial(
        &self,
        refresh: bool,
    ) -> BoxFuture<'_, std::result::Result<Box<dyn ByteStream>, DialError>> {
        Box::pin(self.stream(refresh))
    }
}

fn failed(retry: Retry, e: &Error) -> DialError {
    DialError {
        retry,
        message: e.message.clone(),
    }
}

/// What SSH advises; whatever else stands in the way may pass.
fn retry(e: &Error) -> Retry {
    let source = e.source.as_deref();
    match source.and_then(|s| s.downcast_ref::<SshError>()) {
        Some(e) => match e.retry() {
            ssh::Retry::Soon => Retry::Soon,
            ssh::Retry::Later => Retry::Later,
            ssh::Retry::Never => Retry::Never,
        },
        None => Retry::Soon,
    }
}

/// Asks a person once, and from then on repeats the answers.
struct Remembering {
    person: Arc<dyn Ask>,
    answers: std::sync::Mutex<HashMap<String, String>>,
    /// The person is busy with the agent.
    quiet: AtomicBool,
}

impl Remembering {
    fn new(person: Arc<dyn Ask>) -> Self {
        Self {
            person,
            answers: std::sync::Mutex::default(),
            quiet: AtomicBool::new(false),
        }
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.answers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Ask for Remembering {
    fn ask<'a>(&'a self, prompt: &'a str, echo: bool) -> ssh::BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            if self.quiet.load(Ordering::Relaxed) {
                return self.answers().get(prompt).cloned();
            }
            let answer = self.person.ask(prompt, echo).await?;
            self.answers().insert(prompt.to_owned(), answer.clone());
            Some(answer)
        })
    }

    fn tell(&self, line: &str) {
        if !self.quiet.load(Ordering::Relaxed) {
            self.person.tell(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Once(AtomicBool);

    impl Ask for Once {
        fn ask<'a>(&'a self, prompt: &'a str, _: bool) -> ssh::BoxFuture<'a, Option<String>> {
            let first = !self.0.swap(true, Ordering::Relaxed);
            Box::pin(async move { first.then(|| format!("answer to {prompt}")) })
        }
        fn tell(&self, _: &str) {}
    }

    #[tokio::test]
    async fn what_was_answered_once_is_answered_again_without_the_person() {
        let ask = Remembering::new(Arc::new(Once(AtomicBool::new(false))));
        let first = ask.ask("password", false).await;
        assert_eq!(first.as_deref(), Some("answer to password"));
        ask.quiet.store(true, Ordering::Relaxed);
        assert_eq!(ask.ask("password", false).await, first);
        assert_eq!(ask.ask("code", false).await, None);
    }
}
