//! Launches that were cut off: whoever runs the next command on this device ends them, or finishes the one
//! whose agents may be at work already. Another device ends those that nobody has come back to.

use std::time::Duration;

use crate::error::Error;
use crate::model::{Millis, SessionId};
use crate::provision::ec2::{Begun, Ec2};
use crate::provision::{Compute, Machine, MachineState, ProvisionError};

/// A launch that is not through after this is not under way any more, on whatever device it began.
const UNFINISHED: Millis = 20 * 60_000;
/// How long one may take to be ended or finished.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a launch that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub session: SessionId,
    /// There is no such session, or none any more.
    pub over: bool,
    /// A line for the person; empty where nothing was to be done.
    pub told: String,
}

/// This device's launches that nobody works on: ended where nothing was sent to their machines, else finished.
/// `machines` is what EC2 has just told, of `regions`.
pub(super) async fn settle(ec2: &Ec2, machines: &[Machine], regions: &[String]) -> Vec<Unfinished> {
    let mut settled = Vec::new();
    for begun in ec2.begun() {
        let session = begun.launch.spec.id.clone();
        // Of a region that does not answer nothing is known.
        if ec2.is_under_way(&session) || !regions.contains(&begun.region) {
            continue;
        }
        let there = ec2.in_region(&begun.region);
        let state = machines.iter().find(|m| m.session == session);
        let state = state.map_or(MachineState::Gone, |m| m.state);
        // Where agents were to come later, with their repository, there is no work either.
        let launch = &begun.launch;
        let blank =
            begun.stage.is_blank() || (launch.spec.agents.is_empty() && launch.again.is_none());
        let one = match blank {
            true => end(&there, &begun).await,
            false => finish(&there, &begun, state).await,
        };
        settled.push(one);
    }
    settled
}

async fn end(ec2: &Ec2, begun: &Begun) -> Unfinished {
    let session = begun.launch.spec.id.clone();
    let what = match begun.launch.again {
        Some(_) => "resume",
        None => "launch",
    };
    let cut = format!("the {what} of {session} was cut off {}", begun.stage.told());
    let left = tokio::time::timeout(PATIENCE, ec2.abandon(&session, &|_| {})).await;
    let told = match left {
        Ok(left) if left.is_empty() => {
            match ec2.begun().iter().any(|b| b.launch.spec.id == session) {
                false => format!("{cut}: ended, and nothing of it is left"),
                // The answer was lost, and no machine is to be seen.
                true => format!(
                    "{cut}: no machine of it is to be seen; the next `remote status` looks again, and `remote gc` lists \
                 what there is"
                ),
            }
        }
        Ok(left) => format!(
            "{cut}, and stays: {}; `remote gc` lists it",
            left.join(", ")
        ),
        Err(_) => format!("{cut}, and AWS does not answer; the next `remote status` ends it"),
    };
    Unfinished {
        session,
        // What it was before the resume it is again.
        over: begun.launch.again.is_none(),
        told,
    }
}

async fn finish(ec2: &Ec2, begun: &Begun, state: MachineState) -> Unfinished {
    let session = begun.launch.spec.id.clone();
    let cut = format!("the launch of {session} was cut off {}", begun.stage.told());
    if state == MachineState::Gone {
        // Its volume stays: there may be work on it.
        ec2.is_through(&session);
        return Unfinished {
            told: format!("{cut}, and its machine is gone; `remote gc` lists its volume"),
            over: begun.launch.again.is_none(),
            session,
        };
    }
    let started = tokio::time::timeout(PATIENCE, ec2.start(&session)).await;
    let why = match started {
        Ok(Ok(_)) => {
            return Unfinished {
                told: format!("{cut}: finished"),
                over: false,
                session,
            };
        }
        Ok(Err(e)) => Error::from(e).to_string(),
        Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
    };
    Unfinished {
        told: format!(
            "{cut}, and is not finished: {why}; the next `remote status` tries again, `remote terminate {session}` \
             ends it"
        ),
        over: false,
        session,
    }
}

/// Ends machines that some device began and that nobody has come to: nothing was ever sent to them.
///
/// # Errors
/// What AWS says.
pub(super) async fn forgotten(
    ec2: &Ec2,
    machines: &[Machine],
    now: Millis,
) -> Result<(), ProvisionError> {
    for machine in machines.iter().filter(|m| is_forgotten(m, now)) {
        ec2.terminate_machine(&machine.session, false).await?;
    }
    Ok(())
}

fn is_forgotten(machine: &Machine, now: Millis) -> bool {
    is_blank(machine) && now.saturating_sub(machine.launched) > UNFINISHED
}

/// Whether a machine is there and nothing was ever sent to it.
pub(super) fn is_blank(machine: &Machine) -> bool {
    machine.state != MachineState::Gone && machine.rented.as_ref().is_some_and(|r| r.provisional)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::cloud::fleet::tests::machine;

    #[test]
    fn only_a_machine_that_was_sent_nothing_is_blank() {
        let mut one = machine(MachineState::Running, None);
        assert!(!is_blank(&one), "its key was changed: it may hold work");
        one.rented.as_mut().expect("it").provisional = true;
        assert!(is_blank(&one));
        assert!(!is_forgotten(&one, one.launched + UNFINISHED));
        assert!(is_forgotten(&one, one.launched + UNFINISHED + 1));
        one.state = MachineState::Gone;
        assert!(!is_blank(&one));
    }
}
