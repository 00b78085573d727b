//! Clients that lend their SSH agents to the session. What a program here asks goes to the newest of them; whether it
//! is answered is that client's to decide. Where there is none, or it goes away, the answer is a refusal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{mpsc, oneshot};

use super::hub::Hub;
use crate::proto::{Event, ToClient};

/// Questions that wait for a client's line to take them.
const QUEUE: usize = 16;
/// For an answer: a person may be asked, or has to touch a key.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug, Default)]
pub struct Lenders(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    /// The newest is the last.
    clients: Vec<(u64, mpsc::Sender<Event>)>,
    /// By connection: which client was asked, and who waits.
    asked: HashMap<u64, (u64, oneshot::Sender<Vec<u8>>)>,
}

/// One client, until this is dropped.
struct Lender<'a> {
    lenders: &'a Lenders,
    id: u64,
    events: mpsc::Receiver<Event>,
}

impl Drop for Lender<'_> {
    fn drop(&mut self) {
        let mut inner = self.lenders.lock();
        inner.clients.retain(|(id, _)| *id != self.id);
        // Who waits for it is told at once.
        inner.asked.retain(|_, (id, _)| *id != self.id);
    }
}

impl Lenders {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other connection has or had.
    pub fn connection(&self) -> u64 {
        let mut inner = self.lock();
        inner.next = inner.next.wrapping_add(1);
        inner.next
    }

    fn join(&self) -> Lender<'_> {
        let (tell, events) = mpsc::channel(QUEUE);
        let id = self.connection();
        self.lock().clients.push((id, tell));
        Lender {
            lenders: self,
            id,
            events,
        }
    }

    /// One message of a connection's, and its answer; `None` where nobody gives one.
    pub async fn ask(&self, conn: u64, agent: u32, message: &[u8]) -> Option<Vec<u8>> {
        let (tell, told) = oneshot::channel();
        let client = {
            let mut inner = self.lock();
            let (id, client) = inner.clients.last()?.clone();
            inner.asked.insert(conn, (id, tell));
            client
        };
        let message = STANDARD.encode(message);
        let event = Event::SshAgent {
            conn,
            agent,
            message,
        };
        let answer = async {
            client.send(event).await.ok()?;
            told.await.ok()
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        self.lock().asked.remove(&conn);
        answer.ok().flatten()
    }

    /// A client's answer. One that nobody waits for any more is dropped.
    pub fn answered(&self, conn: u64, message: &str) {
        let waits = self.lock().asked.remove(&conn);
        if let (Some((_, tell)), Ok(message)) = (waits, STANDARD.decode(message)) {
            let _ = tell.send(message);
        }
    }

    /// Clients may close what they hold for it. One that is too busy to hear it does so when it leaves.
    pub fn closed(&self, conn: u64) {
        for (_, client) in &self.lock().clients {
            let _ = client.try_send(Event::SshAgentClosed { conn });
        }
    }
}

/// A client's stream as a lender's, until it ends or the session does.
pub async fn lend(hub: &Hub, out: &mpsc::Sender<ToClient>) {
    let mut lender = hub.lenders.join();
    let mut changes = hub.changes();
    while !hub.is_ending() {
        tokio::select! {
            Some(event) = lender.events.recv() => {
                if out.send(ToClient::Event(event)).await.is_err() {
                    return;
                }
            }
            changed = changes.changed() => if changed.is_err() { return },
            () = out.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_is_asked_and_who_leaves_leaves_nobody_waiting() {
        let lenders = Lenders::default();
        assert_eq!(lenders.ask(1, 2, b"\x0b").await, None, "there is none");
        let mut old = lenders.join();
        let mut new = lenders.join();
        let (answer, ()) = tokio::join!(lenders.ask(8, 2, b"\x0b"), async {
            let Some(Event::SshAgent { conn, message, .. }) = new.events.recv().await else {
                panic!("not asked");
            };
            assert_eq!((conn, message.as_str()), (8, "Cw=="));
            lenders.answered(9, "DA==");
            lenders.answered(8, "DA==");
        });
        assert_eq!(answer.as_deref(), Some(&b"\x0c"[..]));
        assert!(old.events.try_recv().is_err());
        let (answer, ()) = tokio::join!(lenders.ask(8, 2, b"\x0b"), async {
            assert!(new.events.recv().await.is_some());
            drop(new);
        });
        assert_eq!(answer, None, "it left");
        let (answer, ()) = tokio::join!(lenders.ask(8, 2, b"\x0b"), async {
            assert!(old.events.recv().await.is_some());
            lenders.answered(8, "no base64!");
        });
        assert_eq!(answer, None);
    }
}
