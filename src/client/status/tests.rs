//! What is told of a session, from what its host says and from what was known before.

use super::*;
use crate::model::{AgentState, AgentStatus, EndKind, Ended, Ends, SessionSpec};

/// A status with agents numbered from 1 in these states.
pub(in super::super) fn status(id: &str, states: &[AgentState]) -> SessionStatus {
    let agents = (1..)
        .zip(states)
        .map(|(number, state)| AgentStatus::sample(number, *state));
    SessionStatus {
        agents: agents.collect(),
        spec: SessionSpec {
            id: id.parse().expect("a good id"),
            name: None,
            task: String::new(),
            provider: "local".into(),
            owner: String::new(),
            created: 0,
            ends: Ends::default(),
            agents: Vec::new(),
            price_microusd_per_hour: 0,
            budget_microusd: None,
            workspace: None,
        },
        attached: Vec::new(),
        ends: Vec::new(),
        ended: None,
        warnings: Vec::new(),
        news: Vec::new(),
        volume: None,
        load: None,
        now: 7,
        version: "0".into(),
    }
}

#[test]
fn what_is_remembered_says_how_it_ended() {
    let mut last = status("session-abc234", &[]);
    let mut known = Known {
        id: last.spec.id.clone(),
        name: None,
        provider: "local".into(),
        dir: None,
        ssh: None,
        rented: None,
        last: None,
        last_seen: 3,
        created: 0,
        live: true,
    };
    assert_eq!(Report::remembered(&known).presence, Presence::Unreachable);
    known.live = false;
    assert_eq!(Report::remembered(&known).presence, Presence::Lost);
    last.ended = Some(Ended {
        kind: EndKind::Exited,
        at: 1,
        why: "all over".into(),
    });
    known.last = Some(last);
    assert_eq!(Report::remembered(&known).presence, Presence::Ended);
}
