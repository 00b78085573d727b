//! What a command costs AWS and the person who waits: calls counted, not seconds (those are `make bench-ec2`'s).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::terminal::size;
use crate::crowd;
use crate::harness::{Call, Lab, Machines, REGION};

const RUN: [&str; 3] = ["--keep", "--command", "exec sleep 1000"];

/// The calls since the `from`th, up to RunInstances, itself included.
fn until_run(lab: &Lab, from: usize) -> Vec<Call> {
    let mut calls = lab.control().calls().split_off(from);
    let run = calls.iter().position(|c| c.action == "RunInstances");
    calls.truncate(run.expect("a launch") + 1);
    calls
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|c| c.action.as_str()).collect()
}

fn none_is_repeated(calls: &[Call]) {
    let asked = |c: &Call| format!("{}:{} {}", c.service, c.action, c.parameters);
    let mut all: Vec<String> = calls.iter().map(asked).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), calls.len(), "{:?}", names(calls));
}

fn counted(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names(calls) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn a_dispatch_makes_few_calls_and_a_status_as_many_as_there_are_pages() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let first = env.dispatch(&RUN);
    let calls = until_run(&lab, 0);
    none_is_repeated(&calls);
    // What is asked for once: the prices are kept, the group stays.
    let once = |c: &Call| ["GetProducts", "CreateSecurityGroup"].contains(&c.action.as_str());
    let each = calls.iter().filter(|c| !once(c)).count();
    assert!(each <= 6 && calls.len() <= each + 3, "{:?}", names(&calls));

    let begun = lab.control().calls().len();
    let second = env.dispatch(&RUN);
    let calls = until_run(&lab, begun);
    none_is_repeated(&calls);
    assert!(calls.len() <= 6, "{:?}", names(&calls));
    let all = lab.control().calls().split_off(begun + calls.len());
    let mut after = counted(&all);
    // Until it has an address.
    assert!(after.remove("DescribeInstances") >= Some(1), "{after:?}");
    assert_eq!(after, BTreeMap::from([("CreateTags", 1)]));

    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let ec2 = lab.ec2(REGION);
    let status = |page: usize, there: usize| {
        lab.control().post("set", &json!({ "page": page }));
        let begun = lab.control().calls().len();
        let told = env.ok(&["status", "--json"]);
        let shown: Value = serde_json::from_str(&told.stdout).expect("JSON");
        assert_eq!(told.stderr, "");
        assert_eq!(shown.as_array().map(Vec::len), Some(there), "all are shown");
        let calls = lab.control().calls().split_off(begun);
        let counts = counted(&calls);
        counts
            .into_iter()
            .map(|(name, n)| (name.to_owned(), n))
            .collect::<Vec<_>>()
    };
    // Where some are silent, whether the door is open from here is looked at once.
    let expected = |instances: usize, doors: usize, volumes: usize| {
        let all = [
            ("DescribeInstances", instances),
            ("DescribeSecurityGroups", doors),
            ("DescribeVolumes", volumes),
            ("GetCallerIdentity", 1),
        ];
        let made = all.into_iter().filter(|(_, n)| *n > 0);
        made.map(|(name, n)| (name.to_owned(), n))
            .collect::<Vec<_>>()
    };
    assert_eq!(status(0, 2), expected(1, 0, 1));
    runtime.block_on(crowd::join(&ec2, &first, 198));
    // The lab is slow with all in one. Each has a root and a work volume.
    assert_eq!(status(50, 200), expected(4, 1, 8));
    assert_eq!(status(20, 200), expected(10, 1, 20));

    // One that does not answer is not waited for before the others are shown.
    let (frozen, _) = runtime.block_on(crowd::instance(&ec2, &second));
    lab.control().kill(&frozen, "freeze");
    let mut terminal = env.terminal(&["status"], size(160, 240));
    let shows = |name: &'static str, words: &'static str| {
        let second = second.clone();
        move |t: &crate::common::terminal::Terminal| {
            let text = t.text();
            let line = text.iter().find(|l| l.contains(&second));
            line.is_some_and(|l| l.contains(words)) && text.iter().any(|l| l.contains(name))
        }
    };
    terminal.wait_for("what is known", shows("TASK", "asking"));
    terminal.wait_for("that it is silent", shows("TASK", "unreachable"));
    assert_eq!(terminal.wait_exit(), 0);
    lab.control().kill(&frozen, "thaw");
}
