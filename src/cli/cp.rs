//! `remote cp`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Ctx;
use super::target::{Target, person};
use crate::client::connect::connect_bulk;
use crate::client::copy::{Side, download, there, upload};
use crate::client::reach::Hosts;
use crate::error::{Error, Result};
use crate::model::AgentRef;
use crate::ssh::{Connection, Flow};

/// Copy files to and from a session's machine
///
/// A path there is relative to the agent's directory; `~/` is the home directory there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote cp abc:target/report.html .\n  \
    remote cp -r ./fixtures abc/2:tests/")]
pub struct Args {
    /// From here, or from there as SESSION:PATH
    #[arg(value_name = "FROM", required = true, num_args = 1..)]
    from: Vec<String>,
    /// To there, or to here
    #[arg(value_name = "TO")]
    to: String,
    /// Copy directories with all that is in them
    #[arg(long, short)]
    recursive: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let to = Side::parse(&args.to);
    let froms: Vec<Side> = args.from.iter().map(|f| Side::parse(f)).collect();
    if froms.len() > 1
        && let Side::Here(to) = &to
        && !to.is_dir()
    {
        return Err(Error::user(format!(
            "`{}` is not a directory, and there is more than one file to put into it",
            to.display()
        )));
    }
    for from in froms {
        match (from, &to) {
            (Side::There { session, path }, Side::Here(to)) => {
                let place = Place::open(ctx, &session).await?;
                let word = there(&path, &place.cwd);
                let name = if path.is_empty() {
                    place.cwd.display().to_string()
                } else {
                    path
                };
                download(&place.connection, &word, &name, to, args.recursive).await?;
            }
            (Side::Here(from), Side::There { session, path }) => {
                let place = Place::open(ctx, session).await?;
                let word = there(path, &place.cwd);
                upload(&place.connection, &from, &word, args.recursive).await?;
            }
            (Side::Here(_), Side::Here(_)) => {
                return Err(Error::user("both sides of the copy are here")
                    .hint("write one of them as SESSION:PATH"));
            }
            (Side::There { .. }, Side::There { .. }) => {
                return Err(Error::user("both sides of the copy are on other machines")
                    .hint("copy to here first: `remote cp SESSION:PATH .`"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Place {
    connection: Connection,
    cwd: PathBuf,
}

impl Place {
    async fn open(ctx: &Ctx, session: &str) -> Result<Self> {
        let typed: AgentRef = session
            .parse()
            .map_err(|e: crate::model::IdError| Error::user(e.to_string()))?;
        let registry = ctx.registry(Some(&typed.session)).await?;
        let target = Target::find(&registry, Some(&typed))?;
        if target.known.dir.is_some() {
            target.known.must_live()?;
        }
        let hosts = Hosts::new(person(ctx), Flow::Credited);
        let target = target.with_agents(&registry, &hosts).await;
        Ok(Self {
            connection: connect_bulk(&target.known, person(ctx)).await?,
            cwd: directory(&target),
        })
    }
}

/// The agent's directory; the first one's where none is named.
pub fn directory(target: &Target) -> PathBuf {
    let spec = target.known.spec();
    let agents = spec.as_ref().map_or(&[][..], |s| s.agents.as_slice());
    let agent = match target.agent {
        Some(number) => agents.iter().find(|a| a.number == number),
        None => agents.first(),
    };
    agent.map_or_else(|| Path::new("").to_owned(), |a| a.cwd.clone())
}
