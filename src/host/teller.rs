//! The host tells people itself, by webhooks and commands, so that no client need be there. It never waits for any of
//! them but a moment at its end; what cannot be told becomes a warning of the session's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

mod deliver;

use super::hub::Hub;
use crate::model::{HostRule, Millis, now_ms};
use crate::notice::{Due, Wanted};
use deliver::{Job, deliver};

/// News that wait behind a webhook that is slow; more are left out.
const QUEUE: usize = 32;
/// What else fails of one rule is not worth more words.
const WARNINGS: usize = 3;
/// A session's end waits no longer for what is still to be told.
const LAST: Duration = Duration::from_secs(10);

/// The task that tells.
pub struct Teller {
    task: JoinHandle<()>,
    closing: watch::Sender<bool>,
}

/// The rules as they are followed now: a worker each, so that none waits for another.
struct Rules {
    generation: u64,
    due: Due,
    queues: Vec<mpsc::Sender<Job>>,
}

impl Teller {
    pub fn start(hub: &Arc<Hub>) -> Self {
        let closing = watch::Sender::new(false);
        let task = tokio::spawn(run(hub.clone(), closing.subscribe()));
        Self { task, closing }
    }

    /// The session has ended: tells the last of it, and waits until all is told, or for long enough.
    pub async fn finish(&mut self) {
        self.closing.send_replace(true);
        let _ = tokio::time::timeout(LAST, &mut self.task).await;
        self.task.abort();
    }
}

async fn run(hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let mut changes = hub.changes();
    let mut workers = JoinSet::new();
    let mut rules = Rules::new(&hub, 0, &[], &mut workers);
    let mut looked = 0;
    loop {
        changes.borrow_and_update();
        let over = *closing.borrow();
        let now = now_ms();
        let (newest, next) = hub.look_for_news(now);
        let (generation, wanted) = hub.rules();
        if generation != rules.generation {
            rules = Rules::new(&hub, generation, &wanted, &mut workers);
            looked = 0;
        }
        if !wanted.is_empty() && (over || newest > looked || rules.due.next().is_some()) {
            looked = newest;
            rules.tell(&hub, now);
        }
        if over {
            break;
        }
        let at = [next, rules.due.next()].into_iter().flatten().min();
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            _ = closing.changed() => {}
            () = until(at, now) => {}
        }
    }
    // The workers end with their queues.
    drop(rules);
    while workers.join_next().await.is_some() {}
}

impl Rules {
    fn new(hub: &Arc<Hub>, generation: u64, rules: &[HostRule], workers: &mut JoinSet<()>) -> Self {
        let mut due = Due::new(rules.iter().map(wanted).collect());
        due.pass_over_to(hub.told_before());
        let queues = rules.iter().map(|rule| {
            let (send, mut jobs) = mpsc::channel(QUEUE);
            let (hub, way) = (hub.clone(), rule.way.clone());
            workers.spawn(async move {
                let mut warned = 0;
                while let Some(job) = jobs.recv().await {
                    let Err(why) = deliver(&hub, &way, &job).await else {
                        continue;
                    };
                    if warned < WARNINGS {
                        warned += 1;
                        hub.warn(why);
                    }
                }
            });
            send
        });
        Self {
            generation,
            due,
            queues: queues.collect(),
        }
    }

    fn tell(&mut self, hub: &Hub, now: Millis) {
        let status = hub.status(now);
        for (rule, news) in self.due.look(&status, now) {
            let Some(queue) = self.queues.get(rule) else {
                continue;
            };
            if queue.try_send(Job::new(&status, &news)).is_err() {
                hub.warn("a notice was left out: those before it are still on their way");
            }
        }
    }
}

fn wanted(rule: &HostRule) -> Wanted {
    Wanted {
        on: rule.on.clone(),
        after: rule.after_ms,
    }
}

async fn until(at: Option<Millis>, now: Millis) {
    match at {
        // Long sleeps are cut, so that a clock that was set is noticed.
        Some(at) => {
            let ms = at.saturating_sub(now).clamp(10, 60_000);
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        None => std::future::pending().await,
    }
}
