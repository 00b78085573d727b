//! From what the user typed to all that a connection needs: the user's own ssh configuration, asked of
//! `ssh -G` where there is an `ssh`, read by ourselves where there is none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config_file::{self, Options, Target};
use super::destination::Typed;
use super::error::SshError;
use super::known_hosts::Strict;
use super::options::{from_options, is_yes};

/// Which addresses of a name to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

/// Where the agent listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentSocket {
    /// `$SSH_AUTH_SOCK`
    #[default]
    Environment,
    /// `IdentityAgent none`
    Disabled,
    Path(PathBuf),
}

/// What the caller knows better than the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Tried before those of the configuration.
    pub identity_files: Vec<PathBuf>,
    /// Instead of ~/.ssh/config and the system's file, as `ssh -F`.
    pub config_file: Option<PathBuf>,
    /// `Keyword value`, stronger than the configuration, as `ssh -o`.
    pub options: Vec<(String, String)>,
    /// Read the configuration ourselves even where there is an `ssh`.
    pub without_ssh: bool,
    /// Instead of `$HOME`.
    pub home: Option<PathBuf>,
}

/// All that a connection needs, as plain data.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// As the user typed it: what known hosts and messages call it.
    pub destination: String,
    /// Name or address to dial.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub identity_files: Vec<PathBuf>,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: bool,
    pub agent: AgentSocket,
    pub proxy_command: Option<String>,
    /// Destinations to hop over, the first one first.
    pub proxy_jump: Vec<String>,
    pub host_key_alias: Option<String>,
    /// The first is the one new hosts are written to.
    pub known_hosts: Vec<PathBuf>,
    pub known_hosts_global: Vec<PathBuf>,
    pub hash_known_hosts: bool,
    pub strict: Strict,
    pub connect_timeout: Option<Duration>,
    /// How long TCP may take, where that is less: for who knocks again anyway, because a packet that was sent
    /// before the machine had its network is repeated only after 1, 2, 4 s.
    pub tcp_timeout: Option<Duration>,
    pub alive_interval: Option<Duration>,
    pub alive_count: usize,
    pub family: Family,
    pub publickey: bool,
    pub keyboard_interactive: bool,
    pub password: bool,
    pub password_prompts: u32,
    /// What this was resolved with; hops on the way are resolved with the same.
    pub overrides: Overrides,
}

impl Resolved {
    /// A place known without any configuration: one key file, no agent, no other file read.
    pub fn direct(host: &str, port: u16, user: &str, key: PathBuf) -> Self {
        let mut options = Options::new();
        options.insert("hostname".into(), vec![host.into()]);
        options.insert("identitiesonly".into(), vec!["yes".into()]);
        options.insert("identityagent".into(), vec!["none".into()]);
        options.insert("kbdinteractiveauthentication".into(), vec!["no".into()]);
        options.insert("passwordauthentication".into(), vec!["no".into()]);
        let overrides = Overrides {
            user: Some(user.to_owned()),
            port: Some(port),
            identity_files: vec![key],
            ..Overrides::default()
        };
        let mut r = from_options(&options, host, &overrides, Path::new("/nonexistent"), user);
        r.known_hosts.clear();
        r.known_hosts_global.clear();
        r.identity_files.truncate(1);
        r
    }

    /// `host` or `[host]:port`, as known hosts and messages name it.
    pub fn place(&self) -> String {
        super::known_hosts::name_of(&self.host, self.port)
    }
}

/// Finds out how to reach `destination`: `host`, `user@host`, `host:port`, `[v6]:port` or
/// `ssh://user@host:port`.
///
/// # Errors
/// Kind `Config`: a destination that is none, or a configuration that cannot be used.
pub async fn resolve(destination: &str, overrides: &Overrides) -> Result<Resolved, SshError> {
    let typed = Typed::parse(destination)?;
    let mut overrides = overrides.clone();
    overrides.user = overrides.user.or(typed.user);
    overrides.port = overrides.port.or(typed.port);
    let home = match &overrides.home {
        Some(home) => home.clone(),
        None => std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from),
    };
    let me = local_user();
    let asked = if overrides.without_ssh {
        None
    } else {
        ask_ssh(&typed.host, &overrides).await?
    };
    let options = match asked {
        Some(options) => options,
        None => read_files(&typed.host, &overrides, &home, &me)?,
    };
    if options.get("proxyusefdpass").is_some_and(|v| is_yes(v)) {
        return Err(SshError::config(format!(
            "{destination} uses ProxyUseFdpass, which is not supported"
        )));
    }
    Ok(from_options(&options, &typed.host, &overrides, &home, &me))
}

/// `ssh -G`'s answer, or `None` where there is no `ssh`.
async fn ask_ssh(host: &str, overrides: &Overrides) -> Result<Option<Options>, SshError> {
    let mut command = tokio::process::Command::new("ssh");
    command.arg("-G");
    if let Some(file) = &overrides.config_file {
        command.arg("-F").arg(file);
    }
    if let Some(user) = &overrides.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = overrides.port {
        command.arg("-p").arg(port.to_string());
    }
    for file in &overrides.identity_files {
        command.arg("-i").arg(file);
    }
    for (keyword, value) in &overrides.options {
        command.arg("-o").arg(format!("{keyword}={value}"));
    }
    command
        .arg("--")
        .arg(host)
        .stdin(std::process::Stdio::null());
    if let Some(home) = &overrides.home {
        command.env("HOME", home);
    }
    let output = match command.output().await {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(SshError::config("cannot run `ssh -G`").because(e)),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(
            SshError::config(format!("ssh refuses its configuration for {host}: {said}"))
                .hint(format!("run `ssh -G {host}` to see it")),
        );
    }
    let mut options = Options::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some((keyword, value)) = line.split_once(' ') {
            options
                .entry(keyword.to_ascii_lowercase())
                .or_default()
                .push(value.to_owned());
        }
    }
    Ok(Some(options))
}

fn read_files(
    host: &str,
    overrides: &Overrides,
    home: &Path,
    me: &str,
) -> Result<Options, SshError> {
    let files = match &overrides.config_file {
        Some(file) => vec![file.clone()],
        None => vec![
            home.join(".ssh/config"),
            PathBuf::from("/etc/ssh/ssh_config"),
        ],
    };
    let mut options = Options::new();
    for (keyword, value) in &overrides.options {
        options
            .entry(keyword.to_ascii_lowercase())
            .or_default()
            .push(value.clone());
    }
    let target = Target {
        host,
        user: overrides.user.as_deref(),
        local_user: me,
        home,
    };
    config_file::read(&files, &target, options)
}

fn local_user() -> String {
    ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| {
            if rustix::process::getuid().is_root() {
                "root".into()
            } else {
                "user".into()
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn our_own_reader_answers_as_ssh_does() {
        let home = tempfile::tempdir().expect("dir");
        std::fs::create_dir(home.path().join(".ssh")).expect("mkdir");
        let config = home.path().join("config");
        let text = "Host box\n HostName %h.example.org\n Port 2200\n User them\n IdentityFile ~/k_%r\n IdentitiesOnly yes\n UserKnownHostsFile ~/kh1 ~/kh2\n StrictHostKeyChecking accept-new\n ConnectTimeout 7\n ServerAliveInterval 11\n ProxyCommand nc %h %p\n HostKeyAlias alias\n HashKnownHosts yes\n AddressFamily inet\n CertificateFile ~/c-cert.pub\n PasswordAuthentication no\n";
        std::fs::write(&config, text).expect("write");
        let mut seen = Vec::new();
        for without_ssh in [false, true] {
            let overrides = Overrides {
                config_file: Some(config.clone()),
                home: Some(home.path().to_owned()),
                without_ssh,
                ..Overrides::default()
            };
            let mut r = resolve("box", &overrides).await.expect("resolve");
            // ssh expands ~ in UserKnownHostsFile by the password database, not by HOME.
            for path in &mut r.known_hosts {
                *path = PathBuf::from(path.file_name().unwrap_or_default());
            }
            r.overrides = Overrides::default();
            seen.push(format!("{r:#?}"));
            assert_eq!(r.host, "box.example.org");
            assert_eq!((r.port, r.user.as_str()), (2200, "them"));
            assert_eq!(r.identity_files, [home.path().join("k_them")]);
            assert_eq!(r.proxy_command.as_deref(), Some("nc box.example.org 2200"));
            assert_eq!(r.connect_timeout, Some(Duration::from_secs(7)));
            assert_eq!(r.family, Family::V4);
            assert!(r.identities_only && r.hash_known_hosts && !r.password);
        }
        assert_eq!(seen.first(), seen.last());
    }

    #[tokio::test]
    async fn what_the_caller_says_is_stronger() {
        let overrides = Overrides {
            config_file: Some("/dev/null".into()),
            identity_files: vec!["/k".into()],
            options: vec![("ProxyJump".into(), "a,me@b:23".into())],
            without_ssh: true,
            ..Overrides::default()
        };
        let r = resolve("you@box:99", &overrides).await.expect("resolve");
        assert_eq!((r.user.as_str(), r.port), ("you", 99));
        assert_eq!(r.proxy_jump, ["a", "me@b:23"]);
        assert_eq!(r.identity_files, [PathBuf::from("/k")]);
        assert_eq!(r.place(), "[box]:99");
    }
}
