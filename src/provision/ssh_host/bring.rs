//! `remote` brought to a machine, once per version. What has arrived of an upload that is cut off stays there: it goes
//! on from that, on another connection or in another command.

use std::io::{Cursor, ErrorKind};
use std::sync::PoisonError;
use std::time::Duration;

use super::SshHost;
use crate::provision::upload::{Probe, Upload, probe};
use crate::provision::{ProvisionError, Steps};

/// Before each try to connect again. Whenever something has arrived they begin anew.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

impl SshHost {
    /// Whether this version is there; nothing is brought.
    pub(super) async fn is_there(&self) -> Result<bool, ProvisionError> {
        let probe = self.probe().await?;
        let Ok(file) = self.binaries.for_system(&probe.system, &self.place()) else {
            return Ok(false);
        };
        let unreadable = |e| ProvisionError::io("read", &file)(e);
        let ready = self.binaries.ready(&file).await.map_err(unreadable)?;
        let there = probe.has(&ready);
        *self.probed.lock().unwrap_or_else(PoisonError::into_inner) = Some(probe);
        Ok(there)
    }

    pub(super) async fn bring(&self, steps: Steps<'_>) -> Result<String, ProvisionError> {
        let probed = self.probed.lock();
        let probed = probed.unwrap_or_else(PoisonError::into_inner).take();
        let mut probe = match probed {
            Some(probe) => probe,
            None => self.probe().await?,
        };
        let file = self.binaries.for_system(&probe.system, &self.place())?;
        let unreadable = |e| ProvisionError::io("read", &file)(e);
        let ready = self.binaries.ready(&file).await.map_err(unreadable)?;
        let path = format!("{}/{}", probe.dir, ready.name);
        if probe.has(&ready) {
            return Ok(path);
        }
        let packed = ready.clone().packed(probe.gzip).await;
        let packed = packed.map_err(unreadable)?;
        let (mut pauses, mut arrived) = (PAUSES.iter(), 0);
        let mut from_the_start = false;
        loop {
            let upload = Upload {
                ready: &ready,
                packed: &packed,
                part: probe.part(&packed).filter(|_| !from_the_start),
                probe: &probe,
                shared: self.manner.shared,
            };
            let from = upload.part.map_or(0, |part| part.size);
            let rest = usize::try_from(from).unwrap_or(usize::MAX);
            let rest = packed.bytes.slice(rest.min(packed.bytes.len())..);
            steps(&self.told(&ready.name, rest.len(), packed.bytes.len()));
            let sent = self
                .run(&upload.script(), Box::new(Cursor::new(rest)))
                .await;
            match sent {
                // What was there was not the beginning of this after all.
                Ok(ran) if ran.status != 0 && from > 0 => from_the_start = true,
                Ok(ran) => {
                    self.succeeded(&ran, "uploading the `remote` binary")?;
                    return Ok(path);
                }
                Err(lost) => {
                    if from > arrived {
                        pauses = PAUSES.iter();
                    }
                    arrived = from;
                    probe = self.again(lost, &mut pauses).await?;
                    if probe.has(&ready) {
                        return Ok(path);
                    }
                }
            }
        }
    }

    /// What the machine says on a new connection.
    async fn again(
        &self,
        lost: ProvisionError,
        pauses: &mut std::slice::Iter<'_, Duration>,
    ) -> Result<Probe, ProvisionError> {
        for pause in pauses {
            tokio::time::sleep(*pause).await;
            match self.remote.again().await {
                Ok(()) => {
                    if let Ok(probe) = self.probe().await {
                        return Ok(probe);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Unsupported => break,
                Err(_) => {}
            }
        }
        Err(lost)
    }

    fn told(&self, name: &str, rest: usize, whole: usize) -> String {
        let megabytes = |bytes: usize| format!("{:.1}", bytes as f64 / 1e6);
        let size = match rest == whole {
            true => megabytes(whole),
            false => format!("the last {} of {}", megabytes(rest), megabytes(whole)),
        };
        match self.manner.shared {
            true => format!("hand over remote {}, {size} MB", env!("CARGO_PKG_VERSION")),
            false => format!("upload {name} ({size} MB)"),
        }
    }

    async fn probe(&self) -> Result<Probe, ProvisionError> {
        let script = probe(self.manner.dir);
        let ran = self.run(&script, Box::new(tokio::io::empty())).await?;
        self.succeeded(&ran, "looking at the system")?;
        let text = String::from_utf8_lossy(&ran.stdout);
        Probe::parse(&text).ok_or_else(|| self.unreadable("looking at the system", &text))
    }
}
