//! From ssh_config's words to the data of a connection: defaults, percent tokens, paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config_file::Options;
use super::known_hosts::Strict;
use super::resolve::{AgentSocket, Family, Overrides, Resolved};

const DEFAULT_IDENTITIES: &[&str] = &["id_ed25519", "id_ecdsa", "id_rsa"];

pub fn is_yes(values: &[String]) -> bool {
    values
        .first()
        .is_some_and(|v| matches!(v.to_ascii_lowercase().as_str(), "yes" | "true"))
}

/// What the options come to, defaults filled in.
pub fn from_options(
    options: &Options,
    typed: &str,
    overrides: &Overrides,
    home: &Path,
    me: &str,
) -> Resolved {
    let one = |key: &str| options.get(key).and_then(|v| v.first()).map(String::as_str);
    let value = |key: &str| one(key).filter(|v| !v.eq_ignore_ascii_case("none"));
    let yes = |key: &str, default: bool| options.get(key).map_or(default, |v| is_yes(v));
    let seconds = |key: &str| {
        let n = value(key).and_then(|v| v.parse::<u64>().ok());
        n.filter(|n| *n > 0).map(Duration::from_secs)
    };
    let host = value("hostname").map_or_else(|| typed.to_owned(), |h| h.replace("%h", typed));
    let port = overrides
        .port
        .or_else(|| value("port").and_then(|p| p.parse().ok()))
        .unwrap_or(22);
    let user = overrides
        .user
        .clone()
        .or_else(|| value("user").map(str::to_owned));
    let user = user.unwrap_or_else(|| me.to_owned());
    let names = Names {
        typed,
        host: &host,
        port,
        user: &user,
        home,
        me,
    };
    let files = |key: &str| -> Vec<PathBuf> {
        let all = options.get(key).map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .filter(|v| *v != "none")
            .map(|v| names.path(v))
            .collect()
    };
    let several = |key: &str, default: &[PathBuf]| -> Vec<PathBuf> {
        match one(key) {
            Some("none") => Vec::new(),
            Some(v) => v.split_whitespace().map(|v| names.path(v)).collect(),
            None => default.to_vec(),
        }
    };
    let mut identity_files = overrides.identity_files.clone();
    for file in files("identityfile") {
        if !identity_files.contains(&file) {
            identity_files.push(file);
        }
    }
    if identity_files.is_empty() && !options.contains_key("identityfile") {
        let defaults = DEFAULT_IDENTITIES.iter();
        identity_files.extend(defaults.map(|name| home.join(".ssh").join(name)));
    }
    let agent = match one("identityagent") {
        None | Some("SSH_AUTH_SOCK") => AgentSocket::Environment,
        Some("none") => AgentSocket::Disabled,
        Some(v) => match v.strip_prefix('$') {
            Some(name) => std::env::var_os(name.trim_matches(['{', '}']))
                .map_or(AgentSocket::Disabled, |path| AgentSocket::Path(path.into())),
            None => AgentSocket::Path(names.path(v)),
        },
    };
    let jumps = value("proxyjump").unwrap_or_default();
    let ssh = home.join(".ssh");
    Resolved {
        identity_files,
        agent,
        certificate_files: files("certificatefile"),
        identities_only: yes("identitiesonly", false),
        proxy_command: value("proxycommand").map(|c| names.expand(c)),
        proxy_jump: jumps
            .split(',')
            .map(str::trim)
            .filter(|j| !j.is_empty())
            .map(str::to_owned)
            .collect(),
        host_key_alias: value("hostkeyalias").map(|a| names.expand(a)),
        known_hosts: several(
            "userknownhostsfile",
            &[ssh.join("known_hosts"), ssh.join("known_hosts2")],
        ),
        known_hosts_global: several(
            "globalknownhostsfile",
            &[
                "/etc/ssh/ssh_known_hosts".into(),
                "/etc/ssh/ssh_known_hosts2".into(),
            ],
        ),
        hash_known_hosts: yes("hashknownhosts", false),
        strict: Strict::parse(one("stricthostkeychecking").unwrap_or("ask")),
        connect_timeout: seconds("connecttimeout"),
        tcp_timeout: None,
        alive_interval: seconds("serveraliveinterval"),
        alive_count: value("serveralivecountmax")
            .and_then(|v| v.parse().ok())
            .unwrap_or(3),
        family: match one("addressfamily") {
            Some("inet") => Family::V4,
            Some("inet6") => Family::V6,
            _ => Family::Any,
        },
        publickey: yes("pubkeyauthentication", true)
            || matches!(one("pubkeyauthentication"), Some("unbound" | "host-bound")),
        keyboard_interactive: yes("kbdinteractiveauthentication", true),
        password: yes("passwordauthentication", true),
        password_prompts: value("numberofpasswordprompts")
            .and_then(|v| v.parse().ok())
            .unwrap_or(3),
        destination: typed.to_owned(),
        overrides: overrides.clone(),
        port,
        user,
        host,
    }
}

/// What the percent tokens of ssh_config stand for.
struct Names<'a> {
    typed: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
    home: &'a Path,
    me: &'a str,
}

impl Names<'_> {
    fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('h') => out.push_str(self.host),
                Some('n' | 'k') => out.push_str(self.typed),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('u') => out.push_str(self.me),
                Some('d') => out.push_str(&self.home.to_string_lossy()),
                Some('i') => out.push_str(&rustix::process::getuid().as_raw().to_string()),
                Some('l' | 'L') => {
                    let name = rustix::system::uname()
                        .nodename()
                        .to_string_lossy()
                        .into_owned();
                    out.push_str(&name);
                }
                Some('%') | None => out.push('%'),
                Some(other) => out.extend(['%', other]),
            }
        }
        out
    }

    fn path(&self, text: &str) -> PathBuf {
        let text = self.expand(text);
        match text.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(text),
        }
    }
}
