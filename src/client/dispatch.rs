//! What is asked for when a session is started, and the checks of it; `site` starts it.

use std::time::Duration;

use super::reach::HostConn;
use super::registry::{Known, Registry};
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, Ends, OnWorkspace, SessionId};
use crate::provision::MachineWish;

pub use super::place::{Cloud, Place};

/// The shortest and the longest TTL.
pub const TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 3600);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: SessionId,
    pub name: Option<String>,
    pub task: String,
    pub place: Place,
    pub ends: Ends,
    pub agents: Vec<AgentSpec>,
    /// What to rent, where a machine is rented.
    pub wish: Option<MachineWish>,
    /// What an hour of it costs at most, volumes and address included.
    pub microusd_per_hour: u64,
    pub budget_microusd: Option<u64>,
    pub workspace: Option<OnWorkspace>,
}

/// A session that has begun.
pub struct Started {
    pub known: Known,
    /// The way to its host, where one is open already.
    pub host: Option<HostConn>,
    /// A repository was brought: there will be branches.
    pub repository: bool,
}

/// A time that a person gave for `what` (`--ttl`), checked.
///
/// # Errors
/// Zero, or over a year: it names the value.
pub fn checked(what: &str, time: Duration) -> Result<Duration> {
    if TTL.contains(&time) {
        return Ok(time);
    }
    let value = humantime::format_duration(time);
    let problem = if time < *TTL.start() {
        "is too short: the shortest is 1s"
    } else {
        "is too long: the longest is 365days"
    };
    let example = match what.starts_with("--") {
        true => format!("{what} 90m"),
        false => "90m".to_owned(),
    };
    Err(Error::user(format!("{what} {value} {problem}"))
        .hint(format!("say for example `{example}`")))
}

/// Checks a `--name`: short, printable, no other live session's, and not to be taken for a session's own.
///
/// # Errors
/// It cannot be used; the error says why.
pub fn check_name(registry: &Registry, name: &str) -> Result<()> {
    let sound = !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if !sound || name.parse::<SessionId>().is_ok() {
        return Err(
            Error::user(format!("`{name}` cannot be a session's name")).hint(
                "use up to 64 letters, digits, `-`, `_` and `.`, and not six of a-z and 2-7 alone",
            ),
        );
    }
    let taken = registry.all(false)?;
    match taken.iter().find(|k| k.name.as_deref() == Some(name)) {
        Some(other) => Err(
            Error::user(format!("{} is named `{name}` already", other.id))
                .hint("choose another name, or run `remote rename` on that one first"),
        ),
        None => Ok(()),
    }
}

/// An identity that no session known here has.
///
/// # Errors
/// No random bytes, or the sessions' directory cannot be read.
pub fn fresh_id(registry: &Registry) -> Result<SessionId> {
    loop {
        let id = SessionId::generate().context("the system gives no random bytes")?;
        if !registry.contains(&id)? {
            return Ok(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Paths;

    #[test]
    fn times_of_nothing_and_of_ten_years_are_refused() {
        for (time, ok) in [
            (Duration::ZERO, false),
            (Duration::from_millis(999), false),
            (Duration::from_secs(1), true),
            (Duration::from_secs(90 * 60), true),
            (Duration::from_secs(365 * 86_400), true),
            (Duration::from_secs(3650 * 86_400), false),
        ] {
            assert_eq!(checked("--ttl", time).is_ok(), ok, "{time:?}");
        }
        let error = checked("--ttl", Duration::from_secs(10 * 31_557_600)).expect_err("ten years");
        assert!(
            error.message.starts_with("--ttl 10years is too long"),
            "{error}"
        );
        let error = checked("--ttl", Duration::ZERO).expect_err("nothing");
        assert!(
            error.message.starts_with("--ttl 0s is too short"),
            "{error}"
        );
    }

    #[test]
    fn names_are_not_taken_for_anything_else() -> Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let registry = Registry::open(&paths)?;
        for good in ["auth", "Auth-2.0_x", "überfall"] {
            assert!(check_name(&registry, good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a/b", "a b", "abc234", "session-abc234", "x\n"] {
            assert!(check_name(&registry, bad).is_err(), "{bad}");
        }
        Ok(())
    }
}
