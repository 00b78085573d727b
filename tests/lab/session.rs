//! A session on EC2 as its user sees it: dispatched, attached to, found from a second device, ended, and
//! nothing left but the work volume.

use serde_json::Value;

use crate::common::env::TestEnv;
use crate::common::process::Ran;
use crate::common::terminal::size;
use crate::common::{SOON, await_some, await_true};
use crate::harness::{Lab, Machines, REGION};

/// A device of the lab's one account.
fn device(lab: &Lab) -> TestEnv {
    let mut env = TestEnv::new();
    for (name, value) in lab.variables() {
        if name == "AWS_ENDPOINT_URL" {
            env.set("REMOTE_EC2_ADDRESS_SERVICE", format!("{value}/lab/address"));
        }
        env.set(&name, value);
    }
    env.set("REMOTE_PROVIDER", "ec2");
    env.set("REMOTE_REGION", REGION);
    env.set("REMOTE_EC2_IMAGE", "debian-12");
    env
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}

fn actions(lab: &Lab) -> Vec<String> {
    let calls = lab.control().calls();
    calls.into_iter().map(|c| c.action).collect()
}

/// What only looks.
fn looks(action: &str) -> bool {
    ["Describe", "Get", "List"]
        .iter()
        .any(|verb| action.starts_with(verb))
}

#[test]
fn a_dry_run_tells_the_machine_and_its_price_and_rents_nothing() {
    let lab = Lab::start(Machines::None);
    let env = device(&lab);
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
fn a_session_on_ec2_from_its_launch_to_nothing() {
    let lab = Lab::start(Machines::Box);
    let here = device(&lab);
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
    let there = device(&lab);
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
    here.ok(&["gc", "--delete", "--volumes", "--yes"]);
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
