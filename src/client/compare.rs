//! A session's agents side by side: how far each is, whether its work is good, how much it is, and what it cost.

use serde::Serialize;

use crate::model::{AgentState, AgentStatus, Check, Millis, SessionId, SessionStatus, Work};

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub session: SessionId,
    pub agent: u32,
    pub name: String,
    #[serde(flatten)]
    pub state: AgentState,
    pub check: Option<Check>,
    pub work: Option<Work>,
    /// From its start until it was done, or ended; until now where it goes on.
    pub took_ms: Millis,
    /// Its share of what the session costs in that time; none where nothing costs.
    pub cost_microusd: Option<u64>,
    pub task: String,
}

/// The agents, in their order; `now` by their host's clock.
pub fn rows(status: &SessionStatus, now: Millis) -> Vec<Row> {
    let share = u64::try_from(status.agents.len().max(1)).unwrap_or(u64::MAX);
    let price = status.spec.price_microusd_per_hour;
    let row = |agent: &AgentStatus| {
        let took_ms = took(agent, now);
        let whole = u128::from(price) * u128::from(took_ms) / 3_600_000;
        Row {
            session: status.spec.id.clone(),
            agent: agent.number,
            name: agent.name.clone(),
            state: agent.state,
            check: agent.check.clone(),
            work: agent.work,
            took_ms,
            cost_microusd: (price > 0).then(|| u64::try_from(whole).unwrap_or(u64::MAX) / share),
            task: agent.task.clone(),
        }
    };
    status.agents.iter().map(row).collect()
}

fn took(agent: &AgentStatus, now: Millis) -> Millis {
    let until = match agent.state {
        AgentState::Done | AgentState::Error | AgentState::Idle => agent.since,
        state if state.is_over() => agent.ended.unwrap_or(agent.since),
        _ => now,
    };
    until.saturating_sub(agent.started)
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::status;
    use super::*;

    #[test]
    fn time_is_that_of_the_work_and_cost_is_shared() {
        let states = [AgentState::Working, AgentState::Done];
        let mut both = status("session-abc234", &states);
        both.spec.price_microusd_per_hour = 3_600_000;
        for agent in &mut both.agents {
            (agent.started, agent.since) = (1000, 5000);
        }
        let found: Vec<_> = rows(&both, 11_000)
            .iter()
            .map(|r| (r.took_ms, r.cost_microusd))
            .collect();
        assert_eq!(found, [(10_000, Some(5000)), (4000, Some(2000))]);
        both.spec.price_microusd_per_hour = 0;
        assert_eq!(rows(&both, 11_000)[0].cost_microusd, None);
        both.spec.price_microusd_per_hour = u64::MAX;
        assert!(rows(&both, u64::MAX)[0].cost_microusd.is_some());
    }
}
