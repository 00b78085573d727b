//! `remote cost` from a record of what was seen, and `remote prices` with no AWS at all.

use serde_json::{Value, json};

use super::common::env::TestEnv;

const HOUR: u64 = 3_600_000;

fn now() -> u64 {
    remote_compute::model::now_ms()
}

/// A machine that began so many hours ago and ended after so many.
fn line(id: &str, ago: u64, hours: u64, more: &Value) -> String {
    let launched = now() - ago * HOUR;
    let mut record = json!({
        "session": format!("session-{id}"), "task": "fix the login page", "repository": "web",
        "instance_type": "m6i.large", "region": "us-east-1", "launched": launched,
        "ended": launched + hours * HOUR, "seen": launched + hours * HOUR,
        "rate": { "instance": 96_000, "address": 5_000 },
    });
    let fields = more.as_object().unwrap().clone();
    record.as_object_mut().unwrap().extend(fields);
    format!("{record}\n")
}

fn place(lines: &[String]) -> TestEnv {
    let env = TestEnv::new();
    let state = env.home().join(".local/state/remote");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("spend.jsonl"), lines.concat()).unwrap();
    env
}

#[test]
fn what_was_spent_is_summed_up_and_what_is_unknown_is_said() {
    let env = place(&[
        line("aaaaaa", 48, 10, &json!({})),
        line(
            "bbbbbb",
            47,
            5,
            &json!({ "spot": true, "on_demand": 196_000, "repository": "api" }),
        ),
        "{\"torn\n".to_owned(),
        line(
            "cccccc",
            30,
            1,
            &json!({ "ended": null, "deadline": now() - 28 * HOUR }),
        ),
    ]);
    let told = env.ok(&["cost"]);
    let rows: Vec<_> = told.stdout.lines().collect();
    assert!(rows[0].starts_with("SESSION"), "{}", told.stdout);
    assert!(
        rows[1].starts_with("session-aaaaaa  10h00m        $1.01"),
        "{}",
        told.stdout
    );
    assert!(rows[2].contains("$0.50"), "spot saved: {}", told.stdout);
    assert!(
        rows[3].starts_with("session-cccccc  2h00m         ≤$0.20"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout
            .contains("≤$1.72 for 17h00m of machines, 3 sessions, since ")
    );
    assert!(
        told.stdout.contains("a month at this pace"),
        "{}",
        told.stdout
    );
    for said in [
        "end of 1 session was not seen",
        "1 line of the record",
        "another device",
    ] {
        assert!(told.stderr.contains(said), "{said}: {}", told.stderr);
    }
    let by = env.ok(&["cost", "--by", "repository", "--since", "7d"]);
    assert!(by.stdout.contains("\nweb         12h00m"), "{}", by.stdout);
    let even = env.ok(&["cost", "--hardware", "2500usd"]);
    assert!(
        even.stdout.contains("hardware for $2500.00 pays after "),
        "{}",
        even.stdout
    );
    let all: Value = serde_json::from_str(&env.ok(&["cost", "--json"]).stdout).unwrap();
    // The deadline and the launch above are counted from two readings of the clock.
    let total = all["total"].as_u64().unwrap();
    assert!((1_717_000..1_720_000).contains(&total), "{total}");
    let saved = all["saved"].as_u64().unwrap();
    assert!((500_000..503_000).contains(&saved), "{saved}");
    assert_eq!(all["certainty"], "at_most");
    let recent = env.ok(&["cost", "--since", "1h"]);
    assert!(
        recent.stderr.contains("Nothing was spent since"),
        "{}",
        recent.all()
    );
}

#[test]
fn prices_need_no_account() {
    let mut env = TestEnv::new();
    env.set("AWS_EC2_METADATA_DISABLED", "true");
    let told = env.ok(&["prices", "t3.small", "m6i.4xlarge", "x9.huge"]);
    assert!(
        told.stdout.contains("≈$0.0208") && told.stdout.contains("≈$0.768"),
        "{}",
        told.stdout
    );
    assert!(
        told.stderr
            .contains("no region is set, so these are of us-east-1")
    );
    assert!(
        told.stderr
            .contains("a table of 2026-07-20, because: no AWS credentials"),
        "{}",
        told.stderr
    );
    assert!(
        told.stderr.contains("nobody knows a price of `x9.huge`"),
        "{}",
        told.stderr
    );
    let family = env.ok(&["prices", "c7i", "--region", "eu-west-1"]);
    assert!(
        family.stdout.contains("c7i.large") && !family.stdout.contains("metal"),
        "{}",
        family.stdout
    );
    let slip = env.run(&["prices", "m6x"]);
    assert_eq!(slip.code, 1);
    assert!(slip.stderr.contains("no family `m6x`"), "{}", slip.stderr);
    let refused = env.run(&["alert", "show"]);
    assert_eq!(refused.code, 2, "{}", refused.all());
    assert!(
        refused.stderr.contains("no AWS credentials") && refused.stderr.contains("remote init")
    );
}
