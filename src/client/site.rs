//! A provider that is open: the connection or the account is had once, and any number of sessions is started
//! through it, side by side if need be.

use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;

use super::dispatch::{Order, Started, check_name};
use super::place::{Place, Provider, Way};
use super::prune::remove;
use super::reach::HostConn;
use super::registry::{Known, Registry};
use crate::config::Paths;
use crate::error::{Context, Error, Result};
use crate::model::{Millis, SessionId, SessionSpec};
use crate::provision::{Endpoint, Keys, Launch, ProvisionError, Steps};
use crate::ssh::{Ask, keys};

/// See the module.
pub struct Site {
    provider: Provider,
    way: Way,
}

impl Site {
    /// # Errors
    /// The machine cannot be reached, or there are no credentials.
    pub async fn open(
        paths: &Paths,
        place: &Place,
        ask: Arc<dyn Ask>,
        steps: Steps<'_>,
    ) -> Result<Self> {
        let (provider, way) = place.open(paths, ask, steps).await?;
        let provider = match provider {
            Provider::Ec2(ec2) => Provider::Ec2(Box::new(ec2.side_by_side())),
            other => other,
        };
        Ok(Self { provider, way })
    }

    /// Starts a session. A start that fails leaves nothing behind. Where `cut` comes while a machine is
    /// rented, that machine is taken back, and there is no session; elsewhere a start takes a moment, and is
    /// not cut off.
    ///
    /// # Errors
    /// The name is taken, an agent's program is missing, the machine cannot be reached, the host does not
    /// start; or what was made cannot be taken back.
    pub async fn start(
        &self,
        registry: &Registry,
        order: Order,
        now: Millis,
        steps: Steps<'_>,
        cut: impl Future<Output = ()>,
    ) -> Result<Option<Started>> {
        if let Some(name) = &order.name {
            check_name(registry, name)?;
        }
        let launch = self.launch_of(order, now).await?;
        match &launch.wish {
            Some(wish) => steps(&format!("launch {}", wish.instance_type)),
            None => steps("start"),
        }
        let id = &launch.spec.id;
        let Some(endpoint) = self.launch(&launch, steps, cut).await else {
            steps("take back");
            self.take_back(registry, id).await?;
            return Ok(None);
        };
        let endpoint = endpoint?;
        let written = registry.ledger().launched(&launch.spec, &endpoint);
        let known = match written.and_then(|()| registry.known(id)) {
            Ok(known) => known,
            // Nobody would find it: it is not left to cost.
            Err(e) => {
                let undone = match &self.provider {
                    Provider::Ec2(ec2) => ec2.terminate_machine(id, true).await.map(drop),
                    other => other.compute().terminate(id).await,
                };
                return Err(match undone {
                    Ok(()) => e,
                    Err(left) => e.hint(format!(
                        "it runs on ({left}); end it with `remote terminate {id}`"
                    )),
                });
            }
        };
        let host = match self.way.to(&endpoint) {
            Some(connection) => Some(HostConn::over(&known, connection)?),
            None => None,
        };
        Ok(Some(Started {
            known,
            host,
            repository: false,
        }))
    }

    /// Takes back a session that has begun and in which nothing was done yet: its machine, its files, its record.
    ///
    /// # Errors
    /// It cannot be ended, or its files cannot be removed.
    pub async fn undo(&self, registry: &Registry, known: &Known, ask: Arc<dyn Ask>) -> Result<()> {
        match &self.provider {
            Provider::Ec2(ec2) => {
                ec2.terminate_machine(&known.id, true).await?;
                registry.ledger().remove(&known.id)
            }
            Provider::Local(_) | Provider::Ssh(_) => {
                self.provider.compute().terminate(&known.id).await?;
                remove(registry, known, ask, true).await.map(drop)
            }
        }
    }

    async fn launch_of(&self, order: Order, now: Millis) -> Result<Launch> {
        let mut spec = SessionSpec {
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
            workspace: order.workspace,
        };
        spec.price_microusd_per_hour = self
            .provider
            .compute()
            .price(&spec)
            .await?
            .microusd_per_hour;
        let keys = match self.provider {
            Provider::Local(_) => Some(fresh_keys()?),
            Provider::Ssh(_) | Provider::Ec2(_) => None,
        };
        Ok(Launch {
            spec,
            keys,
            wish: order.wish,
            again: None,
        })
    }

    /// `None` where it was cut off. Only the launch itself is: after it the machine is a session.
    async fn launch(
        &self,
        launch: &Launch,
        steps: Steps<'_>,
        cut: impl Future<Output = ()>,
    ) -> Option<std::result::Result<Endpoint, ProvisionError>> {
        let launching = self.provider.compute().launch(launch, steps);
        match self.provider {
            Provider::Local(_) | Provider::Ssh(_) => Some(launching.await),
            Provider::Ec2(_) => tokio::select! {
                biased;
                launched = launching => Some(launched),
                () = cut => None,
            },
        }
    }

    /// Takes back a machine whose launch is not through: nothing of value is on it yet.
    async fn take_back(&self, registry: &Registry, id: &SessionId) -> Result<()> {
        let Provider::Ec2(ec2) = &self.provider else {
            return Ok(());
        };
        let left = ec2.abandon(id, &|_| {}).await;
        if !left.is_empty() {
            return Err(
                Error::connection(format!("of {id} stays: {}", left.join(", "))).hint(
                    "its machine ends itself within ten minutes; `remote gc` lists what is left",
                ),
            );
        }
        registry.ledger().remove(id)?;
        match ec2.begun().iter().any(|b| b.launch.spec.id == *id) {
            false => Ok(()),
            true => Err(
                Error::user(format!("{id} was taken back before it began")).hint(
                    "run `remote status` in a few minutes: a machine was asked for, and none is to be seen; it \
                     looks again, and ends one that came late",
                ),
            ),
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
