//! A command or shell on the other side: three streams and an exit status over one channel.

use std::sync::Arc;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::channel::{Flow, hang_up};
use super::client::Meter;
use super::connect::Inner;
use super::error::{SshError, SshErrorKind};
use super::exec_streams::Hold;
pub use super::exec_streams::{ExecReader, ExecStdin};
use super::queue::Queue;
use crate::model::Size;

/// On a bulk connection, what each of the two outputs may hold before the connection waits.
const BULK_QUEUE: usize = 1 << 20;

/// The terminal a command is to run in.
#[derive(Debug, Clone)]
pub struct PtyRequest {
    /// `$TERM`
    pub term: String,
    pub size: Size,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    Code(u32),
    /// The signal's name without `SIG`.
    Signal(String),
}

impl Exit {
    /// As a shell would report it: 128 + the signal's number where one ended it.
    pub fn code(&self) -> i32 {
        match self {
            Self::Code(code) => i32::try_from(*code).unwrap_or(255),
            Self::Signal(name) => 128 + super::server::signal_number(name).unwrap_or(0),
        }
    }

    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }
}

type Status = Option<Result<Exit, String>>;

/// A running command. Its parts may be taken out and used side by side. The channel is closed when all
/// of them are dropped; dropping `stdin` is its end of file, dropping an output discards it.
#[derive(Debug)]
pub struct Exec {
    pub stdin: ExecStdin,
    pub stdout: ExecReader,
    /// Empty where there is a pty.
    pub stderr: ExecReader,
    pub control: ExecControl,
}

/// What a finished command wrote.
#[derive(Debug, Clone)]
pub struct ExecOutput {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Exec {
    /// How the command ended, once it did.
    ///
    /// # Errors
    /// The connection was lost, or the server never said.
    pub async fn wait(&mut self) -> Result<Exit, SshError> {
        self.control.wait().await
    }

    /// Tells the command's terminal its new size.
    ///
    /// # Errors
    /// The connection was lost.
    pub async fn resize(&self, size: Size) -> Result<(), SshError> {
        self.control.resize(size).await
    }

    /// Closes stdin, reads both outputs to their end (of each at most `limit` bytes; what is more is
    /// dropped) and waits.
    ///
    /// # Errors
    /// As [`Exec::wait`].
    pub async fn output(self, limit: u64) -> Result<ExecOutput, SshError> {
        let Self {
            stdin,
            stdout,
            stderr,
            mut control,
        } = self;
        drop(stdin);
        let (stdout, stderr) = tokio::join!(collect(stdout, limit), collect(stderr, limit));
        Ok(ExecOutput {
            exit: control.wait().await?,
            stdout,
            stderr,
        })
    }
}

async fn collect(reader: ExecReader, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error shows in the exit status as well.
    let _ = reader.take(limit).read_to_end(&mut bytes).await;
    bytes
}

/// Waits for the command's end, resizes its terminal, signals it.
#[derive(Clone)]
pub struct ExecControl {
    status: watch::Receiver<Status>,
    hold: Arc<Hold>,
}

impl std::fmt::Debug for ExecControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecControl")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Starts `command` (the login shell where `None`) on an opened session channel.
pub(super) async fn start(
    channel: russh::Channel<Msg>,
    inner: Arc<Inner>,
    command: Option<&str>,
    pty: Option<&PtyRequest>,
) -> Result<Exec, SshError> {
    let (mut read, write) = channel.split();
    let meter = inner.registry.meter(write.id());
    if let Err(e) = request(&mut read, &write, command, pty).await {
        hang_up(&inner, read, write, false);
        return Err(e);
    }
    let limit = match inner.flow {
        Flow::Credited => usize::MAX,
        Flow::Bulk => BULK_QUEUE,
    };
    let (stdout, stderr) = (
        Queue::new(Arc::clone(&meter), limit),
        Queue::new(Arc::clone(&meter), limit),
    );
    let (tell, status) = watch::channel(None);
    let tx = Box::new(write.make_writer());
    let sort = Sort {
        read,
        stdout: Arc::clone(&stdout),
        stderr: Arc::clone(&stderr),
        meter: Arc::clone(&meter),
        tell,
    };
    // The task must not keep the connection alive: the parts that people hold do.
    let registry = Arc::clone(&inner.registry);
    inner.runtime.spawn(async move {
        sort.run(|| registry.why_gone()).await;
    });
    let hold = Arc::new(Hold {
        write: Arc::new(write),
        inner,
        meter,
    });
    Ok(Exec {
        stdin: ExecStdin::new(tx, Arc::clone(&hold)),
        stdout: ExecReader::new(stdout, Arc::clone(&hold)),
        stderr: ExecReader::new(stderr, Arc::clone(&hold)),
        control: ExecControl { status, hold },
    })
}

async fn request(
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
    command: Option<&str>,
    pty: Option<&PtyRequest>,
) -> Result<(), SshError> {
    let what = command.unwrap_or("a shell");
    if let Some(pty) = pty {
        let (cols, rows) = (u32::from(pty.size.cols), u32::from(pty.size.rows));
        write
            .request_pty(true, &pty.term, cols, rows, 0, 0, &[])
            .await?;
        granted(read, &format!("a terminal for `{what}`")).await?;
    }
    match command {
        Some(command) => write.exec(true, command).await?,
        None => write.request_shell(true).await?,
    }
    granted(read, &format!("`{what}`")).await
}

async fn granted(read: &mut ChannelReadHalf, what: &str) -> Result<(), SshError> {
    loop {
        match read.wait().await {
            Some(ChannelMsg::Success) => return Ok(()),
            Some(ChannelMsg::Failure) => {
                return Err(SshError::new(
                    SshErrorKind::Prohibited,
                    format!("the server refuses {what}"),
                ));
            }
            Some(ChannelMsg::Close) | None => {
                return Err(SshError::lost(format!(
                    "the channel was closed before {what} began"
                )));
            }
            Some(_) => {}
        }
    }
}

/// The task that sorts a channel's messages into the two outputs and the exit status.
struct Sort {
    read: ChannelReadHalf,
    stdout: Arc<Queue>,
    stderr: Arc<Queue>,
    meter: Arc<Meter>,
    tell: watch::Sender<Status>,
}

impl Sort {
    async fn run(mut self, why_gone: impl Fn() -> Option<String>) {
        let mut exit = None;
        let mut closed = false;
        let mut over = false;
        loop {
            if over && self.meter.empty() {
                break;
            }
            let message = tokio::select! {
                biased;
                message = self.read.wait() => message,
                () = self.meter.over(), if !over => {
                    over = true;
                    continue;
                }
            };
            let Some(message) = message else { break };
            if matches!(
                message,
                ChannelMsg::Data { .. } | ChannelMsg::ExtendedData { .. }
            ) {
                self.meter.taken();
            }
            match message {
                ChannelMsg::Data { data } => self.stdout.push(data).await,
                ChannelMsg::ExtendedData { data, .. } => self.stderr.push(data).await,
                ChannelMsg::ExitStatus { exit_status } => exit = Some(Exit::Code(exit_status)),
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    exit = Some(Exit::Signal(name(signal_name)))
                }
                ChannelMsg::Eof => {
                    self.stdout.finish(None);
                    self.stderr.finish(None);
                }
                ChannelMsg::Close => {
                    closed = true;
                    break;
                }
                _ => {}
            }
        }
        let failure = if self.meter.overflowed() {
            Some("more than 64 MiB of output were not read in time".to_owned())
        } else if closed {
            None
        } else {
            Some(why_gone().unwrap_or_else(|| "the channel was dropped".to_owned()))
        };
        self.stdout.finish(failure.clone());
        self.stderr.finish(failure.clone());
        let status = exit.ok_or_else(|| {
            failure.unwrap_or_else(|| {
                "the server closed the channel without an exit status".to_owned()
            })
        });
        self.tell.send_replace(Some(status));
    }
}

fn name(signal: Sig) -> String {
    match signal {
        Sig::Custom(name) => name,
        known => format!("{known:?}"),
    }
}

impl ExecControl {
    /// As [`Exec::wait`].
    ///
    /// # Errors
    /// The connection was lost, or the server never said.
    pub async fn wait(&mut self) -> Result<Exit, SshError> {
        match self.status.wait_for(Option::is_some).await {
            Ok(status) => match &*status {
                Some(Ok(exit)) => Ok(exit.clone()),
                Some(Err(why)) => Err(SshError::lost(why.clone())),
                None => Err(SshError::lost("the command's end is not known")),
            },
            Err(_) => Err(SshError::lost("the command's end is not known")),
        }
    }

    /// As [`Exec::resize`].
    ///
    /// # Errors
    /// The connection was lost.
    pub async fn resize(&self, size: Size) -> Result<(), SshError> {
        let (cols, rows) = (u32::from(size.cols), u32::from(size.rows));
        Ok(self.hold.write.window_change(cols, rows, 0, 0).await?)
    }

    /// Sends a signal by its name without `SIG`. Servers may ignore it.
    ///
    /// # Errors
    /// The connection was lost.
    pub async fn signal(&self, name: &str) -> Result<(), SshError> {
        Ok(self
            .hold
            .write
            .signal(super::server::signal_named(name))
            .await?)
    }
}
