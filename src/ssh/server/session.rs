//! A command or shell behind a session channel, with pipes or in a terminal. Its exit status goes back;
//! where the client closes the channel first, the program's process group is hung up, then killed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::bridge::Pieces;
use super::{Config, PtyProcess, signal_name, signal_named};
use crate::model::Size;

/// What the client sends besides data.
#[derive(Debug)]
pub enum Control {
    Resize(Size),
    Signal(i32),
}

/// What is to run.
pub struct Job {
    pub config: Arc<Config>,
    /// A shell where `None`.
    pub command: Option<String>,
    /// `$TERM` and size.
    pub pty: Option<(String, Size)>,
    /// What the client set, already judged.
    pub env: BTreeMap<String, String>,
    pub handle: Handle,
    pub controls: mpsc::UnboundedReceiver<Control>,
}

/// After the program's end, how long its output may be silent before it counts as over: a process it
/// left behind may hold the pipe open for good.
const SILENCE: Duration = Duration::from_millis(500);
/// From SIGHUP to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How a program ended.
enum Ended {
    Code(u32),
    Signal(i32),
}

/// Starts the program and the task that serves it.
pub fn start(job: Job, channel: Channel<Msg>) -> io::Result<()> {
    let shell = job
        .config
        .env
        .get("SHELL")
        .cloned()
        .unwrap_or_else(|| "/bin/sh".to_owned());
    let argv = match &job.command {
        Some(command) => vec![shell, "-c".to_owned(), command.clone()],
        None => vec![shell, "-l".to_owned()],
    };
    let mut env = job.config.env.clone();
    env.extend(job.env.iter().map(|(k, v)| (k.clone(), v.clone())));
    match (&job.pty, &job.config.pty) {
        (Some((term, size)), Some(spawner)) => {
            env.insert("TERM".to_owned(), term.clone());
            let config = &job.config;
            let process = config
                .gate
                .pass(|| spawner.spawn(&argv, &env, &config.cwd, *size))?;
            tokio::spawn(with_terminal(process, channel, job.handle, job.controls));
        }
        _ => {
            let child = job.config.gate.pass(|| piped(&argv, &env, &job.config))?;
            tokio::spawn(with_pipes(child, channel, job.handle, job.controls));
        }
    }
    Ok(())
}

fn piped(argv: &[String], env: &BTreeMap<String, String>, config: &Config) -> io::Result<Child> {
    let Some((program, args)) = argv.split_first() else {
        return Err(io::Error::other("nothing to run"));
    };
    Command::new(program)
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(&config.cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn with_pipes(
    mut child: Child,
    channel: Channel<Msg>,
    handle: Handle,
    controls: mpsc::UnboundedReceiver<Control>,
) {
    let group = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut from_client, to_client) = channel.split();
    let (tell, ended) = tokio::sync::watch::channel(false);
    let outputs = async {
        let out = pump(stdout, &to_client, None, ended.clone());
        let err = pump(stderr, &to_client, Some(1), ended.clone());
        tokio::join!(out, err);
    };
    let waiting = async {
        let status = child.wait().await;
        tell.send_replace(true);
        status
    };
    let program = async { tokio::join!(waiting, outputs).0 };
    let steering = steer(controls, |control| {
        if let (Control::Signal(number), Some(group)) = (control, group) {
            send(group, number);
        }
    });
    let status = tokio::select! {
        status = program => Some(status),
        () = input(&mut from_client, stdin) => None,
        () = steering => None,
    };
    match status {
        Some(status) => finish(&to_client, &handle, ended_how(status)).await,
        None => {
            if let Some(group) = group {
                send(group, 1);
                if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
                    send(group, 9);
                }
            }
            let _ = child.wait().await;
        }
    }
}

fn send(group: Pid, number: i32) {
    if let Some(signal) = Signal::from_named_raw(number) {
        let _ = kill_process_group(group, signal);
    }
}

fn ended_how(status: io::Result<ExitStatus>) -> Ended {
    match status.map(|s| (s.code(), s.signal())) {
        Ok((Some(code), _)) => Ended::Code(u32::try_from(code).unwrap_or(255)),
        Ok((None, Some(signal))) => Ended::Signal(signal),
        _ => Ended::Code(255),
    }
}

async fn finish(to_client: &ChannelWriteHalf<Msg>, handle: &Handle, ended: Ended) {
    match ended {
        Ended::Code(code) => {
            let _ = to_client.exit_status(code).await;
        }
        Ended::Signal(number) => {
            let signal = signal_named(&signal_name(number));
            let none = String::new;
            let _ = handle
                .exit_signal_request(to_client.id(), signal, false, none(), none())
                .await;
        }
    }
    let _ = to_client.eof().await;
    let _ = to_client.close().await;
}

/// Feeds the client's bytes to stdin. Returns only when the client closes the channel.
async fn input(from_client: &mut ChannelReadHalf, mut stdin: Option<ChildStdin>) {
    while let Some(message) = from_client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(&data).await.is_err()
                {
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Carries one output to the client until its end, or until it is silent after the program's end.
async fn pump<R: AsyncRead + Unpin>(
    reader: Option<R>,
    to_client: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
    mut ended: tokio::sync::watch::Receiver<bool>,
) {
    let Some(reader) = reader else { return };
    let mut pieces = Pieces::new(reader);
    loop {
        let silent = async {
            let _ = ended.wait_for(|ended| *ended).await;
            tokio::time::sleep(SILENCE).await;
        };
        let piece = tokio::select! {
            biased;
            piece = pieces.next() => piece,
            () = silent => None,
        };
        let Some(piece) = piece else { return };
        let sent = match extended {
            None => to_client.data_bytes(piece).await,
            Some(stream) => to_client.extended_data_bytes(stream, piece).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn with_terminal(
    process: Box<dyn PtyProcess>,
    channel: Channel<Msg>,
    handle: Handle,
    controls: mpsc::UnboundedReceiver<Control>,
) {
    let (mut from_client, to_client) = channel.split();
    let process = &*process;
    let (tell, ended) = tokio::sync::watch::channel(false);
    let waiting = async {
        let code = process.wait().await;
        tell.send_replace(true);
        code
    };
    let program = async { tokio::join!(waiting, screen(process, &to_client, ended)).0 };
    let steering = steer(controls, |control| match control {
        Control::Resize(size) => {
            let _ = process.resize(size);
        }
        Control::Signal(number) => process.signal(number),
    });
    let code = tokio::select! {
        code = program => Some(code),
        () = typing(process, &mut from_client) => None,
        () = steering => None,
    };
    match code {
        Some(code) => {
            finish(
                &to_client,
                &handle,
                Ended::Code(u32::try_from(code).unwrap_or(255)),
            )
            .await
        }
        None => {
            process.signal(1);
            if tokio::time::timeout(GRACE, process.wait()).await.is_err() {
                process.signal(9);
                process.wait().await;
            }
        }
    }
}

/// Passes on what the client sends besides data. Returns when its channel or connection is gone.
async fn steer(mut controls: mpsc::UnboundedReceiver<Control>, act: impl Fn(Control)) {
    while let Some(control) = controls.recv().await {
        act(control);
    }
}

/// Carries the terminal's output to the client, as [`pump`] does a pipe's.
async fn screen(
    process: &dyn PtyProcess,
    to_client: &ChannelWriteHalf<Msg>,
    mut ended: tokio::sync::watch::Receiver<bool>,
) {
    let mut buf = vec![0; 32 << 10];
    loop {
        let silent = async {
            let _ = ended.wait_for(|ended| *ended).await;
            tokio::time::sleep(SILENCE).await;
        };
        let read = tokio::select! {
            biased;
            read = process.read(&mut buf) => read,
            () = silent => return,
        };
        let piece = match read {
            Ok(n) if n > 0 => Bytes::copy_from_slice(buf.get(..n).unwrap_or_default()),
            _ => return,
        };
        if to_client.data_bytes(piece).await.is_err() {
            return;
        }
    }
}

/// Types what the client sends. Returns only when the client closes the channel.
async fn typing(process: &dyn PtyProcess, from_client: &mut ChannelReadHalf) {
    while let Some(message) = from_client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let mut rest = &data[..];
                while !rest.is_empty() {
                    match process.write(rest).await {
                        Ok(n) if n > 0 => rest = rest.get(n..).unwrap_or_default(),
                        _ => break,
                    }
                }
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}
