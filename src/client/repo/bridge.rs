//! git's transport over a connection that we hold. git starts `remote util git-ssh` in ssh's place; that is a pipe to
//! a socket of ours, behind which the wanted half of git runs on the session's machine. So there is one login, one
//! host key, one way, and no second SSH.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::way::{Running, Way, this_program};
use crate::error::{Context, Error, Result};
use crate::provision::quote;
use crate::repo::Git;

/// Names the socket to the program that git starts.
pub const SOCKET: &str = "REMOTE_GIT_SOCKET";
/// `git-upload-pack version=2\n` is longer than nothing, and short.
const LONGEST_LINE: usize = 128;
/// What a machine says beside git's own protocol.
const SAID: usize = 4096;
/// The longest path of a Unix socket, with room to spare.
const LONGEST_PATH: usize = 100;

/// One end of git's transport; gone with its value.
pub(super) struct Bridge {
    dir: TempDir,
    store: String,
    sent: Arc<AtomicU64>,
    said: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Bridge {
    /// To a store on the session's machine.
    pub fn open(way: &Way, store: &Path) -> Result<Self> {
        let store = store
            .to_str()
            .ok_or_else(|| Error::internal("a store's path is not UTF-8"))?
            .to_owned();
        let dir = socket_dir().context("there is no place for a socket")?;
        let listener = UnixListener::bind(dir.path().join("s")).context("git's socket")?;
        let (sent, said) = (
            Arc::<AtomicU64>::default(),
            Arc::<Mutex<Vec<u8>>>::default(),
        );
        let served = Served {
            way: way.clone(),
            store: store.clone(),
            sent: sent.clone(),
            said: said.clone(),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                // One stream at a time: a push and a fetch are each one.
                if let Err(e) = served.stream(stream).await {
                    served.keep(format!("{e}\n").as_bytes());
                }
            }
        });
        Ok(Self {
            dir,
            store,
            sent,
            said,
            task,
        })
    }

    /// git that goes this way.
    pub fn git(&self, git: Git) -> Git {
        let program = quote(&this_program().to_string_lossy());
        git.env("GIT_SSH_COMMAND", format!("{program} util git-ssh"))
            .env("GIT_SSH_VARIANT", "ssh")
            .env(SOCKET, self.dir.path().join("s"))
            .config("protocol.version=2")
            .config("protocol.ssh.allow=always")
    }

    /// The store's address, for git.
    pub fn url(&self) -> String {
        format!("ssh://session{}", self.store)
    }

    /// Bytes that went there.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// An error of git's with what the machine said of it, which git itself cannot know.
    pub fn explain(&self, error: Error) -> Error {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match String::from_utf8_lossy(&said).trim() {
            "" => error,
            said => error.because(said.to_owned()),
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A short one, or sockets cannot be made in it.
fn socket_dir() -> std::io::Result<TempDir> {
    let new = |at: &Path| {
        tempfile::Builder::new()
            .prefix("remote-git-")
            .tempdir_in(at)
    };
    let dir = new(&std::env::temp_dir())?;
    match dir.path().as_os_str().len() < LONGEST_PATH {
        true => Ok(dir),
        false => new(Path::new("/tmp")),
    }
}

#[derive(Clone)]
struct Served {
    way: Way,
    store: String,
    sent: Arc<AtomicU64>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Served {
    async fn stream(&self, mut stream: UnixStream) -> Result<()> {
        let line = first_line(&mut stream).await?;
        let (service, protocol) = line.split_once(' ').unwrap_or((&line, ""));
        let service = match service {
            "git-receive-pack" => "receive-pack",
            "git-upload-pack" => "upload-pack",
            other => return Err(Error::internal(format!("git wants `{other}`"))),
        };
        let mut words = vec!["serve", "--store", &self.store, "--service", service];
        if !protocol.is_empty() {
            words.extend(["--protocol", protocol]);
        }
        let mut running = self.way.start(&words).await?;
        let (from_git, to_git) = stream.into_split();
        self.carry(&mut running, from_git, to_git).await;
        match running.wait().await? {
            0 => Ok(()),
            status => Err(Error::connection(format!(
                "git {service} ended there with status {status}"
            ))),
        }
    }

    async fn carry(
        &self,
        running: &mut Running,
        mut from_git: impl AsyncRead + Unpin,
        mut to_git: impl AsyncWrite + Unpin,
    ) {
        let (stdin, sent) = (running.stdin.take(), &self.sent);
        let (stdout, stderr) = (&mut running.stdout, &mut running.stderr);
        let there = async move {
            let Some(mut stdin) = stdin else { return };
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read) = from_git.read(&mut buffer).await {
                let bytes = buffer.get(..read).unwrap_or_default();
                if bytes.is_empty() || stdin.write_all(bytes).await.is_err() {
                    break;
                }
                // What is buffered on the way must not wait for more: git waits for an answer.
                if stdin.flush().await.is_err() {
                    break;
                }
                sent.fetch_add(read as u64, Ordering::Relaxed);
            }
            let _ = stdin.shutdown().await;
        };
        let back = async {
            let _ = tokio::io::copy(stdout, &mut to_git).await;
            let _ = to_git.shutdown().await;
        };
        let words = async {
            let mut buffer = vec![0; SAID];
            while let Ok(read) = stderr.read(&mut buffer).await {
                let bytes = buffer.get(..read).unwrap_or_default();
                if bytes.is_empty() {
                    break;
                }
                self.keep(bytes);
            }
        };
        let mut there = std::pin::pin!(there);
        let answers = async { tokio::join!(back, words) };
        let mut answers = std::pin::pin!(answers);
        // The far half may end before git has closed its side; nothing more will be read then.
        tokio::select! {
            _ = &mut answers => {}
            () = &mut there => { answers.await; }
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = SAID.saturating_sub(said.len());
        said.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }
}

async fn first_line(stream: &mut UnixStream) -> Result<String> {
    let mut line = Vec::new();
    while line.len() < LONGEST_LINE {
        match stream.read_u8().await? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| Error::internal("git's wish is not text"))
}

/// `remote util git-ssh`: what git starts in ssh's place. `words` are ssh's own.
///
/// # Errors
/// It was not started by us, or the one who started git is gone.
pub fn serve_shim(words: &[String]) -> Result<()> {
    let socket = std::env::var_os(SOCKET)
        .ok_or_else(|| Error::user("`remote util git-ssh` is run by `remote` itself"))?;
    let service = words.last().and_then(|w| w.split_whitespace().next());
    let service = service.ok_or_else(|| Error::user("git did not say what it wants"))?;
    let protocol = std::env::var("GIT_PROTOCOL").unwrap_or_default();
    let mut stream = StdStream::connect(socket).context("the one who started git is gone")?;
    let first = format!("{} {protocol}", service.trim_matches(['\'', '"']));
    stream.write_all(format!("{}\n", first.trim_end()).as_bytes())?;
    let mut to = stream.try_clone()?;
    // Not joined: it ends with us, wherever git stops reading.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
    let mut out = std::io::stdout().lock();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => {
                out.write_all(buffer.get(..read).unwrap_or_default())?;
                out.flush()?;
            }
        }
    }
}
