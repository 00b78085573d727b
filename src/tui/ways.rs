//! One connection to each session's machine, shared by all its panes. When it is lost each pane's link asks
//! for a new one; the first gets it made, and the others get that one.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinSet;

use crate::client::Registry;
use crate::client::attach::{BoxFuture, Dial, DialError, HostDial};
use crate::client::control::{ByteStream, Control};
use crate::client::layouts::{self, Layout, PATIENCE};
use crate::error::{Error, Result};
use crate::model::SessionId;
use crate::ssh::Nobody;

/// The ways to all sessions.
pub struct Ways {
    registry: Registry,
    open: Mutex<HashMap<SessionId, Arc<OnceCell<Arc<Way>>>>>,
}

/// The way to one session.
struct Way {
    dial: Box<dyn Dial>,
    /// Counts the connections.
    made: AtomicU64,
}

/// A pane's own view of it.
pub struct PaneDial {
    way: Arc<Way>,
    /// The connection that it got its last stream over.
    used: AtomicU64,
}

impl Ways {
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            open: Mutex::default(),
        }
    }

    /// For one pane. Nobody can be asked for a password here: the screen is not ours to ask on.
    ///
    /// # Errors
    /// The session is over, or its machine cannot be reached.
    pub async fn dial(&self, session: &SessionId) -> Result<PaneDial> {
        let cell = self
            .open
            .lock()
            .await
            .entry(session.clone())
            .or_default()
            .clone();
        let opened = cell.get_or_try_init(|| async {
            let known = self.registry.known(session)?;
            let ask = Arc::new(Nobody);
            let dial = HostDial::open(self.registry.clone(), known, ask, None).await?;
            Ok::<_, Error>(Arc::new(Way::new(Box::new(dial))))
        });
        Ok(PaneDial::new(opened.await?.clone()))
    }

    /// Has the hosts of these sessions keep a layout, where there is a connection. One that does not answer has an
    /// old one.
    pub async fn keep_layout(&self, sessions: BTreeSet<SessionId>, layout: &Layout) {
        let open = self.open.lock().await;
        let ways = sessions.into_iter().filter_map(|session| {
            let way = open.get(&session)?.get()?.clone();
            Some((session, way))
        });
        let mut told = JoinSet::new();
        for (session, way) in ways.collect::<Vec<_>>() {
            let layout = layout.clone();
            told.spawn(async move {
                let stream = way.dial.dial(false).await.ok()?;
                let mut control = Control::open(stream, session.as_str()).await.ok()?;
                layouts::keep(&mut control, &layout).await.ok()
            });
        }
        drop(open);
        // Those that have not answered by then are let go.
        let _ = tokio::time::timeout(PATIENCE, told.join_all()).await;
    }
}

impl Way {
    fn new(dial: Box<dyn Dial>) -> Self {
        Self {
            dial,
            made: AtomicU64::new(0),
        }
    }
}

impl PaneDial {
    fn new(way: Arc<Way>) -> Self {
        Self {
            used: AtomicU64::new(way.made.load(Ordering::SeqCst)),
            way,
        }
    }

    async fn stream(&self, refresh: bool) -> std::result::Result<Box<dyn ByteStream>, DialError> {
        let used = self.used.load(Ordering::SeqCst);
        let order = Ordering::SeqCst;
        // Whoever finds the connection as it used it has it made anew.
        let first = refresh
            && self
                .way
                .made
                .compare_exchange(used, used.wrapping_add(1), order, order)
                .is_ok();
        self.used.store(self.way.made.load(order), order);
        self.way.dial.dial(first).await
    }
}

impl Dial for PaneDial {
    fn dial(
        &self,
        refresh: bool,
    ) -> BoxFuture<'_, std::result::Result<Box<dyn ByteStream>, DialError>> {
        Box::pin(self.stream(refresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::link::Retry;

    struct Counting(Arc<AtomicU64>);

    impl Dial for Counting {
        fn dial(
            &self,
            refresh: bool,
        ) -> BoxFuture<'_, std::result::Result<Box<dyn ByteStream>, DialError>> {
            self.0.fetch_add(u64::from(refresh), Ordering::SeqCst);
            Box::pin(async {
                Err(DialError {
                    retry: Retry::Soon,
                    message: String::new(),
                })
            })
        }
    }

    #[tokio::test]
    async fn a_lost_connection_is_made_anew_once_for_all_panes() {
        let made = Arc::new(AtomicU64::new(0));
        let way = Arc::new(Way::new(Box::new(Counting(made.clone()))));
        let panes: Vec<PaneDial> = (0..4).map(|_| PaneDial::new(way.clone())).collect();
        for round in 1..=3 {
            for pane in &panes {
                assert!(pane.dial(false).await.is_err());
            }
            for pane in &panes {
                assert!(pane.dial(true).await.is_err());
            }
            assert_eq!(made.load(Ordering::SeqCst), round);
        }
        // One that asks again of the newest gets another.
        assert!(panes[0].dial(true).await.is_err());
        assert_eq!(made.load(Ordering::SeqCst), 4);
    }
}
