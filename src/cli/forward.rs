//! `remote forward`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgAction;
use clap_complete::engine::ArgValueCandidates;
use tokio::task::JoinSet;

use super::target::{interrupted, person};
use super::{Ctx, complete};
use crate::client::forward::{Carrier, Forward};
use crate::error::{Error, Result};

/// Carry ports between here and a session's machine, until Ctrl-C
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote forward 3000                  # localhost:3000 here is port 3000 of the last session\n  \
    remote forward abc 3000              # and of another one\n  \
    remote forward abc 8080:3000 9229    # more than one; another port here\n  \
    remote forward abc -R 5432           # port 5432 there is 5432 here")]
pub struct Args {
    /// The session; a port here belongs to the last session
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: Option<String>,
    /// Listen here and go there: `3000`, `8080:3000`, `8080:HOST:3000`
    #[arg(value_name = "PORT")]
    ports: Vec<String>,
    /// Listen there and go here; may be repeated
    #[arg(long = "reverse", short = 'R', value_name = "PORT", action = ArgAction::Append)]
    reverse: Vec<String>,
}

pub async fn run(mut args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry(None).await?;
    args.shift(|typed| registry.resolve(typed).is_ok());
    let parse =
        |ports: &[String]| -> Result<Vec<Forward>> { ports.iter().map(|p| p.parse()).collect() };
    let (local, reverse) = (parse(&args.ports)?, parse(&args.reverse)?);
    if local.is_empty() && reverse.is_empty() {
        return Err(
            Error::user("no port is named").hint("say for example `remote forward SESSION 3000`")
        );
    }
    let known = registry.named(args.session.as_deref())?;
    let carrier = Arc::new(Carrier::open(&registry, known, person(ctx)).await?);
    let ui = ctx.ui;
    let tell = move |line: &str| ui.note(line);
    let mut tasks = JoinSet::new();
    for forward in local {
        tasks.spawn(carrier.clone().local(forward, tell));
    }
    for forward in reverse {
        tasks.spawn(carrier.clone().remote(forward, tell));
    }
    tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(Ok(Err(e))) => Err(e),
            Some(Err(e)) => Err(Error::internal("a forwarding task failed").because(e)),
            _ => Ok(ExitCode::SUCCESS),
        },
        () = interrupted() => Ok(ExitCode::from(130)),
    }
}

impl Args {
    /// `3000` alone is a port of the last session, unless a session is called so.
    fn shift(&mut self, is_session: impl Fn(&str) -> bool) {
        let is_port = |typed: &String| typed.parse::<Forward>().is_ok() && !is_session(typed);
        if let Some(port) = self.session.take_if(|typed| is_port(typed)) {
            self.ports.insert(0, port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_the_last_sessions() {
        let parse = |words: &[&str], sessions: &[&str]| {
            let mut args = Args {
                session: words.first().map(|w| (*w).to_owned()),
                ports: words.iter().skip(1).map(|w| (*w).to_owned()).collect(),
                reverse: vec![],
            };
            args.shift(|typed| sessions.contains(&typed));
            (args.session, args.ports)
        };
        assert_eq!(parse(&["3000"], &[]), (None, vec!["3000".to_owned()]));
        assert_eq!(
            parse(&["8080:3000", "9229"], &[]),
            (None, vec!["8080:3000".to_owned(), "9229".to_owned()])
        );
        assert_eq!(
            parse(&["web", "3000"], &["web"]),
            (Some("web".to_owned()), vec!["3000".to_owned()])
        );
        assert_eq!(
            parse(&["2345", "3000"], &["2345"]),
            (Some("2345".to_owned()), vec!["3000".to_owned()])
        );
        assert_eq!(parse(&["gone"], &[]), (Some("gone".to_owned()), vec![]));
    }
}
