//! Git's credentials for an agent: its git is told, through the environment alone, to ask `remote host git-credential`,
//! which asks the host. So no file holds a token, and one that is sent anew is used at once.

use std::collections::BTreeMap;
use std::io::Read;

use super::notify::{Place, ask};
use crate::error::{Context, Result};
use crate::model::AgentSpec;
use crate::model::secret::{GIT_CREDENTIALS, git_secret};
use crate::proto::{Op, Outcome};

/// A shell snippet, as git takes it: the binary is found as hooks find it.
const HELPER: &str = "!\"$REMOTE_BINARY\" host git-credential";
/// What git says of itself is a few lines.
const MOST: u64 = 64 * 1024;

/// Has git ask us for the hosts that the agent has a secret for, and no helper of the machine's.
pub fn configure_git(spec: &AgentSpec, env: &mut BTreeMap<String, String>) {
    let pairs = spec.env.get(GIT_CREDENTIALS).into_iter();
    let hosts: Vec<&str> = pairs
        .flat_map(|l| l.split_whitespace())
        .filter_map(|pair| pair.split_once('='))
        .map(|(host, _)| host)
        .filter(|host| git_secret(&spec.env, host).is_some())
        .collect();
    if hosts.is_empty() {
        return;
    }
    let count = env.get("GIT_CONFIG_COUNT").and_then(|n| n.parse().ok());
    let mut count: usize = count.unwrap_or(0);
    for host in hosts {
        // The empty one takes away what the machine's own configuration would ask.
        for helper in ["", HELPER] {
            env.insert(
                format!("GIT_CONFIG_KEY_{count}"),
                format!("credential.https://{host}.helper"),
            );
            env.insert(format!("GIT_CONFIG_VALUE_{count}"), helper.to_owned());
            count += 1;
        }
    }
    env.insert("GIT_CONFIG_COUNT".to_owned(), count.to_string());
}

/// What git is told: its lines, or nothing where it is not our business.
///
/// # Errors
/// Not run by an agent, or its host refuses.
pub async fn answer(operation: &str, input: impl Read) -> Result<Vec<String>> {
    // Storing and erasing are not for us.
    if operation != "get" {
        return Ok(Vec::new());
    }
    let mut text = String::new();
    input
        .take(MOST)
        .read_to_string(&mut text)
        .context("git's question cannot be read")?;
    let said = |key: &str| {
        let mut lines = text.lines().filter_map(|l| l.split_once('='));
        lines.find(|(k, _)| *k == key).map(|(_, v)| v)
    };
    let (Some("https"), Some(host)) = (said("protocol"), said("host")) else {
        return Ok(Vec::new());
    };
    let place = Place::from_env()?;
    let op = Op::GitCredential {
        agent: place.agent,
        host: host.to_owned(),
    };
    Ok(match ask(&place, op).await? {
        Outcome::Credential { password } => {
            let user = said("username").unwrap_or(user_of(host));
            vec![
                format!("username={user}"),
                format!("password={}", password.expose()),
            ]
        }
        _ => Vec::new(),
    })
}

/// Whom a token stands for: hosts look at the token, and want some name beside it.
fn user_of(host: &str) -> &'static str {
    match host {
        h if h.contains("gitlab") => "oauth2",
        h if h.contains("bitbucket") => "x-token-auth",
        _ => "x-access-token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DEFAULT_SIZE;
    use crate::model::secret::GIVEN;

    #[test]
    fn git_is_told_after_what_it_was_told_already() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            pairs.iter().map(own).collect()
        };
        let spec = AgentSpec {
            number: 1,
            name: String::new(),
            argv: Vec::new(),
            resume: Vec::new(),
            env: map(&[
                (GIVEN, "GITHUB_TOKEN"),
                (GIT_CREDENTIALS, "github.com=GITHUB_TOKEN gitlab.com=OTHER"),
            ]),
            cwd: "/".into(),
            size: DEFAULT_SIZE,
            task: String::new(),
            check: None,
            push: None,
            forward_agent: false,
        };
        let mut env = map(&[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "a.b")]);
        configure_git(&spec, &mut env);
        assert_eq!(env["GIT_CONFIG_COUNT"], "3");
        assert_eq!(
            env["GIT_CONFIG_KEY_1"],
            "credential.https://github.com.helper"
        );
        assert_eq!(
            (
                env["GIT_CONFIG_VALUE_1"].as_str(),
                env["GIT_CONFIG_VALUE_2"].as_str()
            ),
            ("", HELPER)
        );
    }

    #[tokio::test]
    async fn what_is_not_our_business_is_answered_with_nothing() {
        let ask = |operation, text: &'static str| answer(operation, text.as_bytes());
        assert!(
            ask("store", "protocol=https\nhost=github.com\n")
                .await
                .is_ok_and(|l| l.is_empty())
        );
        assert!(
            ask("get", "protocol=http\nhost=github.com\n")
                .await
                .is_ok_and(|l| l.is_empty())
        );
    }
}
