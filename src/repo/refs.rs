//! The names of a session's branches and refs.

use super::{Git, RepoError};
use crate::model::SessionId;

/// The refs of one session. In a store and in the person's own repository they have the same names.
#[derive(Debug, Clone, Copy)]
pub struct Refs<'a>(pub &'a SessionId);

impl Refs<'_> {
    /// The agent's branch, short: `remote/session-abc123/2`.
    pub fn branch(&self, agent: u32) -> String {
        format!("remote/{}/{agent}", self.0)
    }

    /// The agent's branch, whole.
    pub fn head(&self, agent: u32) -> String {
        format!("refs/heads/{}", self.branch(agent))
    }

    /// What was brought there: the commit of the working tree.
    pub fn base(&self) -> String {
        format!("refs/remote/{}/base", self.0)
    }

    /// What an agent had not committed when it was looked at last.
    pub fn wip(&self, agent: u32) -> String {
        format!("refs/remote/{}/{agent}/wip", self.0)
    }

    /// Where the agent's branch was when it was fetched last; only in the person's repository.
    pub fn tip(&self, agent: u32) -> String {
        format!("refs/remote/{}/{agent}/tip", self.0)
    }

    /// Where the agent began.
    pub fn start(&self, agent: u32) -> String {
        format!("refs/remote/{}/{agent}/start", self.0)
    }

    /// The agents of which there is a beginning, in order.
    ///
    /// # Errors
    /// git's.
    pub async fn agents(&self, git: &Git) -> Result<Vec<u32>, RepoError> {
        let (before, after) = (format!("refs/remote/{}/", self.0), "/start");
        let listed = git
            .text(["for-each-ref", "--format=%(refname)", before.as_str()])
            .await?;
        let number = |line: &str| {
            let of = line.strip_prefix(&before)?.strip_suffix(after)?;
            of.parse().ok()
        };
        let mut agents: Vec<u32> = listed.lines().filter_map(number).collect();
        agents.sort_unstable();
        Ok(agents)
    }
}
