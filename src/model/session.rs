//! A session as it was asked for ([`SessionSpec`]) and as its host reports it ([`SessionStatus`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AgentState, Check, CheckSpec, Evidence, Load, Millis, News, Push, SessionId, Work};

/// EC2 calls so many bytes a GB of a volume.
const GIB: u64 = 1 << 30;

/// A terminal's size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    pub cols: u16,
    pub rows: u16,
}

/// The size of an agent's terminal before anybody has attached.
pub const DEFAULT_SIZE: Size = Size {
    cols: 120,
    rows: 40,
};

impl Size {
    /// The size a PTY or an emulator can really have: 1..=1000 columns, 1..=1000 rows.
    pub fn clamped(self) -> Self {
        Self {
            cols: self.cols.clamp(1, 1000),
            rows: self.rows.clamp(1, 1000),
        }
    }
}

/// Whether an agent may act without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Never stops to ask for permission.
    Autonomous,
    /// Asks, as it would on a person's own machine.
    #[default]
    Careful,
}

/// In an agent's environment: the shell command that its host runs when an end of the session nears.
pub const ON_WARNING: &str = "REMOTE_ON_WARNING";
/// In that command's environment: the warning.
pub const WARNING: &str = "REMOTE_WARNING";

/// One agent as it was asked for. Holds no secret: it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// From 1, unique in its session. 0 in a request means "the next free one".
    pub number: u32,
    /// The configured agent's name (`claude`), or the command's first word.
    pub name: String,
    pub argv: Vec<String>,
    /// How to start it again where it left off; `argv` where empty.
    #[serde(default)]
    pub resume: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    pub size: Size,
    #[serde(default)]
    pub task: String,
    /// Run whenever it is done, or has exited with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckSpec>,
    /// Where its branch is pushed to whenever it is done, without credentials. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// It sees the SSH agents of clients that lend theirs, and no other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward_agent: bool,
}

/// When a session ends by itself. `None` means never by that clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ends {
    /// The hard deadline, absolute.
    #[serde(default)]
    pub deadline: Option<Millis>,
    /// After the work is over and nobody is attached.
    #[serde(default)]
    pub linger_ms: Option<Millis>,
    /// After nothing happened and nobody is attached.
    #[serde(default)]
    pub idle_ms: Option<Millis>,
    /// After an agent has waited this long for an answer.
    #[serde(default)]
    pub wait_limit_ms: Option<Millis>,
    /// Only the deadline (and a budget) count.
    #[serde(default)]
    pub keep: bool,
    /// Where its machine is taken away, whoever follows it puts it back on another one. Since 1.3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume: bool,
    /// What an hour of that one may cost, and whether it may be one on demand. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_max_microusd: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resume_on_demand: bool,
}

impl Ends {
    /// `self.deadline` set to `ttl` from `now`.
    pub fn with_ttl(mut self, now: Millis, ttl: Duration) -> Self {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.deadline = Some(now.saturating_add(ttl));
        self
    }
}

/// What session.json holds: the session as it was asked for, kept up to date by its host. No secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub id: SessionId,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub task: String,
    /// `local`, `ssh` or `ec2`.
    pub provider: String,
    /// Who asked: `user@machine`, for people to read.
    #[serde(default)]
    pub owner: String,
    pub created: Millis,
    pub ends: Ends,
    pub agents: Vec<AgentSpec>,
    /// $/h in micro-dollars; 0 where nothing costs.
    #[serde(default)]
    pub price_microusd_per_hour: u64,
    /// What the session may cost in all, in micro-dollars; the host ends it before it costs more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_microusd: Option<u64>,
    /// The workspace that it works on. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<OnWorkspace>,
}

/// A workspace as a session has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnWorkspace {
    pub name: String,
    /// Where its files lie on the session's machine: `/work` where it is a volume.
    pub dir: PathBuf,
}

/// How to reach a running host; written by the host as `endpoint.json` once it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEndpoint {
    pub pid: u32,
    /// The embedded SSH server's port on 127.0.0.1 (`local` only).
    #[serde(default)]
    pub port: Option<u16>,
    /// Its public host key, in OpenSSH's one-line form.
    #[serde(default)]
    pub host_key: Option<String>,
    /// The login user that the embedded server accepts.
    #[serde(default)]
    pub user: Option<String>,
    pub socket: PathBuf,
    pub agent_socket: PathBuf,
    pub started: Millis,
    /// `remote`'s version, e.g. `0.1.0`.
    pub version: String,
}

/// One agent as its host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    pub number: u32,
    pub name: String,
    pub argv: Vec<String>,
    #[serde(default)]
    pub task: String,
    #[serde(flatten)]
    pub state: AgentState,
    /// When it entered this state.
    pub since: Millis,
    pub evidence: Evidence,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub pid: Option<u32>,
    pub size: Size,
    pub started: Millis,
    #[serde(default)]
    pub ended: Option<Millis>,
    /// Bytes of output so far.
    #[serde(default)]
    pub bytes: u64,
    /// A full-screen program (alternate screen, or it moves about) rather than lines.
    #[serde(default)]
    pub full_screen: bool,
    /// Of its work; `None` where it was never checked. Stale while it works on. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// What it had made when it was last done, or ended; `None` without a repository. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// Of its branch; `None` where it was never to be pushed. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// Its session ended while it ran: it is started again where that is resumed. Since 1.3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

#[cfg(test)]
impl AgentStatus {
    /// An agent in this state, in tests.
    pub(crate) fn sample(number: u32, state: AgentState) -> Self {
        Self {
            number,
            name: "sh".to_owned(),
            argv: vec!["sh".to_owned()],
            task: String::new(),
            state,
            since: 0,
            evidence: Evidence {
                source: super::Source::Process,
                at: 0,
                message: None,
                progress: None,
            },
            title: String::new(),
            pid: None,
            size: DEFAULT_SIZE,
            started: 0,
            ended: None,
            bytes: 0,
            full_screen: false,
            check: None,
            work: None,
            push: None,
            cut: false,
        }
    }
}

/// A client that is attached now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedClient {
    pub agent: u32,
    pub since: Millis,
    pub size: Size,
    pub read_only: bool,
    /// `user@machine`, as the client says.
    #[serde(default)]
    pub who: String,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// All agents have exited (`local`, `ssh`).
    Exited,
    /// The work is over and nobody is attached.
    Over,
    Idle,
    /// A question was never answered.
    Unanswered,
    Ttl,
    Budget,
    /// A person asked for it.
    Terminated,
    /// The machine is being taken away.
    Interrupted,
    /// Its host died.
    Lost,
    #[serde(other)]
    Unknown,
}

/// An end that will come if nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub kind: EndKind,
    pub at: Millis,
    /// One line for people: `nobody attached and all agents done`.
    pub why: String,
}

/// The end that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub kind: EndKind,
    pub at: Millis,
    pub why: String,
}

/// How full a volume is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    pub size: u64,
    pub used: u64,
}

impl VolumeUse {
    /// From 0 to 100, rounded up: 100 is full, to the last block.
    pub fn percent(self) -> u64 {
        let used = u128::from(self.used.min(self.size)) * 100;
        u64::try_from(used.div_ceil(u128::from(self.size.max(1)))).unwrap_or(100)
    }
}

impl fmt::Display for VolumeUse {
    /// `3.1 of 8.0 GB used (39%)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = |bytes: u64| u128::from(bytes) * 10 / u128::from(GIB);
        let (used, size) = (tenths(self.used), tenths(self.size));
        let gb = |tenths: u128| format!("{}.{}", tenths / 10, tenths % 10);
        let percent = self.percent();
        write!(f, "{} of {} GB used ({percent}%)", gb(used), gb(size))
    }
}

/// A session as its host reports it; `last.json` in its directory is the newest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    pub spec: SessionSpec,
    pub agents: Vec<AgentStatus>,
    #[serde(default)]
    pub attached: Vec<AttachedClient>,
    /// Ends to come, the next one first.
    #[serde(default)]
    pub ends: Vec<End>,
    #[serde(default)]
    pub ended: Option<Ended>,
    /// What is wrong but not fatal: `history of agent 2 stopped: no space left on device`.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The newest news, in order. Since 1.3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<News>,
    /// How full its work volume is; of a rented machine only. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeUse>,
    /// How busy its machine is; absent where that was not seen lately. Since 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// The host's clock when this was made.
    pub now: Millis,
    /// The host's `remote` version.
    pub version: String,
}

impl SessionStatus {
    /// The agent that a person most likely means: one that waits for an answer, else the first that lives,
    /// else the first.
    pub fn most_wanted(&self) -> Option<u32> {
        let rank = |a: &AgentStatus| match a.state {
            AgentState::Blocked { .. } => 0,
            state if !state.is_over() => 1,
            _ => 2,
        };
        let first = self.agents.iter().min_by_key(|a| (rank(a), a.number));
        first.map(|a| a.number)
    }
}
