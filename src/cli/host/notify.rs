//! `remote host notify`: an agent's hook says what the agent is doing.

use std::path::PathBuf;

use clap::ValueEnum;
use tokio::net::UnixStream;

use crate::client::Control;
use crate::error::{Context, Error, Result};
use crate::model::{AgentState, BlockedOn};
use crate::proto::Op;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the agent is doing now
    #[arg(value_enum)]
    state: State,
    /// What it waits for, with `blocked`
    #[arg(long, value_enum)]
    on: Option<On>,
    /// A line about it
    #[arg(long, short)]
    message: Option<String>,
    /// How far it is, in percent
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    progress: Option<u8>,
    /// The agent's number
    #[arg(long, env = "REMOTE_AGENT", hide_env_values = true)]
    agent: Option<u32>,
    /// The host's socket for agents
    #[arg(long, env = "REMOTE_AGENT_SOCKET", hide_env_values = true)]
    socket: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Working,
    Blocked,
    Done,
    Idle,
    Error,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum On {
    Permission,
    Question,
    Auth,
}

impl Args {
    fn state(&self) -> Result<AgentState> {
        let on = match self.on {
            Some(On::Permission) => BlockedOn::Permission,
            Some(On::Question) => BlockedOn::Question,
            Some(On::Auth) => BlockedOn::Auth,
            None => BlockedOn::Unknown,
        };
        Ok(match self.state {
            State::Blocked => AgentState::Blocked { on },
            _ if self.on.is_some() => {
                return Err(Error::user("`--on` belongs to `blocked` only"));
            }
            State::Working => AgentState::Working,
            State::Done => AgentState::Done,
            State::Idle => AgentState::Idle,
            State::Error => AgentState::Error,
        })
    }
}

pub async fn run(args: Args) -> Result<()> {
    let outside = || {
        Error::user("this is not run by an agent of a session")
            .hint("agents have REMOTE_AGENT and REMOTE_AGENT_SOCKET in their environment")
    };
    let state = args.state()?;
    let agent = args.agent.ok_or_else(outside)?;
    let socket = args.socket.ok_or_else(outside)?;
    let stream = UnixStream::connect(&socket)
        .await
        .context(format!("the session's host does not listen on {}", socket.display()))?;
    let mut control = Control::open(Box::new(stream), "the session").await?;
    let op = Op::Notify {
        agent,
        state,
        message: args.message,
        progress: args.progress,
    };
    control.ask(op).await.map(|_| ())
}
