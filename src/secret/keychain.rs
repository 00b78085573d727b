//! The system's keychain: macOS' Keychain, or whatever serves the Secret Service on a Linux desktop. The `keyring`
//! crate with its default feature `v1` is just these, and chooses by itself; its other stores we have no use
//! for: the kernel's keyring forgets, and the encrypted file here is one that `age` itself can read. `v1` brings
//! zbus, the longest to build of all that secrets need: the C library of D-Bus would not link statically.

use std::sync::mpsc;
use std::time::Duration;

use keyring::Entry;

use crate::error::{Error, Result};

/// What our entries are called there.
const SERVICE: &str = "remote";
/// A bus may be there with nobody who answers. A person who is asked to unlock takes longer than this.
const OPENS: Duration = Duration::from_secs(3);

/// Whether there is one that opens. Asked once: a desktop does not come or go while we run.
pub fn is_there() -> bool {
    static THERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *THERE.get_or_init(|| {
        let (tell, told) = mpsc::channel();
        // Not joined: what never answers must not keep us.
        std::thread::spawn(move || {
            let _ = tell.send(Entry::store_status().is_ok());
        });
        told.recv_timeout(OPENS).unwrap_or(false)
    })
}

fn entry(name: &str) -> Result<Entry> {
    Entry::new(SERVICE, name).map_err(|e| failed(name, &e))
}

fn failed(name: &str, why: &keyring::Error) -> Error {
    Error::user(format!("the keychain does not give {name}: {why}")).hint(
        "unlock it; where it is another machine's or gone, `remote secret set` stores the value anew",
    )
}

/// The bus' library waits in its own way, which a runtime's threads do not allow.
fn aside<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(Error::internal("the keychain's library broke off")))
}

pub fn set(name: &str, value: &str) -> Result<()> {
    aside(|| {
        let stored = entry(name)?.set_password(value);
        stored.map_err(|e| failed(name, &e))
    })
}

pub fn get(name: &str) -> Result<String> {
    aside(|| entry(name)?.get_password().map_err(|e| failed(name, &e)))
}

pub fn remove(name: &str) -> Result<()> {
    aside(|| match entry(name)?.delete_credential() {
        Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
        Err(e) => Err(failed(name, &e)),
    })
}
