//! How many calls a dispatch makes, from the lab's record.

use super::record::{Recorded, repeated};
use crate::report::{Goal, Row, Section};

/// At most so many until RunInstances has returned, itself included.
const GOAL: usize = 6;

/// `first`: of a dispatch that finds nothing there; `next`: of one that finds the security group and prices.
pub fn section(first: &[Recorded], next: &[Recorded]) -> Section {
    let row = |who: &str, calls: &[Recorded]| {
        let run = calls.iter().position(|c| c.action == "RunInstances");
        let (before, after) = calls.split_at(run.map_or(0, |at| at + 1));
        let names: Vec<&str> = before.iter().map(|c| c.action.as_str()).collect();
        let after_names: Vec<&str> = after.iter().map(|c| c.action.as_str()).collect();
        let values = [
            before.len() as f64,
            repeated(before) as f64,
            after.len() as f64,
        ];
        let note = format!("{}; then {}", names.join(", "), after_names.join(", "));
        (
            Row::new(who, &values).note(note),
            before.len(),
            repeated(before),
        )
    };
    let (one, _, _) = row("the first one", first);
    let (other, count, twice) = row("the next one", next);
    Section {
        title: "API calls of a dispatch",
        how: "From the lab's record, RunInstances itself included. The first dispatch of an account makes the security \
              group and asks for two prices, which are kept for a week; the next one finds both. While the machine boots \
              DescribeInstances is asked each second until it has an address."
            .to_owned(),
        columns: vec!["until RunInstances has returned", "of them repeated", "after that"],
        rows: vec![one, other],
        base: "the first one",
        goals: vec![Goal {
            text: format!("the next one: at most {GOAL} until RunInstances has returned, none repeated"),
            met: Some(count <= GOAL && twice == 0),
        }],
    }
}
