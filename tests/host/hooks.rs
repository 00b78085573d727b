//! What agents' hooks tell their host, and what they are told.

use crate::agents::sh;
use crate::common::env::{TestEnv, remote_binary};
use remote_compute::model::AgentState;

#[test]
fn an_agent_cannot_speak_as_another() {
    let env = TestEnv::new();
    let notify = format!("{} host notify --state", remote_binary().display());
    let agent = sh(&format!(
        "[ $REMOTE_AGENT = 2 ] && exec sleep 600; \
         REMOTE_AGENT=2 {notify} error >err 2>&1; {notify} working; exec sleep 600"
    ));
    let session = env.dispatch(&["--agents", "2", "--command", &agent]);
    let status = env.await_status("its own state", &session, |s| {
        s.agents
            .iter()
            .any(|a| a.number == 1 && a.state == AgentState::Working)
    });
    let other = status.agents.iter().find(|a| a.number == 2);
    assert_ne!(other.expect("agent 2").state, AgentState::Error);
    let said = std::fs::read_to_string(env.work().join("err")).expect("the refusal");
    assert!(said.contains("agent 1 cannot speak as agent 2"), "{said}");
}
