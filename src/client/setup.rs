//! What a dispatch has run before its agents begin: what the agent itself needs, once, and what the repository needs,
//! in each directory in which they begin. One after the other, for package managers hold locks; what they print is
//! kept with the session, and its last line is shown while it runs.

mod kept;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use super::history::shown;
use super::reach::HostConn;
use super::repo::bring::Tell;
use crate::error::{Error, Kind, Result};
use crate::model::AgentSpec;
use crate::mux::Plain;

/// Lines that are told of one that failed.
const TOLD: usize = 20;
/// Of what it printed, kept here.
const KEPT: usize = 4 << 20;

/// Shell commands.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The agent's own: once for each dispatch, and not where a volume has what it made.
    pub once: Option<String>,
    /// That is no reason: it is to be made anew.
    pub again: bool,
    /// The repository's, or the person's: in each directory.
    pub each: Option<String>,
}

impl Setup {
    pub fn is_empty(&self) -> bool {
        self.once.is_none() && self.each.is_none()
    }

    /// What is run, in which agent's place: of agents who share a directory, in the first one's.
    fn runs<'a>(&'a self, agents: &'a [AgentSpec]) -> Vec<(&'a str, &'a AgentSpec)> {
        let once = self.once.as_deref().zip(agents.first());
        let mut runs: Vec<_> = once.into_iter().collect();
        if let Some(each) = self.each.as_deref() {
            let mut seen = BTreeSet::new();
            let places = agents.iter().filter(|a| seen.insert(&a.cwd));
            runs.extend(places.map(|a| (each, a)));
        }
        runs
    }

    /// Runs it all. Dropped, it ends what runs.
    ///
    /// # Errors
    /// A command fails or cannot be started: with the last it printed. All of it is in `keep` then.
    pub async fn run(
        &self,
        host: &HostConn,
        agents: &[AgentSpec],
        tell: &dyn Tell,
        keep: &Path,
    ) -> Result<()> {
        let runs = self.runs(agents);
        let mut all = Vec::new();
        for (n, (command, agent)) in runs.iter().enumerate() {
            let own = n == 0 && self.once.is_some();
            let program = agent.argv.first().map_or("", String::as_str);
            let line = match own {
                true => kept::line(command, program, self.again),
                false => (*command).to_owned(),
            };
            let first = command.lines().next().unwrap_or_default();
            let of = match runs.len() {
                1 => String::new(),
                many => format!("{}/{many} ", n + 1),
            };
            tell.step(&format!("setup {of}{first}"));
            let mut last = VecDeque::new();
            if let Err(e) = one(host, &line, agent, tell, &mut last, &mut all).await {
                return Err(failed(e, command, agent, &last, &all, keep));
            }
            if own && last.iter().eq([kept::REUSED]) {
                tell.step(&format!("setup {} ({})", agent.name, kept::REUSED));
            }
        }
        Ok(())
    }
}

async fn one(
    host: &HostConn,
    command: &str,
    agent: &AgentSpec,
    tell: &dyn Tell,
    last: &mut VecDeque<String>,
    all: &mut Vec<u8>,
) -> Result<()> {
    let control = host.control().await?;
    let mut records = control.setup(agent.clone(), command.to_owned()).await?;
    let mut plain = Plain::new();
    let mut lines = Vec::new();
    let mut note = |lines: &mut Vec<String>| {
        for line in lines.drain(..).filter(|l| !l.trim().is_empty()) {
            tell.waits(&line);
            if last.len() == TOLD {
                last.pop_front();
            }
            last.push_back(line);
        }
    };
    let ended = loop {
        match records.next().await {
            Ok(Some(record)) => {
                let Some(bytes) = shown(&record) else {
                    continue;
                };
                let room = KEPT.saturating_sub(all.len()).min(bytes.len());
                all.extend_from_slice(bytes.get(..room).unwrap_or_default());
                plain.feed(bytes, &mut lines);
                note(&mut lines);
            }
            Ok(None) => break Ok(()),
            Err(e) => break Err(e),
        }
    };
    lines.extend(plain.finish());
    note(&mut lines);
    ended
}

fn failed(
    error: Error,
    command: &str,
    agent: &AgentSpec,
    last: &VecDeque<String>,
    all: &[u8],
    keep: &Path,
) -> Error {
    if error.kind != Kind::User {
        return error;
    }
    let place = agent.cwd.display();
    let mut told = Error::user(format!("{}, in {place}: `{command}`", error.message));
    if !last.is_empty() {
        let lines: Vec<&str> = last.iter().map(String::as_str).collect();
        told = told.because(Error::user(format!("it said\n  {}", lines.join("\n  "))));
    }
    if !all.is_empty() && write(keep, all).is_ok() {
        told = told.hint(format!("all that it printed is in {}", keep.display()));
    }
    told.hint("mend it, or do without for now: `remote dispatch --no-setup`")
}

fn write(keep: &Path, all: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = keep.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::write(keep, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DEFAULT_SIZE;

    fn agent(number: u32, cwd: &str) -> AgentSpec {
        AgentSpec {
            number,
            name: "sh".into(),
            argv: vec!["sh".into()],
            resume: vec![],
            env: Default::default(),
            cwd: cwd.into(),
            size: DEFAULT_SIZE,
            task: String::new(),
            check: None,
            push: None,
            forward_agent: false,
        }
    }

    #[test]
    fn what_an_agent_needs_is_done_once_and_what_its_tree_needs_in_each() {
        let setup = Setup {
            once: Some("install".into()),
            again: false,
            each: Some("npm ci".into()),
        };
        let told = |agents: &[AgentSpec]| -> Vec<String> {
            let runs = setup.runs(agents).into_iter();
            runs.map(|(c, a)| format!("{c} in {}", a.number)).collect()
        };
        let apart = [agent(1, "/a"), agent(2, "/b")];
        assert_eq!(told(&apart), ["install in 1", "npm ci in 1", "npm ci in 2"]);
        let together = [agent(4, "/a"), agent(5, "/a")];
        assert_eq!(told(&together), ["install in 4", "npm ci in 4"]);
        assert!(Setup::default().runs(&apart).is_empty());
    }
}
