//! What is done when an agent is done: its work is counted, by git, and checked, by the command that was given for
//! that. `turns` decides; here it is done, for each agent by a task of its own.

mod turns;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::hub::{Hub, Written};
use super::leftovers;
use super::shell::{Ran, Shell};
use crate::model::{AgentSpec, CheckSpec, now_ms};
pub use turns::{Job, Outcome, Turns};

/// Long sleeps are cut, so that a clock that was set is noticed; and a host that goes on with its old binary.
const LOOK: Duration = Duration::from_secs(5);
/// Logs of an agent's earlier checks that are kept.
const KEPT: u32 = 20;

/// What a shell says of a command that is not there, and of one that is no program.
const NOT_FOUND: i32 = 127;
const NO_PROGRAM: i32 = 126;

/// Until the session is over.
pub async fn attend(hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let mut changes = hub.changes();
    loop {
        changes.borrow_and_update();
        let now = now_ms();
        for (spec, job) in hub.jobs(now) {
            tokio::spawn(watched(hub.clone(), spec, job));
        }
        let pause = hub.next_job().map(|at| at.saturating_sub(now));
        let pause = pause.map(|ms| Duration::from_millis(ms.max(1)).min(LOOK));
        let wake = async {
            match pause {
                Some(pause) => tokio::time::sleep_until(Instant::now() + pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = wake => {}
            _ = closing.wait_for(|c| *c) => return,
        }
    }
}

/// One that panics is over too: its agent would count as being checked for ever.
async fn watched(hub: Arc<Hub>, spec: AgentSpec, job: Job) {
    let number = spec.number;
    if tokio::spawn(one(hub.clone(), spec, job)).await.is_err() {
        let broken = |_| Outcome::Broken("the host failed at it".to_owned());
        hub.job_over(number, job.run.map(broken));
    }
}

async fn one(hub: Arc<Hub>, spec: AgentSpec, job: Job) {
    let number = spec.number;
    let counted = tokio::select! {
        counted = leftovers::collect(&hub, Some(number)) => counted,
        () = hub.ending() => return,
    };
    for warning in &counted.warnings {
        tracing::warn!("{warning}");
    }
    hub.counted(&counted.work);
    let outcome = match (job.run, &spec.check) {
        (Some(run), Some(check)) => Some(check_it(&hub, &spec, check, run).await),
        _ => None,
    };
    hub.job_over(number, outcome);
}

async fn check_it(hub: &Arc<Hub>, spec: &AgentSpec, check: &CheckSpec, run: u32) -> Outcome {
    let number = spec.number;
    let dir = hub.dir.check(number, run);
    if let Some(old) = run.checked_sub(KEPT) {
        let _ = std::fs::remove_dir_all(hub.dir.check(number, old));
    }
    let (written, log) = watch::channel(Written::default());
    hub.check_log(number, run, log);
    tracing::info!("agent {number}: check {run}: {}", check.command);
    let shell = Shell {
        hub,
        agent: spec,
        line: &check.command,
        limit: Some(Duration::from_millis(check.limit_ms)),
        alone: true,
    };
    let outcome = match shell.run(&dir, &written).await {
        Ran::Exited(NOT_FOUND) => Outcome::Broken(format!(
            "its command was not found: the shell ended with {NOT_FOUND}"
        )),
        Ran::Exited(NO_PROGRAM) => Outcome::Broken(format!(
            "its command is no program that can be run: the shell ended with {NO_PROGRAM}"
        )),
        Ran::Exited(code) => Outcome::Exited(code),
        Ran::TooLong => {
            let limit = humantime::format_duration(Duration::from_millis(check.limit_ms));
            Outcome::Broken(format!("it took longer than {limit}"))
        }
        Ran::Ending => Outcome::Broken("the session ended before it was over".to_owned()),
        Ran::NotStarted(why) => Outcome::Broken(format!("it could not be started: {why}")),
    };
    tracing::info!("agent {number}: check {run}: {outcome:?}");
    outcome
}
