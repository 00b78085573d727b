//! One client's connection to the server: who is let in, and which channels it may have.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use super::policy::{harmless, loopback, size};
use super::session::{Control, Job};
use super::{Config, bridge, forward, session, signal_number};
use crate::model::Size;

const ENV_VALUE_MAX: usize = 4096;
const ENV_MAX: usize = 64;
const FORWARDS_MAX: usize = 64;

/// A session channel that has not started its program, or the line to the one that runs.
enum Slot {
    Idle {
        channel: Channel<Msg>,
        pty: Option<(String, Size)>,
        env: BTreeMap<String, String>,
    },
    Running(mpsc::UnboundedSender<Control>),
}

/// The handler that russh calls.
pub struct ServerHandler {
    config: Arc<Config>,
    logged_in: Arc<AtomicBool>,
    slots: HashMap<ChannelId, Slot>,
    forwards: HashMap<(String, u32), tokio::task::AbortHandle>,
}

impl Drop for ServerHandler {
    fn drop(&mut self) {
        for (_, forward) in self.forwards.drain() {
            forward.abort();
        }
    }
}

impl ServerHandler {
    pub fn new(config: Arc<Config>, logged_in: Arc<AtomicBool>) -> Self {
        Self {
            config,
            logged_in,
            slots: HashMap::new(),
            forwards: HashMap::new(),
        }
    }

    fn admits(&self, user: &str, key: &russh::keys::PublicKey) -> bool {
        let known = self
            .config
            .authorized
            .iter()
            .any(|k| k.key_data() == key.key_data());
        known && user == self.config.user
    }

    fn verdict(&self, user: &str, key: &russh::keys::PublicKey) -> Auth {
        if self.admits(user, key) {
            Auth::Accept
        } else {
            Auth::reject()
        }
    }

    /// Starts a command (a shell where `None`); says whether it could.
    fn start(&mut self, id: ChannelId, command: Option<String>, session: &Session) -> bool {
        let Some(Slot::Idle { channel, pty, env }) = self.slots.remove(&id) else {
            return false;
        };
        // A program that ended by itself leaves its line behind.
        self.slots
            .retain(|_, slot| !matches!(slot, Slot::Running(line) if line.is_closed()));
        let (control, controls) = mpsc::unbounded_channel();
        let job = Job {
            config: Arc::clone(&self.config),
            command,
            pty,
            env,
            handle: session.handle(),
            controls,
        };
        match session::start(job, channel) {
            Ok(()) => {
                self.slots.insert(id, Slot::Running(control));
                true
            }
            Err(e) => {
                tracing::warn!("a command could not be started: {e}");
                false
            }
        }
    }

    fn control(&self, id: ChannelId, control: Control) {
        if let Some(Slot::Running(running)) = self.slots.get(&id) {
            let _ = running.send(control);
        }
    }
}

fn answer(session: &mut Session, id: ChannelId, yes: bool) -> Result<(), russh::Error> {
    if yes {
        session.channel_success(id)
    } else {
        session.channel_failure(id)
    }
}

impl Handler for ServerHandler {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.verdict(user, offer.public_key))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.verdict(user, key.public_key))
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), russh::Error> {
        self.logged_in.store(true, Ordering::Release);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let (id, env) = (channel.id(), BTreeMap::new());
        self.slots.insert(
            id,
            Slot::Idle {
                channel,
                pty: None,
                env,
            },
        );
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if !self.config.sockets.iter().any(|s| s == Path::new(path)) {
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
            return Ok(());
        }
        let path = path.to_owned();
        tokio::spawn(async move {
            match UnixStream::connect(&path).await {
                Ok(stream) => {
                    reply.accept().await;
                    bridge::join(channel, stream).await;
                }
                Err(e) => {
                    tracing::debug!("{path}: {e}");
                    reply.reject(ChannelOpenFailure::ConnectFailed).await;
                }
            }
        });
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let (true, Ok(port)) = (loopback(host), u16::try_from(port)) else {
            reply
                .reject(ChannelOpenFailure::AdministrativelyProhibited)
                .await;
            return Ok(());
        };
        let host = host.to_owned();
        tokio::spawn(async move {
            match TcpStream::connect((host.as_str(), port)).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    reply.accept().await;
                    bridge::join(channel, stream).await;
                }
                Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
            }
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        cols: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let mut granted = false;
        if self.config.pty.is_some()
            && let Some(Slot::Idle { pty, .. }) = self.slots.get_mut(&id)
        {
            *pty = Some((term.to_owned(), size(cols, rows)));
            granted = true;
        }
        answer(session, id, granted)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let mut taken = false;
        if harmless(name)
            && value.len() <= ENV_VALUE_MAX
            && !value.contains('\0')
            && let Some(Slot::Idle { env, .. }) = self.slots.get_mut(&id)
            && env.len() < ENV_MAX
        {
            env.insert(name.to_owned(), value.to_owned());
            taken = true;
        }
        answer(session, id, taken)
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let started = self.start(id, None, session);
        answer(session, id, started)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let command = String::from_utf8(command.to_vec())
            .ok()
            .filter(|c| !c.contains('\0'));
        let started = command.is_some() && self.start(id, command, session);
        answer(session, id, started)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        answer(session, id, false)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        cols: u32,
        rows: u32,
        _: u32,
        _: u32,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.control(id, Control::Resize(size(cols, rows)));
        answer(session, id, true)
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let name = match signal {
            Sig::Custom(name) => name,
            known => format!("{known:?}"),
        };
        if let Some(number) = signal_number(&name) {
            self.control(id, Control::Signal(number));
        }
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.slots.remove(&id);
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, russh::Error> {
        let ours = address.is_empty() || loopback(address);
        let Ok(wanted) = u16::try_from(*port) else {
            return Ok(false);
        };
        if !ours || self.forwards.len() >= FORWARDS_MAX {
            return Ok(false);
        }
        match forward::listen(address, wanted, session.handle()).await {
            Ok((bound, task)) => {
                *port = u32::from(bound);
                self.forwards.insert((address.to_owned(), *port), task);
                Ok(true)
            }
            Err(e) => {
                tracing::info!("port {wanted} cannot be forwarded: {e}");
                Ok(false)
            }
        }
    }

    async fn cancel_tcpip_forward(
        &mut self,
        address: &str,
        port: u32,
        _: &mut Session,
    ) -> Result<bool, russh::Error> {
        let forward = self.forwards.remove(&(address.to_owned(), port));
        if let Some(forward) = &forward {
            forward.abort();
        }
        Ok(forward.is_some())
    }
}
