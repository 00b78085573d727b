//! Results brought here by themselves while somebody follows a session or is attached: each agent's as it ends or is
//! done, all of them once all have ended. Nobody is asked for anything, and what fails is said and left to `pull`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bring::Tell;
use super::fetch::{Fetched, Into, fetch};
use super::pull::Pulled;
use super::record::{Starts, all_over};
use super::{Pulls, Way};
use crate::client::reach::Hosts;
use crate::client::registry::{Known, Registry};
use crate::client::status::{PATIENCE, newest};
use crate::error::{Error, Result};
use crate::model::{AgentState, Millis, SessionStatus};
use crate::repo::Repository;
use crate::ssh::{Retry, SshError};

/// An agent that is done may be told to go on at once.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two dials of a host that cannot be heard.
const AGAIN: Duration = Duration::from_secs(2);
const MOST: Duration = Duration::from_secs(30);

/// What came of one attempt.
#[derive(Debug)]
pub enum Told {
    Pulled(Pulled),
    /// Why not, and of which agent, where it was one.
    Failed(Option<u32>, Error),
}

/// Which session's results, and where to.
pub struct AutoPull {
    pub registry: Registry,
    pub known: Known,
    /// Nobody is asked by them: the terminal is an agent's.
    pub hosts: Arc<Hosts>,
    pub here: Repository,
    pub pulls: Pulls,
}

struct Quiet;

impl Tell for Quiet {
    fn step(&self, _: &str) {}
    fn waits(&self, _: &str) {}
}

/// Something is left to do.
enum Next {
    News(Box<SessionStatus>),
    Time,
    /// The watch has ended.
    Lost,
    Stop,
}

/// A machine that refuses this device is not knocked at again and again: that is what it may shut its door for.
fn is_final(e: &Error) -> bool {
    let source = e.source.as_deref();
    let ssh = source.and_then(|s| s.downcast_ref::<SshError>());
    ssh.is_some_and(|e| e.retry() == Retry::Never)
}

impl AutoPull {
    /// Pulls until it is told to `stop`; then what is due, and ends. True where all that there is was pulled.
    pub async fn run(
        self,
        tell: mpsc::UnboundedSender<Told>,
        mut stop: oneshot::Receiver<()>,
    ) -> bool {
        let mut due = Due::default();
        let mut again = AGAIN;
        let stopped = loop {
            let watch = async {
                let known = self.now();
                let host = self.hosts.reach(&known).await?;
                host.control().await?.watch().await
            };
            let mut watch = match watch.await {
                Ok(watch) => watch,
                Err(e) if !self.now().live || is_final(&e) => break false,
                Err(_) => tokio::select! {
                    () = sleep(again) => {
                        again = (again * 2).min(MOST);
                        continue;
                    }
                    _ = &mut stop => break true,
                },
            };
            again = AGAIN;
            let next = loop {
                let wake = due.next();
                let next = tokio::select! {
                    biased;
                    _ = &mut stop => Next::Stop,
                    next = watch.next() => next.map_or(Next::Lost, |s| Next::News(Box::new(s))),
                    () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => Next::Time,
                };
                if let Next::News(status) = &next {
                    due.see(status, Instant::now());
                }
                match next {
                    Next::News(_) | Next::Time => {
                        // All at once, a moment later, where all have ended.
                        for agent in due.take(Instant::now()) {
                            if !self.pull(Some(agent), None, &tell).await {
                                return false;
                            }
                        }
                    }
                    Next::Lost | Next::Stop => break next,
                }
            };
            if matches!(next, Next::Stop) {
                break true;
            }
            if !self.now().live {
                break false;
            }
        };
        if !stopped {
            // Nothing more comes by itself; what came of it is asked once the person is back.
            let _ = stop.await;
        }
        self.rest(due, &tell).await
    }

    /// What is left to pull when the person has left, or all is over.
    async fn rest(&self, mut due: Due, tell: &mpsc::UnboundedSender<Told>) -> bool {
        let known = self.now();
        let newest = newest(&self.registry, &known, &self.hosts);
        let fresh = timeout(PATIENCE, newest).await.ok().and_then(Result::ok);
        let Some(status) = fresh.clone().or_else(|| known.last.clone()) else {
            return false;
        };
        due.see(&status, Instant::now());
        let over = all_over(&status);
        let gone = known.provider == "ec2" && status.ended.is_some();
        if over.is_some() && !gone {
            // From memory it is no proof that nothing comes any more.
            let sure = fresh.is_some().then_some(over).flatten();
            return self.pull(None, sure, tell).await;
        }
        for agent in due.rest() {
            if !self.pull(Some(agent), None, tell).await {
                return false;
            }
        }
        over.is_some()
    }

    /// False where it is of no use to go on.
    async fn pull(
        &self,
        only: Option<u32>,
        over: Option<Starts>,
        tell: &mpsc::UnboundedSender<Told>,
    ) -> bool {
        match self.fetch(only, over).await {
            Ok(Fetched::Pulled(pulled)) => {
                let _ = tell.send(Told::Pulled(pulled));
                true
            }
            Ok(Fetched::NoRepository | Fetched::Another(_)) => false,
            Err(e) => {
                let _ = tell.send(Told::Failed(only, e));
                // The next one may fare better.
                only.is_some()
            }
        }
    }

    async fn fetch(&self, only: Option<u32>, over: Option<Starts>) -> Result<Fetched> {
        let known = self.now();
        let open = self.hosts.open(&known.id).await;
        let connection = open.as_ref().and_then(|h| h.connection());
        let connection = connection.filter(|c| !c.is_closed() && known.ssh.is_some());
        let way = match connection {
            Some(connection) => Way::over(&known, connection.clone()),
            None => Way::open(&known, self.hosts.ask()).await?,
        };
        let to = Into {
            here: &self.here,
            pulls: &self.pulls,
            force: false,
            over,
            unread: &[],
        };
        fetch(&way, &known, only, &to, &Quiet).await
    }

    fn now(&self) -> Known {
        let now = self.registry.get(&self.known.id);
        now.unwrap_or_else(|| self.known.clone())
    }
}

/// Which agents' results are to be fetched, and when.
#[derive(Debug, Default)]
struct Due {
    /// Since when each was in the state in which it was taken, or waits.
    known: BTreeMap<u32, Millis>,
    waits: BTreeMap<u32, Instant>,
}

impl Due {
    /// An agent at its end, or one that has ended, is due; the last of a session is left to its end.
    fn see(&mut self, status: &SessionStatus, now: Instant) {
        let all = status.agents.iter().all(|a| a.state.is_over());
        for agent in &status.agents {
            let at_rest = matches!(agent.state, AgentState::Done | AgentState::Error);
            if !at_rest && !agent.state.is_over() {
                self.known.remove(&agent.number);
                self.waits.remove(&agent.number);
            } else if self.known.insert(agent.number, agent.since) != Some(agent.since) {
                let after = if at_rest { SETTLE } else { Duration::ZERO };
                self.waits.insert(agent.number, now + after);
            }
        }
        if all {
            self.waits.clear();
        }
    }

    fn next(&self) -> Option<Instant> {
        self.waits.values().min().copied()
    }

    /// Those whose time has come.
    fn take(&mut self, now: Instant) -> Vec<u32> {
        let due = self.waits.iter().filter(|(_, at)| **at <= now);
        let due: Vec<u32> = due.map(|(n, _)| *n).collect();
        self.waits.retain(|n, _| !due.contains(n));
        due
    }

    /// All that wait.
    fn rest(self) -> Vec<u32> {
        self.waits.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::status::tests::status;

    #[test]
    fn each_is_due_once_when_it_ends_and_the_last_with_all() {
        use AgentState::{Done, Exited, Working};
        let exited = Exited { code: 1 };
        let now = Instant::now();
        let mut due = Due::default();
        let mut see = |states: &[AgentState], since: Millis, at: Instant| {
            let mut status = status("session-abc234", states);
            status.agents.iter_mut().for_each(|a| a.since = since);
            due.see(&status, at);
            due.take(at)
        };
        assert!(see(&[Working, Working, Working], 1, now).is_empty());
        assert_eq!(see(&[exited, Done, Working], 2, now), [1]);
        assert!(see(&[exited, Done, Working], 2, now + SETTLE / 2).is_empty());
        assert_eq!(see(&[exited, Done, Working], 2, now + SETTLE), [2]);
        // Told to go on before it had settled, then done again.
        assert!(see(&[exited, Working, Done], 2, now + SETTLE).is_empty());
        assert!(see(&[exited, Done, Working], 2, now + 2 * SETTLE).is_empty());
        assert_eq!(see(&[exited, Done, Working], 2, now + 3 * SETTLE), [2]);
        assert!(see(&[exited, exited, exited], 3, now + 3 * SETTLE).is_empty());
        assert!(due.rest().is_empty());
    }
}
