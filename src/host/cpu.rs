//! Whether the agents use the CPU, and how busy the machine is: looked at now and then, and rarer while nothing
//! happens.

use std::time::Duration;

use tokio::time::Instant;

use super::hub::Hub;
use super::load::Watch;
use super::processes::{self, CpuWatch};
use crate::model::now_ms;

const CPU_INTERVAL: Duration = Duration::from_secs(5);

/// Looks now and then whether the agents use the CPU: one look at /proc for all of them.
pub struct Cpu {
    watch: Option<(CpuWatch, Watch)>,
    looked: Instant,
    /// Looks in a row that found nothing: rarer then.
    calm: u32,
}

impl Cpu {
    pub fn new() -> Self {
        Self {
            watch: Some((CpuWatch::default(), Watch::begin())),
            looked: Instant::now(),
            calm: 0,
        }
    }

    /// When to look again; never without agents.
    pub fn next(&self, hub: &Hub) -> Option<Instant> {
        let pause = CPU_INTERVAL * if self.calm > 12 { 3 } else { 1 };
        (!hub.targets(None).is_empty()).then(|| self.looked + pause)
    }

    /// Looks, if it is time.
    pub async fn look(&mut self, hub: &Hub) {
        if self.next(hub).is_none_or(|at| Instant::now() < at) {
            return;
        }
        let elapsed = u64::try_from(self.looked.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.looked = Instant::now();
        let pids: Vec<u32> = hub.targets(None).iter().filter_map(|t| t.pid).collect();
        let watch = self.watch.take();
        let (mut watch, mut machine) =
            watch.unwrap_or_else(|| (CpuWatch::default(), Watch::begin()));
        let looked = tokio::task::spawn_blocking(move || {
            let busy = watch.busy(&pids, &processes::all(), elapsed);
            let load = machine.look(now_ms());
            ((watch, machine), busy, load)
        });
        if let Ok((watch, busy, load)) = looked.await {
            self.watch = Some(watch);
            if let Some(load) = load {
                hub.set_load(load);
            }
            self.calm = if busy.is_empty() {
                self.calm.saturating_add(1)
            } else {
                0
            };
            hub.tell_cpu(&busy);
        }
    }
}
