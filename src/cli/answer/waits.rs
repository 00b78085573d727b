//! Who waits for an answer, over all sessions: what `remote answer` without a name is about.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::super::{Ctx, age};
use super::Args;
use crate::client::status::{PATIENCE, ask_all};
use crate::error::{Error, Result};
use crate::model::{AgentRef, AgentState, Millis, SessionId, now_ms};
use crate::ssh::{Ask, Nobody};

/// One that waits: what `--json` prints of it.
#[derive(Debug, Serialize)]
struct Waits {
    session: SessionId,
    agent: u32,
    #[serde(flatten)]
    state: AgentState,
    since: Millis,
    message: Option<String>,
}

impl Waits {
    fn name(&self) -> AgentRef {
        AgentRef {
            session: self.session.to_string(),
            agent: Some(self.agent),
        }
    }
}

/// The one that waits; where several or none do, who waits is told, and that is all.
pub(super) async fn only(
    args: &Args,
    ctx: &Ctx,
) -> Result<std::result::Result<AgentRef, ExitCode>> {
    let mut all = all(ctx).await?;
    if all.len() == 1
        && let Some(one) = all.pop()
    {
        return Ok(Ok(one.name()));
    }
    if !args.key.is_empty() || args.seen.is_some() {
        let count = all.len();
        return Err(
            Error::user(format!("{count} agents wait: nothing was sent"))
                .hint("name one: `remote answer SESSION/N …`"),
        );
    }
    if args.json {
        ctx.ui.json(&all)?;
        return Ok(Err(ExitCode::SUCCESS));
    }
    if all.is_empty() {
        return Err(Error::user("nobody waits for an answer").hint(
            "`remote status` tells what they do; `remote answer SESSION` shows one's screen",
        ));
    }
    let now = now_ms();
    for one in &all {
        let message = one.message.as_ref().map(|m| format!(": \"{m}\""));
        ctx.ui.line(format!(
            "{}/{} is {}{}, {}",
            one.session,
            one.agent,
            one.state,
            message.unwrap_or_default(),
            age(one.since, now)
        ))?;
    }
    if let Some(first) = all.first() {
        let (id, agent) = (first.session.short(), first.agent);
        ctx.ui
            .note(format!("Answer one of them: `remote answer {id}/{agent}`."));
    }
    Ok(Err(ExitCode::SUCCESS))
}

/// Who has waited longest comes first.
async fn all(ctx: &Ctx) -> Result<Vec<Waits>> {
    let registry = ctx.registry(None).await?;
    let known = registry.all(false)?;
    // Nobody is asked for a password to hear who asks.
    let ask: Arc<dyn Ask> = Arc::new(Nobody);
    let mut asked = ask_all(&registry, &known, &ask, PATIENCE);
    let mut all = Vec::new();
    while let Some((_, report)) = asked.recv().await {
        let Some(status) = report.status.filter(|s| s.ended.is_none()) else {
            continue;
        };
        let blocked = |s: AgentState| matches!(s, AgentState::Blocked { .. });
        for agent in status.agents.into_iter().filter(|a| blocked(a.state)) {
            all.push(Waits {
                session: report.session.clone(),
                agent: agent.number,
                state: agent.state,
                since: agent.since,
                message: agent.evidence.message,
            });
        }
    }
    all.sort_by(|a, b| (a.since, &a.session, a.agent).cmp(&(b.since, &b.session, b.agent)));
    Ok(all)
}
