//! A repository's way into a session that runs and has no agents yet: its objects, then working trees, then the
//! agents in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Way;
use super::bridge::Bridge;
use crate::client::control::Control;
use crate::client::registry::Known;
use crate::config::put_directory;
use crate::error::{Error, Result};
use crate::model::{AgentSpec, SessionId};
use crate::proto::{Op, Outcome};
use crate::repo::base::Choice;
use crate::repo::transfer;
use crate::repo::{
    Begin, Begun, Open, Opened, Snapshot, identity, store_name, without_credentials,
};

/// How often a push is tried again that somebody's working tree was in the way of.
const PUSHES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// What agents are to work on.
#[derive(Debug, Clone)]
pub enum Source {
    /// A working tree of this machine.
    Tree(Box<Snapshot>),
    /// A repository that the machine clones itself.
    Url(String),
}

/// Told what is done, and how it gets on.
pub trait Tell: Send + Sync {
    /// A new step.
    fn step(&self, text: &str);
    /// How the step gets on.
    fn waits(&self, detail: &str);
}

/// What else is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    pub choice: Choice,
    /// The machine's store is a workspace, whose work goes on.
    pub workspace: bool,
    /// Where that is, if not in the usual place.
    pub workspace_dir: Option<PathBuf>,
    /// Ignore rules of the person's own.
    pub ignore: String,
    /// Agents run with the PATH of a login there.
    pub login_path: bool,
    /// Each agent has a home of its own.
    pub homes: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Brought {
    pub begun: Begun,
    /// Bytes that travelled.
    pub sent: u64,
}

/// Brings it, and sets each agent's directory and variables.
///
/// # Errors
/// The machine has no git, the connection is lost, git fails on one of the sides.
pub async fn bring(
    way: &Way,
    session: &SessionId,
    source: &Source,
    agents: &mut [AgentSpec],
    wish: &Wish,
    tell: &dyn Tell,
) -> Result<Brought> {
    let (identity, format, name) = match source {
        Source::Tree(taken) => {
            let r = &taken.repository;
            (r.identity(), r.format.clone(), r.name())
        }
        Source::Url(url) => {
            let identity = identity(Some(url), std::path::Path::new(url));
            let name = identity.rsplit('/').next().unwrap_or("repo").to_owned();
            (identity, "sha1".to_owned(), name)
        }
    };
    let open = Open {
        name: store_name(&identity, &format),
        format,
        workspace: wish.workspace_dir.clone(),
    };
    // A rented machine whose image has none installs it now, which takes a while.
    tell.step("git on the machine, installed where there is none");
    let opened: Opened = way.ask(&["open"], &open).await?;
    let numbers: Vec<u32> = agents.iter().map(|a| a.number).collect();
    let mut ask = Begin {
        store: opened.store.clone(),
        name,
        agents: numbers,
        workspace: wish.workspace,
        choice: wish.choice,
        ignore: wish.ignore.clone(),
        homes: wish.homes,
        ..Begin::new(session.clone())
    };
    let mut sent = 0;
    match source {
        Source::Tree(taken) => {
            tell.step("push");
            sent = push(way, session, taken, &opened, &mut ask, tell).await?;
        }
        Source::Url(url) => {
            tell.step(&format!("clone {}", without_credentials(url)));
            ask.url = Some(url.clone());
        }
    }
    if let Source::Tree(_) = source {
        tell.step("worktrees");
    }
    let begun: Option<Begun> = way.ask(&["begin"], &ask).await?;
    let begun = begun.ok_or_else(|| Error::internal("no working trees were made"))?;
    place(&begun, agents, wish.login_path)?;
    Ok(Brought { begun, sent })
}

/// Working trees for further agents of a session; false where it has no repository.
///
/// # Errors
/// As [`bring`].
pub async fn join(
    way: &Way,
    session: &SessionId,
    agents: &mut [AgentSpec],
    login_path: bool,
    homes: bool,
) -> Result<bool> {
    let ask = Begin {
        agents: agents.iter().map(|a| a.number).collect(),
        homes,
        ..Begin::new(session.clone())
    };
    let begun: Option<Begun> = way.ask(&["begin"], &ask).await?;
    match &begun {
        Some(begun) => place(begun, agents, login_path).map(|()| true),
        None => Ok(false),
    }
}

/// Takes back the places of agents that will not be.
///
/// # Errors
/// As [`bring`].
pub async fn forget(way: &Way, session: &SessionId, agents: &[u32]) -> Result<()> {
    let _: bool = way.ask(&["forget", session.as_str()], &agents).await?;
    Ok(())
}

/// Where agents begin that no repository is brought to: as the machine has it.
///
/// # Errors
/// As [`bring`].
pub async fn settle(way: &Way, known: &Known, agents: &mut Vec<AgentSpec>) -> Result<()> {
    // What was given here is whole already.
    if known.provider != "local" {
        *agents = way.ask(&["settle"], agents).await?;
    }
    Ok(())
}

/// Sets each agent's directory and variables.
fn place(begun: &Begun, agents: &mut [AgentSpec], login_path: bool) -> Result<()> {
    for agent in agents {
        let Some(place) = begun.agents.iter().find(|a| a.number == agent.number) else {
            return Err(Error::internal(format!(
                "agent {} was given no place",
                agent.number
            )));
        };
        agent.cwd.clone_from(&place.cwd);
        put_directory(&mut agent.argv, &place.cwd);
        put_directory(&mut agent.resume, &place.cwd);
        set(&mut agent.env, &place.env);
        if let Some(path) = begun.path.as_ref().filter(|_| login_path) {
            set(
                &mut agent.env,
                &BTreeMap::from([("PATH".to_owned(), path.clone())]),
            );
        }
    }
    Ok(())
}

/// What a person has said wins.
fn set(env: &mut BTreeMap<String, String>, more: &BTreeMap<String, String>) {
    for (name, value) in more {
        env.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

async fn push(
    way: &Way,
    session: &SessionId,
    taken: &Snapshot,
    opened: &Opened,
    ask: &mut Begin,
    tell: &dyn Tell,
) -> Result<u64> {
    let repository = &taken.repository;
    let bridge = Bridge::open(way, &opened.store)?;
    let progress = |text: &str| tell.waits(text);
    for (index, (path, module)) in taken.all_modules().into_iter().enumerate() {
        let spec = format!("+{}:refs/remote/{session}/module-{index}", module.commit);
        let git = bridge.git(module.git());
        transfer::push(module, git, &bridge.url(), &[spec], &progress)
            .await
            .map_err(|e| bridge.explain(e.into()))?;
        ask.modules.push((path, module.commit.clone()));
    }
    let specs = transfer::push_refs(taken, session).await?;
    let mut tries = 0;
    loop {
        let git = bridge.git(taken.git());
        let pushed = transfer::push(taken, git, &bridge.url(), &specs, &progress).await;
        let Err(e) = pushed else { break };
        let error = bridge.explain(e.into());
        // git looks through all working trees of the store, and one that another session just makes is not whole yet.
        let half = error.to_string().contains("failed to read worktrees/");
        if !half || tries == PUSHES {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    }
    ask.brought = Some(taken.commit.clone());
    ask.prefix.clone_from(&repository.prefix);
    ask.branch.clone_from(&repository.branch);
    ask.origin.clone_from(&repository.origin);
    ask.author.clone_from(&repository.author);
    Ok(bridge.sent())
}

/// Starts the agents in a session that runs.
///
/// # Errors
/// One of them cannot be started.
pub async fn spawn(control: &mut Control, agents: Vec<AgentSpec>) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for agent in agents {
        match control.ask(Op::Spawn { agent }).await? {
            Outcome::Agent { agent } => numbers.push(agent.number),
            _ => {
                return Err(Error::connection(
                    "the session did not say which agent it started",
                ));
            }
        }
    }
    Ok(numbers)
}
