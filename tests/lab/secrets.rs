//! A secret on a rented machine: in the agent's environment, and in nothing that AWS is told.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::common::SOON;
use crate::common::process::run;
use crate::common::terminal::size;
use crate::harness::{Lab, Machines};

const CANARY: &str = "cn4ry-Zq8/xT+k3Lm9=w";

/// The value, and what of its base64 depends on nothing beside it.
fn leaks(text: &str) -> bool {
    let inner = |before: usize| {
        let all = STANDARD.encode([&b"xy"[..before], CANARY.as_bytes()].concat());
        all[4..all.len() - 4].to_owned()
    };
    text.contains(CANARY) || (0..3).any(|before| text.contains(&inner(before)))
}

/// User-data as the machine reads it.
fn unpacked(user_data: &str) -> String {
    let bytes = STANDARD.decode(user_data).expect("base64");
    let mut text = String::new();
    let unzipped = flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text);
    match unzipped {
        Ok(_) => text,
        Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

#[test]
fn a_canary_is_in_no_call_no_tag_and_no_user_data() {
    let lab = Lab::start(Machines::Box);
    let mut env = lab.device();
    env.set("REMOTE_PASSPHRASE", "open sesame");
    let set = run(
        &mut env.remote(&["secret", "set", "CANARY"]),
        CANARY.as_bytes(),
        SOON,
    );
    assert_eq!(set.code, 0, "{}", set.all());
    let script = "stty -echo; echo whole $CANARY; read x; exec sleep 1000";
    let session = env.dispatch(&["--no-repo", "--secret", "CANARY", "--command", script]);
    let mut terminal = env.attach(&session, size(80, 24));
    terminal.wait_text(&format!("whole {CANARY}"));
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    let raw = String::from_utf8_lossy(&env.raw_logs(&session)).into_owned();
    assert!(
        raw.contains(&format!("whole {}", "*".repeat(CANARY.len()))),
        "{raw}"
    );

    let mut launches = 0;
    for call in lab.control().calls() {
        let told = call.parameters.to_string();
        assert!(!leaks(&told), "{} tells it: {told}", call.action);
        if let Some(user_data) = call.parameters["UserData"].as_str() {
            launches += 1;
            let text = unpacked(user_data);
            assert!(text.contains("remote") && !leaks(&text), "{text}");
        }
    }
    assert!(launches > 0, "no user-data was seen");
    let listed = env.ok(&["status", "--all", "--json"]);
    assert!(!leaks(&listed.all()));
    env.ok(&["terminate", &session, "--yes"]);
}
