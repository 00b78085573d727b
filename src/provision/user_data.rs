//! What a new machine is told before anybody can reach it: a cloud-config made of the files in cloud-init/,
//! whose README has the reason of each line. A pure function: every value becomes one quoted YAML string, so
//! that none can be read as anything but a value.

use std::io::Write;
use std::time::Duration;

use flate2::{Compression, GzBuilder};
use serde::Serialize;

use crate::config::MachineFile;
use crate::error::Error;
use crate::model::{Millis, SessionId};

/// EC2's limit, before base64.
pub const MAX_BYTES: usize = 16_384;
/// The user that agents run as on a rented machine.
pub const AGENT: &str = "agent";
/// The same on every image, so that files on a volume keep their owner when it moves to another machine.
pub const AGENT_UID: u32 = 7501;
const KEY_TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

macro_rules! cloud_init {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/cloud-init/", $name))
    };
}

/// What differs from machine to machine.
#[derive(Clone)]
pub struct UserData<'a> {
    pub session: &'a SessionId,
    /// When the machine powers off, whatever happens.
    pub deadline: Millis,
    /// The image's login user: `ubuntu`.
    pub login: &'a str,
    /// Lines of authorized_keys, `TYPE KEY NAME`; the name is the device's.
    pub authorized_keys: &'a [String],
    /// The one-time host key, in OpenSSH's text form. Any process on the machine can read it there.
    pub host_key_private: &'a str,
    /// `ssh-ed25519 AAAA…`
    pub host_key_public: &'a str,
    /// A machine whose host no client has spoken to within this after its boot powers off.
    pub handover_within: Duration,
    /// Whether agents may use sudo.
    pub sudo: bool,
}

/// A value that cannot be told to a machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    #[error("`{0}` cannot be the name of a login user")]
    Login(String),
    #[error("this is not one line `TYPE KEY NAME` of a public key: `{0}`")]
    PublicKey(String),
    #[error("nobody could log in: there is no public key")]
    NoKey,
    #[error("the host key is not an OpenSSH private key")]
    HostKey,
    #[error("what the machine must be told has {0} bytes; {MAX_BYTES} is the most that EC2 takes")]
    TooLong(usize),
}

impl From<UserDataError> for Error {
    fn from(e: UserDataError) -> Self {
        let error = Self::config(e.to_string());
        match e {
            UserDataError::Login(_) => {
                error.hint("name the image's login user, such as `ubuntu`, in the configuration")
            }
            UserDataError::PublicKey(_) | UserDataError::NoKey => {
                error.hint("run `remote doctor`: it looks at this device's key")
            }
            _ => error,
        }
    }
}

/// The user-data of a machine: at most [`MAX_BYTES`], gzip where it would be longer.
///
/// # Errors
/// A value is not what it should be, or all of it is too long.
pub fn render(data: &UserData<'_>) -> Result<Vec<u8>, UserDataError> {
    let text = text(data)?;
    let bytes = if text.len() <= MAX_BYTES {
        text.into_bytes()
    } else {
        pack(text.as_bytes())
    };
    if bytes.len() > MAX_BYTES {
        return Err(UserDataError::TooLong(bytes.len()));
    }
    Ok(bytes)
}

fn text(data: &UserData<'_>) -> Result<String, UserDataError> {
    check(data)?;
    let machine = MachineFile {
        session: data.session.clone(),
        login: data.login.to_owned(),
        agent: AGENT.to_owned(),
        sudo: data.sudo,
    };
    // Of strings and a flag: that cannot fail.
    let machine = serde_json::to_string(&machine).unwrap_or_default();
    let login = data.login;
    let host_key = format!("{}\n", data.host_key_private.trim());
    let values = [
        ("BOOT", quoted(cloud_init!("boot.sh"))),
        ("DEADLINE", quoted(&(data.deadline / 1000).to_string())),
        (
            "HANDOVER",
            quoted(&data.handover_within.as_secs().to_string()),
        ),
        ("REMOTE_ROOT", quoted(cloud_init!("remote-root"))),
        ("CHECK_SERVICE", quoted(cloud_init!("remote-check.service"))),
        ("CHECK_TIMER", quoted(cloud_init!("remote-check.timer"))),
        ("HOST_SERVICE", quoted(cloud_init!("remote-host@.service"))),
        ("WATCHDOG", quoted(cloud_init!("watchdog.conf"))),
        ("SYSCTL", quoted(cloud_init!("sysctl.conf"))),
        ("MACHINE", quoted(&format!("{machine}\n"))),
        ("LOGIN", quoted(&format!("{login}\n"))),
        ("EIC", quoted(cloud_init!("remote-eic"))),
        (
            "SSHD",
            quoted(&fill(
                cloud_init!("sshd.conf"),
                &[("LOGIN", login.to_owned())],
            )),
        ),
        ("USERS", yaml(&users(data))),
        ("HOST_KEY", quoted(&host_key)),
        ("HOST_KEY_PUBLIC", quoted(data.host_key_public.trim())),
    ];
    Ok(fill(cloud_init!("user-data.yaml"), &values))
}

fn users(data: &UserData<'_>) -> serde_json::Value {
    let sudo = "ALL=(ALL) NOPASSWD: ALL";
    let keys: Vec<&str> = data.authorized_keys.iter().map(|k| k.trim()).collect();
    let mut agent = serde_json::json!({
        "name": AGENT, "uid": AGENT_UID, "shell": "/bin/bash", "lock_passwd": true,
        "gecos": "agents of remote",
    });
    if data.sudo {
        agent["sudo"] = sudo.into();
    }
    // Where this is the image's own user, cloud-init merges it with what the image says of it. Whoever logs in
    // owns the machine: a rule for `remote-root` alone would only look narrower.
    let login = serde_json::json!({
        "name": data.login, "shell": "/bin/bash", "lock_passwd": true,
        "sudo": sudo, "ssh_authorized_keys": keys,
    });
    serde_json::json!(["default", login, agent])
}

/// Puts values in for `@NAME@`, in one pass: what is in a value is never looked at. What names no value stays.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(template.len() * 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        let value = after.split_once('@').and_then(|(name, behind)| {
            let found = values.iter().find(|(n, _)| *n == name)?;
            Some((&found.1, behind))
        });
        rest = match value {
            Some((value, behind)) => {
                filled.push_str(value);
                behind
            }
            None => {
                filled.push('@');
                after
            }
        };
    }
    filled.push_str(rest);
    filled
}

fn quoted(text: &str) -> String {
    yaml(&text)
}

/// JSON is YAML but for characters that YAML's readers refuse raw and JSON escapes by halves: those are
/// escaped as YAML does.
fn yaml(value: &impl Serialize) -> String {
    // Of strings, numbers and lists: that cannot fail.
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            ' '..='~' => text.push(c),
            other => text.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    text
}

fn check(data: &UserData<'_>) -> Result<(), UserDataError> {
    if !is_user_name(data.login) || [AGENT, "root"].contains(&data.login) {
        return Err(UserDataError::Login(data.login.to_owned()));
    }
    if data.authorized_keys.is_empty() {
        return Err(UserDataError::NoKey);
    }
    let lines = data.authorized_keys.iter().map(String::as_str);
    for line in lines.chain([data.host_key_public]) {
        if !is_public_key(line) {
            return Err(UserDataError::PublicKey(line.to_owned()));
        }
    }
    let body = data.host_key_private.trim();
    let body = body.strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----");
    let body = body.and_then(|b| b.strip_suffix("-----END OPENSSH PRIVATE KEY-----"));
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=\r\n".contains(c);
    match body {
        Some(body) if !body.trim().is_empty() && body.chars().all(base64) => Ok(()),
        _ => Err(UserDataError::HostKey),
    }
}

fn is_user_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.len() <= 32
        && name.chars().all(rest)
}

/// No options before the type: they could hold a command.
fn is_public_key(line: &str) -> bool {
    let line = line.trim();
    let mut words = line.split(' ');
    let (kind, body) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    KEY_TYPES.contains(&kind)
        && !body.is_empty()
        && body.chars().all(base64)
        && !line.chars().any(char::is_control)
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests;
