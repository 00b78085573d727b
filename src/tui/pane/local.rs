//! A program on this machine in a pane: a shell, or a verb of `remote` that is seen while it works.

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::{Job, Life};
use crate::mux::{Pty, SpawnRequest, reap};

/// Read, and fed to the screen, at once.
const PORTION: usize = 16 * 1024;

pub(super) async fn run(mut job: Job, argv: Vec<String>, cwd: Option<PathBuf>) {
    match program(&mut job, argv, cwd).await {
        Ok(Some(code)) => job.set(Life::Ended {
            code,
            line: format!("exited({code})"),
        }),
        Ok(None) => {}
        Err(why) => job.set(Life::Failed(why)),
    }
}

/// The exit status; `None` where nobody wants it any more.
async fn program(
    job: &mut Job,
    argv: Vec<String>,
    cwd: Option<PathBuf>,
) -> Result<Option<i32>, String> {
    // Before it is started, so that no end is missed.
    let mut children = signal(SignalKind::child()).map_err(|e| e.to_string())?;
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let cwd = cwd.filter(|dir| dir.is_dir()).unwrap_or(here);
    let size = job.resized();
    let request = SpawnRequest {
        argv: &argv,
        env: &job.wires.env,
        cwd: &cwd,
        size,
    };
    let pty = Pty::spawn(&request).map_err(|e| e.to_string())?;
    job.set(Life::Running);
    let mut typed = BytesMut::new();
    let mut buf = vec![0; PORTION];
    let mut reading = true;
    loop {
        tokio::select! {
            biased;
            wrote = pty.write(&typed), if !typed.is_empty() => match wrote {
                Ok(n) => drop(typed.split_to(n.min(typed.len()))),
                Err(_) => typed.clear(),
            },
            more = job.input.recv() => match more {
                Some(bytes) => typed.extend_from_slice(&bytes),
                None => {
                    // One that is gone already needs no signal.
                    let _ = pty.signal_group(Signal::HUP);
                    return Ok(None);
                }
            },
            Ok(()) = job.size.changed() => {
                // A PTY that takes no size belongs to nobody any more; reading tells.
                let _ = pty.resize(job.resized());
            }
            read = pty.read(&mut buf), if reading => match read {
                Ok(n) if n > 0 => output(job, &buf, n, &mut typed),
                _ => reading = false,
            },
            Some(()) = children.recv() => {
                if let Some(code) = reap(pty.pid()) {
                    while let Ok(Some(n @ 1..)) = pty.try_read(&mut buf) {
                        output(job, &buf, n, &mut typed);
                    }
                    return Ok(Some(code));
                }
            }
        }
    }
}

fn output(job: &Job, buf: &[u8], n: usize, typed: &mut BytesMut) {
    let bytes = Bytes::copy_from_slice(buf.get(..n).unwrap_or_default());
    typed.extend_from_slice(&job.output(&bytes));
}
