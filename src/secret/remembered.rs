//! What unlocks the encrypted file, kept for a while where no disk and no swap sees it: the kernel's keyring of this
//! user. Where there is none (macOS, a container that forbids it) the passphrase is asked each time.

use std::time::Duration;

/// Since it was used last.
pub const KEPT_FOR: Duration = Duration::from_secs(8 * 3600);

#[cfg(target_os = "linux")]
mod kernel {
    use linux_keyutils::{Key, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};

    use super::KEPT_FOR;

    fn ring() -> Option<KeyRing> {
        KeyRing::from_special_id(KeyRingIdentifier::User, true).ok()
    }

    /// Not every login's session keyring has the user's linked, so the user as such must be let in.
    fn ours(key: Key) -> Option<Key> {
        let all = KeyPermissionsBuilder::builder()
            .posessor(Permission::ALL)
            .user(Permission::ALL)
            .build();
        let seconds = usize::try_from(KEPT_FOR.as_secs()).ok()?;
        key.set_perms(all).ok()?;
        key.set_timeout(seconds).ok()?;
        Some(key)
    }

    pub fn keep(what: &str, value: &str) {
        if let Some(key) = ring().and_then(|r| r.add_key(what, value).ok())
            && ours(key).is_none()
        {
            // Better asked again than kept without end.
            let _ = key.invalidate();
        }
    }

    pub fn recall(what: &str) -> Option<String> {
        let key = ring()?.search(what).ok()?;
        let value = String::from_utf8(key.read_to_vec().ok()?).ok()?;
        ours(key)?;
        Some(value)
    }

    pub fn forget(what: &str) {
        if let Some(key) = ring().and_then(|r| r.search(what).ok()) {
            let _ = key.invalidate();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    pub fn keep(_: &str, _: &str) {}
    pub fn recall(_: &str) -> Option<String> {
        None
    }
    pub fn forget(_: &str) {}
}

pub use kernel::{forget, keep, recall};
