//! A session on EC2 as its user sees it: dispatched, attached to, found from a second device, ended, and
//! nothing left but the work volume.

use serde_json::Value;

use crate::common::env::{TestEnv, read_json};
use crate::common::terminal::size;
use crate::common::{SOON, await_some, await_true};
use crate::harness::{Lab, Machines};
use crate::person::{actions, json_of};

/// What only looks.
pub fn looks(action: &str) -> bool {
    ["Describe", "Get", "List"]
        .iter()
        .any(|verb| action.starts_with(verb))
}

#[test]
fn a_dry_run_tells_the_machine_and_its_price_and_rents_nothing() {
    let lab = Lab::start(Machines::None);
    let env = lab.device();
    for (task, machine) in [
        ("fix typo in readme", "t3.small"),
        ("add rate limit to api endpoints", "m6i.large"),
        ("run full integration suite", "m6i.4xlarge"),
    ] {
        let told = env.ok(&["dispatch", "--dry-run", "--agent", "shell", task]);
        assert!(told.stdout.contains(machine), "{}", told.all());
        assert!(told.stdout.contains("with TTL 1h"), "{}", told.all());
        assert!(
            told.stdout.contains("Nothing was rented."),
            "{}",
            told.all()
        );
    }
    // An agent that will find no credential there is told of before anything costs.
    let login = "claude may ask for a login there: it is given none of ANTHROPIC_API_KEY";
    let ask = ["dispatch", "--dry-run", "--agent", "claude"];
    let told = env.ok(&[&ask[..], &["fix a typo"]].concat());
    assert!(told.stderr.contains(login), "{}", told.all());
    let key = ["--env", "ANTHROPIC_API_KEY=x", "fix a typo"];
    let told = env.ok(&[&ask[..], &key].concat());
    assert!(!told.stderr.contains("may ask"), "{}", told.all());
    let more = [
        "dispatch",
        "--dry-run",
        "--json",
        "--memory",
        "64gb",
        "--cpu",
        "8",
        "--command",
        "true",
    ];
    let told = json_of(&env.ok(&more));
    assert_eq!(told["machine"]["instance_type"], "r6i.2xlarge");
    assert!(told["microusd_per_hour"].as_u64() > Some(400_000), "{told}");
    let dear = [
        "dispatch",
        "--instance",
        "m6i.large",
        "--max-price",
        "0.01",
        "--command",
        "true",
    ];
    let refused = env.run(&dear);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(
        refused.stderr.contains("--max-price is $0.01"),
        "{}",
        refused.all()
    );
    let done = actions(&lab);
    assert!(done.iter().all(|a| looks(a)), "{done:?}");
}

#[test]
fn what_cannot_come_to_anything_is_said_before_the_launch() {
    let lab = Lab::start(Machines::None);
    let env = lab.device();
    let refused = |words: &[&str], said: &[&str]| {
        for dry in [&["--dry-run"][..], &[]] {
            let ran = env.run(&[&["dispatch", "--command", "true"], words, dry].concat());
            assert_ne!(ran.code, 0, "{words:?}: {}", ran.all());
            for part in said {
                assert!(ran.stderr.contains(part), "{words:?}: {}", ran.all());
            }
        }
    };
    refused(
        &["--instance", "m6i.large", "--budget", "0.001usd"],
        &["m6i.large costs", "first minute", "--budget 0.02usd"],
    );
    // No binary for its architecture.
    refused(
        &["--instance", "m6g.large"],
        &["m6g.large runs linux-aarch64", "--host-binary FILE"],
    );
    // One of another's.
    let arm = env.work().join("remote-arm64");
    let mut head = std::fs::read("/proc/self/exe").expect("a program");
    head.truncate(64);
    head[18..20].copy_from_slice(&183_u16.to_le_bytes());
    std::fs::write(&arm, head).expect("written");
    refused(
        &["--instance", "m6i.large", "--host-binary", "remote-arm64"],
        &["is a binary for linux-aarch64, and m6i.large runs linux-x86_64"],
    );
    refused(
        &["--instance", "m6i.large", "--host-binary", "nowhere"],
        &["cannot read the host binary nowhere"],
    );
    let done = actions(&lab);
    assert!(done.iter().all(|a| looks(a)), "{done:?}");
}

#[test]
fn a_session_on_ec2_from_its_launch_to_nothing() {
    let lab = Lab::start(Machines::Box);
    let here = lab.device();
    let script = "echo hello from ec2; read x; echo got $x; exec sleep 1000";
    let session = here.dispatch(&["--command", script]);

    let calls = actions(&lab);
    let run = calls.iter().position(|a| a == "RunInstances").expect("it");
    let before: Vec<&String> = calls[..run]
        .iter()
        .filter(|a| !["GetProducts", "DescribeSpotPriceHistory"].contains(&a.as_str()))
        .collect();
    let mut once = before.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), before.len(), "none is repeated: {before:?}");
    assert!(before.len() <= 6, "{before:?}");

    // A machine that has just come up may be slow to answer.
    let live = |env: &TestEnv| {
        await_some("its answer", SOON, || {
            let status = json_of(&env.ok(&["status", &session, "--json"]));
            (status["presence"] == "live").then_some(status)
        })
    };
    let status = live(&here);
    assert_eq!(status["provider"], "ec2");
    let left = status["ttl_left_ms"].as_u64().expect("a TTL");
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");

    let mut terminal = here.attach(&session, size(80, 24));
    terminal.wait_text("hello from ec2");
    terminal.send("abc\r");
    terminal.wait_text("got abc");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);

    // Nothing but the account is known there.
    let there = lab.device();
    let listed = there.ok(&["status"]);
    assert!(listed.stdout.contains(&session), "{}", listed.all());
    let mut terminal = there.attach(&session, size(80, 24));
    terminal.wait_text("got abc");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    let devices = json_of(&there.ok(&["device", "list", &session, "--json"]));
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    there.ok(&["extend", &session, "30m"]);
    let longer = live(&here);
    assert!(longer["ttl_left_ms"].as_u64() > Some(left), "{longer}");

    // Money, beside time: what it may cost is changed while it runs.
    there.ok(&["extend", &session, "--budget", "5usd"]);
    let bounded = live(&here);
    assert_eq!(bounded["status"]["spec"]["budget_microusd"], 5_000_000);
    let ends = bounded["status"]["ends"].as_array().expect("ends");
    assert!(ends.iter().any(|e| e["kind"] == "budget"), "{bounded}");
    let little = there.run(&["extend", &session, "--budget", "0.00001usd"]);
    assert_eq!(little.code, 1, "{}", little.all());
    assert!(little.stderr.contains("already"), "{}", little.all());

    // A newer binary comes to where the first lies: root and the agents run it.
    here.ok(&["host", "upgrade", &session]);
    let ledger = here.home().join(".local/state/remote/ledger");
    let entry: Value = read_json(&ledger.join(format!("{session}.json"))).expect("an entry");
    let binary = entry["ssh"]["binary"].as_str().expect("a path");
    assert!(binary.starts_with("/work/.remote/bin/remote-"), "{binary}");
    live(&here);

    let terminated = there.ok(&["terminate", &session, "--yes"]);
    assert!(
        terminated.stderr.contains("Total ≤$0.0"),
        "{}",
        terminated.all()
    );
    assert!(
        terminated.stderr.contains("kept: its work volume of 20 GB"),
        "{}",
        terminated.all()
    );
    await_true("the machine's end", SOON, || {
        let left = json_of(&here.ok(&["gc", "--json"]));
        let left = left.as_array().expect("a list");
        !left.iter().any(|l| l["kind"] == "instance")
    });
    let left = json_of(&here.ok(&["gc", "--json"]));
    let kinds: Vec<&Value> = left
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["kind"])
        .collect();
    assert_eq!(kinds, ["volume", "security group"], "the work and the door");
    here.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
    let nothing = here.ok(&["gc"]);
    assert!(
        nothing.stderr.contains("Nothing of yours is left"),
        "{}",
        nothing.all()
    );
    let cost = here.ok(&["cost", "--by", "session"]);
    assert!(cost.stdout.contains(&session), "{}", cost.all());
    let known = here.ok(&["status"]);
    assert!(!known.stdout.contains(&session), "{}", known.all());
}

#[test]
fn a_dispatch_that_is_followed_to_its_end_says_the_total() {
    let lab = Lab::start(Machines::Box);
    let here = lab.device();
    let told = here.ok(&["dispatch", "--command", "echo done"]);
    assert!(told.stdout.contains("done"), "{}", told.all());
    for part in [
        "total so far ",
        "$0.0",
        "s at ",
        "/h); the machine ends by itself: ",
    ] {
        assert!(told.stderr.contains(part), "no {part:?}: {}", told.all());
    }
    let session = crate::common::env::session_in(&told.stderr).expect("its name");
    let ended = here.ok(&["terminate", &session, "--yes"]);
    assert!(ended.stderr.contains("/h); kept: "), "{}", ended.all());
    // The zone that was had is in the record, though none was asked for.
    let record = here.home().join(".local/state/remote");
    let zone = std::process::Command::new("grep")
        .args(["-rhoE", "\"zone\":\"us-east-1[a-f]\""])
        .arg(record)
        .output()
        .expect("grep");
    assert!(!zone.stdout.is_empty(), "no zone is recorded");
}
