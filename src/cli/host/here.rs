//! What a client on another machine asks of this one: what it would ask its own machine itself.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::Ctx;
use crate::client::history::{Begin, Log, read_dir};
use crate::config::{MachineFile, SessionDir, WORK};
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, SessionId};
use crate::provision::{Compute, Launch, Local, ProvisionError, Renewal, login_path};

/// A request is a few kilobytes; a task may be some more.
const LONGEST: u64 = 16 << 20;

/// One answer, on one line: what comes before it is the shell's.
///
/// # Errors
/// Stdout is gone.
pub fn answer(ctx: &Ctx, value: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(value)
        .map_err(|e| Error::internal("an answer cannot be written as JSON").because(e))?;
    ctx.ui.line(line)
}

/// The request on stdin.
///
/// # Errors
/// It is none of these.
pub fn request<T: serde::de::DeserializeOwned>(what: &str) -> Result<T> {
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_end(&mut text)?;
    serde_json::from_slice(&text).context(format!("the {what} request cannot be read"))
}

fn local(ctx: &Ctx) -> Result<Local> {
    match as_root()? {
        Some(machine) => Local::rented(&machine),
        None => Ok(Local::new(ctx.paths.sessions())),
    }
}

/// What a rented machine knows of itself, where we are root on one.
fn as_root() -> Result<Option<MachineFile>> {
    if rustix::process::getuid().is_root() {
        MachineFile::here()
    } else {
        Ok(None)
    }
}

/// On a rented machine sessions are root's, and whoever logs in there asks as root: this very command again,
/// through sudo.
///
/// # Errors
/// sudo is not there. One that refuses says so itself.
pub fn become_root() -> Result<()> {
    if rustix::process::getuid().is_root() || MachineFile::here()?.is_none() {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let error = std::process::Command::new("sudo")
        .arg("-n")
        .arg("--")
        .arg(program)
        .args(std::env::args_os().skip(1))
        .exec();
    Err(Error::user("sudo cannot be started on this machine").because(error))
}

/// Where this machine's sessions lie.
///
/// # Errors
/// What the machine knows of itself is damaged.
pub fn sessions(ctx: &Ctx) -> Result<PathBuf> {
    let machine = as_root()?;
    Ok(machine.map_or_else(|| ctx.paths.sessions(), |_| MachineFile::sessions()))
}

/// The answer; or the error, with the exit status that says to the asking machine which one it is.
fn told(ctx: &Ctx, asked: std::result::Result<impl Serialize, ProvisionError>) -> Result<ExitCode> {
    match asked {
        Ok(value) => answer(ctx, &value).map(|()| ExitCode::SUCCESS),
        Err(e) => match e.exit() {
            Some(exit) => {
                ctx.ui.note(e.to_string());
                Ok(ExitCode::from(exit))
            }
            None => Err(e.into()),
        },
    }
}

pub async fn launch(ctx: &Ctx) -> Result<ExitCode> {
    let mut launch: Launch = request("launch")?;
    settle_here(&mut launch.spec.agents, as_root()?.is_some(), ctx).await;
    told(ctx, local(ctx)?.launch(&launch, &|_| {}).await)
}

/// Relative directories are taken from the home directory (a rented machine's work volume), and agents get the login's PATH.
pub async fn settle_here(agents: &mut [AgentSpec], rented: bool, ctx: &Ctx) {
    // A command over SSH has not the PATH that a login has, and agents are on that.
    let (base, path) = match rented {
        true => (WORK.into(), None),
        false => (ctx.paths.home.clone(), login_path().await),
    };
    settle(agents, &base, path);
}

fn settle(agents: &mut [AgentSpec], home: &std::path::Path, path: Option<OsString>) {
    let path = path.and_then(|p| p.into_string().ok());
    for agent in agents {
        let below = agent.cwd.strip_prefix("~").unwrap_or(&agent.cwd);
        agent.cwd = home.join(below).components().collect();
        if let Some(path) = &path {
            agent
                .env
                .entry("PATH".to_owned())
                .or_insert_with(|| path.clone());
        }
    }
}

pub async fn endpoint(ctx: &Ctx, session: &SessionId) -> Result<ExitCode> {
    told(ctx, local(ctx)?.endpoint(session).await)
}

pub async fn start(ctx: &Ctx, session: &SessionId) -> Result<ExitCode> {
    told(ctx, local(ctx)?.start(session).await)
}

pub async fn renew(ctx: &Ctx) -> Result<ExitCode> {
    let renewal: Renewal = request("renew")?;
    told(ctx, local(ctx)?.renew(&renewal).await)
}

pub async fn end(ctx: &Ctx, session: &SessionId) -> Result<ExitCode> {
    told(ctx, local(ctx)?.terminate(session).await)
}

#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// The session's directory
    #[arg(long)]
    dir: PathBuf,
    /// The agent's number; 0 for what setup printed
    agent: u32,
    /// Begin at this byte
    #[arg(long, default_value_t = 0)]
    offset: u64,
    /// Begin this many bytes before the end
    #[arg(long, conflicts_with = "offset")]
    tail: Option<u64>,
    /// Not what it wrote, but what that run of its check printed
    #[arg(long, value_name = "RUN")]
    check: Option<u32>,
}

pub fn logs(args: LogsArgs, ctx: &Ctx) -> Result<()> {
    let begin = args.tail.map_or(Begin::Offset(args.offset), Begin::Tail);
    let log = match (args.agent, args.check) {
        (0, _) => Log::Setup,
        (agent, None) => Log::Agent(agent),
        (agent, Some(run)) => Log::Check(agent, run),
    };
    let session = SessionDir::new(args.dir);
    let dir = log.dir(&session);
    if !dir.is_dir() {
        return Err(log.missing(&session.path().display().to_string()));
    }
    let mut reader = read_dir(&dir, begin)?;
    let mut bytes = Vec::new();
    while let Some(record) = reader.next_record()? {
        bytes.clear();
        record.encode(&mut bytes);
        ctx.ui.raw(&bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentSpec, DEFAULT_SIZE};
    use std::path::Path;

    #[test]
    fn directories_are_taken_from_home_and_path_from_the_login() {
        let agent = |cwd: &str| AgentSpec {
            number: 1,
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
        };
        let mut agents = ["", "work", "~/work", "/srv"].map(agent);
        settle(&mut agents, Path::new("/home/me"), Some("/x:/y".into()));
        let dirs: Vec<_> = agents.iter().map(|a| a.cwd.clone()).collect();
        let expected = ["/home/me", "/home/me/work", "/home/me/work", "/srv"];
        assert_eq!(dirs, expected.map(PathBuf::from));
        assert_eq!(agents[0].env["PATH"], "/x:/y");
    }
}
