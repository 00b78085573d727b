//! Secrets: where a person's are kept (`store.rs`: the system's keychain, an encrypted file where there is none, or
//! a command that prints one), when they end, and how they are taken out of what is stored and printed
//! (`redact.rs`). What travels and who is given what is the client's and the host's.

mod command;
mod expiry;
mod file;
mod keychain;
mod name;
pub mod redact;
mod remembered;
mod store;

pub use expiry::expiry;
pub use keychain::is_there as keychain_is_there;
pub use name::{LONGEST, check_name, check_value};
pub use store::{Kept, Known, Passphrase, Store};
