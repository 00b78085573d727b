//! Where an agent runs that was asked for without saying so, and with which PATH: what `host launch` decides for the
//! agents that a session begins with, for those that come later.

use std::path::{Path, PathBuf};

use super::hub::Hub;
use crate::config::WORK;
use crate::model::AgentSpec;
use crate::provision::login_path;

/// Relative directories are taken from the home directory, on a rented machine from its work volume; an agent behind
/// SSH gets the login's PATH.
pub async fn settle(hub: &Hub, spec: &mut AgentSpec) {
    let rented = hub.rented.is_some();
    if !spec.cwd.is_absolute() {
        let home = || std::env::var_os("HOME").map_or_else(|| "/".into(), PathBuf::from);
        let base = if rented { WORK.into() } else { home() };
        spec.cwd = below(&base, &spec.cwd);
    }
    let lacks_path = !rented && !spec.env.contains_key("PATH") && hub.spec().provider == "ssh";
    if lacks_path && let Some(path) = login_path().await.and_then(|p| p.into_string().ok()) {
        spec.env.insert("PATH".to_owned(), path);
    }
}

fn below(base: &Path, asked: &Path) -> PathBuf {
    let rest = asked.strip_prefix("~").unwrap_or(asked);
    base.join(rest).components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_home() {
        for (asked, is) in [
            ("", "/home/me"),
            ("~/src", "/home/me/src"),
            ("src/", "/home/me/src"),
        ] {
            assert_eq!(
                below(Path::new("/home/me"), Path::new(asked)),
                Path::new(is)
            );
        }
    }
}
