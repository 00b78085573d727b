//! known_hosts(5) as OpenSSH reads it: plain, hashed and wildcard names, `[host]:port`, `@revoked`,
//! `@cert-authority`, several keys of a type, several files. russh's own look-up knows none of these.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::pattern;

/// StrictHostKeyChecking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strict {
    /// Unknown hosts are asked about.
    #[default]
    Ask,
    /// Unknown hosts are refused.
    Yes,
    /// Unknown hosts are recorded without a question; changed keys are refused.
    AcceptNew,
    /// As `AcceptNew`, and a changed key is only warned of (then no password is ever sent).
    No,
}

impl Strict {
    pub(super) fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "yes" | "true" => Self::Yes,
            "accept-new" => Self::AcceptNew,
            "no" | "off" | "false" => Self::No,
            _ => Self::Ask,
        }
    }
}

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    Host,
    Authority,
    Revoked,
}

/// One line that speaks of the host in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub marker: Marker,
    /// `ssh-ed25519`, …
    pub key_type: String,
    /// The key in SSH's own encoding.
    pub blob: Vec<u8>,
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
}

/// What is recorded of a host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub entries: Vec<Entry>,
}

/// What the records say of a key that a host showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Match,
    Revoked(Entry),
    /// Another key of the same type is recorded.
    Changed(Entry),
    /// No key of this type is recorded; `other_types` are.
    New {
        other_types: Vec<String>,
    },
}

/// What known_hosts calls a host: `name`, or `[name]:port` for other ports than 22.
pub fn name_of(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

impl Known {
    /// Reads every line that speaks of `name` from files that may not exist.
    pub fn read<'a>(files: impl IntoIterator<Item = &'a PathBuf>, name: &str) -> Self {
        let mut known = Self::default();
        for file in files {
            if let Ok(bytes) = std::fs::read(file) {
                known.collect(&String::from_utf8_lossy(&bytes), file, name);
            }
        }
        known
    }

    fn collect(&mut self, text: &str, file: &Path, name: &str) {
        let lines = text.lines().enumerate();
        self.entries.extend(lines.filter_map(|(index, line)| {
            let (marker, hosts, key_type, blob) = parse(line)?;
            host_matches(hosts, name).then(|| Entry {
                marker,
                key_type: key_type.to_owned(),
                blob,
                file: file.to_owned(),
                line: index + 1,
            })
        }));
    }

    /// Judges a plain key.
    pub fn judge(&self, key_type: &str, blob: &[u8]) -> Verdict {
        if let Some(entry) = self.revoked(blob) {
            return Verdict::Revoked(entry.clone());
        }
        let mut changed = None;
        let mut other_types: Vec<String> = Vec::new();
        for entry in self.of(Marker::Host) {
            if entry.key_type != key_type {
                if !other_types.contains(&entry.key_type) {
                    other_types.push(entry.key_type.clone());
                }
            } else if entry.blob == blob {
                return Verdict::Match;
            } else {
                changed.get_or_insert(entry);
            }
        }
        match changed {
            Some(entry) => Verdict::Changed(entry.clone()),
            None => Verdict::New { other_types },
        }
    }

    /// The line that revokes this key, if any.
    pub fn revoked(&self, blob: &[u8]) -> Option<&Entry> {
        self.of(Marker::Revoked).find(|e| e.blob == blob)
    }

    /// Whether this key may certify the host.
    pub fn authority(&self, blob: &[u8]) -> bool {
        self.of(Marker::Authority).any(|e| e.blob == blob)
    }

    pub fn has_authority(&self) -> bool {
        self.of(Marker::Authority).next().is_some()
    }

    /// The types of key recorded for the host: those to ask it for first.
    pub fn types(&self) -> Vec<&str> {
        self.of(Marker::Host).map(|e| e.key_type.as_str()).collect()
    }

    fn of(&self, marker: Marker) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |e| e.marker == marker)
    }
}

fn parse(line: &str) -> Option<(Marker, &str, &str, Vec<u8>)> {
    let mut words = line.split_ascii_whitespace();
    let mut hosts = words.next().filter(|w| !w.starts_with('#'))?;
    let marker = match hosts {
        "@revoked" => Marker::Revoked,
        "@cert-authority" => Marker::Authority,
        // A marker that is not known hides its line: it must not turn into trust.
        _ if hosts.starts_with('@') => return None,
        _ => Marker::Host,
    };
    if marker != Marker::Host {
        hosts = words.next()?;
    }
    let key_type = words.next()?;
    let blob = BASE64.decode(words.next()?).ok()?;
    // The type is inside the key as well; a line where they differ is damaged.
    let length = usize::try_from(u32::from_be_bytes(*blob.first_chunk()?)).ok()?;
    let inner = blob.get(4..length.checked_add(4)?)?;
    (inner == key_type.as_bytes()).then_some((marker, hosts, key_type, blob))
}

fn host_matches(hosts: &str, name: &str) -> bool {
    match hosts.strip_prefix("|1|") {
        Some(rest) => rest.split_once('|').is_some_and(|(salt, hash)| {
            match (BASE64.decode(salt), BASE64.decode(hash)) {
                (Ok(salt), Ok(hash)) => digest(&salt, name).is_some_and(|d| d == hash),
                _ => false,
            }
        }),
        None => {
            let hosts = hosts.to_ascii_lowercase();
            pattern::list_matches(hosts.split(','), name)
        }
    }
}

fn digest(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(name.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// The line that records a host's key, its name hashed with `salt` where one is given.
pub fn line(name: &str, key_type: &str, blob: &[u8], salt: Option<[u8; 20]>) -> String {
    let hosts = salt
        .and_then(|salt| {
            let hash = BASE64.encode(digest(&salt, name)?);
            Some(format!("|1|{}|{hash}", BASE64.encode(salt)))
        })
        .unwrap_or_else(|| name.to_owned());
    format!("{hosts} {key_type} {}\n", BASE64.encode(blob))
}

/// Appends a line, making the file (0600) and its directory (0700) where they are missing, and ending
/// a last line that lacks its newline.
///
/// # Errors
/// Those of the file system.
pub fn append(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(dir) = file.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
    }
    let old = std::fs::read(file).unwrap_or_default();
    let mut text = String::new();
    if old.last().is_some_and(|b| *b != b'\n') {
        text.push('\n');
    }
    text.push_str(line);
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
