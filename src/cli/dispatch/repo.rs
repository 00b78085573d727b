//! The flags that say what the agents work on, and the way there.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use tokio::sync::{Mutex, OnceCell};

use super::{Args, Ctx};
use crate::cli::target::person;
use crate::client::dispatch::{Place, Started};
use crate::client::reach::{HostConn, reach};
use crate::client::repo::Way;
use crate::client::repo::bring::{self, Source, Tell, Wish, spawn};
use crate::client::secrets::{Values, send};
use crate::client::setup::Setup;
use crate::client::site::Site;
use crate::client::{Control, Known, Registry};
use crate::config::Paths;
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, SessionId, now_ms};
use crate::provision::sizing;
use crate::repo::base::Choice;
use crate::repo::{
    Limits, Options, RepoError, Repository, Snapshot, ignore_rules, measure, plain_directory, size,
    snapshot, transfer, without_credentials,
};
use crate::ssh::Ask;

/// What the commit is called that uncommitted work travels as.
const MESSAGE: &str = "Working tree at dispatch";

/// What is brought.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The repository")]
pub struct RepoArgs {
    /// Clone this repository there, instead of bringing the one you are in
    #[arg(long, value_name = "URL", conflicts_with_all = ["no_repo", "copy", "no_dirty", "into", "cwd"])]
    repo: Option<String>,
    /// Bring no repository; on this machine the agents run right here
    #[arg(long, conflicts_with_all = ["copy", "no_dirty", "base", "into"])]
    no_repo: bool,
    /// Bring the files of a directory that is in no repository, but for what .gitignore files name
    #[arg(long, conflicts_with_all = ["no_dirty", "into", "cwd"])]
    copy: bool,
    /// Leave uncommitted and untracked files here
    #[arg(long, conflicts_with_all = ["into", "cwd"])]
    no_dirty: bool,
    /// Which work agents begin from, where a work volume holds the repository already
    ///
    /// By itself whichever is ahead, and the volume's where both have moved.
    #[arg(long, value_enum, value_name = "WHOSE", conflicts_with_all = ["into", "cwd"])]
    base: Option<Base>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Base {
    /// What is here
    Laptop,
    /// What earlier sessions left on the volume
    Workspace,
    /// Both, merged
    Merge,
}

impl RepoArgs {
    /// Agents may get working trees of their own.
    pub(super) fn makes_trees(&self) -> bool {
        !self.no_repo
    }

    /// What is brought is not the repository where one stands.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.repo.is_some() || self.copy
    }
}

impl Args {
    /// What is to be brought into each session, and run in it before its agents; `None` for nothing.
    pub(super) async fn brings(
        &self,
        ctx: &Ctx,
        place: &Place,
        secrets: Values,
        tell: &dyn Tell,
    ) -> Result<Option<Brings>> {
        let choice = match self.repo.base {
            None => Choice::Ahead,
            Some(Base::Laptop) => Choice::Laptop,
            Some(Base::Workspace) => Choice::Workspace,
            Some(Base::Merge) => Choice::Merge,
        };
        let source = self.source(ctx, place, tell).await?;
        let (setup, homes) = (self.setup(ctx)?, self.own_homes(ctx)?);
        if homes && source.is_none() {
            return Err(no_homes());
        }
        let push = self.push.address(source.as_ref(), place).await?;
        let any = source.is_some() || !setup.is_empty() || !secrets.is_empty();
        Ok(any.then(|| Brings {
            source,
            push,
            secrets,
            choice,
            setup,
            homes,
            paths: ctx.paths.clone(),
            ask: person(ctx),
            turn: Mutex::default(),
        }))
    }

    /// How large what is brought is, for who chooses a machine for it; `None` where that is not known.
    pub(super) async fn measured(&self) -> Option<sizing::Repository> {
        // It is the same for each of many tasks.
        static MEASURED: OnceCell<Option<sizing::Repository>> = OnceCell::const_new();
        if self.repo.no_repo || self.repo.repo.is_some() || self.cwd.is_some() {
            return None;
        }
        let looked = async || {
            let here = std::env::current_dir().ok()?;
            // What is wrong with it is told when it is brought.
            let repository = Repository::find(&here).await.ok()??;
            let (files, bytes) = measure(&repository).await.ok()?;
            Some(sizing::Repository { bytes, files })
        };
        *MEASURED.get_or_init(looked).await
    }

    async fn source(&self, ctx: &Ctx, place: &Place, tell: &dyn Tell) -> Result<Option<Source>> {
        let args = &self.repo;
        let rented = matches!(place, Place::Ec2(_));
        if args.base.is_some() && !rented {
            return Err(Error::user(format!(
                "`--base` is about work on a volume, and provider `{}` has none",
                place.provider()
            ))
            .hint("leave it out: agents begin from what is here"));
        }
        // Whoever names a directory wants to be there.
        if args.no_repo || self.cwd.is_some() {
            return Ok(None);
        }
        if let Some(url) = &args.repo {
            return Ok(Some(Source::Url(address(url)?)));
        }
        let here = std::env::current_dir().context("the current directory cannot be read")?;
        let options = Options {
            dirty: !args.no_dirty,
            limits: Limits::default(),
            scratch: ctx.paths.cache.join("snapshots"),
            own: false,
            message: MESSAGE.to_owned(),
        };
        let found = Repository::find(&here).await?;
        tell.step("snapshot");
        let taken = match (found, args.copy) {
            (Some(repository), true) => {
                let top = repository.top.unwrap_or(repository.git_dir);
                return Err(Error::user(format!(
                    "{} is in a repository, which is brought as such",
                    top.display()
                ))
                .hint("leave `--copy` out"));
            }
            (Some(repository), false) => {
                transfer::check_names(&repository).await?;
                snapshot(&repository, &options).await?
            }
            (None, true) => plain_directory(&here, &options).await?,
            (None, false) => {
                if let Some(url) = ctx.config.text("repo") {
                    return Ok(Some(Source::Url(address(url)?)));
                }
                if args.no_dirty {
                    return Err(RepoError::NotARepository(here).into());
                }
                if !matches!(place, Place::Local) {
                    ctx.ui.note(format!(
                        "{} is in no git repository, so nothing is brought: `--copy` brings its files, `--repo URL` \
                         a repository from elsewhere.",
                        here.display()
                    ));
                }
                return Ok(None);
            }
        };
        tell_unusual(ctx, &taken);
        Ok(Some(Source::Tree(Box::new(taken))))
    }

    /// Places for further agents of a session that has a repository: each its own working tree.
    pub(super) async fn join_repository(
        &self,
        ctx: &Ctx,
        known: &Known,
        host: &HostConn,
        control: &mut Control,
        agents: &mut [AgentSpec],
    ) -> Result<()> {
        let homes = self.own_homes(ctx)?;
        let Some(connection) = host.connection() else {
            return Ok(());
        };
        let way = Way::over(known, connection.clone());
        let taken = control.status().await?.agents;
        let last = taken.iter().map(|a| a.number).max().unwrap_or(0);
        let mut placed = agents.to_vec();
        for (agent, number) in placed.iter_mut().zip(last.saturating_add(1)..) {
            agent.number = number;
        }
        let login_path = known.provider == "ssh";
        if bring::join(&way, &known.id, &mut placed, login_path, homes).await? {
            agents.clone_from_slice(&placed);
        } else if homes {
            return Err(no_homes());
        }
        Ok(())
    }
}

/// What was begun with something brought: the session, and what to say of it.
pub(super) struct Brought {
    pub started: Started,
    pub said: Vec<String>,
}

impl Brings {
    /// What its repository is called; nothing where none is brought.
    pub fn name(&self) -> String {
        match &self.source {
            Some(Source::Url(url)) => without_credentials(url),
            Some(Source::Tree(taken)) => taken.repository.name(),
            None => String::new(),
        }
    }
}

/// What comes into sessions before their agents: a repository, secrets, and what setup makes.
pub(super) struct Brings {
    source: Option<Source>,
    secrets: Values,
    /// Where agents' branches are pushed to.
    push: Option<String>,
    choice: Choice,
    setup: Setup,
    /// Each agent has a home of its own.
    homes: bool,
    paths: Paths,
    ask: Arc<dyn Ask>,
    /// One at a time into a store that sessions share: their pushes move the same branches.
    turn: Mutex<()>,
}

impl Brings {
    /// Brings it into a session that runs, and starts its agents. A session in which that fails is taken back, as is
    /// one for which `cut` comes first: `None`.
    pub async fn give_to(
        &self,
        registry: &Registry,
        site: &Site,
        started: Started,
        agents: Vec<AgentSpec>,
        tell: &dyn Tell,
        cut: impl Future<Output = ()>,
    ) -> Result<Option<Brought>> {
        let known = started.known.clone();
        let brought = tokio::select! {
            brought = self.bring(registry, started, agents, tell) => brought.map(Some),
            () = cut => Ok(None),
        };
        if let Ok(Some(_)) = &brought {
            return brought;
        }
        tell.step("take back");
        let id = &known.id;
        match (brought, site.undo(registry, &known, self.ask.clone()).await) {
            (brought, Ok(())) => brought,
            (Err(e), Err(left)) => {
                Err(e.hint(format!("{left}; end it with `remote terminate {id}`")))
            }
            (Ok(_), Err(left)) => Err(left.hint(format!("end it with `remote terminate {id}`"))),
        }
    }

    async fn bring(
        &self,
        registry: &Registry,
        started: Started,
        mut agents: Vec<AgentSpec>,
        tell: &dyn Tell,
    ) -> Result<Brought> {
        let known = started.known;
        let host = match started.host {
            Some(host) => host,
            None => reach(&known, self.ask.clone()).await?,
        };
        let way = match host.connection() {
            Some(connection) => Way::over(&known, connection.clone()),
            None => Way::open(&known, self.ask.clone()).await?,
        };
        let said = match &self.source {
            Some(source) => {
                self.bring_repository(&way, &known, source, &mut agents, tell)
                    .await?
            }
            None => {
                bring::settle(&way, &known, &mut agents).await?;
                Vec::new()
            }
        };
        // Setup is given what the agents are.
        send(&mut host.control().await?, &self.secrets).await?;
        let keep = kept(&self.paths, &known.id);
        self.setup.run(&host, &agents, tell, &keep).await?;
        tell.step("agents");
        let mut control = host.control().await?;
        spawn(&mut control, agents).await?;
        let status = control.status().await?;
        registry.ledger().saw(&status, now_ms());
        let known = registry.known(&known.id)?;
        Ok(Brought {
            started: Started {
                known,
                host: Some(host),
                repository: self.source.is_some(),
            },
            said,
        })
    }

    async fn bring_repository(
        &self,
        way: &Way,
        known: &Known,
        source: &Source,
        agents: &mut [AgentSpec],
        tell: &dyn Tell,
    ) -> Result<Vec<String>> {
        let ignore = match source {
            Source::Tree(taken) => ignore_rules(&taken.repository).await?,
            Source::Url(_) => String::new(),
        };
        let spec = known.spec();
        let on = spec.and_then(|s| s.workspace);
        let dir = on.map(|w| w.dir).filter(|_| known.provider != "ec2");
        let wish = Wish {
            choice: self.choice,
            workspace: known.provider == "ec2" || dir.is_some(),
            workspace_dir: dir,
            ignore,
            login_path: known.provider == "ssh",
            homes: self.homes,
        };
        let turn = match known.provider.as_str() {
            // Each machine has a store of its own.
            "ec2" => None,
            _ => Some(self.turn.lock().await),
        };
        let brought = bring::bring(way, &known.id, source, agents, &wish, tell).await?;
        drop(turn);
        for agent in agents {
            agent.push.clone_from(&self.push);
        }
        let line = line(source, &brought.begun.base, brought.sent);
        Ok([Some(line), brought.begun.say]
            .into_iter()
            .flatten()
            .collect())
    }
}

/// Where the output of a setup that failed is kept here: its session is taken back.
pub(super) fn kept(paths: &Paths, id: &SessionId) -> PathBuf {
    paths.state.join("setup").join(format!("{id}.log"))
}

pub(super) fn no_homes() -> Error {
    Error::user("agents have homes of their own beside their working trees, and there are none")
        .hint("dispatch from a repository (or `--copy`), or leave `--home-each`, or the agent's `home = \"own\"`, out")
}

/// An address that git can be given, and is not one of its flags.
fn address(url: &str) -> Result<String> {
    let transports = url.contains("::");
    if url.is_empty() || url.starts_with('-') || transports || url.contains(['\n', '\0']) {
        return Err(Error::user(format!("`{url}` is no repository's address"))
            .hint("say for example `--repo https://github.com/me/api` or `--repo git@github.com:me/api`"));
    }
    Ok(url.to_owned())
}

fn line(source: &Source, base: &crate::repo::Oid, sent: u64) -> String {
    match source {
        Source::Url(url) => format!("{} at {}", without_credentials(url), base.short()),
        Source::Tree(taken) => {
            let repository = &taken.repository;
            let at = match (&repository.branch, &repository.head) {
                (Some(branch), _) => branch.clone(),
                (None, Some(head)) => head.short().to_owned(),
                (None, None) => "files".to_owned(),
            };
            let dirty = if taken.dirty {
                ", uncommitted work included"
            } else {
                ""
            };
            format!("{} at {at}{dirty}; {} sent", repository.name(), size(sent))
        }
    }
}

/// What a person may not expect of how this repository travels.
fn tell_unusual(ctx: &Ctx, taken: &Snapshot) {
    for dir in &taken.nested {
        ctx.ui.warn(format!(
            "`{}` is a repository of its own inside of this one, and stays here; make it a submodule, or dispatch \
             from inside of it",
            dir.display()
        ));
    }
    if let Some(doing) = taken.repository.doing {
        ctx.ui.note(format!(
            "  repo      in the middle of a {}: agents get the tree as it is now, and the {0} stays here",
            doing.name()
        ));
    }
}
