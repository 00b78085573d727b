//! `remote ssh-config`: a session for stock ssh, scp, rsync and editors.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::{Ctx, complete};
use crate::client::Known;
use crate::client::connect::pinned;
use crate::error::{Context, Error, Result};
use crate::provision::PinnedLogin;

/// Print a Host block for ~/.ssh/config, so that ssh, scp, rsync and editors reach a session's machine
///
/// The host's key is the one that is known of the session; no other is accepted. Write it to a file of its own
/// and `Include` that, or give it to one command: `ssh -F <(remote ssh-config abc) abc`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote ssh-config abc >> ~/.ssh/config\n  \
    remote ssh-config >~/.ssh/remote.conf   # all live sessions\n  \
    rsync -e \"ssh -F $HOME/.ssh/remote.conf\" session-abc123:work/ .")]
pub struct Args {
    /// The session [default: all live ones]
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: Option<String>,
    /// Print the lines of known_hosts instead, for ssh's KnownHostsCommand
    #[arg(long, value_name = "NAME", requires = "session", hide = true)]
    known_host: Option<String>,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx.registry(args.session.as_deref()).await?;
    if let (Some(name), Some(session)) = (&args.known_host, &args.session) {
        let login = login(&registry.resolve(session)?)?;
        ctx.ui.line(format!("{name} {}", key(&login.host_key)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = match &args.session {
        Some(typed) => vec![registry.resolve(typed)?],
        None => registry.all(false)?,
    };
    let binary = std::env::current_exe().context("this program's own path")?;
    for known in &known {
        match login(known) {
            Ok(login) => ctx
                .ui
                .line(block(known, &login, &binary.display().to_string()))?,
            Err(e) if args.session.is_some() => return Err(e),
            Err(e) => ctx.ui.note(format!("# {e}")),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn login(known: &Known) -> Result<PinnedLogin> {
    known.must_live()?;
    match (pinned(known)?, &known.ssh) {
        (Some(login), _) => Ok(login),
        (None, Some(place)) => Err(Error::user(format!(
            "{} is on {}, which ssh knows by that name",
            known.label(),
            place.destination
        ))
        .hint(format!("run `ssh {}`", place.destination))),
        (None, None) => Err(Error::internal(format!("{} is nowhere", known.id))),
    }
}

/// Type and key, without the comment.
fn key(line: &str) -> String {
    line.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

fn block(known: &Known, login: &PinnedLogin, binary: &str) -> String {
    let mut names = vec![known.id.as_str(), known.id.short()];
    names.extend(known.name.as_deref());
    let id = &known.id;
    format!(
        "Host {}\n    HostName {}\n    Port {}\n    User {}\n    IdentityFile {}\n    IdentitiesOnly yes\n    \
         StrictHostKeyChecking yes\n    UserKnownHostsFile /dev/null\n    \
         KnownHostsCommand {} ssh-config {id} --known-host %H",
        names.join(" "),
        login.address,
        login.port,
        login.user,
        quoted(&login.identity.display().to_string()),
        quoted(binary),
    )
}

/// As ssh_config takes a word: in quotes where it has blanks, `%` doubled.
fn quoted(word: &str) -> String {
    let word = word.replace('%', "%%");
    if word.contains(char::is_whitespace) {
        format!("\"{word}\"")
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_ssh_reads_them() {
        assert_eq!(quoted("/a/b"), "/a/b");
        assert_eq!(quoted("/a b/100%"), "\"/a b/100%%\"");
        assert_eq!(key("ssh-ed25519 AAAA me@box"), "ssh-ed25519 AAAA");
    }
}
