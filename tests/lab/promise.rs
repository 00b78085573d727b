//! The whole promise on a rented machine: see tests/common/promise.rs. The machine ends itself, and what it cost is its
//! price for as long as it ran.

use crate::common::await_true;
use crate::common::promise::Promise;
use crate::guest::BOOT;
use crate::harness::{Lab, Machines};
use crate::person::{LONG, json_of};

#[test]
fn a_task_outlives_its_laptop_is_finished_from_another_and_its_machine_ends() {
    let lab = Lab::start(Machines::Box);
    let (laptop, other) = (lab.device(), lab.device());
    let promise = Promise {
        laptop: &laptop,
        other: &other,
        how: &["--instance", "m6i.large", "--linger", "15s"],
        check: "sh test.sh",
        patience: LONG,
    };
    let (session, last) = promise.keep();
    let price = last["status"]["spec"]["price_microusd_per_hour"].as_u64();
    let price = price.filter(|p| *p > 0).expect("a price");
    await_true("its end", BOOT, || {
        !other.ok(&["status"]).stdout.contains(&session)
    });
    // All was pulled after the last agent's end, so that the volume goes with its machine; where that was quicker, it
    // stays until somebody discards it.
    await_true("nothing that costs by the hour", BOOT, || {
        let left = json_of(&other.ok(&["gc", "--here", "--json"]));
        let left = left.as_array().expect("a list").iter();
        let kinds: Vec<&str> = left.filter_map(|l| l["kind"].as_str()).collect();
        kinds == ["security group"] || kinds == ["volume", "security group"]
    });
    assert_eq!(
        other.ok(&["gc", "--unpulled", "--json"]).stdout.trim(),
        "[]"
    );

    // Price times seconds, a minute at least; a volume that is kept is the cent that goes on.
    // The laptop is found again, and learns of the end.
    laptop.ok(&["status"]);
    let cost = json_of(&laptop.ok(&["cost", "--json"]));
    let groups = cost["groups"].as_array().expect("groups");
    let sum = groups.iter().find(|g| g["key"] == session.as_str());
    let sum = sum.unwrap_or_else(|| panic!("not in {cost}"));
    let seconds = (sum["machine_ms"].as_u64().expect("a time") / 1000).max(60);
    let (total, expected) = (
        sum["total"].as_u64().expect("a sum"),
        price * seconds / 3600,
    );
    let off = total.abs_diff(expected);
    assert!(off <= expected / 50 + 20, "{total}, not {expected}: {sum}");
    other.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
}
