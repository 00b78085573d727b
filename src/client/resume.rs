//! A session that is over, put back: on a new machine with the volume that it left, or its host on the machine where
//! it is. Its agents are started again where they left off by whoever asked ([`cut_off`] says which).

use std::sync::Arc;

use super::cloud::Plan;
use super::ledger::{Entry, SshPlace};
use super::place::{Place, Provider};
use super::reach::HostConn;
use super::registry::{Known, Registry};
use crate::config::Paths;
use crate::error::{Error, Result};
use crate::model::{AgentState, Ends, Millis, SessionId, SessionSpec, SessionStatus};
use crate::provision::{
    Compute, Endpoint, Launch, Login, Machine, MachineState, ProvisionError, Steps,
};
use crate::ssh::Ask;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    pub known: Known,
    pub place: Place,
    pub plan: Plan,
    pub deadline: Option<Millis>,
    pub budget_microusd: Option<u64>,
}

/// What a rented session's provider has of it.
#[derive(Debug, Clone)]
pub enum Left {
    /// Its machine is there.
    Machine(Machine),
    /// The volume that it left, if it is there still.
    Volume(Option<Machine>),
}

/// Asks what is left of a rented session.
///
/// # Errors
/// Its provider cannot be asked.
pub async fn left(paths: &Paths, known: &Known, place: &Place, ask: Arc<dyn Ask>) -> Result<Left> {
    let (provider, _) = place.open(paths, ask, &|_| {}).await?;
    match provider.compute().describe(&known.id).await {
        Ok(machine) if machine.state != MachineState::Gone => Ok(Left::Machine(machine)),
        Ok(machine) => {
            let volume = machine.rented.as_ref().is_some_and(|r| r.volume.is_some());
            Ok(Left::Volume(volume.then_some(machine)))
        }
        Err(ProvisionError::NoSession(_)) => Ok(Left::Volume(None)),
        Err(e) => Err(e.into()),
    }
}

/// Rents a machine for a session that has none any more; `None` where `cut` came first: then nothing of the new one is
/// left, and the volume is as it was.
///
/// # Errors
/// No machine can be had, or the volume is not what it should be. The volume stays in any case.
pub async fn put_back(
    paths: &Paths,
    registry: &Registry,
    order: Order,
    now: Millis,
    ask: Arc<dyn Ask>,
    steps: Steps<'_>,
    cut: impl Future<Output = ()>,
) -> Result<Option<(Known, Option<HostConn>)>> {
    let (provider, way) = order.place.open(paths, ask, steps).await?;
    let Provider::Ec2(ec2) = &provider else {
        return Err(Error::internal("only a rented machine is rented again"));
    };
    let id = order.known.id.clone();
    let spec = spec(&order);
    let launch = Launch {
        spec: spec.clone(),
        keys: None,
        wish: Some(order.plan.wish.clone()),
        again: Some(now),
    };
    // An earlier one that was cut off is taken back first. A machine of it that comes late finds its volume taken, and
    // ends itself.
    let earlier = ec2.begun().into_iter().find(|b| b.launch.spec.id == id);
    if let Some(earlier) = earlier
        && !ec2.is_under_way(&id)
    {
        // Of a launch that was never told to be through the machine is gone, and the work is what is resumed.
        if earlier.launch.again.is_some() {
            steps("take back");
            let left = ec2.abandon(&id, &|_| {}).await;
            if !left.is_empty() {
                return Err(taken_back_but(&id, &left));
            }
        }
        ec2.is_through(&id);
    }
    steps(&format!("launch {}", order.plan.wish.instance_type));
    let launched = tokio::select! {
        biased;
        launched = ec2.launch(&launch, steps) => launched?,
        () = cut => {
            steps("take back");
            let left = ec2.abandon(&id, &|_| {}).await;
            return match left.is_empty() {
                true => Ok(None),
                false => Err(taken_back_but(&id, &left)),
            };
        }
    };
    write_down(registry, &order.known, &spec, &launched, now)?;
    let known = registry.known(&id)?;
    let host = match way.to(&launched) {
        Some(connection) => Some(HostConn::over(&known, connection)?),
        None => None,
    };
    Ok(Some((known, host)))
}

fn taken_back_but(id: &SessionId, left: &[String]) -> Error {
    Error::connection(format!(
        "of the new machine of {id} stays: {}",
        left.join(", ")
    ))
    .hint("its machine ends itself within ten minutes; `remote gc` lists what is left")
}

fn spec(order: &Order) -> SessionSpec {
    let known = &order.known;
    let spec = known.spec();
    let mut spec = spec.unwrap_or_else(|| SessionSpec {
        id: known.id.clone(),
        name: known.name.clone(),
        task: String::new(),
        provider: "ec2".to_owned(),
        owner: super::who(),
        created: known.created,
        ends: Ends::default(),
        agents: Vec::new(),
        price_microusd_per_hour: 0,
        budget_microusd: None,
        workspace: None,
    });
    spec.ends.deadline = order.deadline;
    spec.price_microusd_per_hour = order.plan.rate.hour_at_most().as_micros();
    spec.budget_microusd = order.budget_microusd;
    spec
}

/// What was known of it stays known; where it is has changed.
fn write_down(
    registry: &Registry,
    known: &Known,
    spec: &SessionSpec,
    endpoint: &Endpoint,
    now: Millis,
) -> Result<()> {
    let Login::Pinned(login) = &endpoint.login else {
        return Err(Error::internal("a rented machine has no login"));
    };
    let last = known.last.clone().map(|last| SessionStatus {
        spec: spec.clone(),
        ended: None,
        ..last
    });
    registry.ledger().put(&Entry {
        id: known.id.clone(),
        name: known.name.clone(),
        provider: "ec2".to_owned(),
        ssh: SshPlace {
            destination: format!("{}@{}", login.user, login.address),
            dir: endpoint.dir.clone(),
            socket: endpoint.socket.clone(),
            binary: endpoint.binary.clone(),
            login: Some(login.clone()),
        },
        last,
        last_seen: now,
        lost: false,
        rented: endpoint.rented.clone(),
        released: false,
    })
}

/// The agents that were at work when their session ended, which it should go on with.
pub fn cut_off(status: &SessionStatus) -> Vec<u32> {
    let agents = status.agents.iter();
    let cut = agents.filter(|a| a.state == AgentState::Lost || (a.cut && a.state.is_over()));
    cut.map(|a| a.number).collect()
}
