//! `remote host repo`: what clients ask of a session's machine about its repository, in JSON on stdin and stdout. On
//! a rented machine it is all done as the agents' user, whose files these are.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use clap::{Subcommand, ValueEnum};

use super::here::{answer, request, settle_here};
use crate::cli::Ctx;
use crate::config::{Account, MachineFile, WORK};
use crate::error::{Context, Error, Result};
use crate::host::workspace_of;
use crate::model::{AgentSpec, SessionId};
use crate::provision::{find_program, login_path};
use crate::repo::{
    Begin, Begun, Git, Oid, Open, Opened, RepoError, Store, begin, collect, find_record, forget,
    mark_pulled,
};

/// One of the package managers of the images that bring no git.
const INSTALL: &str = "if command -v apt-get; then apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
     apt-get -qq -y install git; elif command -v dnf; then dnf -q -y install git-core; \
     else yum -q -y install git; fi";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of a work volume that was copied here, whose top this is
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Open the store of a repository, or make it
    Open,
    /// Run the far half of git's transport
    Serve {
        #[arg(long)]
        store: PathBuf,
        #[arg(long, value_enum)]
        service: Service,
        /// `GIT_PROTOCOL`
        #[arg(long)]
        protocol: Option<String>,
    },
    /// Make a session's working trees
    Begin,
    /// Take back the working trees of agents that will not be
    Forget { session: SessionId },
    /// Say where agents begin that no repository is brought to
    Settle,
    /// Say what a session's agents have made, and make commits of what they left
    Collect {
        session: SessionId,
        #[arg(long)]
        agent: Option<u32>,
    },
    /// Write down what a client has fetched and verified
    Pulled { session: SessionId },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Service {
    ReceivePack,
    UploadPack,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let verb = args.verb;
    let rented = match args.copy {
        Some(_) => None,
        None => MachineFile::here()?,
    };
    if let Some(machine) = &rented {
        if matches!(verb, Verb::Open) {
            ensure_git().await?;
        }
        become_agent(machine)?;
    }
    let root = match (&rented, args.copy) {
        (Some(_), _) => MachineFile::repositories(),
        (None, Some(copy)) => copy.join("repo"),
        (None, None) => ctx.paths.repositories(),
    };
    // A session on a workspace has its store and its trees there.
    let place = |session: &SessionId| {
        let on = match rented {
            Some(_) => None,
            None => workspace_of(&ctx.paths.session(session)),
        };
        match (&rented, on) {
            (Some(_), _) => Place {
                root: root.clone(),
                trees: MachineFile::trees(session),
            },
            (None, Some(dir)) => Place {
                root: dir.join("repo"),
                trees: dir.join("tree").join(session.as_str()),
            },
            (None, None) => Place {
                root: root.clone(),
                trees: ctx.paths.session(session).work(),
            },
        }
    };
    match verb {
        Verb::Open => {
            let open: Open = request("open")?;
            let root = match &open.workspace {
                Some(dir) if rented.is_none() => dir.join("repo"),
                _ => root,
            };
            let (store, known) = Store::open(&root, &open).await?;
            let store = store.dir().to_owned();
            answer(ctx, &Opened { store, known })?;
        }
        Verb::Serve {
            store,
            service,
            protocol,
        } => return serve(&store, service, protocol).await,
        Verb::Begin => {
            let mut ask: Begin = request("begin")?;
            let Place { root, trees } = place(&ask.session);
            if ask.store.as_os_str().is_empty() {
                // More agents for a session that is there, if it has a repository.
                let Some((store, record)) = find_record(&root, &ask.session) else {
                    answer(ctx, &None::<Begun>)?;
                    return Ok(ExitCode::SUCCESS);
                };
                store.dir().clone_into(&mut ask.store);
                ask.name = record.name;
            }
            let held = Store::at(&ask.store)?.lock()?;
            let mut begun = begin(&trees, &ask).await?;
            drop(held);
            if rented.is_none() {
                begun.path = login_path().await.and_then(|p| p.into_string().ok());
            }
            answer(ctx, &Some(begun))?;
        }
        Verb::Forget { session } => {
            let agents: Vec<u32> = request("forget")?;
            let Place { root, trees } = place(&session);
            if let Some((store, _)) = find_record(&root, &session) {
                let _held = store.lock()?;
                forget(&store, &trees, &session, &agents).await?;
            }
            answer(ctx, &true)?;
        }
        Verb::Settle => {
            let mut agents: Vec<AgentSpec> = request("settle")?;
            settle_here(&mut agents, rented.is_some(), ctx).await;
            answer(ctx, &agents)?;
        }
        Verb::Collect { session, agent } => {
            let collected = match find_record(&place(&session).root, &session) {
                Some((store, record)) => {
                    let _held = store.collecting(&session)?;
                    Some(collect(&store, &record, agent).await?)
                }
                None => None,
            };
            answer(ctx, &collected)?;
        }
        Verb::Pulled { session } => {
            let pulled: BTreeMap<u32, BTreeMap<String, Oid>> = request("pulled")?;
            let none = || Error::user(format!("{session} brought no repository"));
            let (store, _) = find_record(&place(&session).root, &session).ok_or_else(none)?;
            let _held = store.lock()?;
            let mut record = store.record(&session).ok_or_else(none)?;
            mark_pulled(&store, &mut record, &pulled)?;
            answer(ctx, &true)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a session's repository is.
struct Place {
    root: PathBuf,
    trees: PathBuf,
}

async fn serve(store: &Path, service: Service, protocol: Option<String>) -> Result<ExitCode> {
    let store = Store::at(store)?;
    let args: &[&str] = match service {
        Service::ReceivePack => &["receive-pack"],
        Service::UploadPack => &["upload-pack", "--strict"],
    };
    let mut git = Git::at("/").config("safe.directory=*");
    if let Some(protocol) = protocol {
        git = git.env("GIT_PROTOCOL", protocol);
    }
    let args = args
        .iter()
        .map(AsRef::as_ref)
        .chain([store.dir().as_os_str()]);
    let status = git.command(args).status().await;
    let status = status.map_err(|e| RepoError::io("start git in", "/", e))?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// This very command again, as the user who owns the repositories of a rented machine.
fn become_agent(machine: &MachineFile) -> Result<()> {
    let agent = Account::named(&machine.agent)?;
    if rustix::process::getuid().as_raw() == agent.uid {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let error = std::process::Command::new("sudo")
        .args(["-n", "-H", "-u", &machine.agent, "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .current_dir(WORK)
        .exec();
    Err(Error::user("sudo cannot be started on this machine").because(error))
}

/// Some images bring no git, and a machine that nothing is brought to needs none: so it is installed here.
async fn ensure_git() -> Result<()> {
    let path = std::env::var_os("PATH");
    if find_program("git", path.as_deref(), Path::new("/")).is_some() {
        return Ok(());
    }
    let output = tokio::process::Command::new("sudo")
        .args(["-n", "--", "/bin/sh", "-c", INSTALL])
        .stdin(Stdio::null())
        .output()
        .await
        .context("git is not on this machine, and cannot be installed")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(
        Error::user("git is not on this machine, and its packages cannot be had")
            .because(said)
            .hint(
                "use an image that has it (`--image ubuntu-24.04`), or bring nothing: `--no-repo`",
            ),
    )
}
