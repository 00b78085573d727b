//! A machine of one's own, over OpenSSH: `remote` uploads itself once per version and is then asked there,
//! through its hidden `host` verbs, what [`Local`](super::Local) is asked here. A rented machine, once it is
//! up, is asked in the same way.

use std::sync::Arc;

use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio::sync::OnceCell;

use super::upload::{Binaries, Probe, binary_name, pack, probe, quote, sh, upload_script};
use super::{
    BoxFuture, Compute, Endpoint, Launch, Login, Machine, MachineState, Price, ProvisionError, Ran,
    Remote, Steps,
};
use crate::model::{HostEndpoint, SessionId, SessionSpec};

/// One such machine.
pub struct SshHost {
    remote: Arc<dyn Remote>,
    binaries: Binaries,
    manner: Manner,
    /// The path of the binary there, once it is known to be there.
    binary: OnceCell<String>,
}

/// How `remote` is run on a machine.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Where binaries lie there; `None` for the user's own place.
    pub dir: Option<&'static str>,
    /// Root and agents run the binary as well as who uploads it.
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
            binary: OnceCell::new(),
        }
    }

    /// The path of `remote` there, uploaded where it is not.
    ///
    /// # Errors
    /// No connection, no binary for that system, or it does not run there.
    pub async fn binary(&self, steps: Steps<'_>) -> Result<&str, ProvisionError> {
        self.binary
            .get_or_try_init(|| self.ensure(steps))
            .await
            .map(String::as_str)
    }

    async fn ensure(&self, steps: Steps<'_>) -> Result<String, ProvisionError> {
        let probe = self.probe().await?;
        let file = self
            .binaries
            .file(&probe.system)
            .ok_or_else(|| ProvisionError::NoBinary {
                place: self.place(),
                system: probe.system.clone(),
            })?;
        let bytes = tokio::fs::read(&file)
            .await
            .map_err(ProvisionError::io("read", &file))?;
        // Hashing and packing 25 MB would hold up everything else on this thread.
        let (name, bytes) = tokio::task::spawn_blocking(move || (binary_name(&bytes), bytes))
            .await
            .map_err(|e| ProvisionError::io("read", &file)(std::io::Error::other(e)))?;
        let path = format!("{}/{name}", probe.dir);
        if probe.present.contains(&name) {
            return Ok(path);
        }
        let gzip = probe.gzip;
        let packed = tokio::task::spawn_blocking(move || if gzip { pack(&bytes) } else { bytes })
            .await
            .map_err(|e| ProvisionError::io("read", &file)(std::io::Error::other(e)))?;
        let megabytes = packed.len() as f64 / 1e6;
        steps(&match self.manner.shared {
            true => {
                let version = env!("CARGO_PKG_VERSION");
                format!("hand over remote {version}, {megabytes:.1} MB")
            }
            false => format!("upload {name} ({megabytes:.1} MB)"),
        });
        let ran = self
            .run(
                &upload_script(&probe.dir, &name, gzip, self.manner.shared),
                Box::new(std::io::Cursor::new(packed)),
            )
            .await?;
        self.succeeded(&ran, "uploading the `remote` binary")?;
        Ok(path)
    }

    async fn probe(&self) -> Result<Probe, ProvisionError> {
        let script = probe(self.manner.dir);
        let ran = self.run(&script, Box::new(tokio::io::empty())).await?;
        self.succeeded(&ran, "looking at the system")?;
        let text = String::from_utf8_lossy(&ran.stdout);
        Probe::parse(&text).ok_or_else(|| self.unreadable("looking at the system", &text))
    }

    /// `remote host VERB` there; its answer is the last line of JSON on stdout.
    async fn host<T: serde::de::DeserializeOwned>(
        &self,
        what: &'static str,
        args: &[&str],
        stdin: Vec<u8>,
        steps: Steps<'_>,
    ) -> Result<T, ProvisionError> {
        let mut command = format!("{} host", quote(self.binary(steps).await?));
        for arg in args {
            command.push(' ');
            command.push_str(&quote(arg));
        }
        let ran = self
            .run(&command, Box::new(std::io::Cursor::new(stdin)))
            .await?;
        self.succeeded(&ran, what)?;
        let text = String::from_utf8_lossy(&ran.stdout);
        text.lines()
            .rev()
            .find(|l| l.starts_with(['{', '[', 'n']))
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or_else(|| self.unreadable(what, &text))
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
        let endpoint = self.host(what, &args, Vec::new(), &|_| {}).await?;
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
                .host("starting the host", &["launch"], request, steps)
                .await?;
            Ok(self.seen_from_here(endpoint))
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Machine>, ProvisionError>> {
        Box::pin(async move {
            let listed: Vec<Listed> = self
                .host("listing sessions", &["list"], Vec::new(), &|_| {})
                .await?;
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
            self.host("ending the session", &args, Vec::new(), &|_| {})
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

/// What is read of a session that `remote host list` names.
#[derive(Debug, Deserialize)]
struct Listed {
    spec: SessionSpec,
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
