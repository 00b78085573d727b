//! What the lab's record says of calls: how many, which twice, and how long AWS had us wait.

use serde_json::{Value, json};

use crate::harness::Control;

/// One call that the lab has answered.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub action: String,
    /// Action and parameters: a repeated call has the same.
    asked: String,
    /// Seconds of the lab's clock.
    begun: f64,
    ended: f64,
}

/// The number of calls so far.
pub fn mark(control: &Control) -> usize {
    let state = control.post("state", &json!({}));
    state["calls"].as_array().map_or(0, Vec::len)
}

/// The calls since [`mark`].
pub fn since(control: &Control, mark: usize) -> Vec<Recorded> {
    let state = control.post("state", &json!({ "since": mark }));
    let calls = state["calls"].as_array().cloned().unwrap_or_default();
    calls.iter().map(recorded).collect()
}

fn recorded(call: &Value) -> Recorded {
    let action = call["action"].as_str().unwrap_or_default().to_owned();
    let begun = call["at"].as_f64().unwrap_or_default();
    Recorded {
        asked: format!("{action} {}", call["parameters"]),
        action,
        begun,
        ended: begun + call["seconds"].as_f64().unwrap_or_default(),
    }
}

/// How many calls were made before.
pub fn repeated(calls: &[Recorded]) -> usize {
    let mut asked: Vec<&str> = calls.iter().map(|c| c.asked.as_str()).collect();
    asked.sort_unstable();
    asked.dedup();
    calls.len() - asked.len()
}

/// The seconds in which at least one call was being answered: some are side by side.
pub fn waited(calls: &[Recorded]) -> f64 {
    let mut spans: Vec<(f64, f64)> = calls.iter().map(|c| (c.begun, c.ended)).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut until = f64::MIN;
    let mut sum = 0.0;
    for (begun, ended) in spans {
        sum += (ended - begun.max(until)).max(0.0);
        until = until.max(ended);
    }
    sum
}
