//! What tells a repository from others, on every device alike, and the name of the store in which a machine keeps its
//! objects for all sessions of it.

use std::path::Path;

use sha2::{Digest, Sha256};

/// What tells a repository from others, on every device alike: where it comes from, without credentials and
/// spelling (`https://host/a/b`, `git@host:a/b.git` -> `host/a/b`); its directory's name where it comes from nowhere.
pub fn identity(origin: Option<&str>, top: &Path) -> String {
    let Some(origin) = origin.filter(|o| !o.is_empty()) else {
        return name_of(&top.to_string_lossy()).to_owned();
    };
    let plain = without_credentials(origin);
    let rest = plain.split_once("://").map_or(plain.as_str(), |(_, r)| r);
    let rest = rest.split_once('@').map_or(rest, |(_, r)| r);
    let rest = rest.trim_end_matches('/');
    let rest = rest.strip_suffix(".git").unwrap_or(rest);
    match rest.split_once(':') {
        // scp's form; a port is one only before a slash of its own.
        Some((host, path)) if !path.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{}/{}", host.to_lowercase(), path.trim_start_matches('/'))
        }
        _ => match rest.split_once('/') {
            Some((host, path)) if !host.is_empty() => {
                let host = host.split(':').next().unwrap_or(host);
                format!("{}/{path}", host.to_lowercase())
            }
            _ => rest.to_owned(),
        },
    }
}

/// `https://user:token@host/x` -> `https://host/x`: what is stored and told must hold no secret.
pub fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) if scheme.starts_with("http") => {
            let (host, path) = rest
                .split_once('/')
                .map_or((rest, None), |(h, p)| (h, Some(p)));
            let host = host.rsplit_once('@').map_or(host, |(_, h)| h);
            match path {
                Some(path) => format!("{scheme}://{host}/{path}"),
                None => format!("{scheme}://{host}"),
            }
        }
        _ => url.to_owned(),
    }
}

/// The last part of a path or address, for people: `api` of `git@host:me/api.git`.
pub fn name_of(place: &str) -> &str {
    let place = place.trim_end_matches('/');
    let place = place
        .strip_suffix(".git")
        .unwrap_or(place)
        .trim_end_matches('/');
    place.rsplit(['/', ':']).next().unwrap_or(place)
}

/// A directory's name for a store: readable, safe in a path, and one for each repository and object format.
pub fn store_name(identity: &str, format: &str) -> String {
    let name: String = name_of(identity)
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(40)
        .collect();
    let name = name.trim_start_matches(['.', '-']);
    let digest = Sha256::digest(format!("{format}\0{identity}"));
    let hash: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
    match name {
        "" => format!("repo-{hash}"),
        name => format!("{name}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_one_identity_however_its_origin_is_written() {
        let top = Path::new("/home/me/src/api");
        for origin in [
            "https://github.com/me/api",
            "https://github.com/me/api.git/",
            "https://me:ghp_secret@GitHub.com/me/api.git",
            "git@github.com:me/api.git",
            "ssh://git@github.com/me/api",
            "ssh://git@github.com:22/me/api",
        ] {
            assert_eq!(identity(Some(origin), top), "github.com/me/api", "{origin}");
        }
        assert_eq!(identity(None, top), "api");
        assert_ne!(store_name("a/api", "sha1"), store_name("b/api", "sha1"));
        assert_ne!(store_name("a/api", "sha1"), store_name("a/api", "sha256"));
    }

    #[test]
    fn a_stores_name_is_one_part_of_a_path() {
        for hostile in [
            "../../etc",
            "/",
            "",
            "-x",
            "..",
            "a\nb",
            "é",
            ".git",
            "x/..",
        ] {
            let name = store_name(hostile, "sha1");
            assert!(
                !name.contains('/') && !name.starts_with(['.', '-']),
                "{name}"
            );
            assert!(name.len() > 8 && name.is_ascii(), "{name}");
        }
    }

    #[test]
    fn credentials_are_taken_out() {
        let url = "https://me:ghp_secret@host:8443/a/b";
        assert_eq!(without_credentials(url), "https://host:8443/a/b");
        assert_eq!(without_credentials("git@host:a"), "git@host:a");
        assert_eq!(without_credentials("https://t@host"), "https://host");
    }
}
