//! The hub's data, and what the ends are judged by.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot, watch};

use super::Secrets;
use crate::host::agent::Command;
use crate::host::checks::Turns;
use crate::host::ends::{AgentFacts, Budget, Facts};
use crate::host::journal::Journal;
use crate::host::push;
use crate::model::{
    AgentStatus, AttachedClient, Ended, HostRule, Load, Millis, SessionSpec, VolumeUse,
};
use crate::notice::Desk;
use crate::proto::WireError;

/// How long a host over a dead predecessor's agents stays, so that they can be started again.
const REVIVED_MS: Millis = 60_000;
/// How long a session whose agents are over already waits for the first who wants to see them.
const UNSEEN_MS: Millis = 10_000;
/// And then for that one to have opened all it wants.
const SEEN_MS: Millis = 1_000;

/// What an agent tells of itself.
#[derive(Debug, Clone)]
pub struct Report {
    pub status: AgentStatus,
    pub attached: Vec<AttachedClient>,
    /// Wrong but not fatal.
    pub warning: Option<String>,
    /// Its last output, CPU use or input.
    pub activity: Millis,
}

/// How far an agent's history has got, for those who follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub end: u64,
    pub over: bool,
}

/// What only the host's main loop can do.
#[derive(Debug)]
pub enum Order {
    Terminate {
        why: String,
        done: oneshot::Sender<()>,
    },
    /// The binary's path and its version, which was asked already.
    Upgrade {
        path: String,
        version: String,
        done: oneshot::Sender<Result<(), WireError>>,
    },
}

/// An agent, as the hub knows it.
#[derive(Debug)]
pub(super) struct Entry {
    pub commands: mpsc::Sender<Command>,
    pub written: watch::Receiver<Written>,
    pub report: Report,
}

/// What is behind the hub's lock.
#[derive(Debug)]
pub(super) struct Inner {
    pub spec: SessionSpec,
    pub agents: BTreeMap<u32, Entry>,
    pub detached: Option<Millis>,
    pub ending: bool,
    pub ended: Option<Ended>,
    pub warnings: Vec<String>,
    pub journal: Journal,
    /// The last warning of an end, for hooks that ask.
    pub notice: Option<String>,
    /// When somebody first attached, or followed.
    pub seen: Option<Millis>,
    /// Restarts under way: the session must not end between an agent's end and its new start.
    pub holds: u32,
    pub spec_changed: bool,
    /// The host's binary is being replaced: what starts now would be lost.
    pub frozen: bool,
    /// What is known of each agent's work.
    pub turns: BTreeMap<u32, Turns>,
    /// The newest check of each, and how far its log has got.
    pub logs: BTreeMap<u32, (u32, watch::Receiver<Written>)>,
    pub desk: Desk,
    /// What to do about news, and how often that was changed.
    pub rules: (u64, std::sync::Arc<[HostRule]>),
    /// What is known of each agent's pushes.
    pub pushes: BTreeMap<u32, push::Turns>,
    pub secrets: Secrets,
    /// How full the work volume is.
    pub volume: Option<VolumeUse>,
    /// How busy the machine was when it was looked at last.
    pub load: Option<Load>,
}

impl Inner {
    pub fn agent_facts(&self) -> Vec<AgentFacts> {
        self.agents
            .iter()
            .map(|(number, e)| {
                let turns = self.turns.get(number);
                AgentFacts {
                    number: *number,
                    state: e.report.status.state,
                    since: e.report.status.since,
                    activity: e.report.activity,
                    checking: turns.is_some_and(Turns::is_checking),
                    checked: turns.and_then(Turns::checked_at),
                }
            })
            .collect()
    }

    pub fn facts<'a>(
        &self,
        agents: &'a [AgentFacts],
        now: Millis,
        started: Millis,
        revived: bool,
    ) -> Facts<'a> {
        Facts {
            now,
            ends: self.spec.ends,
            budget: self.spec.budget_microusd.map(|microusd| Budget {
                microusd,
                microusd_per_hour: self.spec.price_microusd_per_hour,
                created: self.spec.created,
            }),
            started,
            agents,
            // What is being pushed is waited for as if somebody were here.
            detached: self.detached.filter(|_| !self.is_pushing()),
            ends_with_agents: self.spec.provider != "ec2" && self.holds == 0 && !self.is_pushing(),
            not_before: match self.seen {
                _ if revived => started.saturating_add(REVIVED_MS),
                None => started.saturating_add(UNSEEN_MS),
                Some(at) => at.saturating_add(SEEN_MS),
            },
        }
    }
}
