//! The environment that agents and logins on a session's machine get: the host's own, without what speaks of
//! the terminal or session that happened to start the host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::hub::Hub;
use crate::model::{AgentSpec, SessionId};

/// Variables that describe the starter's terminal or connection: wrong inside an agent's.
const NOT_OURS: &[&str] = &[
    "COLORTERM",
    "COLUMNS",
    "DISPLAY",
    "GPG_TTY",
    "KITTY_PID",
    "KITTY_WINDOW_ID",
    "LINES",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_ORIGINAL_COMMAND",
    "SSH_TTY",
    "STY",
    "TERM",
    "TERMCAP",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TMUX",
    "TMUX_PANE",
    "VTE_VERSION",
    "WEZTERM_PANE",
    "WINDOWID",
    "_",
];

/// By which programs find an SSH agent.
const SSH_AUTH_SOCK: &str = "SSH_AUTH_SOCK";

/// What every program in a session gets, made from the host's variables.
pub fn base(host: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = host
        .into_iter()
        .filter(|(name, _)| !NOT_OURS.contains(&name.as_str()) && !name.starts_with("REMOTE_"))
        .collect();
    let set =
        |name: &str, env: &BTreeMap<String, String>| env.get(name).is_some_and(|v| !v.is_empty());
    if !["LC_ALL", "LC_CTYPE", "LANG"].iter().any(|n| set(n, &env)) {
        env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    }
    if !set("PATH", &env) {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        env.insert("PATH".to_owned(), path.to_owned());
    }
    env.insert("TERM".to_owned(), "xterm-256color".to_owned());
    env.insert("COLORTERM".to_owned(), "truecolor".to_owned());
    env
}

/// One agent's: `base`, what its specification sets, and the marks by which hooks and the wrap-up find it.
pub fn agent(
    base: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    session: &SessionId,
    number: u32,
    agent_socket: &Path,
) -> BTreeMap<String, String> {
    let mut env = base.clone();
    env.extend(own.iter().map(|(k, v)| (k.clone(), v.clone())));
    let mut mark = |name: &str, value: String| env.insert(name.to_owned(), value);
    mark("REMOTE_SESSION", session.to_string());
    mark("REMOTE_AGENT", number.to_string());
    mark("REMOTE_AGENT_SOCKET", agent_socket.display().to_string());
    mark("REMOTE_BINARY", binary(agent_socket).display().to_string());
    env
}

/// One agent's, with the SSH agent that is lent where it is to see that one: where it was asked for, and on a rented
/// machine, which has no other.
pub fn of_agent(hub: &Hub, spec: &AgentSpec) -> BTreeMap<String, String> {
    let mut env = agent(&hub.env, &spec.env, &hub.id, spec.number, &hub.agent_socket);
    let lent = spec.forward_agent || hub.rented.is_some();
    if lent && !spec.env.contains_key(SSH_AUTH_SOCK) {
        let socket = ssh_agent(&hub.agent_socket).display().to_string();
        env.insert(SSH_AUTH_SOCK.to_owned(), socket);
    }
    env
}

/// Where the SSH agent is that clients lend: programs keep the path for as long as they live, so it is always the same.
pub fn ssh_agent(agent_socket: &Path) -> PathBuf {
    agent_socket.with_file_name("ssh.sock")
}

/// Where agents' hooks find `remote`: a link beside their socket, which stays when the host's binary is replaced.
pub fn binary(agent_socket: &Path) -> PathBuf {
    agent_socket.with_file_name("remote")
}

/// The host's own variables; those that are not UTF-8 are left out.
pub fn of_this_process() -> BTreeMap<String, String> {
    base(
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn the_starters_terminal_is_left_out_and_utf8_put_in() {
        let env = base(vars(&[
            ("TERM", "screen"),
            ("TMUX", "x"),
            ("REMOTE_SESSION", "session-outer2"),
            ("HOME", "/home/me"),
            ("LANG", ""),
        ]));
        assert_eq!(env["TERM"], "xterm-256color");
        assert_eq!(env["LANG"], "C.UTF-8");
        assert!(!env.contains_key("TMUX") && !env.contains_key("REMOTE_SESSION"));
        assert!(env["PATH"].contains("/usr/bin") && env["HOME"] == "/home/me");
    }

    #[test]
    fn the_agents_own_settings_win_but_not_over_the_marks() {
        let own = vars(&[("TERM", "dumb"), ("REMOTE_AGENT", "9")]);
        let id: SessionId = "session-abc234".parse().expect("a name");
        let env = agent(&base([]), &own, &id, 2, Path::new("/s/agent.sock"));
        assert_eq!(
            (env["TERM"].as_str(), env["REMOTE_AGENT"].as_str()),
            ("dumb", "2")
        );
        assert_eq!(env["REMOTE_SESSION"], "session-abc234");
        assert_eq!(env["REMOTE_BINARY"], "/s/remote");
    }
}
