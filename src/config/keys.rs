//! Every key there is: its shape, its variable, and what it is for. Files, variables, `config show`,
//! completion and remote.toml(5) all go by this table.

use super::value::Shape;

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Dotted: `ssh.host`.
    pub name: &'static str,
    pub shape: Shape,
    /// The variable that sets it.
    pub env: &'static str,
    /// Whether a repository's `.remote.toml` may set it.
    pub in_repo: bool,
    /// What holds where nothing is set, as it would be written.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

/// What `provider` may be.
const PROVIDERS: &[&str] = &["local", "ssh", "ec2"];
const SWITCH: &[&str] = &["yes", "no"];
const FORWARD: &[&str] = &["no", "ask", "yes"];
const PREDICT: &[&str] = &["always", "adaptive", "never"];
const MODES: &[&str] = &["autonomous", "careful"];

const fn key(name: &'static str, shape: Shape, env: &'static str, help: &'static str) -> Key {
    Key {
        name,
        shape,
        env,
        in_repo: false,
        default: None,
        help,
    }
}

impl Key {
    const fn in_repo(mut self) -> Self {
        self.in_repo = true;
        self
    }

    const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }
}

/// All keys, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    key(
        "provider",
        Shape::Choice(PROVIDERS),
        "REMOTE_PROVIDER",
        "Where sessions run",
    )
    .in_repo()
    .default("local"),
    key(
        "ssh.host",
        Shape::Text,
        "REMOTE_HOST",
        "The machine of the ssh provider, as ssh takes it: me@box, or a Host of ~/.ssh/config",
    ),
    key(
        "agent",
        Shape::Text,
        "REMOTE_AGENT",
        "The agent that runs a task",
    )
    .in_repo()
    .default("claude"),
    key(
        "mode",
        Shape::Choice(MODES),
        "REMOTE_MODE",
        "Whether agents ask for permission; by default careful on local and ssh, autonomous on ec2",
    ),
    key(
        "ttl",
        Shape::Duration,
        "REMOTE_TTL",
        "A session ends this long after its start, whatever happens",
    )
    .in_repo(),
    key(
        "idle",
        Shape::Duration,
        "REMOTE_IDLE",
        "A session ends after this long without output, CPU use and anybody attached",
    ),
    key(
        "linger",
        Shape::Duration,
        "REMOTE_LINGER",
        "A session ends this long after its work is over and nobody is attached",
    ),
    key(
        "wait_limit",
        Shape::Duration,
        "REMOTE_WAIT_LIMIT",
        "A session ends after an agent has waited this long for an answer",
    ),
    key(
        "setup",
        Shape::Text,
        "REMOTE_SETUP",
        "A shell command to run before the agents",
    )
    .in_repo(),
    key(
        "check",
        Shape::Text,
        "REMOTE_CHECK",
        "A shell command that says whether the work is good",
    )
    .in_repo(),
    key(
        "repo",
        Shape::Text,
        "REMOTE_REPO",
        "The repository that the machine clones where a dispatch is made from none",
    )
    .in_repo(),
    key(
        "auto_pull",
        Shape::Choice(SWITCH),
        "REMOTE_AUTO_PULL",
        "Whether agents' results are pulled by themselves while you follow or are attached",
    )
    .default("yes"),
    key(
        "secrets",
        Shape::Names,
        "REMOTE_SECRETS",
        "The secrets that every agent is given: [\"GITHUB_TOKEN\"]; see `remote secret`",
    ),
    key(
        "profile",
        Shape::Text,
        "REMOTE_PROFILE",
        "The profile of the AWS configuration",
    )
    .in_repo(),
    key("region", Shape::Text, "REMOTE_REGION", "The AWS region").in_repo(),
    key(
        "instance",
        Shape::Text,
        "REMOTE_INSTANCE",
        "The EC2 instance type",
    )
    .in_repo(),
    key(
        "auto.family",
        Shape::Text,
        "REMOTE_AUTO_FAMILY",
        "The family of EC2 types from which a machine is chosen by its task",
    )
    .default("m6i"),
    key(
        "auto.max_price",
        Shape::Money,
        "REMOTE_AUTO_MAX_PRICE",
        "What an hour of a machine may cost that is chosen by its task alone",
    )
    .default("$1.00"),
    key(
        "daily_budget",
        Shape::Money,
        "REMOTE_DAILY_BUDGET",
        "What a day may cost: the list of sessions shows it, and tells when it nears; it ends nothing",
    ),
    key(
        "ec2.image",
        Shape::Text,
        "REMOTE_EC2_IMAGE",
        "The machine's image: ubuntu-24.04, debian-12, amazon-linux-2023, ami-… or resolve:ssm:…",
    )
    .default("ubuntu-24.04"),
    key(
        "ec2.disk",
        Shape::Text,
        "REMOTE_EC2_DISK",
        "The size of the work volume: 20gb",
    )
    .default("20gb"),
    key(
        "ec2.subnet",
        Shape::Text,
        "REMOTE_EC2_SUBNET",
        "The subnet of the machines; by default EC2 chooses one of the default network",
    ),
    key(
        "ec2.ssh_from",
        Shape::Text,
        "REMOTE_EC2_SSH_FROM",
        "Who may reach port 22: auto (this device's public address) or networks such as 203.0.113.0/24, \
         separated by commas",
    )
    .default("auto"),
    key(
        "ec2.address_service",
        Shape::Text,
        "REMOTE_EC2_ADDRESS_SERVICE",
        "A URL that answers with this device's public address, for ec2.ssh_from = \"auto\"",
    )
    .default("https://checkip.amazonaws.com"),
    key(
        "ec2.sudo",
        Shape::Choice(SWITCH),
        "REMOTE_EC2_SUDO",
        "Whether agents may use sudo on the machine, which is theirs and is thrown away",
    )
    .default("yes"),
    key(
        "forward_agent",
        Shape::Choice(FORWARD),
        "REMOTE_FORWARD_AGENT",
        "Whether agents may use the SSH agent of who is attached, and whether each key is asked for first",
    )
    .default("no"),
    key(
        "detach_key",
        Shape::Text,
        "REMOTE_DETACH_KEY",
        "A further key that leaves an attached session, by its tmux name: C-]",
    ),
    key(
        "predict",
        Shape::Choice(PREDICT),
        "REMOTE_PREDICT",
        "Whether keys are shown before an attached host has answered: adaptive is where it is far or slow",
    )
    .default("adaptive"),
    key(
        "screen_reader",
        Shape::Choice(SWITCH),
        "REMOTE_SCREEN_READER",
        "Whether all is told in plain lines, nothing drawn over: for screen readers and Braille lines",
    )
    .default("no"),
    key(
        "scrollback",
        Shape::Count(1_000_000),
        "REMOTE_SCROLLBACK",
        "Lines above the screen that attach brings into the terminal's own scrollback",
    )
    .default("1000"),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.name == name)
}

/// The name nearest to what was written, where one is near enough to be meant.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The variable that `written` was meant to be, where it is none but near to one.
pub fn meant_variable(written: &str) -> Option<&'static str> {
    let tail = |name: &'static str| name.strip_prefix("REMOTE_");
    let near = nearest(
        written.strip_prefix("REMOTE_")?,
        KEYS.iter().filter_map(|k| tail(k.env)),
    )?;
    let key = KEYS.iter().find(|k| tail(k.env) == Some(near))?;
    (key.env != written).then_some(key.env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
        let names = || KEYS.iter().map(|k| k.name);
        assert_eq!(nearest("provder", names()), Some("provider"));
        assert_eq!(nearest("wait-limit", names()), Some("wait_limit"));
        assert_eq!(nearest("tll", names()), Some("ttl"));
        assert_eq!(nearest("banana", names()), None);
        assert_eq!(meant_variable("REMOTE_PROVIDR"), Some("REMOTE_PROVIDER"));
        assert_eq!(meant_variable("REMOTE_PROVIDER"), None);
        for of_the_host in ["REMOTE_SESSION", "REMOTE_AGENT_SOCKET"] {
            assert_eq!(meant_variable(of_the_host), None);
        }
    }

    #[test]
    fn defaults_are_of_their_own_shape() {
        for key in KEYS {
            if let Some(default) = key.default {
                assert!(key.shape.parse(default).is_ok(), "{}", key.name);
            }
        }
    }
}
