//! The policies of docs/iam as data: read, and changed in every way that must not go unnoticed. Nothing of
//! them is typed here.

use serde_json::{Value, json};

/// A file of docs/iam.
pub fn read(name: &str) -> Value {
    let path = format!("{}/docs/iam/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// One text, or a list of them.
pub fn texts(value: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().expect("a text").to_owned();
    value
        .as_array()
        .map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

pub fn statements(policy: &Value) -> &Vec<Value> {
    policy["Statement"].as_array().expect("statements")
}

/// Whether it only takes away.
pub fn denies(policy: &Value) -> bool {
    statements(policy).iter().all(|s| s["Effect"] == "Deny")
}

/// Every action, once.
pub fn actions(policy: &Value) -> Vec<String> {
    let mut all: Vec<String> = statements(policy)
        .iter()
        .flat_map(|s| texts(&s["Action"]))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The policy without these actions.
pub fn without(policy: &Value, actions: &[&str]) -> Value {
    let mut changed = policy.clone();
    let all = changed["Statement"].as_array_mut().expect("statements");
    for statement in all.iter_mut() {
        let mut kept = texts(&statement["Action"]);
        kept.retain(|a| !actions.contains(&a.as_str()));
        statement["Action"] = json!(kept);
    }
    all.retain(|s| s["Action"] != json!([]));
    changed
}

/// A change of one place in a policy.
pub struct Change {
    pub what: String,
    pub policy: Value,
}

fn changed(policy: &Value, n: usize, what: &str, change: impl FnOnce(&mut Value)) -> Change {
    let mut policy = policy.clone();
    let statement = &mut policy["Statement"][n];
    let what = format!("{}: {what}", statement["Sid"]);
    change(statement);
    Change { what, policy }
}

/// The places of a statement's conditions: operator and key.
fn conditions(statement: &Value) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        let keys = keys.as_object().expect("keys").keys();
        places.extend(keys.map(|key| (operator.clone(), key.clone())));
    }
    places
}

/// The policy with each action, each resource, each condition's key and each of its values spoilt in turn: each
/// allows less than the policy, as long as nothing in it is idle.
pub fn narrowed(policy: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    for (n, statement) in statements(policy).iter().enumerate() {
        for part in ["Action", "Resource"] {
            for one in texts(&statement[part]) {
                all.push(changed(policy, n, &format!("without {one}"), |s| {
                    let mut kept = texts(&s[part]);
                    kept.retain(|k| *k != one);
                    s[part] = json!(kept);
                }));
            }
        }
        for (operator, key) in conditions(statement) {
            let values = texts(&statement["Condition"][&operator][&key]);
            // Of a key that is not there, ForAllValues is true.
            if !operator.starts_with("ForAllValues:") {
                let what = format!("{operator} of another key than {key}");
                all.push(changed(policy, n, &what, |s| {
                    let keys = s["Condition"][&operator].as_object_mut().expect("keys");
                    let value = keys.remove(&key).expect("it");
                    keys.insert(format!("{key}-x"), value);
                }));
            }
            for value in &values {
                let other = match value.as_str() {
                    "true" => "false".to_owned(),
                    "false" => "true".to_owned(),
                    value => format!("{value}-x"),
                };
                let what = format!("{operator} {key}: {other} for {value}");
                all.push(changed(policy, n, &what, |s| {
                    let rest = values.iter().map(|v| if v == value { &other } else { v });
                    s["Condition"][&operator][&key] = json!(rest.collect::<Vec<_>>());
                }));
            }
        }
    }
    all
}

/// The policy with each condition taken out in turn: each allows more, if the condition keeps anything out.
pub fn loosened(policy: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    for (n, statement) in statements(policy).iter().enumerate() {
        for (operator, key) in conditions(statement) {
            all.push(changed(
                policy,
                n,
                &format!("without {operator} {key}"),
                |s| {
                    let keys = s["Condition"][&operator].as_object_mut().expect("keys");
                    keys.remove(&key);
                },
            ));
        }
    }
    all
}

/// The policy without each of its statements in turn.
pub fn shortened(policy: &Value) -> Vec<Change> {
    (0..statements(policy).len())
        .map(|n| {
            let mut gone = changed(policy, n, "taken out", |_| ());
            let all = gone.policy["Statement"].as_array_mut().expect("statements");
            all.remove(n);
            gone
        })
        .collect()
}
