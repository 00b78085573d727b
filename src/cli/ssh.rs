//! `remote ssh`.

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};

use super::cp::directory;
use super::target::{Target, person};
use super::terminal::RawGuard;
use super::{Ctx, complete, terminal};
use crate::client::connect::connect_bulk;
use crate::client::reach::Hosts;
use crate::client::unpulled::keep;
use crate::error::{Context, Result};
use crate::model::{AgentRef, DEFAULT_SIZE, Size};
use crate::provision::quote;
use crate::ssh::{Exec, ExecControl, Flow, PtyRequest};

/// Open a shell on a session's machine, or run a command there
///
/// It begins in the agent's directory. The exit status is the command's.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session, or an agent of it as SESSION/2 [default: the last session]
    #[arg(value_name = "SESSION[/AGENT]", add = ArgValueCandidates::new(complete::agents))]
    target: Option<AgentRef>,
    /// The command and its arguments, for the shell there; none opens a shell
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<String>,
    /// Give the command a terminal (a shell has one where stdin is one)
    #[arg(long, short)]
    tty: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let registry = ctx
        .registry(args.target.as_ref().map(|t| t.session.as_str()))
        .await?;
    let target = Target::find(&registry, args.target.as_ref())?;
    if target.known.dir.is_some() {
        target.known.must_live()?;
    }
    // What is done by hand there is nowhere else.
    if target.known.rented.as_ref().is_some_and(|r| r.let_go) {
        keep(&ctx.paths, &registry, &target.known, person(ctx)).await?;
    }
    let hosts = Hosts::new(person(ctx), Flow::Credited);
    let target = target.with_agents(&registry, &hosts).await;
    let connection = connect_bulk(&target.known, person(ctx)).await?;
    let terminal = ctx.ui.in_is_terminal() && ctx.ui.out_is_terminal();
    let pty = (args.tty || args.command.is_empty())
        .then(|| terminal.then(request))
        .flatten();
    let has_pty = pty.is_some();
    let cwd = directory(&target).display().to_string();
    let exec = connection.exec(&script(&cwd, &args.command), pty).await?;
    let _raw = has_pty
        .then(RawGuard::enter)
        .transpose()
        .context("the terminal cannot be put into raw mode")?;
    let code = talk(exec, has_pty).await?;
    Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)))
}

/// As ssh does: the words are put together and the shell there reads them. A directory that is gone is no
/// reason not to get in.
fn script(cwd: &str, command: &[String]) -> String {
    let go = match cwd {
        "" => String::new(),
        cwd => format!("cd {} 2>/dev/null; ", quote(cwd)),
    };
    if command.is_empty() {
        format!("{go}exec \"${{SHELL:-/bin/sh}}\" -l")
    } else {
        format!("{go}{}", command.join(" "))
    }
}

fn request() -> PtyRequest {
    PtyRequest {
        term: std::env::var("TERM").unwrap_or_else(|_| "xterm-256color".to_owned()),
        size: size(),
    }
}

fn size() -> Size {
    terminal::size().map_or(DEFAULT_SIZE, |(size, _)| size)
}

async fn talk(exec: Exec, has_pty: bool) -> Result<i32> {
    let Exec {
        mut stdin,
        stdout,
        stderr,
        mut control,
    } = exec;
    let typed = tokio::spawn(async move {
        // It may end, or the command may stop reading; neither is an error of ours.
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut stdin).await;
        let _ = stdin.shutdown().await;
    });
    let resizing = has_pty.then(|| tokio::spawn(follow_size(control.clone())));
    let mut terminated = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let output = async {
        let (out, err) = tokio::join!(
            print(stdout, tokio::io::stdout()),
            print(stderr, tokio::io::stderr())
        );
        out.and(err)
    };
    let ended = tokio::select! {
        printed = output => match printed {
            Ok(()) => Ok(control.wait().await?.code()),
            Err(e) => Err(e.into()),
        },
        _ = terminated.recv() => Ok(143),
    };
    typed.abort();
    if let Some(resizing) = resizing {
        resizing.abort();
    }
    ended
}

async fn print(
    mut from: impl AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut buf = vec![0; 32 * 1024];
    loop {
        let n = from.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(buf.get(..n).unwrap_or_default()).await?;
        to.flush().await?;
    }
}

async fn follow_size(control: ExecControl) {
    let Ok(mut changed) = signal(SignalKind::window_change()) else {
        return;
    };
    while changed.recv().await.is_some() {
        if control.resize(size()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_begins_in_the_agents_directory() {
        let words = ["echo".to_owned(), "$HOME".to_owned()];
        assert_eq!(script("/a b", &words), "cd '/a b' 2>/dev/null; echo $HOME");
        assert_eq!(script("", &[]), "exec \"${SHELL:-/bin/sh}\" -l");
    }
}
