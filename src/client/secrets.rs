//! Secrets on their way to a session's host: from where this device keeps them into an SSH channel, through this
//! process' memory and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Control;
use crate::config::Paths;
use crate::error::{Error, Result};
use crate::model::{Millis, SecretValue};
use crate::proto::{Op, Outcome};
use crate::secret::{Passphrase, Store, expiry};

/// Values by name.
pub type Values = BTreeMap<String, SecretValue>;

/// Takes the values of `names` from where they are kept, which may ask the person and run commands.
///
/// # Errors
/// One is not known here, or its place does not give it.
pub async fn values(
    paths: &Paths,
    names: Vec<String>,
    person: Arc<dyn Passphrase>,
) -> Result<Values> {
    if names.is_empty() {
        return Ok(Values::new());
    }
    let store = Store::open(paths)?;
    // It waits for a person.
    let taken = tokio::task::spawn_blocking(move || {
        names
            .into_iter()
            .map(|name| store.get(&name, person.as_ref()).map(|value| (name, value)))
            .collect()
    });
    taken
        .await
        .map_err(|e| Error::internal("the secrets cannot be read").because(e))?
}

/// What those that say when they end say: those that do before `until`, soonest first.
pub fn ending(values: &Values, until: Millis) -> Vec<(&str, Millis)> {
    let ends = values
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), expiry(value.expose())?)));
    let mut ends: Vec<_> = ends.filter(|(_, at)| *at < until).collect();
    ends.sort_by_key(|(_, at)| *at);
    ends
}

/// Gives a host values for its agents.
///
/// # Errors
/// It is too old, or refuses.
pub async fn send(control: &mut Control, values: &Values) -> Result<()> {
    for (name, value) in values {
        // Each alone: together they could be longer than a frame.
        let secrets = BTreeMap::from([(name.clone(), value.clone())]);
        control.ask(Op::Secrets { secrets }).await?;
    }
    Ok(())
}

/// Which of `names` the host does not have.
///
/// # Errors
/// As [`send`].
pub async fn missing(control: &mut Control, names: Vec<String>) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(names);
    }
    match control.ask(Op::MissingSecrets).await? {
        Outcome::Text { lines } => Ok(names.into_iter().filter(|n| lines.contains(n)).collect()),
        _ => Err(Error::connection(
            "the host did not say which secrets it has",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_too_soon_is_told_soonest_first() {
        let login = |at: u64| SecretValue::new(format!("{{\"expiresAt\":{at}}}"));
        let values = Values::from([
            ("A".to_owned(), login(1_700_000_300_000)),
            ("B".to_owned(), login(1_700_000_200_000)),
            ("C".to_owned(), login(1_800_000_000_000)),
            ("D".to_owned(), SecretValue::new("no end")),
        ]);
        let names: Vec<&str> = ending(&values, 1_700_001_000_000)
            .iter()
            .map(|(n, _)| *n)
            .collect();
        assert_eq!(names, ["B", "A"]);
    }
}
