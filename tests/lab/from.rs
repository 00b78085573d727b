//! `dispatch --from FILE` on EC2: machines side by side, one door for all of them, and nothing left of those
//! that could not be had or were not wanted any more.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::terminal::size;
use crate::common::{await_some, await_true};
use crate::harness::{Lab, Machines};
use crate::person::{actions, json_of};
use crate::session::looks;

/// Six machines boot at once on whatever this runs on.
const LONG: Duration = Duration::from_secs(300);
/// Two kinds of machine: the third task is one that the smallest does.
const TASKS: &str = "add rate limit to api endpoints\nadd a queue\nfix typo in readme\n\n# later\n\
                     add metrics\nadd tracing\nadd health checks\n";

/// A device whose agent says its task and stays.
fn home(lab: &Lab) -> TestEnv {
    let env = lab.device();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).unwrap();
    let text = "agent = \"it\"\n[agents.it]\ncommand = [\"sh\", \"-c\", \"echo task: {task}; exec sleep 1000\"]\n";
    std::fs::write(config.join("config.toml"), text).unwrap();
    std::fs::write(env.work().join("tasks"), TASKS).unwrap();
    env
}

/// No machine of the smallest kind can be had.
fn no_small_ones(lab: &Lab) {
    lab.control().fault(&json!({
        "action": "RunInstances", "kind": "before", "code": "InsufficientInstanceCapacity",
        "status": 400, "count": 0, "match": "InstanceType=t3.small", "message": "not enough",
    }));
}

fn kinds(env: &TestEnv) -> Vec<String> {
    let left = json_of(&env.ok(&["gc", "--json"]));
    let left = left.as_array().cloned().unwrap_or_default();
    let kind = |l: &Value| l["kind"].as_str().unwrap_or_default().to_owned();
    left.iter().map(kind).collect()
}

#[test]
fn a_dry_run_of_many_has_their_sum_and_rents_nothing() {
    let lab = Lab::start(Machines::None);
    let env = home(&lab);
    let args = ["dispatch", "--from", "tasks", "--dry-run"];
    let told = env.ok(&[&args[..], &["--budget", "2usd"]].concat()).stdout;
    for said in [
        "LINE  MACHINE    PER HOUR",
        "6 machines: 5 × m6i.large, 1 × t3.small",
        "/h together, at most ",
        " with TTL 1h\n",
        "$2.00 each, $12.00 together",
        "Nothing was rented.",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let told = json_of(&env.ok(&[&args[..], &["--json"]].concat()));
    let each = told["tasks"].as_array().unwrap();
    let lines: Vec<&Value> = each.iter().map(|t| &t["line"]).collect();
    assert_eq!(lines, [1, 2, 3, 6, 7, 8]);
    let sum: u64 = each
        .iter()
        .filter_map(|t| t["microusd_per_hour"].as_u64())
        .sum();
    assert_eq!(told["microusd_per_hour"].as_u64(), Some(sum));
    // One of them too dear: none is dispatched, and it says which.
    let dear = env.run(&["dispatch", "--from", "tasks", "--max-price", "0.05"]);
    assert_eq!(dear.code, 1, "{}", dear.all());
    assert!(
        dear.stderr.contains("line 1: m6i.large costs"),
        "{}",
        dear.all()
    );
    let done = actions(&lab);
    assert!(done.iter().all(|a| looks(a)), "{done:?}");
}

#[test]
fn six_machines_side_by_side_and_back_to_nothing() {
    let lab = Lab::start(Machines::Box);
    let env = home(&lab);
    no_small_ones(&lab);
    let args = ["dispatch", "--from", "tasks", "--json", "--name", "t%n"];
    let ran = run(&mut env.remote(&args), b"", LONG);
    assert_eq!(ran.code, 1, "{}", ran.all());
    let told: Vec<Value> = ran
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    assert_eq!(told.len(), 6, "{}", ran.all());
    let (good, bad): (Vec<&Value>, Vec<&Value>) = told.iter().partition(|t| t["state"] == "runs");
    assert_eq!((good.len(), bad.len()), (5, 1), "{}", ran.all());
    assert_eq!(
        (&bad[0]["line"], &bad[0]["session"]),
        (&json!(3), &Value::Null)
    );
    let why = bad[0]["error"].as_str().unwrap();
    assert!(
        why.contains("InsufficientInstanceCapacity") || why.contains("capacity"),
        "{why}"
    );
    assert!(ran.stderr.contains("5 sessions run, "), "{}", ran.all());
    assert!(
        ran.stderr.contains("/h together\n1 failed:\n  line 3  "),
        "{}",
        ran.all()
    );

    let sessions: BTreeSet<&str> = good.iter().filter_map(|t| t["session"].as_str()).collect();
    assert_eq!(sessions.len(), 5, "distinct");
    let listed = json_of(&env.ok(&["status", "--json"]));
    let listed: BTreeSet<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|s| s["session"].as_str())
        .collect();
    assert_eq!(listed, sessions);
    let said = await_some("its task", LONG, || {
        let logs = env.run(&["logs", "t4"]).stdout;
        logs.contains("task: ").then_some(logs)
    });
    assert_eq!(said.trim(), "task: add metrics", "each has its own");

    // What they have in common was asked and made once.
    let calls = actions(&lab);
    let count = |action: &str| calls.iter().filter(|a| *a == action).count();
    assert_eq!(count("CreateSecurityGroup"), 1, "{calls:?}");
    assert_eq!(count("AuthorizeSecurityGroupIngress"), 1, "{calls:?}");
    assert_eq!(count("DescribeSubnets"), 1, "{calls:?}");
    assert_eq!(
        count("GetCallerIdentity"),
        1 + 1,
        "the dispatch, and status: {calls:?}"
    );
    assert_eq!(count("DescribeInstanceTypes"), 2, "two types: {calls:?}");

    run(&mut env.remote(&["terminate", "--all", "--yes"]), b"", LONG);
    await_true("the machines' end", LONG, || {
        !kinds(&env).iter().any(|k| k == "instance")
    });
    let mut left = kinds(&env);
    left.sort();
    left.dedup();
    assert_eq!(left, ["security group", "volume"], "the work and the door");
    env.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
    assert!(kinds(&env).is_empty());
}

/// Nothing answers on these machines, so that all stay under way.
#[test]
fn ctrl_c_takes_back_what_is_under_way_and_begins_no_more() {
    let lab = Lab::start(Machines::None);
    let env = home(&lab);
    std::fs::write(env.work().join("tasks"), "add a queue\n".repeat(10)).unwrap();
    let mut terminal = env.terminal(&["dispatch", "--from", "tasks"], size(120, 40));
    terminal.wait_text("… 2 more");
    await_true("eight machines", LONG, || {
        actions(&lab)
            .iter()
            .filter(|a| *a == "RunInstances")
            .count()
            == 8
    });
    terminal.limit(LONG);
    terminal.wait_for("eight boots", |t| {
        t.text().iter().filter(|l| l.contains(" boot i-")).count() == 8
    });
    terminal.send("\x03");
    terminal.wait_text("0 sessions run on");
    assert_eq!(terminal.wait_exit(), 130);
    let shown = terminal.text().join("\n");
    for said in ["8 taken back:", "2 not begun:", "line 10  add a queue"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    // Asked to end, they are shown until they have.
    await_true("the machines' end", LONG, || {
        kinds(&env) == ["security group"]
    });
    let listed = json_of(&env.ok(&["status", "--json"]));
    assert_eq!(listed, json!([]));
}
