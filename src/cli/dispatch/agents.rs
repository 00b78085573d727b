//! From what was asked for to the agents' specifications.

use std::path::PathBuf;

use super::{Args, Ctx, name};
use crate::cli::terminal;
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, DEFAULT_SIZE, ON_WARNING, Size};

/// Setup runs first, then the agent in its place, with its arguments untouched by the shell.
const AFTER_SETUP: &str = "exec \"$@\"";

impl Args {
    /// The agents, numbered from 1.
    pub(super) fn specs(
        &self,
        ctx: &Ctx,
        provider: &str,
        task: Option<&str>,
    ) -> Result<Vec<AgentSpec>> {
        let mut agent = self.one(ctx, provider, task)?;
        if agent
            .argv
            .iter()
            .chain(agent.env.values())
            .any(|w| w.contains('\0'))
        {
            return Err(Error::user(
                "a command holds a NUL byte; no program can be given one",
            ));
        }
        agent.cwd = self.directory(provider)?;
        agent.size = terminal_size(ctx);
        Ok((1..=self.agents)
            .map(|number| AgentSpec {
                number,
                ..agent.clone()
            })
            .collect())
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
        let name = self
            .agent
            .as_deref()
            .unwrap_or_else(|| ctx.config.default_agent());
        let agent = ctx.config.agent(name)?;
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
        let setup: Vec<&str> = [ctx.config.setup(), agent.setup.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        if !setup.is_empty() {
            spec.argv = behind(&setup, spec.argv);
        }
        Ok(spec)
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

/// The argv that runs shell commands and then `argv`, only if all went well.
fn behind(setup: &[&str], argv: Vec<String>) -> Vec<String> {
    let mut script = String::from("set -e\n");
    for command in setup {
        script.push_str(command);
        script.push('\n');
    }
    script.push_str(AFTER_SETUP);
    let mut all = vec!["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()];
    all.extend(argv);
    all
}

fn terminal_size(ctx: &Ctx) -> Size {
    let size = ctx.ui.out_is_terminal().then(terminal::size).flatten();
    size.map_or(DEFAULT_SIZE, |(size, _)| size.clamped())
}

#[cfg(test)]
mod tests;
