//! Terminals for the server under test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;

use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};

use crate::model::Size;
use crate::ssh::server::{PtyProcess, SpawnPty};
use crate::ssh::{BoxFuture, lock};

/// Terminals by portable-pty, with threads: good enough for a test.
pub struct Terminals;

struct Terminal {
    output: AsyncMutex<mpsc::Receiver<Vec<u8>>>,
    input: Mutex<Box<dyn Write + Send>>,
    master: Mutex<Box<dyn portable_pty::MasterPty + Send>>,
    ended: watch::Receiver<Option<i32>>,
    pid: i32,
}

impl SpawnPty for Terminals {
    fn spawn(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &Path,
        size: Size,
    ) -> std::io::Result<Box<dyn PtyProcess>> {
        let other = std::io::Error::other;
        let size = portable_pty::PtySize {
            rows: size.rows,
            cols: size.cols,
            ..Default::default()
        };
        let pair = portable_pty::native_pty_system()
            .openpty(size)
            .map_err(other)?;
        let mut command =
            portable_pty::CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
        command.env_clear();
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(cwd);
        let mut child = pair.slave.spawn_command(command).map_err(other)?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().map_err(other)?;
        let (send, output) = mpsc::channel(4);
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buf) {
                if send
                    .blocking_send(buf.get(..n).unwrap_or_default().to_vec())
                    .is_err()
                {
                    return;
                }
            }
        });
        let pid = child
            .process_id()
            .and_then(|p| i32::try_from(p).ok())
            .unwrap_or(0);
        let (tell, ended) = watch::channel(None);
        std::thread::spawn(move || {
            let code = child
                .wait()
                .map_or(255, |s| i32::try_from(s.exit_code()).unwrap_or(255));
            tell.send_replace(Some(code));
        });
        let input = Mutex::new(pair.master.take_writer().map_err(other)?);
        Ok(Box::new(Terminal {
            output: AsyncMutex::new(output),
            input,
            master: Mutex::new(pair.master),
            ended,
            pid,
        }))
    }
}

impl PtyProcess for Terminal {
    fn read<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, std::io::Result<usize>> {
        Box::pin(async move {
            let piece = self.output.lock().await.recv().await.unwrap_or_default();
            buf.get_mut(..piece.len())
                .expect("room")
                .copy_from_slice(&piece);
            Ok(piece.len())
        })
    }
    fn write<'a>(&'a self, buf: &'a [u8]) -> BoxFuture<'a, std::io::Result<usize>> {
        Box::pin(async move { lock(&self.input).write(buf) })
    }
    fn resize(&self, size: Size) -> std::io::Result<()> {
        let size = portable_pty::PtySize {
            rows: size.rows,
            cols: size.cols,
            ..Default::default()
        };
        lock(&self.master)
            .resize(size)
            .map_err(std::io::Error::other)
    }
    fn signal(&self, number: i32) {
        let signal = rustix::process::Signal::from_named_raw(number);
        if let (Some(pid), Some(signal)) = (rustix::process::Pid::from_raw(self.pid), signal) {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }
    fn wait(&self) -> BoxFuture<'_, i32> {
        Box::pin(async move {
            let mut ended = self.ended.clone();
            ended
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|code| *code)
                .unwrap_or(255)
        })
    }
}
