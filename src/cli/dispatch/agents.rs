//! From what was asked for to the agents' specifications.

use std::path::{Path, PathBuf};

use super::{Args, Ctx, name};
use crate::cli::terminal;
use crate::config::AgentDef;
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, DEFAULT_SIZE, ON_WARNING, Size};

impl Args {
    /// The agents, numbered from 1.
    pub(super) fn specs(
        &self,
        ctx: &Ctx,
        provider: &str,
        tasks: &[Option<String>],
    ) -> Result<Vec<AgentSpec>> {
        let (cwd, size) = (self.directory(provider)?, terminal_size(ctx));
        let check = self.check_spec(ctx)?;
        if let Some(first) = tasks.first() {
            self.tell_of_login(ctx, provider, first.as_deref())?;
        }
        let specs = (1..).zip(tasks).map(|(number, task)| {
            let agent = self.one(ctx, provider, task.as_deref())?;
            let nul = |w: &String| w.contains('\0');
            if agent.argv.iter().chain(agent.env.values()).any(nul)
                || check.as_ref().is_some_and(|c| nul(&c.command))
            {
                return Err(Error::user(
                    "a command holds a NUL byte; no program can be given one",
                ));
            }
            Ok(AgentSpec {
                number,
                cwd: cwd.clone(),
                size,
                check: check.clone(),
                ..agent
            })
        });
        let mut specs: Vec<AgentSpec> = specs.collect::<Result<_>>()?;
        let kind = match self.command.is_none() && self.argv.is_empty() {
            true => Some(ctx.config.agent(self.agent_name(ctx))?),
            false => None,
        };
        self.secrets.mark(ctx, provider, kind, &mut specs)?;
        Ok(specs)
    }

    /// For people, where an agent has no credential to take with it.
    fn tell_of_login(&self, ctx: &Ctx, provider: &str, task: Option<&str>) -> Result<()> {
        if provider != "ec2" || self.command.is_some() || !self.argv.is_empty() {
            return Ok(());
        }
        let name = self.agent_name(ctx);
        let agent = ctx.config.agent(name)?;
        let spec = self.one(ctx, provider, task)?;
        let has = |v: &String| spec.env.contains_key(v);
        if let Some(first) = agent.credentials.first()
            && !agent.credentials.iter().any(has)
            && self.secrets.credential(ctx, agent)?.is_none()
        {
            let names = agent.credentials.join(", ");
            ctx.ui.note(format!(
                "{name} may ask for a login there: it is given none of {names}. `remote secret set {first}` stores one."
            ));
        }
        Ok(())
    }

    /// Which configured agent runs.
    pub(super) fn agent_name<'a>(&'a self, ctx: &'a Ctx) -> &'a str {
        let named = self.agent.as_deref();
        named.unwrap_or_else(|| ctx.config.default_agent())
    }

    fn one(&self, ctx: &Ctx, provider: &str, task: Option<&str>) -> Result<AgentSpec> {
        let mut spec = AgentSpec {
            number: 1,
            name: String::new(),
            argv: Vec::new(),
            resume: Vec::new(),
            env: self.env()?,
            cwd: PathBuf::new(),
            size: DEFAULT_SIZE,
            task: task.unwrap_or_default().to_owned(),
            check: None,
            push: None,
            forward_agent: self.lend.marks(ctx, provider)?,
        };
        if let Some(command) = &self.command {
            if command.trim().is_empty() {
                return Err(Error::user("`--command` is empty")
                    .hint("say for example `--command 'make test'`"));
            }
            spec.name = name::of_command(command);
            spec.argv = ["sh", "-c", command].map(str::to_owned).to_vec();
            return Ok(spec);
        }
        if let Some(program) = self.argv.first() {
            spec.name = name::of_argv(program, &self.argv);
            spec.argv.clone_from(&self.argv);
            return Ok(spec);
        }
        let name = self.agent_name(ctx);
        let mut agent = ctx.config.agent(name)?.clone();
        if self.is_trusted(ctx, provider, &agent) {
            agent = agent.trusting();
        }
        let mode = self
            .mode
            .map_or_else(|| ctx.config.mode(provider), Into::into);
        spec.name = name.to_owned();
        spec.argv = agent.argv(task.unwrap_or_default(), mode);
        spec.resume = agent.resume_argv(mode);
        for (name, value) in &agent.env {
            spec.env
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        if let Some(line) = &agent.on_warning {
            spec.env
                .entry(ON_WARNING.to_owned())
                .or_insert_with(|| line.clone());
        }
        Ok(spec)
    }

    /// The agent gets a working tree of its own, and need not ask whether to trust it: its person trusts the
    /// repository that it is made from, or the machine is rented for it and for nothing else.
    fn is_trusted(&self, ctx: &Ctx, provider: &str, agent: &AgentDef) -> bool {
        // An agent that joins a session gets what that session was begun from.
        let own = self.repo.makes_trees() && self.cwd.is_none() && self.into.is_none();
        let Some(trust) = agent.trust.as_ref().filter(|_| own) else {
            return false;
        };
        let here = std::env::current_dir().and_then(|d| d.canonicalize());
        let top = here.ok().and_then(|here| {
            let mut up = here.ancestors();
            up.find(|d| d.join(".git").exists()).map(Path::to_owned)
        });
        let elsewhere = self.repo.is_elsewhere();
        match top.filter(|_| !elsewhere) {
            Some(top) => provider == "ec2" || trust.has(&ctx.paths.home, &top),
            None => provider == "ec2" && (elsewhere || ctx.config.text("repo").is_some()),
        }
    }

    /// Absolute here; on another machine what was given, which is taken from the home directory there.
    fn directory(&self, provider: &str) -> Result<PathBuf> {
        let given = self.cwd.clone().unwrap_or_default();
        if provider != "local" {
            return Ok(given);
        }
        let here = std::env::current_dir().context("the current directory cannot be read")?;
        let dir = here.join(given);
        if !dir.is_dir() {
            return Err(
                Error::user(format!("`{}` is not a directory", dir.display()))
                    .hint("name one that is with `--cwd DIR`"),
            );
        }
        // Without a `/` at its end, which joining with nothing leaves.
        Ok(dir.components().collect())
    }
}

fn terminal_size(ctx: &Ctx) -> Size {
    let size = ctx.ui.out_is_terminal().then(terminal::size).flatten();
    size.map_or(DEFAULT_SIZE, |(size, _)| size.clamped())
}
