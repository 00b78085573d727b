//! `remote dispatch` cut off at every stage that its journal knows: by Ctrl-C, which cleans up, and by a kill,
//! after which the next command on this device ends the launch or finishes it, and another device sees it.

use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::env::{TestEnv, read_json, session_in};
use crate::common::process::{exit_code, kill, wait_child};
use crate::common::{SOON, await_some, await_true};
use crate::guest::BOOT;
use crate::harness::{Lab, Machines, REGION};
use crate::person::{all_is_listed_and_goes, await_presence, dispatch, json_of, patiently};

const TASK: [&str; 5] = [
    "dispatch",
    "--detach",
    "--command",
    "exec sleep 1000",
    "--json",
];

/// The session and stage that the journal tells of; `None` where there is no launch. An earlier one may stay for
/// a while, if what it asked for was never answered: the newest counts.
fn journal(env: &TestEnv) -> Option<(String, String)> {
    let dir = env.home().join(".local/state/remote/launches");
    let files = std::fs::read_dir(dir).ok()?.flatten().map(|e| e.path());
    let file = files
        .filter(|p| p.extension().is_some_and(|x| x == "json"))
        .max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok())?;
    let begun: Value = read_json(&file)?;
    let stage = begun["stage"].as_str()?.to_owned();
    Some((session_in(&file.to_string_lossy())?, stage))
}

fn begin(env: &TestEnv) -> Child {
    let mut command = env.remote(&TASK);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped()).spawn().expect("remote")
}

/// The stages of a launch that nothing cuts off, in order.
fn stages(env: &TestEnv) -> Vec<String> {
    let mut child = begin(env);
    let mut seen: Vec<String> = Vec::new();
    await_true("the launch to be through", BOOT, || {
        if let Some((_, stage)) = journal(env)
            && seen.last() != Some(&stage)
        {
            seen.push(stage);
        }
        child.try_wait().expect("a child").is_some()
    });
    seen
}

/// How often a stage may pass by unseen: some last for milliseconds.
const MISSES: usize = 20;

/// Begins a launch and sends `signal` as its journal reaches `stage`: the session, its exit, what it said.
fn cut_at(env: &TestEnv, stage: &str, signal: Signal) -> (String, i32, String) {
    for _ in 0..MISSES {
        if let Some(cut) = try_cut_at(env, stage, signal) {
            return cut;
        }
        // It went on, or through: from the start.
        patiently(env, &["status"]);
        env.run(&["terminate", "--all", "--yes"]);
    }
    panic!("{stage}: it passed by unseen {MISSES} times");
}

/// `None` where the stage was not met.
fn try_cut_at(env: &TestEnv, stage: &str, signal: Signal) -> Option<(String, i32, String)> {
    let mut child = begin(env);
    let met = await_some(stage, BOOT, || {
        let told = journal(env).filter(|(_, now)| now == stage);
        match child.try_wait().expect("a child") {
            Some(_) => Some(None),
            None => told.map(|(session, _)| Some(session)),
        }
    });
    if met.is_some() {
        kill(child.id(), signal);
    }
    let mut said = child.stderr.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::io::Read::read_to_string(&mut said, &mut text);
        text
    });
    let ended = wait_child(&mut child, BOOT).unwrap_or_else(|| panic!("{stage}: it does not end"));
    let said = reader.join().expect("stderr");
    let session = met?;
    let code = exit_code(ended);
    // It may have gone on, or been through, before the signal came.
    let left = journal(env).map(|(_, stage)| stage);
    match signal {
        Signal::KILL => left.is_some_and(|l| l == stage),
        _ => code != 0,
    }
    .then_some((session, code, said))
}

#[test]
fn a_dispatch_that_is_interrupted_at_any_stage_cleans_up() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let stages = stages(&env);
    assert!(stages.len() >= 5, "{stages:?}");
    env.ok(&["terminate", "--all", "--yes"]);
    all_is_listed_and_goes(&lab, &env, "a whole life");
    for stage in stages {
        // One of its own: what is asked for and not answered is looked for again for a while.
        let env = lab.device();
        let (session, code, said) = cut_at(&env, &stage, Signal::INT);
        assert_ne!(code, 0, "{stage}: {said}");
        assert!(
            said.contains(&session) && said.contains("taken back"),
            "{stage}: {said}"
        );
        if let Some((_, left)) = journal(&env) {
            assert_eq!(left, "asked", "{stage}");
            assert!(said.contains("looks again"), "{stage}: {said}");
        }
        let shown = patiently(&env, &["status"]);
        assert!(!shown.stdout.contains(&session), "{stage}: {}", shown.all());
        // No volume: nothing was on it.
        await_true("its end", SOON, || {
            let left = json_of(&env.ok(&["gc", "--here", "--json"]));
            let left = left.as_array().expect("a list");
            left.iter().all(|l| l["kind"] == "security group")
        });
        all_is_listed_and_goes(&lab, &env, &stage);
    }
}

#[test]
fn a_dispatch_that_is_killed_at_any_stage_is_ended_or_finished_by_the_next_command() {
    let lab = Lab::start(Machines::Box);
    let (here, there) = (lab.device(), lab.device());
    let stages = stages(&here);
    here.ok(&["terminate", "--all", "--yes"]);
    all_is_listed_and_goes(&lab, &here, "a whole life");
    let mut became = Vec::new();
    for stage in stages {
        // One of its own, as above.
        let here = lab.device();
        let (session, ..) = cut_at(&here, &stage, Signal::KILL);
        // What another device sees, which has no journal: nothing, or a launch, or a session.
        let seen = json_of(&there.ok(&["status", "--json"]));
        let seen = seen.as_array().expect("a list").iter();
        let presence = seen.clone().find(|s| s["session"] == session.as_str());
        let presence = presence.map(|s| s["presence"].clone());
        if stage == "made" {
            assert_eq!(presence, Some("launching".into()), "{stage}");
        }

        let shown = patiently(&here, &["status"]);
        assert_eq!(shown.code, 0, "{stage}: {}", shown.all());
        let told = shown.stderr.lines().find(|l| l.contains(&session));
        let told = told
            .unwrap_or_else(|| panic!("{stage}: {}", shown.all()))
            .to_owned();
        assert!(told.contains("was cut off"), "{told}");
        let live = shown.stdout.contains(&session);
        if live {
            assert!(told.ends_with("finished"), "{told}");
            await_presence(&here, &session, "live");
            await_presence(&there, &session, "live");
            here.ok(&["terminate", &session, "--yes"]);
        }
        became.push((stage.clone(), presence, told));
        all_is_listed_and_goes(&lab, &here, &stage);
    }
    eprintln!("{became:#?}");
    let finished = became
        .iter()
        .filter(|(_, _, told)| told.ends_with("finished"));
    assert_eq!(
        finished.count(),
        1,
        "once there may be work, it is not thrown away"
    );
}

#[test]
fn another_device_ends_a_launch_that_was_cut_off() {
    let lab = Lab::start(Machines::Box);
    let (here, there) = (lab.device(), lab.device());
    let (session, ..) = cut_at(&here, "made", Signal::KILL);
    let detail = there.ok(&["status", &session]);
    assert!(detail.stdout.contains("launching"), "{}", detail.all());
    assert!(
        detail
            .stdout
            .contains(&format!("remote terminate {session}")),
        "{}",
        detail.all()
    );
    there.ok(&["terminate", &session, "--yes"]);
    let shown = there.ok(&["status"]);
    assert!(!shown.stdout.contains(&session), "{}", shown.all());
    // The device that began it finds nothing to end, and says so once.
    let shown = patiently(&here, &["status"]);
    assert!(shown.stderr.contains("was cut off"), "{}", shown.all());
    assert!(!here.ok(&["status"]).all().contains(&session));
    all_is_listed_and_goes(&lab, &here, "terminated elsewhere");
}

#[test]
fn a_launch_in_another_region_is_seen_and_ended() {
    let lab = Lab::start(Machines::Box);
    let mut env = lab.device();
    env.set("REMOTE_REGION", "eu-west-1");
    let (session, ..) = cut_at(&env, "made", Signal::KILL);
    let kept = dispatch(&env, &["--command", "exec sleep 1000"]);
    env.set("REMOTE_REGION", REGION);
    let shown = patiently(&env, &["status"]);
    assert!(shown.stderr.contains(&session), "{}", shown.all());
    assert!(shown.stdout.contains(&kept), "{}", shown.all());
    await_presence(&env, &kept, "live");
    env.ok(&["terminate", &kept, "--yes"]);
    await_true("its end", SOON, || {
        let left = json_of(&env.ok(&["gc", "--json"]));
        let left = left.as_array().expect("a list");
        !left.iter().any(|l| l["kind"] == "instance")
    });
    let gone = env.ok(&["gc", "--delete", "--volumes", "--results", "--yes"]);
    let nothing = env.ok(&["gc"]);
    assert!(
        nothing.stderr.contains("Nothing of yours is left"),
        "{}{}",
        gone.all(),
        nothing.all()
    );
}
