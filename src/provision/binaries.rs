//! Which `remote` goes to which system, and that file in memory: read, hashed and packed once, however many machines
//! it is sent to.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::ProvisionError;
use super::system::system_of;

/// Which binary goes to which system.
#[derive(Debug, Clone, Default)]
pub struct Binaries {
    /// For any system: `--host-binary`.
    pub given: Option<PathBuf>,
    /// By system, `linux-aarch64` and its like: `[host.binaries]`.
    pub by_system: BTreeMap<String, PathBuf>,
    /// Those that were read already; clones share them.
    pub shelf: Shelf,
}

/// Binaries in memory: several machines at once are sent one copy, read, hashed and packed once.
#[derive(Clone, Default)]
pub struct Shelf(Arc<tokio::sync::Mutex<BTreeMap<State, Arc<Ready>>>>);

/// A file as it is: another build in its place is another binary.
type State = (PathBuf, Option<SystemTime>, u64);

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelf(..)")
    }
}

/// A binary as it is sent.
pub(super) struct Ready {
    /// `remote-0.1.0-1a2b3c4d`: one name for one content.
    pub name: String,
    /// SHA-256 of the whole, in hex.
    pub sha256: String,
    plain: Bytes,
    packed: OnceLock<Packed>,
}

/// What travels.
#[derive(Clone)]
pub(super) struct Packed {
    pub bytes: Bytes,
    /// Tells it from another client's, which may pack the same binary otherwise.
    pub mark: String,
}

impl Packed {
    fn new(bytes: Bytes) -> Self {
        let mark = hex(&bytes).get(..16).unwrap_or_default().to_owned();
        Self { bytes, mark }
    }
}

impl Ready {
    fn new(plain: Bytes) -> Self {
        let sha256 = hex(&plain);
        let short = sha256.get(..8).unwrap_or_default();
        Self {
            name: format!("remote-{}-{short}", env!("CARGO_PKG_VERSION")),
            sha256,
            plain,
            packed: OnceLock::new(),
        }
    }

    /// How long it is once it is there.
    pub fn size(&self) -> u64 {
        self.plain.len() as u64
    }

    /// Its bytes, packed or not. Packing takes as long as it takes.
    pub async fn packed(self: Arc<Self>, gzip: bool) -> io::Result<Packed> {
        // It would hold up everything else on this thread.
        let packing = move || match gzip {
            true => {
                let pack = || Packed::new(pack(&self.plain).into());
                self.packed.get_or_init(pack).clone()
            }
            false => Packed::new(self.plain.clone()),
        };
        tokio::task::spawn_blocking(packing)
            .await
            .map_err(io::Error::other)
    }
}

impl Binaries {
    /// The binary in `file`, read and named.
    pub(super) async fn ready(&self, file: &Path) -> io::Result<Arc<Ready>> {
        let found = tokio::fs::metadata(file).await?;
        let state = (file.to_owned(), found.modified().ok(), found.len());
        let mut shelf = self.shelf.0.lock().await;
        if let Some(ready) = shelf.get(&state) {
            return Ok(ready.clone());
        }
        let plain: Bytes = tokio::fs::read(file).await?.into();
        let ready = tokio::task::spawn_blocking(move || Arc::new(Ready::new(plain)))
            .await
            .map_err(io::Error::other)?;
        shelf.insert(state, ready.clone());
        Ok(ready)
    }

    /// Has it read and packed while something else is waited for; what goes wrong is told by [`Self::ready`].
    pub(super) fn prepare(&self, file: PathBuf) {
        let binaries = self.clone();
        tokio::spawn(async move {
            if let Ok(ready) = binaries.ready(&file).await {
                let _ = ready.packed(true).await;
            }
        });
    }

    /// The file for `place`, which runs `system`; this program itself where it runs on such a one.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is another system's.
    pub fn for_system(&self, system: &str, place: &str) -> Result<PathBuf, ProvisionError> {
        let file = self.file(system).ok_or_else(|| ProvisionError::NoBinary {
            place: place.to_owned(),
            system: system.to_owned(),
        })?;
        let mut head = Vec::new();
        let read = std::fs::File::open(&file).and_then(|f| f.take(64).read_to_end(&mut head));
        read.map_err(ProvisionError::io("read the host binary", &file))?;
        match system_of(&head) {
            Some(other) if other != system => Err(ProvisionError::WrongBinary {
                file,
                other,
                place: place.to_owned(),
                system: system.to_owned(),
            }),
            _ => Ok(file),
        }
    }

    fn file(&self, system: &str) -> Option<PathBuf> {
        if let Some(given) = &self.given {
            return Some(given.clone());
        }
        if let Some(file) = self.by_system.get(system) {
            return Some(file.clone());
        }
        let own = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        (system == own)
            .then(std::env::current_exe)
            .and_then(Result::ok)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
