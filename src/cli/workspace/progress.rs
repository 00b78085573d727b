//! What takes longer than a second, told with the time it has taken so far; and Ctrl-C, which says what is left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cli::Ctx;
use crate::cli::stages::Stages;
use crate::cli::target::interrupted;
use crate::error::{Error, Kind, Result};

const TICK: Duration = Duration::from_secs(1);

/// The steps of one thing that is done.
pub struct Progress {
    stages: Stages,
    /// The step's name, and what is said of it.
    now: Mutex<(String, String)>,
}

impl Progress {
    pub fn new(ctx: &Ctx) -> Self {
        Self {
            stages: Stages::new(ctx.ui),
            now: Mutex::default(),
        }
    }

    /// A step begins; one of the same name goes on: `snapshot snap-1 40%`.
    pub fn step(&self, text: &str) {
        let (name, detail) = text.split_once(' ').unwrap_or((text, ""));
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let same = now.0 == name;
        *now = (name.to_owned(), detail.to_owned());
        drop(now);
        match same {
            true => self.stages.waits(detail),
            false => self.stages.step(text),
        }
    }

    /// Runs it to its end, or to Ctrl-C: `left` says what may be there then, and what to do about it.
    ///
    /// # Errors
    /// What `work` fails with, or that it was interrupted.
    pub async fn run<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
        left: &str,
    ) -> Result<T>
    where
        Error: From<E>,
    {
        tokio::pin!(work);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let done = loop {
            tokio::select! {
                done = &mut work => break done.map_err(Error::from),
                () = interrupted() => {
                    break Err(Error::new(Kind::Interrupted, "interrupted").hint(left));
                }
                _ = tick.tick() => {
                    let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
                    let detail = now.1.clone();
                    drop(now);
                    self.stages.waits(&detail);
                }
            }
        };
        self.stages.finish();
        done
    }
}
