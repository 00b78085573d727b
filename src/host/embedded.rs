//! The SSH server of a `local` session: loopback, one key in, the host's socket behind it; so that a session
//! on this machine is reached as one far away is.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::files;
use super::hub::Hub;
use super::server::closed;
use crate::config::SessionDir;
use crate::error::{Context, Result};
use crate::model::Size;
use crate::mux::{Pty, SpawnRequest, reap};
use crate::ssh::BoxFuture;
use crate::ssh::keys::{self, PrivateKey};
use crate::ssh::server::{self, PtyProcess, SpawnPty};

/// Where it listens and how it is known.
#[derive(Debug, Clone)]
pub struct Listening {
    pub port: u16,
    pub host_key: String,
    pub user: String,
}

/// Loads a key, or makes it.
fn key(path: &Path) -> Result<PrivateKey> {
    if path.exists() {
        return Ok(keys::load(path)?);
    }
    let key = keys::generate_ed25519();
    keys::save(path, &key)?;
    Ok(key)
}

/// The login name, for the user's own ssh to present.
fn user(env: &BTreeMap<String, String>) -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| env.get(*name).filter(|v| !v.is_empty()).cloned())
        .unwrap_or_else(|| "remote".to_owned())
}

/// Listens on loopback; on `port` where that is still free (an upgraded host's clients know it), and serves
/// until the host closes.
///
/// # Errors
/// No port, or keys that cannot be read or written.
pub async fn start(
    hub: &Arc<Hub>,
    dir: &SessionDir,
    socket: PathBuf,
    port: Option<u16>,
    mut closing: watch::Receiver<bool>,
) -> Result<Listening> {
    files::make_private_dir(&dir.keys()).context("the session's keys")?;
    let host_key = key(&dir.host_key())?;
    let client_key = key(&dir.client_key())?;
    let client = keys::parse_public(&keys::public_line(&client_key))?;
    let listener = listen(port)
        .await
        .context("no port on 127.0.0.1 for the session's SSH server")?;
    let user = user(&hub.env);
    let listening = Listening {
        port: listener
            .local_addr()
            .context("the SSH server's port")?
            .port(),
        host_key: keys::public_line(&host_key),
        user: user.clone(),
    };
    let mut env = hub.env.clone();
    env.insert("REMOTE_SESSION".to_owned(), hub.id.to_string());
    env.entry("SHELL".to_owned())
        .or_insert_with(|| "/bin/sh".to_owned());
    let home = env
        .get("HOME")
        .map_or_else(|| PathBuf::from("/"), PathBuf::from);
    // A login lands where the first agent works.
    let cwd = hub
        .spec()
        .agents
        .first()
        .map(|a| a.cwd.clone())
        .filter(|d| d.is_dir())
        .unwrap_or(home);
    let config = server::Config {
        host_key,
        authorized: vec![client],
        user,
        sockets: vec![socket],
        env,
        cwd,
        pty: Some(Arc::new(Terminals(hub.clone()))),
        gate: hub.gate.clone(),
    };
    tokio::spawn(async move {
        if let Err(e) =
            server::serve(listener, config, async move { closed(&mut closing).await }).await
        {
            tracing::error!("the SSH server ended: {e}");
        }
    });
    Ok(listening)
}

async fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    if let Some(port) = port {
        // The old listener's close and this bind are moments apart.
        for _ in 0..20 {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => return Ok(listener),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Terminals for logins, on the host's own PTYs.
struct Terminals(Arc<Hub>);

struct Login {
    pty: Pty,
    children: watch::Receiver<u64>,
    over: AtomicBool,
}

impl SpawnPty for Terminals {
    fn spawn(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
        cwd: &Path,
        size: Size,
    ) -> io::Result<Box<dyn PtyProcess>> {
        let children = self.0.children();
        let pty = Pty::spawn(&SpawnRequest {
            argv,
            env,
            cwd,
            size,
        })
        .map_err(io::Error::other)?;
        Ok(Box::new(Login {
            pty,
            children,
            over: AtomicBool::new(false),
        }))
    }
}

impl PtyProcess for Login {
    fn read<'a>(&'a self, buf: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(self.pty.read(buf))
    }

    fn write<'a>(&'a self, buf: &'a [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(self.pty.write(buf))
    }

    fn resize(&self, size: Size) -> io::Result<()> {
        self.pty.resize(size)
    }

    fn signal(&self, number: i32) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(number) {
            let _ = self.pty.signal_group(signal);
        }
    }

    fn wait(&self) -> BoxFuture<'_, i32> {
        let mut children = self.children.clone();
        Box::pin(async move {
            loop {
                children.borrow_and_update();
                if let Some(code) = reap(self.pty.pid()) {
                    self.over.store(true, Ordering::Relaxed);
                    return code;
                }
                if children.changed().await.is_err() {
                    return 255;
                }
            }
        })
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // Its number may be another's by now.
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        // The connection is gone: as from a closed terminal.
        let _ = self.pty.signal_group(rustix::process::Signal::HUP);
        let pid = self.pty.pid();
        let mut children = self.children.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while reap(pid).is_none() && children.changed().await.is_ok() {}
            });
        }
    }
}
