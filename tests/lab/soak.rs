//! Through the command line, in real boxes: every call of a dispatch and of its end fails in each way, and
//! sessions come and go. A few of each in a check; with REMOTE_TEST_SOAK (`make soak`) all of them, with
//! delays of half a minute. Each ends with its figures.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::env::{TestEnv, session_in};
use crate::common::process::Ran;
use crate::harness::{Lab, Machines};
use crate::person::{actions, all_is_listed_and_goes, json_of, patiently, soak_time};

const DISPATCH: [&str; 4] = ["dispatch", "--detach", "--command", "exec sleep 1000"];

/// The ways in which a call fails. A delay is longer than a person waits, and shorter than we do.
fn kinds() -> Vec<Value> {
    let delay = if soak_time().is_some() { 30 } else { 3 };
    let all = [
        json!({"kind": "before", "code": "UnauthorizedOperation", "status": 403, "count": 0}),
        json!({"kind": "after", "code": "InternalError", "status": 500, "count": 0}),
        json!({"kind": "drop", "count": 0}),
        json!({"kind": "delay", "delay": delay, "count": 1}),
    ];
    all.into()
}

/// What a command says that fails: a line that begins with `Error`, no crash, nothing endless.
fn is_clear(ran: &Ran) -> bool {
    let error = ran.stderr.lines().find(|l| l.contains("rror: "));
    (1..=255).contains(&ran.code)
        && error.is_some_and(|l| l.len() < 500)
        && !ran.stderr.contains("panicked")
        && !ran.stderr.contains("Internal error")
}

/// The calls of a dispatch and of its end, each once.
fn recorded(lab: &Lab, env: &TestEnv) -> BTreeSet<String> {
    let ran = patiently(env, &DISPATCH);
    assert_eq!(ran.code, 0, "{}", ran.all());
    env.ok(&["terminate", "--all", "--yes"]);
    let all = actions(lab);
    assert!(all.iter().any(|a| a == "TerminateInstances"), "{all:?}");
    all_is_listed_and_goes(lab, env, "a life without faults");
    all.into_iter().collect()
}

#[test]
fn each_call_fails_in_each_way_and_nothing_is_left_unlisted() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let begun = Instant::now();
    let calls = recorded(&lab, &env);
    let all = kinds()
        .into_iter()
        .flat_map(|k| calls.iter().map(move |c| (k.clone(), c)));
    let all: Vec<(Value, &String)> = all.collect();
    // In a check each way once, at different calls; in a soak all, mixed, as far as its time goes.
    let step = calls.len() + 1;
    let pairs: Vec<_> = match soak_time() {
        None => all.iter().skip(calls.len() / 2).step_by(step).collect(),
        Some(_) => (0..step)
            .flat_map(|from| all.iter().skip(from).step_by(step))
            .collect(),
    };
    let until = soak_time().map(|t| begun + t);
    let (mut done, mut failed, mut slowest) = (0, 0, 0.0_f32);
    for (kind, call) in pairs {
        if until.is_some_and(|u| Instant::now() > u) {
            break;
        }
        done += 1;
        let mut fault = kind.clone();
        fault["action"] = json!(call);
        lab.control().fault(&fault);
        let what = format!("{} {call}", kind["kind"]);
        let one = Instant::now();
        let mut said = Vec::new();
        let ran = patiently(&env, &DISPATCH);
        let session = session_in(&ran.all());
        if ran.code == 0 {
            let session = session.expect("a session");
            let ended = patiently(&env, &["terminate", &session, "--yes"]);
            said.push(ran);
            said.push(ended);
        } else {
            said.push(ran);
        }
        let bad: Vec<&Ran> = said.iter().filter(|r| r.code != 0).collect();
        for ran in &bad {
            assert!(is_clear(ran), "{what}: {}", ran.all());
        }
        failed += bad.len();
        let took = one.elapsed().as_secs_f32();
        slowest = slowest.max(took);
        let told = bad.first().map_or("went well", |r| first_line(&r.stderr));
        eprintln!("{what}: {took:.1} s, {told}");
        lab.control().post("clear", &json!({}));
        // What the fault kept from ending is a session like any other.
        let live = json_of(&patiently(&env, &["status", "--json"]));
        for one in live.as_array().expect("a list") {
            let name = one["session"].as_str().expect("a name");
            let ended = patiently(&env, &["terminate", name, "--yes"]);
            // Its host may have ended it meanwhile.
            let over = ended.code == 0 || ended.stderr.contains("is over already");
            assert!(over, "{what}: {}", ended.all());
        }
        all_is_listed_and_goes(&lab, &env, &what);
    }
    eprintln!(
        "soak: {done} of {} faults at {} calls through the command line, {failed} commands failed clearly, the slowest \
         took {slowest:.0} s; {} dispatches in {:.0} s, 0 things left",
        all.len(),
        calls.len(),
        done + 1,
        begun.elapsed().as_secs_f32()
    );
}

fn first_line(text: &str) -> &str {
    let error = text.lines().find(|l| l.contains("rror: "));
    error.or(text.lines().last()).unwrap_or("nothing said")
}

#[test]
fn sessions_come_and_go_and_nothing_stays() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let begun = Instant::now();
    let until = soak_time().map(|t| begun + t);
    let mut round = 0;
    while round < 2 || until.is_some_and(|u| Instant::now() < u) {
        round += 1;
        let ran = patiently(&env, &DISPATCH);
        assert_eq!(ran.code, 0, "round {round}: {}", ran.all());
        let session = session_in(&ran.stdout).expect("a session");
        env.ok(&["terminate", &session, "--yes"]);
        all_is_listed_and_goes(&lab, &env, &format!("round {round}"));
        let home = env.home().join(".local/state/remote/launches");
        let journal = std::fs::read_dir(home).map_or(0, Iterator::count);
        assert_eq!(journal, 0, "round {round}: the journal is empty");
    }
    eprintln!(
        "soak: {round} sessions dispatched and terminated in {:.0} s, 0 things left",
        begun.elapsed().as_secs_f32()
    );
}
