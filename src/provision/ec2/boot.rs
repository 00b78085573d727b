//! From a machine that was granted to a host that listens: its address, its login, its own host key, its
//! volume, the binary, the host. Each stage can be done again, so that whoever comes next goes on from where
//! the last one was interrupted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Ec2;
use super::admit::socket;
use super::calls::gone_is_good;
use super::found::{FoundInstance, Of, foremost};
use super::journal::{Begun, Stage};
use super::tags::HostKey;
use super::trust::Trusted;
use crate::config::MachineFile;
use crate::model::SessionId;
use crate::provision::ssh_host::{Manner, SshHost};
use crate::provision::upload::{Probe, probe};
use crate::provision::{
    Binaries, Compute, Endpoint, Launch, Login, MachineState, PinnedLogin, ProvisionError, Ran,
    Remote, Renewal, Steps, quote,
};

/// The root helper that user-data puts there.
pub(super) const HELPER: &str = "sudo -n /usr/local/sbin/remote-root";
/// Where binaries lie.
const BINARIES: &str = "/work/.remote/bin";
/// The one that was sent last, by a name that stays.
pub const BINARY: &str = "/work/.remote/bin/remote";

/// Until an instance has its address.
const ADDRESS: Duration = Duration::from_secs(180);
/// How long an instance may take to stop.
const STOPPED: Duration = Duration::from_secs(300);
/// What EC2 says to who starts one that is still stopping.
const STOPPING: &str = "IncorrectInstanceState";
/// Between two looks at EC2.
const LOOK: Duration = Duration::from_secs(1);

/// `remote` on a rented machine: on its work volume, for root and the agents too.
pub fn on_volume(remote: Arc<dyn Remote>, binaries: Binaries, login: PinnedLogin) -> SshHost {
    let manner = Manner {
        dir: Some(BINARIES),
        shared: true,
        login: Login::Pinned(login),
    };
    SshHost::with(remote, binaries, manner)
}

/// A session's directory on its machine.
fn dir(session: &SessionId) -> String {
    let dir = MachineFile::sessions().join(session.as_str());
    dir.display().to_string()
}

impl Ec2 {
    /// Brings a machine from whatever stage it is in to a host that listens. `fresh`: its host has never run.
    pub(super) async fn bring_up(
        &self,
        begun: &mut Begun,
        fresh: bool,
        steps: Steps<'_>,
    ) -> Result<Endpoint, ProvisionError> {
        let session = begun.launch.spec.id.clone();
        let mut found = self
            .await_address(&session, begun.instance.as_deref())
            .await?;
        let existing = begun.launch.wish.as_ref().and_then(|w| w.volume.clone());
        // The system boots meanwhile.
        let attached = async {
            match &existing {
                Some(volume) => self.attach(&found, volume).await,
                None => Ok(()),
            }
        };
        let ((), trusted) = tokio::try_join!(attached, self.acquainted(&found, Some(begun)))?;
        if let Some(volume) = &existing {
            found.volume = Some(volume.id.clone());
        }
        self.reached(begun, Stage::Trusted)?;
        steps(&format!(
            "volume {}",
            found.volume.as_deref().unwrap_or("-")
        ));
        let new = existing.as_ref().is_none_or(|v| v.blank);
        let host = async {
            let probe = self.mount(&found, trusted.remote.as_ref(), new).await?;
            if let Some(volume) = &existing {
                self.is_made(volume).await?;
            }
            self.reached(begun, Stage::Mounted)?;
            let host = self.host(&trusted).probed(probe);
            host.binary(steps).await?;
            Ok(host)
        };
        // The tag tells others of the key. Nothing of value goes to a machine before it is written.
        let (host, ()) = tokio::try_join!(host, self.publish(&found, &trusted))?;
        let endpoint = self
            .start_host(&host, begun, fresh, &trusted, steps)
            .await?;
        found.facts.host_key = HostKey::Own(trusted.login.host_key.clone());
        let gib = begun.launch.wish.as_ref().map_or(0, |w| w.disk_gib);
        Ok(Endpoint {
            rented: self.rented(found, gib),
            ..endpoint
        })
    }

    fn host(&self, trusted: &Trusted) -> SshHost {
        let binaries = self.settings.binaries.clone();
        on_volume(trusted.remote.clone(), binaries, trusted.login.clone())
    }

    /// Writes down how far a launch has come; one that is gone over again does not fall back.
    pub(super) fn reached(&self, begun: &mut Begun, stage: Stage) -> Result<(), ProvisionError> {
        begun.stage = begun.stage.max(stage);
        self.journal.write(begun)
    }

    /// Waits until the instance runs and has an address.
    pub(super) async fn await_address(
        &self,
        session: &SessionId,
        instance: Option<&str>,
    ) -> Result<FoundInstance, ProvisionError> {
        let until = Instant::now() + ADDRESS;
        loop {
            let mut found = self.calls.instances(Of::Session(session)).await?;
            found.retain(|f| instance.is_none_or(|id| f.id == id));
            // Not to be seen yet is not to be gone.
            if let Some(found) = foremost(found) {
                match (found.state, found.address()) {
                    (MachineState::Gone, _) => return Err(died(&found)),
                    (MachineState::Running, Some(_)) => return Ok(found),
                    _ => {}
                }
            }
            if Instant::now() >= until {
                return Err(ProvisionError::Silent {
                    instance: instance.unwrap_or(session.as_str()).to_owned(),
                    what: "had no address",
                    within: ADDRESS.as_secs(),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Mounts the work volume; `new`: it may be blank. In the same command the machine says what it is and what
    /// binaries lie on the volume: on a slow machine each command costs.
    async fn mount(
        &self,
        found: &FoundInstance,
        remote: &dyn Remote,
        new: bool,
    ) -> Result<Option<Probe>, ProvisionError> {
        let volume = found
            .volume
            .as_deref()
            .ok_or_else(|| ProvisionError::NoLogin {
                instance: found.id.clone(),
                why: "it has no work volume".to_owned(),
            })?;
        let new = if new { " --new" } else { "" };
        let verb = format!(
            "mount {}{new} && {{ {}; }}",
            quote(volume),
            probe(Some(BINARIES))
        );
        let ran = root(remote, "mounting the work volume", &verb, Vec::new()).await?;
        Ok(Probe::parse(&String::from_utf8_lossy(&ran.stdout)))
    }

    async fn start_host(
        &self,
        host: &SshHost,
        begun: &mut Begun,
        fresh: bool,
        trusted: &Trusted,
        steps: Steps<'_>,
    ) -> Result<Endpoint, ProvisionError> {
        let launch = begun.launch.clone();
        let session = &launch.spec.id;
        let again = launch.again.is_some();
        if !fresh && is_there(trusted.remote.as_ref(), session).await? {
            if again {
                self.reached(begun, Stage::Handed)?;
                return host.renew(&Renewal::of(&launch.spec), steps).await;
            }
            return host.start(session).await;
        }
        if again {
            return Err(ProvisionError::NotThere {
                session: session.clone(),
                volume: launch
                    .wish
                    .and_then(|w| Some(w.volume?.id))
                    .unwrap_or_default(),
            });
        }
        let names: Vec<&str> = launch.spec.agents.iter().map(|a| a.name.as_str()).collect();
        let names = names.join(", ");
        // What only this device has to know stays here.
        let launch = Launch {
            keys: None,
            wish: None,
            ..launch
        };
        self.reached(begun, Stage::Handed)?;
        steps(&format!("agent {names}"));
        host.launch(&launch, steps).await
    }

    /// [`Compute::start`]: goes on with a launch that was interrupted, starts a stopped machine, or a host that
    /// has died.
    pub(super) async fn start_machine(
        &self,
        session: &SessionId,
        steps: Steps<'_>,
    ) -> Result<Endpoint, ProvisionError> {
        let found = foremost(self.calls.instances(Of::Session(session)).await?)
            .ok_or_else(|| ProvisionError::NoSession(session.clone()))?;
        match found.state {
            MachineState::Gone => return Err(ProvisionError::NotRunning(session.clone())),
            MachineState::Stopped => self.start_instance(&found.id).await?,
            MachineState::Pending | MachineState::Running => {}
        }
        self.open_port(&found).await?;
        if let Some(mut begun) = self.journal.read(session) {
            let Some(_held) = self.journal.hold(session)? else {
                return Err(ProvisionError::UnderWay(session.clone()));
            };
            begun.instance = Some(found.id.clone());
            let endpoint = self.bring_up(&mut begun, false, steps).await?;
            self.journal.remove(session);
            return Ok(endpoint);
        }
        let found = self.await_address(session, Some(&found.id)).await?;
        let trusted = self.trusted(&found, None).await?;
        let probe = self.mount(&found, trusted.remote.as_ref(), false).await?;
        if !is_there(trusted.remote.as_ref(), session).await? {
            return Err(ProvisionError::Unfinished {
                session: session.clone(),
                device: found.facts.device,
            });
        }
        self.host(&trusted).probed(probe).start(session).await
    }

    /// [`Compute::endpoint`]: the address as it is now, with this device let in.
    pub(super) async fn fresh_endpoint(
        &self,
        session: &SessionId,
    ) -> Result<Endpoint, ProvisionError> {
        let found = foremost(self.calls.instances(Of::Session(session)).await?)
            .ok_or_else(|| ProvisionError::NoSession(session.clone()))?;
        let found = match found.state {
            MachineState::Running => found,
            // Somebody has just started it.
            MachineState::Pending => self.await_address(session, Some(&found.id)).await?,
            MachineState::Stopped => return Err(ProvisionError::Stopped(session.clone())),
            MachineState::Gone => return Err(ProvisionError::NotRunning(session.clone())),
        };
        self.open_port(&found).await?;
        let login = match found.facts.host_key {
            HostKey::Once(_) => {
                let mut begun = self.journal.read(session);
                self.trusted(&found, begun.as_mut()).await?.login
            }
            _ => self.login(&found)?,
        };
        Ok(Endpoint {
            login: Login::Pinned(login),
            dir: dir(session),
            socket: socket(session),
            binary: BINARY.to_owned(),
            rented: None,
        })
    }

    async fn start_instance(&self, id: &str) -> Result<(), ProvisionError> {
        let until = Instant::now() + STOPPED;
        loop {
            let call = self.calls.ec2.start_instances().instance_ids(id);
            let told = self.calls.told("ec2:StartInstances", call.send().await);
            match told.await {
                // It is still on its way down.
                Err(e) if e.code == STOPPING && Instant::now() < until => {
                    tokio::time::sleep(LOOK).await;
                }
                told => return Ok(told.map(drop)?),
            }
        }
    }

    pub(super) async fn stop_machine(&self, session: &SessionId) -> Result<(), ProvisionError> {
        let found = foremost(self.calls.instances(Of::Session(session)).await?)
            .ok_or_else(|| ProvisionError::NoSession(session.clone()))?;
        let call = self.calls.ec2.stop_instances().instance_ids(&found.id);
        let done = self
            .calls
            .told("ec2:StopInstances", call.send().await)
            .await;
        Ok(gone_is_good(done.map(drop))?)
    }
}

pub(super) fn died(found: &FoundInstance) -> ProvisionError {
    let why = found.ended.as_ref().map(|(_, why)| why.clone());
    ProvisionError::Died {
        instance: found.id.clone(),
        why: why.unwrap_or_default(),
    }
}

/// Whether the session's host has run there before.
async fn is_there(remote: &dyn Remote, session: &SessionId) -> Result<bool, ProvisionError> {
    let file = quote(&format!("{}/session.json", dir(session))).clone();
    let ran = run(remote, &format!("sudo -n test -e {file}"), Vec::new()).await?;
    Ok(ran.status == 0)
}

/// A verb of the root helper.
pub(super) async fn root(
    remote: &dyn Remote,
    what: &'static str,
    verb: &str,
    stdin: Vec<u8>,
) -> Result<Ran, ProvisionError> {
    let ran = run(remote, &format!("{HELPER} {verb}"), stdin).await?;
    if ran.status == 0 {
        return Ok(ran);
    }
    Err(ProvisionError::Remote {
        place: remote.destination().to_owned(),
        what,
        status: format!("exit {}", ran.status),
        stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
    })
}

async fn run(remote: &dyn Remote, command: &str, stdin: Vec<u8>) -> Result<Ran, ProvisionError> {
    let command = super::super::sh(command);
    remote
        .run(&command, Box::new(std::io::Cursor::new(stdin)))
        .await
        .map_err(|source| ProvisionError::Unreachable {
            place: remote.destination().to_owned(),
            source,
        })
}
