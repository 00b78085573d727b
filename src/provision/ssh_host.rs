//! A machine of one's own, over OpenSSH: `remote` uploads itself once per version and is then asked there,
//! through its hidden `host` verbs, what [`Local`](super::Local) is asked here. A rented machine, once it is
//! up, is asked in the same way.

mod bring;

use std::sync::{Arc, Mutex};

use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio::sync::OnceCell;

use super::binaries::Binaries;
use super::upload::{Probe, quote, sh};
use super::{
    BoxFuture, Compute, Endpoint, Launch, Login, Machine, MachineState, Price, ProvisionError, Ran,
    Remote, Renewal, Steps,
};
use crate::model::{HostEndpoint, SessionId, SessionSpec, SessionStatus};

/// One such machine.
pub struct SshHost {
    remote: Arc<dyn Remote>,
    binaries: Binaries,
    manner: Manner,
    /// What the machine has said of itself, where it was asked already.
    probed: Mutex<Option<Probe>>,
    /// The path of the binary there, once it is known to be there.
    binary: OnceCell<String>,
}

/// How `remote` is run on a machine.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Where binaries lie there; `None` for the user's own place.
    pub dir: Option<&'static str>,
    /// Root and agents run the binary as well as who uploads it; its verbs are root's.
    pub shared: bool,
    /// How clients get there.
    pub login: Login,
}

impl SshHost {
    pub fn new(remote: Arc<dyn Remote>, binaries: Binaries) -> Self {
        let destination = remote.destination().to_owned();
        let manner = Manner {
            dir: None,
            shared: false,
            login: Login::Ssh { destination },
        };
        Self::with(remote, binaries, manner)
    }

    pub(super) fn with(remote: Arc<dyn Remote>, binaries: Binaries, manner: Manner) -> Self {
        Self {
            remote,
            binaries,
            manner,
            probed: Mutex::default(),
            binary: OnceCell::new(),
        }
    }

    /// With what the machine has said of itself already.
    pub(super) fn probed(self, probe: Option<Probe>) -> Self {
        Self {
            probed: Mutex::new(probe),
            ..self
        }
    }

    /// The path of `remote` there, uploaded where it is not.
    ///
    /// # Errors
    /// No connection, no binary for that system, or it does not run there.
    pub async fn binary(&self, steps: Steps<'_>) -> Result<&str, ProvisionError> {
        self.binary
            .get_or_try_init(|| self.bring(steps))
            .await
            .map(String::as_str)
    }

    /// `remote host VERB` there; its answer is the last line of JSON on stdout.
    async fn host<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        args: &[&str],
        stdin: Vec<u8>,
        session: Option<&SessionId>,
        steps: Steps<'_>,
    ) -> Result<T, ProvisionError> {
        // There the binary would only start itself again by way of sudo.
        let sudo = if self.manner.shared { "sudo -n " } else { "" };
        let mut command = format!("{sudo}{} host", quote(self.binary(steps).await?));
        for arg in args {
            command.push(' ');
            command.push_str(&quote(arg));
        }
        let ran = self
            .run(&command, Box::new(std::io::Cursor::new(stdin)))
            .await?;
        if let Some(meant) = session.and_then(|s| ProvisionError::by_exit(ran.status, s)) {
            return Err(meant);
        }
        self.succeeded(&ran, what)?;
        let text = String::from_utf8_lossy(&ran.stdout);
        text.lines()
            .rev()
            .find(|l| l.starts_with(['{', '[', 'n']))
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| self.unreadable(what, &text))
    }

    /// What a hidden verb there answers to a request in JSON.
    ///
    /// # Errors
    /// No connection, no binary for that system, or it fails there.
    pub async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        verb: &str,
        request: Vec<u8>,
        steps: Steps<'_>,
    ) -> Result<T, ProvisionError> {
        self.host(what, &[verb], request, None, steps).await
    }

    async fn run(
        &self,
        script: &str,
        stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> Result<Ran, ProvisionError> {
        self.remote
            .run(&sh(script), stdin)
            .await
            .map_err(|source| ProvisionError::Unreachable {
                place: self.place(),
                source,
            })
    }

    fn succeeded(&self, ran: &Ran, what: &'static str) -> Result<(), ProvisionError> {
        if ran.status == 0 {
            return Ok(());
        }
        Err(ProvisionError::Remote {
            place: self.place(),
            what,
            status: format!("exit {}", ran.status),
            stderr: tail(&ran.stderr),
        })
    }

    fn unreadable(&self, what: &'static str, text: &str) -> ProvisionError {
        ProvisionError::Answer {
            place: self.place(),
            what,
            answer: tail(text.as_bytes()),
        }
    }

    fn place(&self) -> String {
        self.remote.destination().to_owned()
    }

    /// Starts the host of a session that was on another machine before, on what its volume holds of it.
    pub(in crate::provision) async fn renew(
        &self,
        renewal: &Renewal,
        steps: Steps<'_>,
    ) -> Result<Endpoint, ProvisionError> {
        let request = serde_json::to_vec(renewal)
            .map_err(|e| ProvisionError::io("write", "the request")(e.into()))?;
        let what = "starting the host";
        let session = Some(&renewal.session);
        let endpoint: Endpoint = self.host(what, &["renew"], request, session, steps).await?;
        Ok(self.seen_from_here(endpoint))
    }

    /// An endpoint as the machine tells it, seen from here.
    fn seen_from_here(&self, mut endpoint: Endpoint) -> Endpoint {
        endpoint.login = self.manner.login.clone();
        endpoint
    }

    async fn on(
        &self,
        what: &'static str,
        verb: &str,
        session: &SessionId,
    ) -> Result<Endpoint, ProvisionError> {
        let args = [verb, session.as_str()];
        let endpoint = self
            .host(what, &args, Vec::new(), Some(session), &|_| {})
            .await?;
        Ok(self.seen_from_here(endpoint))
    }
}

impl Compute for SshHost {
    fn launch<'a>(
        &'a self,
        launch: &'a Launch,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(async move {
            let request = serde_json::to_vec(launch)
                .map_err(|e| ProvisionError::io("write", "the launch request")(e.into()))?;
            let endpoint: Endpoint = self
                .host(
                    "starting the host",
                    &["launch"],
                    request,
                    Some(&launch.spec.id),
                    steps,
                )
                .await?;
            Ok(self.seen_from_here(endpoint))
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Machine>, ProvisionError>> {
        Box::pin(async move {
            let listed = self.listed().await?;
            Ok(listed.into_iter().map(Machine::from).collect())
        })
    }

    fn describe<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Machine, ProvisionError>> {
        Box::pin(async move {
            self.list()
                .await?
                .into_iter()
                .find(|m| m.session == *session)
                .ok_or_else(|| ProvisionError::NoSession(session.clone()))
        })
    }

    fn start<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(self.on("starting the host", "start", session))
    }

    fn stop<'a>(&'a self, _: &'a SessionId) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(async {
            Err(ProvisionError::Unsupported(
                "a machine of your own is not stopped for a session; `remote terminate` ends the session",
            ))
        })
    }

    fn terminate<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<(), ProvisionError>> {
        Box::pin(async move {
            let args = ["end", session.as_str()];
            let what = "ending the session";
            self.host(what, &args, Vec::new(), Some(session), &|_| {})
                .await
        })
    }

    fn endpoint<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Endpoint, ProvisionError>> {
        Box::pin(self.on("asking for the endpoint", "endpoint", session))
    }

    fn price<'a>(&'a self, _: &'a SessionSpec) -> BoxFuture<'a, Result<Price, ProvisionError>> {
        Box::pin(async { Ok(Price::default()) })
    }
}

/// A session whose host runs there, with the way to it.
#[derive(Debug, Clone)]
pub struct Lives {
    pub spec: SessionSpec,
    /// The newest that its host wrote down.
    pub status: Option<SessionStatus>,
    pub endpoint: Endpoint,
}

impl SshHost {
    /// All that run there, whichever device began them. Where this version is not there it is brought, or nothing is
    /// known.
    ///
    /// # Errors
    /// No connection, or the machine's own.
    pub async fn lives(&self, bring: bool) -> Result<Vec<Lives>, ProvisionError> {
        if !bring && !self.is_there().await? {
            return Ok(Vec::new());
        }
        let listed = self.listed().await?;
        let binary = self.binary(&|_| {}).await?;
        let lives = listed.into_iter().filter_map(|l| {
            let endpoint = Endpoint {
                login: self.manner.login.clone(),
                dir: l.dir,
                socket: l.endpoint?.socket.to_str()?.to_owned(),
                binary: binary.to_owned(),
                rented: None,
            };
            Some(Lives {
                spec: l.spec,
                status: l.status,
                endpoint,
            })
        });
        Ok(lives.collect())
    }

    async fn listed(&self) -> Result<Vec<Listed>, ProvisionError> {
        self.host("listing sessions", &["list"], Vec::new(), None, &|_| {})
            .await
    }
}

/// What is read of a session that `remote host list` names.
#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(default)]
    dir: String,
    spec: SessionSpec,
    #[serde(default)]
    status: Option<SessionStatus>,
    /// Where a host runs.
    #[serde(default)]
    endpoint: Option<HostEndpoint>,
}

impl From<Listed> for Machine {
    fn from(listed: Listed) -> Self {
        Self {
            session: listed.spec.id,
            state: match listed.endpoint {
                Some(_) => MachineState::Running,
                None => MachineState::Gone,
            },
            launched: listed.spec.created,
            rented: None,
        }
    }
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.trim().lines().collect();
    let from = lines.len().saturating_sub(8);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests;
