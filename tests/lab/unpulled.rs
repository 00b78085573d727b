//! Results that exist only on a work volume: said wherever a person looks, gone with their machine once they are safe,
//! and never otherwise but by name.

use std::path::Path;

use aws_sdk_ec2::types::InstanceStateName;

use serde_json::json;

use crate::common::env::{TestEnv, session_in};
use crate::common::repository::{git, remote_ok, repository};
use crate::common::{SOON, await_true};
use crate::guest::BOOT;
use crate::harness::{Lab, Machines};
use crate::person::{await_instance, await_presence, instance_of, json_of};

fn begin(env: &TestEnv, top: &Path, command: &str) -> String {
    let told = remote_ok(env, top, &["dispatch", "--detach", "--command", command]);
    session_in(&told.stdout).unwrap_or_else(|| panic!("{}", told.all()))
}

fn volumes(env: &TestEnv) -> usize {
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let left = left.as_array().expect("a list").iter();
    left.filter(|l| l["kind"] == "volume").count()
}

const WORK: &str = "echo by agent >>a.txt; git commit -qam work; echo left >left";

#[test]
fn a_volume_goes_with_its_machine_once_all_is_pulled_and_never_before() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let top = repository(&env);
    let session = begin(&env, &top, WORK);
    let ended = |session: &str| {
        await_true("its agent's end", SOON, || {
            let told = await_presence(&env, session, "live");
            told["status"]["agents"][0]["code"] == 0
        });
    };
    ended(&session);
    let told = json_of(&remote_ok(&env, &top, &["pull", &session, "--json"]));
    assert_eq!(
        (&told[0]["safe"], &told[0]["over"]),
        (&true.into(), &true.into())
    );
    // More work is done in it: the volume stays again.
    remote_ok(&env, &top, &["restart", &session]);
    let instance = instance_of(&env, &session);
    let told = remote_ok(&env, &top, &["terminate", &session, "--yes"]);
    assert!(
        told.stderr.contains("kept: its work volume"),
        "{}",
        told.all()
    );
    assert!(
        told.stderr.contains("wait on its work volume"),
        "{}",
        told.all()
    );
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    assert_eq!(volumes(&env), 1);

    // All is safe: with the machine goes the volume.
    let second = begin(&env, &top, WORK);
    ended(&second);
    remote_ok(&env, &top, &["pull", &second]);
    let instance = instance_of(&env, &second);
    let told = remote_ok(&env, &top, &["terminate", &second, "--yes"]);
    assert!(
        told.stderr.contains("its results are here"),
        "{}",
        told.all()
    );
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    await_true("its volume's end", SOON, || volumes(&env) == 1);

    // The first one's waits, on any device; it is no garbage, and goes by name alone.
    let other = lab.device();
    for device in [&env, &other] {
        let told = device.ok(&["status"]);
        assert!(told.stderr.contains(&session), "{}", told.all());
        assert!(told.stderr.contains("≈$"), "{}", told.all());
        let listed = json_of(&device.ok(&["gc", "--unpulled", "--json"]));
        assert_eq!(listed.as_array().expect("a list").len(), 1, "{listed}");
        assert_eq!(listed[0]["session"], session.as_str());
        let old = device.ok(&["gc", "--unpulled", "--older-than", "30days", "--json"]);
        assert_eq!(old.stdout.trim(), "[]");
    }
    env.ok(&["gc", "--here", "--delete", "--yes"]);
    assert_eq!(volumes(&env), 1, "garbage alone goes");
    let told = other.ok(&["discard", &session, "--yes"]);
    assert!(told.stderr.contains("not pulled"), "{}", told.all());
    assert_eq!(volumes(&env), 0);
    let told = env.ok(&["gc", "--unpulled"]);
    assert!(told.stderr.contains("No results wait"), "{}", told.all());
}

/// It commits, leaves something uncommitted, sees that both are on the disk, and works on.
const AT_WORK: &str = "echo by agent >>a.txt; git commit -qam work; echo left >left; mkdir -p sub; echo in >sub/in; \
     chmod +x left; ln -s left link; sync -f .; echo ready; exec sleep 1000";

#[test]
fn results_are_pulled_from_the_volume_of_a_machine_that_is_gone() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let top = repository(&env);
    let other = lab.device();
    let clone = other.work().join("api");
    let from = top.display().to_string();
    git(&other, &other.work(), &["clone", "--quiet", &from, "api"]);
    for (device, place, end) in [(&env, &top, "power"), (&other, &clone, "terminate")] {
        let session = begin(&env, &top, AT_WORK);
        await_true("its work", BOOT, || {
            env.ok(&["logs", &session]).stdout.contains("ready")
        });
        let instance = instance_of(&env, &session);
        match end {
            "power" => lab.control().kill(&instance, end),
            _ => drop(env.ok(&["terminate", &session, "--yes"])),
        }
        await_instance(&lab, &instance, &InstanceStateName::Terminated);
        // Done twice it changes nothing, though an answer to the making of a snapshot is lost each time.
        for lost in [
            json!({"kind": "drop"}),
            json!({"kind": "after", "code": "InternalError", "status": 500}),
        ] {
            let mut fault = lost.clone();
            fault["action"] = json!("CreateSnapshot");
            fault["count"] = json!(1);
            lab.control().fault(&fault);
            let told = remote_ok(device, place, &["pull", &session, "--force", "--json"]);
            let told = json_of(&told);
            assert_eq!(
                (&told[0]["safe"], &told[0]["over"]),
                (&true.into(), &true.into()),
                "{told}"
            );
            lab.control().post("clear", &json!({}));
        }
        let mut lost = lab.control().calls();
        lost.retain(|c| c.action == "CreateSnapshot" && c.fault.is_some());
        assert!(lost.len() >= 2, "{lost:?}");
        let branch = format!("remote/{session}/1");
        let show = |name: &str| git(device, place, &["show", name]);
        assert_eq!(show(&format!("{branch}:a.txt")), "one\nby agent");
        let wip = format!("refs/remote/{session}/1/wip");
        assert_eq!(show(&format!("{wip}:left")), "left");
        assert_eq!(show(&format!("{wip}:sub/in")), "in");
        assert_eq!(show(&format!("{wip}:link")), "left");
        let modes = git(device, place, &["ls-tree", &wip, "left", "link"]);
        assert!(
            modes.contains("100755 blob") && modes.contains("120000 blob"),
            "{modes}"
        );
        // The snapshot is gone; the volume stays, and does not wait any more.
        let left = json_of(&device.ok(&["gc", "--here", "--json"]));
        let of = |kind: &str| {
            let left = left.as_array().expect("a list").iter();
            left.filter(|l| l["kind"] == kind && l["session"] == session.as_str())
                .count()
        };
        assert_eq!((of("snapshot"), of("volume")), (0, 1), "{left}");
        assert_eq!(
            device.ok(&["gc", "--unpulled", "--json"]).stdout.trim(),
            "[]"
        );
        device.ok(&["discard", &session, "--yes"]);
        let gone = device.run(&["pull", &session]);
        assert_ne!(gone.code, 0, "{}", gone.all());
    }
    assert_eq!(volumes(&env), 0);
}
