//! `remote alert`, `prices` and `cost` against the lab's SNS, Budgets, Price List and spot history.

use serde_json::{Value, json};

use crate::common::env::TestEnv;
use crate::common::process::Ran;
use crate::harness::{Lab, Machines};

fn place() -> (Lab, TestEnv) {
    let lab = Lab::start(Machines::None);
    let mut env = TestEnv::new();
    for (name, value) in lab.variables() {
        env.set(&name, value);
    }
    (lab, env)
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

fn actions(lab: &Lab) -> Vec<String> {
    let calls = lab.control().calls();
    calls.into_iter().map(|c| c.action).collect()
}

fn count(lab: &Lab, action: &str) -> usize {
    actions(lab).iter().filter(|a| *a == action).count()
}

const SET: [&str; 6] = [
    "alert",
    "set",
    "--daily",
    "5usd",
    "--email",
    "you@example.com",
];

#[test]
fn an_alert_is_made_once_changed_shown_and_taken_away() {
    let (lab, env) = place();
    let nothing = env.ok(&["alert", "show"]);
    assert!(
        nothing.stderr.contains("There is no alert."),
        "{}",
        nothing.all()
    );

    let made = env.ok(&SET);
    assert!(
        made.stderr.contains("sent a link to confirm"),
        "{}",
        made.all()
    );
    assert!(made.stderr.contains("cost-allocation tag `remote:owner`"));
    assert!(made.stderr.contains("8 to 12 hours late"));
    let again = env.ok(&SET);
    assert!(
        again.stderr.contains("has not confirmed yet"),
        "{}",
        again.all()
    );
    assert_eq!(
        (count(&lab, "CreateBudget"), count(&lab, "Subscribe")),
        (2, 1)
    );

    let calls = lab.control().calls();
    let budgets: Vec<_> = calls
        .iter()
        .filter(|c| c.action == "CreateBudget")
        .collect();
    for (budget, unit, kinds) in [
        (budgets[0], "DAILY", ["ACTUAL", "ACTUAL"]),
        (budgets[1], "MONTHLY", ["FORECASTED", "ACTUAL"]),
    ] {
        let sent = &budget.parameters;
        assert_eq!(sent["Budget"]["TimeUnit"], unit);
        let filter = sent["Budget"]["CostFilters"]["TagKeyValue"][0].as_str();
        assert!(
            filter.unwrap().starts_with("user:remote:owner$arn:aws:"),
            "{sent}"
        );
        assert_eq!(sent["ResourceTags"][0]["Key"], "remote:owner");
        for (n, kind) in kinds.iter().enumerate() {
            let one = &sent["NotificationsWithSubscribers"][n];
            assert_eq!(one["Notification"]["NotificationType"], *kind);
            assert_eq!(one["Subscribers"][0]["SubscriptionType"], "SNS");
        }
    }
    let policy = calls
        .iter()
        .find(|c| c.action == "SetTopicAttributes")
        .unwrap();
    let policy = policy.parameters["AttributeValue"].as_str().unwrap();
    assert!(policy.contains("budgets.amazonaws.com") && policy.contains("aws:SourceAccount"));

    let mut dearer = SET;
    dearer[3] = "7.50";
    env.ok(&dearer);
    assert_eq!(
        (count(&lab, "CreateBudget"), count(&lab, "UpdateBudget")),
        (2, 2)
    );
    let shown = json_of(&env.ok(&["alert", "show", "--json"]));
    let limits: Vec<_> = shown["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["limit"].clone())
        .collect();
    assert_eq!(limits, [json!(7_500_000), json!(225_000_000)]);
    assert_eq!(shown["emails"][0]["confirmed"], false);

    let gone = env.ok(&["alert", "rm", "--yes"]);
    assert_eq!(gone.stdout.lines().count(), 3, "{}", gone.all());
    let nothing = env.ok(&["alert", "rm", "--yes"]);
    assert!(nothing.stderr.contains("There is no alert."));
}

#[test]
fn an_alert_that_broke_off_is_finished_by_setting_it_again() {
    let (lab, env) = place();
    for action in [
        "CreateTopic",
        "SetTopicAttributes",
        "Subscribe",
        "CreateBudget",
    ] {
        lab.control().fault(&json!({
            "action": action, "kind": "before", "code": "AccessDenied", "message": "no", "status": 400,
        }));
        let failed = env.run(&SET);
        assert_eq!(failed.code, 1, "{action}: {}", failed.all());
        assert!(
            failed.stderr.contains("AccessDenied"),
            "{action}: {}",
            failed.all()
        );
        assert!(
            failed.stderr.contains("to this identity"),
            "{action}: {}",
            failed.all()
        );
    }
    env.ok(&SET);
    let shown = json_of(&env.ok(&["alert", "show", "--json"]));
    assert_eq!(shown["budgets"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["emails"].as_array().map(Vec::len), Some(1));
    env.ok(&["alert", "rm", "--yes"]);
}

#[test]
fn prices_are_awss_once_a_week_and_the_tables_where_it_does_not_tell() {
    let (lab, env) = place();
    let told = env.ok(&["prices", "m6i.large", "--region", "eu-west-1"]);
    assert!(told.stdout.contains("$0.10704"), "{}", told.all());
    assert!(!told.stdout.contains('≈'), "{}", told.all());
    // The cheapest zone.
    assert!(told.stdout.contains("eu-west-1b"), "{}", told.all());
    env.ok(&["prices", "m6i.large", "--region", "eu-west-1"]);
    let asked = ["GetProducts", "DescribeSpotPriceHistory"].map(|a| count(&lab, a));
    assert_eq!(asked, [2, 1], "the type and gp3, then spot; each once");

    lab.control().fault(&json!({
        "action": "GetProducts", "kind": "before", "count": 100, "code": "AccessDeniedException",
        "message": "not authorized to perform: pricing:GetProducts", "status": 400,
    }));
    let reckoned = env.ok(&["prices", "m6i.large", "--region", "eu-central-1"]);
    assert!(reckoned.stdout.contains("≈$0.115"), "{}", reckoned.all());
    let why = "a table of 2026-07-20, because: AccessDeniedException: not authorized";
    assert!(reckoned.stderr.contains(why), "{}", reckoned.all());
    let refused = env.run(&["prices", "refresh", "--region", "eu-central-1"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.stderr.contains("pricing:GetProducts"));
}
