//! Starting a session: from what was asked for, already checked, to a host that listens.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;

use super::cloud;
use super::handover::{provider, record};
use super::reach::HostConn;
use super::registry::{Known, Registry};
use crate::config::{Config, Paths};
use crate::error::{Context, Error, Result};
use crate::model::{AgentSpec, Ends, Millis, SessionId, SessionSpec};
use crate::provision::{Binaries, Keys, Launch, MachineWish, Steps};
use crate::ssh::{Ask, keys};

/// The shortest and the longest TTL.
pub const TTL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(365 * 24 * 3600);

/// Where a session is to run.
#[derive(Debug, Clone)]
pub enum Place {
    Local,
    Ssh {
        /// What one would type after `ssh`.
        destination: String,
        binaries: Binaries,
    },
    /// A machine that is rented for the session.
    Ec2(Box<Cloud>),
}

/// With whose account, and where.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub config: Config,
    /// Another region than the configured one.
    pub region: Option<String>,
    pub binaries: Binaries,
}

impl Place {
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh { .. } => "ssh",
            Self::Ec2(_) => "ec2",
        }
    }
}

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
}

/// A session that has begun.
pub struct Started {
    pub known: Known,
    /// The way to its host, where one is open already.
    pub host: Option<HostConn>,
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

/// Starts a session. A start that fails leaves nothing behind.
///
/// # Errors
/// The name is taken, an agent's program is missing, the machine cannot be reached, the host does not start.
pub async fn start(
    paths: &Paths,
    registry: &Registry,
    order: Order,
    now: Millis,
    ask: Arc<dyn Ask>,
    steps: Steps<'_>,
) -> Result<Started> {
    if let Some(name) = &order.name {
        check_name(registry, name)?;
    }
    let spec = SessionSpec {
        id: order.id,
        name: order.name,
        task: order.task,
        provider: order.place.provider().to_owned(),
        owner: super::who(),
        created: now,
        ends: order.ends,
        agents: order.agents,
        price_microusd_per_hour: order.microusd_per_hour,
        budget_microusd: order.budget_microusd,
    };
    let keys = match order.place {
        Place::Local => Some(fresh_keys()?),
        Place::Ssh { .. } | Place::Ec2(_) => None,
    };
    if let Place::Ssh { destination, .. } = &order.place {
        steps(&format!("connect {destination}"));
    }
    let (compute, connection) = provider(paths, &order.place, ask).await?;
    let mut launch = Launch {
        spec,
        keys,
        wish: order.wish,
    };
    launch.spec.price_microusd_per_hour = compute.price(&launch.spec).await?.microusd_per_hour;
    match &launch.wish {
        Some(wish) => steps(&format!("launch {}", wish.instance_type)),
        None => steps("start"),
    }
    let endpoint = compute.launch(&launch, steps).await?;
    let rented = match &launch.wish {
        // Which region it is in, for verbs that ask there; the tags tell it again if this does not.
        Some(_) => compute
            .describe(&launch.spec.id)
            .await
            .ok()
            .and_then(|m| m.rented),
        None => None,
    };
    record(registry, &launch.spec, &endpoint, rented)?;
    let known = registry.resolve(launch.spec.id.as_str())?;
    let host = match connection {
        Some(connection) => Some(HostConn::over(&known, connection)?),
        None => None,
    };
    Ok(Started { known, host })
}

/// Takes back a machine whose launch is not through: nothing of value is on it yet.
///
/// # Errors
/// AWS cannot be asked: the error says what may still be there.
pub async fn undo(
    paths: &Paths,
    registry: &Registry,
    place: &Place,
    id: &SessionId,
    ask: Arc<dyn Ask>,
) -> Result<()> {
    let Place::Ec2(place) = place else {
        return Ok(());
    };
    let region = place.region.as_deref();
    let ec2 = cloud::open(paths, &place.config, region, &place.binaries, ask).await?;
    let left = ec2.abandon(id, &|_| {}).await;
    if !left.is_empty() {
        return Err(
            Error::connection(format!("of {id} stays: {}", left.join(", ")))
                .hint("its machine ends itself within ten minutes; `remote gc` lists what is left"),
        );
    }
    registry.ledger().remove(id)
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

fn fresh_keys() -> Result<Keys> {
    let text = || {
        keys::generate_ed25519()
            .to_openssh(LineEnding::LF)
            .map(|t| t.to_string())
            .context("a key cannot be made")
    };
    Ok(Keys {
        host: text()?,
        client: text()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn keys_are_fresh_and_readable() -> Result<()> {
        let keys = fresh_keys()?;
        assert_ne!(keys.host, keys.client);
        assert!(
            keys.host
                .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        );
        Ok(())
    }
}
