//! A machine's ends and halts as the command line shows them: work over, idle, time, money; stopped and started
//! from outside; frozen, and ended by whoever looks next.

use std::time::Instant;

use aws_sdk_ec2::types::{InstanceStateName, Tag};
use remote_compute::model::now_ms;
use serde_json::json;

use crate::common::await_some;
use crate::common::terminal::USUAL;
use crate::guest::BOOT;
use crate::harness::{Lab, Machines, REGION};
use crate::person::{
    all_is_listed_and_goes, await_instance, await_presence, block, box_or_vm, dispatch,
    instance_of, json_of, patiently, told_end,
};

#[test]
fn a_session_ends_its_machine_when_its_work_its_time_or_its_money_is_over() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let rest = "exec sleep 1000";
    let mut machines = Vec::new();
    for (end, words) in [
        ("ttl", ["--ttl", "60s", "--command", rest].as_slice()),
        ("work", &["--linger", "15s", "--command", "echo done"]),
        ("idle", &["--idle", "15s", "--command", rest]),
        // A little over the minute that is paid in any case.
        ("budget", &["--budget", "0.002usd", "--command", rest]),
    ] {
        let begun = now_ms();
        let session = dispatch(&env, words);
        let instance = instance_of(&env, &session);
        machines.push((end, begun, session, instance));
    }
    // Side by side, and nobody asks any of them to end.
    for (end, begun, session, instance) in machines {
        let why = await_instance(&lab, &instance, &InstanceStateName::Terminated);
        assert_eq!(
            why.as_deref(),
            Some("Client.InstanceInitiatedShutdown"),
            "{end}"
        );
        let took = now_ms() - begun;
        eprintln!(
            "{end}: {session} terminated {:.1} s after its dispatch",
            took as f32 / 1e3
        );
        assert!(
            end != "ttl" || took >= 60_000,
            "not before its time: {took}"
        );
        assert!(!env.ok(&["status"]).stdout.contains(&session), "{end}");
    }
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let volumes = left
        .as_array()
        .expect("a list")
        .iter()
        .filter(|l| l["kind"] == "volume");
    assert_eq!(volumes.count(), 4, "each end keeps the work: {left}");
    all_is_listed_and_goes(&lab, &env, "four ends");
}

#[test]
fn a_machine_that_is_stopped_and_started_from_outside_is_found_again() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let ec2 = lab.ec2(REGION);
    let session = dispatch(&env, &["--command", "echo once more; exec sleep 1000"]);
    let instance = instance_of(&env, &session);
    let first = lab.control().machine(&instance)["address"].clone();
    let stop = || {
        let call = ec2.stop_instances().instance_ids(&instance);
        block(call.send()).expect("stopped");
        await_instance(&lab, &instance, &InstanceStateName::Stopped);
    };
    stop();
    let listed = env.ok(&["status"]);
    assert!(
        listed.stdout.contains("machine stopped"),
        "{}",
        listed.all()
    );
    let detail = env.ok(&["status", &session]);
    let remedy = format!("remote restart {session}");
    assert!(detail.stdout.contains(&remedy), "{}", detail.all());
    let mut refused = env.attach(&session, USUAL);
    assert_ne!(refused.wait_exit(), 0);
    assert!(
        refused.shows(&remedy) || refused.shows("is stopped"),
        "{:?}",
        refused.text()
    );

    // From the console: another address, and a host that came up with the machine.
    block(ec2.start_instances().instance_ids(&instance).send()).expect("started");
    await_instance(&lab, &instance, &InstanceStateName::Running);
    let second = lab.control().machine(&instance)["address"].clone();
    assert_ne!(first, second, "its address has changed");
    await_presence(&env, &session, "live");
    let mut terminal = env.attach(&session, USUAL);
    assert_ne!(terminal.wait_exit(), 0, "its agents were lost with it");
    let shown = terminal.shows("exited with") || terminal.shows("lost");
    assert!(shown, "{:?}", terminal.text());
    env.ok(&["restart", &session]);
    let mut terminal = env.attach(&session, USUAL);
    terminal.wait_text("once more");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);

    // By us.
    stop();
    let restarted = env.ok(&["restart", &session]);
    assert!(
        restarted.stderr.contains("Restarted"),
        "{}",
        restarted.all()
    );
    let mut terminal = env.attach(&session, USUAL);
    terminal.wait_text("once more");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    stop();
    env.ok(&["terminate", &session, "--yes"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    assert!(!env.ok(&["status"]).stdout.contains(&session));
    all_is_listed_and_goes(&lab, &env, "stops and starts");
}

#[test]
fn a_machine_that_goes_while_it_is_being_terminated_is_terminated() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let session = dispatch(&env, &["--command", "exec sleep 1000"]);
    let instance = instance_of(&env, &session);
    let told = || {
        let calls = lab.control().calls();
        calls.iter().filter(|c| c.fault.is_some() && c.done).count()
    };
    // It is listed as running, and is gone by the time its host is looked for.
    let old = json!({"action": "DescribeInstances", "kind": "delay", "late": 4});
    lab.control().fault(&old);
    let ended = std::thread::scope(|scope| {
        let ending = scope.spawn(|| patiently(&env, &["terminate", &session, "--yes"]));
        await_some("an old answer", BOOT, || (told() > 0).then_some(()));
        let ec2 = lab.ec2(REGION);
        let call = ec2.terminate_instances().instance_ids(&instance);
        block(call.send()).expect("terminated");
        ending.join().expect("it ends")
    });
    assert_eq!(ended.code, 0, "{}", ended.all());
    assert!(ended.stderr.contains("Terminated"), "{}", ended.all());
    all_is_listed_and_goes(&lab, &env, "gone meanwhile");
}

#[test]
fn a_frozen_machine_past_its_time_is_ended_by_who_looks_next() {
    let lab = Lab::start(box_or_vm());
    let (here, there) = (lab.device(), lab.device());
    let session = dispatch(&here, &["--command", "exec sleep 1000"]);
    let instance = instance_of(&here, &session);
    lab.control().kill(&instance, "freeze");
    // Its time was up eleven minutes ago.
    let past = (now_ms() - 11 * 60_000) / 1000;
    let past = humantime_utc(past);
    let tag = Tag::builder().key("remote:deadline").value(past).build();
    let ec2 = lab.ec2(REGION);
    let tags = ec2.create_tags().resources(&instance).tags(tag);
    block(tags.send()).expect("a tag");
    let begun = Instant::now();
    there.ok(&["status"]);
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    let took = begun.elapsed().as_secs_f32();
    told_end(&lab, "frozen", took, "a look from another device");
    assert!(!here.ok(&["status"]).stdout.contains(&session));
    all_is_listed_and_goes(&lab, &here, "a frozen machine");
}

/// `2026-11-03T10:00:00Z`
fn humantime_utc(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}
