//! A person at the command line, on a device of the lab's one account; and what AWS itself says is left after.

use std::time::Duration;

use aws_sdk_ec2::types::InstanceStateName;
use serde_json::{Value, json};

use crate::common::await_some;
use crate::common::env::{TestEnv, session_in};
use crate::common::process::{Ran, run};
use crate::ec2_world::{There, there};
use crate::guest::{BOOT, describe};
use crate::harness::{Lab, Machines, REGION};

/// With every call delayed by half a minute.
pub const LONG: Duration = Duration::from_secs(590);

/// `make soak` sets REMOTE_TEST_SOAK to the minutes that a loop may take: then what is sampled otherwise is done
/// whole, or as far as that time goes.
pub fn soak_time() -> Option<Duration> {
    let minutes: u64 = std::env::var("REMOTE_TEST_SOAK").ok()?.parse().ok()?;
    Some(Duration::from_secs(minutes * 60))
}

/// How much slower than a box whatever [`box_or_vm`] gives may be.
pub fn slowness() -> u32 {
    match box_or_vm() {
        Machines::Vm => 10,
        Machines::Box | Machines::None => 1,
    }
}

/// What is behind instances where a box will do.
pub fn box_or_vm() -> Machines {
    match soak_time() {
        Some(_) => Machines::Vm,
        None => Machines::Box,
    }
}

/// A machine has ended by itself; for the figures that `make soak` collects.
pub fn told_end(lab: &Lab, what: &str, seconds: f32, since: &str) {
    let kind = lab.machines;
    eprintln!("soak: {what} ({kind:?}): terminated {seconds:.1} s after {since}");
}

pub fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}

/// The actions called so far.
pub fn actions(lab: &Lab) -> Vec<String> {
    let calls = lab.control().calls();
    calls.into_iter().map(|c| c.action).collect()
}

/// `remote`, to its end, however slow AWS is.
pub fn patiently(env: &TestEnv, args: &[&str]) -> Ran {
    run(&mut env.remote(args), b"", LONG)
}

/// Dispatches and waits for the host: the session's name.
pub fn dispatch(env: &TestEnv, args: &[&str]) -> String {
    let mut all = vec!["dispatch", "--detach"];
    all.extend(args);
    let ran = run(&mut env.remote(&all), b"", LONG);
    assert_eq!(ran.code, 0, "{}", ran.all());
    session_in(&ran.stdout).unwrap_or_else(|| panic!("no session in {}", ran.all()))
}

/// What root's shell on a session's machine says of `command`, which is quoted for it.
pub fn sudo(env: &TestEnv, session: &str, command: &str) -> String {
    let ran = patiently(env, &["ssh", session, "--", "sudo", "sh", "-c", command]);
    assert_eq!(ran.code, 0, "{command}: {}", ran.all());
    ran.stdout
}

/// The one line of `status --json` about a session, once it is as wanted.
pub fn await_presence(env: &TestEnv, session: &str, wanted: &str) -> Value {
    let what = format!("{session} {wanted}");
    await_some(&what, BOOT, || {
        let told = json_of(&env.ok(&["status", session, "--json"]));
        (told["presence"] == wanted).then_some(told)
    })
}

/// The instance of a session, by its tag.
pub fn instance_of(env: &TestEnv, session: &str) -> String {
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let of = |l: &&Value| l["session"] == session && l["kind"] == "instance";
    let found = left.as_array().expect("a list").iter().find(of);
    let found = found.unwrap_or_else(|| panic!("no instance of {session} in {left}"));
    found["id"].as_str().expect("an id").to_owned()
}

/// A runtime for a call or two of the SDK.
pub fn block<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Waits until an instance is in a state.
pub fn await_instance(lab: &Lab, id: &str, wanted: &InstanceStateName) -> Option<String> {
    block(async {
        let ec2 = lab.ec2(REGION);
        let begun = std::time::Instant::now();
        loop {
            let now = describe(&ec2, id).await;
            let state = now.state.and_then(|s| s.name);
            if state.as_ref() == Some(wanted) {
                return now.state_reason.and_then(|r| r.code);
            }
            assert!(begun.elapsed() < BOOT, "{id} is {state:?}, not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

/// What is there that nobody lists; then nothing is to be there.
///
/// # Panics
/// When `gc` does not list something, or cannot take it away.
pub fn all_is_listed_and_goes(lab: &Lab, env: &TestEnv, after: &str) {
    lab.control().post("clear", &json!({}));
    let there_now = block(there(lab));
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let listed = |id: &str| {
        left.as_array()
            .expect("a list")
            .iter()
            .any(|l| l["id"] == id)
    };
    for one in &there_now {
        let by_instance = one.part_of.as_deref().is_some_and(listed);
        // It may have gone since.
        let gone = || !block(there(lab)).iter().any(|t| t.id == one.id);
        assert!(
            listed(&one.id) || by_instance || gone(),
            "{after}: {one:?} is not in {left}"
        );
    }
    let left = await_some("nothing", BOOT, || {
        let gone = patiently(
            env,
            &[
                "gc",
                "--here",
                "--delete",
                "--volumes",
                "--results",
                "--yes",
            ],
        );
        let there_now: Vec<There> = block(there(lab));
        (gone.code == 0 && there_now.is_empty()).then_some(there_now)
    });
    assert_eq!(left, [], "{after}");
    let told = env.ok(&["gc", "--here"]);
    assert!(
        told.stderr.contains("Nothing of yours is left"),
        "{after}: {}",
        told.all()
    );
}
