//! Where agents' branches are pushed to from their machine, decided before anything runs or costs.

use crate::client::dispatch::Place;
use crate::client::repo::bring::Source;
use crate::error::{Context, Error, Result};
use crate::repo::{Repository, without_credentials};

#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "The repository")]
pub struct PushArgs {
    /// Have the machine push each agent's branch when it is done: to `origin`, another remote of the
    /// repository, or this address
    ///
    /// With the credentials that git finds in the agent's environment there; nobody is asked. What is there
    /// already is only replaced where it came from this session.
    #[arg(long, value_name = "REMOTE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "origin", conflicts_with_all = ["into", "no_repo", "copy", "cwd"])]
    push: Option<String>,
}

impl PushArgs {
    /// The address, where a push is wanted of what is brought there.
    ///
    /// # Errors
    /// There is nothing to push, or nowhere to push it to.
    pub(super) async fn address(
        &self,
        brought: Option<&Source>,
        place: &Place,
    ) -> Result<Option<String>> {
        let Some(remote) = &self.push else {
            return Ok(None);
        };
        let Some(brought) = brought else {
            return Err(Error::user(
                "`--push` is about a repository's branches, and none is brought",
            )
            .hint("run it inside of a repository, or say which with `--repo URL`"));
        };
        let (repository, origin) = match brought {
            Source::Tree(taken) => (Some(&taken.repository), taken.repository.origin.clone()),
            Source::Url(url) => (None, Some(url.clone())),
        };
        let address = match (remote.as_str(), repository) {
            ("origin", _) => origin,
            (url, _) if url.contains([':', '/']) => Some(url.to_owned()),
            (name, Some(repository)) => of_remote(repository, name).await?,
            (_, None) => None,
        };
        let Some(address) = address else {
            let hint = match remote.as_str() {
                "origin" => "add it: `git remote add origin URL`, or say where: `--push=URL`",
                _ => "`git remote -v` lists those there are; or say where: `--push=URL`",
            };
            let why = format!("there is no remote `{remote}` to push to");
            return Err(Error::user(why).hint(hint));
        };
        let address = without_credentials(&address);
        if address.starts_with('-') || address.contains("::") || address.contains(['\n', '\0']) {
            return Err(
                Error::user(format!("`{address}` is no repository's address"))
                    .hint("say for example `--push=git@github.com:me/api`"),
            );
        }
        if address.contains(':') {
            return Ok(Some(address));
        }
        if !matches!(place, Place::Local) {
            return Err(Error::user(format!(
                "`{address}` is a directory of this machine, which another one cannot push to"
            ))
            .hint("say where: `--push=URL`"));
        }
        // As git reads it where the person stands, not where an agent does.
        let top = repository.and_then(|r| r.top.clone()).unwrap_or_default();
        let absolute = std::path::absolute(top.join(&address));
        let absolute = absolute.context(format!("the directory `{address}`"))?;
        Ok(Some(absolute.display().to_string()))
    }
}

async fn of_remote(repository: &Repository, name: &str) -> Result<Option<String>> {
    let key = format!("remote.{name}.url");
    let args = ["config", "--get", key.as_str()];
    Ok(repository.git().ask(args).await?)
}
