//! The same words on every provider: what a person types and is told is the same on this machine, on one of
//! their own, and on a rented one. Where they differ by their nature is said as data in [`Place`].

use serde_json::Value;

use crate::common::env::TestEnv;
use crate::common::process::{Ran, run};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::USUAL;
use crate::common::{SOON, await_some, await_true};
use crate::harness::{Lab, Machines};
use crate::person::json_of;

/// Where a person's sessions run.
struct Place {
    env: TestEnv,
    provider: &'static str,
    /// The output of a session that was ended can be read without its machine.
    logs_stay: bool,
    _ground: Vec<Box<dyn std::any::Any>>,
}

fn local() -> Place {
    Place {
        env: TestEnv::new(),
        provider: "local",
        logs_stay: true,
        _ground: Vec::new(),
    }
}

fn ssh() -> Place {
    let (mut env, far) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(far.home()));
    env.use_sshd(&sshd, sshd.port);
    env.set("REMOTE_PROVIDER", "ssh");
    env.set("REMOTE_HOST", "box");
    Place {
        env,
        provider: "ssh",
        logs_stay: true,
        _ground: vec![Box::new(sshd), Box::new(far)],
    }
}

fn ec2() -> Place {
    let lab = Lab::start(Machines::Box);
    Place {
        env: lab.device(),
        provider: "ec2",
        logs_stay: false,
        _ground: vec![Box::new(lab)],
    }
}

#[test]
fn local_is_spoken_to_in_the_same_words() {
    the_same_words(&local());
}

#[test]
fn ssh_is_spoken_to_in_the_same_words() {
    the_same_words(&ssh());
}

#[test]
fn ec2_is_spoken_to_in_the_same_words() {
    the_same_words(&ec2());
}

impl Place {
    fn status(&self, session: &str) -> Value {
        json_of(&self.env.ok(&["status", session, "--json"]))
    }

    /// What comes of a command that cannot be.
    fn refused(&self, args: &[&str], code: i32, said: &str) {
        let ran = self.env.run(args);
        assert_eq!(ran.code, code, "{} {args:?}: {}", self.provider, ran.all());
        assert!(
            ran.stderr.contains(said),
            "{} {args:?}: {}",
            self.provider,
            ran.all()
        );
        assert!(
            ran.stderr.contains("Hint: "),
            "{} {args:?}: {}",
            self.provider,
            ran.all()
        );
    }
}

fn dispatch(place: &Place, name: &str) -> String {
    let script = "echo \"I am $0 $REMOTE_AGENT\"; read x; echo \"got $x\"; exec sleep 1000";
    let mut words = vec![
        "dispatch", "--detach", "-n", "2", "--ttl", "1h", "--name", name,
    ];
    words.extend(["--", "sh", "-c", script, name]);
    let ran: Ran = run(&mut place.env.remote(&words), b"", 4 * SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran.stdout.trim().to_owned()
}

fn the_same_words(place: &Place) {
    let env = &place.env;
    let nothing = json_of(&env.ok(&["status", "--json"]));
    assert_eq!(nothing, serde_json::json!([]));
    place.refused(&["attach", "one"], 1, "there is no session");
    place.refused(&["terminate", "one", "--yes"], 1, "there is no session");

    let (one, two) = (dispatch(place, "one"), dispatch(place, "two"));
    assert_ne!(one, two);
    let mut words = vec!["dispatch", "--detach", "--name", "one", "--command", "true"];
    place.refused(&words, 1, "is named `one` already");
    words[3] = "session-abc234";
    place.refused(&words, 1, "cannot be a session's name");

    let listed = env.ok(&["status"]).stdout;
    assert!(listed.contains(&one) && listed.contains(&two), "{listed}");
    let status = place.status("one");
    assert_eq!(status["session"], one.as_str());
    assert_eq!(status["provider"], place.provider);
    assert_eq!(status["presence"], "live", "{status}");
    let agents = |status: &Value| status["status"]["agents"].as_array().map(Vec::len);
    assert_eq!(agents(&status), Some(2), "{status}");
    let left = status["ttl_left_ms"].as_u64().expect("a TTL");
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");

    let mut terminal = env.attach("one/1", USUAL);
    terminal.limit(2 * SOON);
    terminal.wait_text("I am one 1");
    terminal.send("abc\r");
    terminal.wait_text("got abc");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    let other = await_some("the other's output", SOON, || {
        let logs = env.ok(&["logs", "two/1"]).stdout;
        logs.contains("I am two 1").then_some(logs)
    });
    assert!(!other.contains("abc"), "{other}");

    env.ok(&["extend", "one", "30m"]);
    assert!(place.status("one")["ttl_left_ms"].as_u64() > Some(left));
    env.ok(&["send", "one/2", "hello", "--enter"]);
    await_true("what was sent", SOON, || {
        env.ok(&["logs", "one/2"]).stdout.contains("got hello")
    });
    env.ok(&["kill", "one/2"]);
    let over = |status: &Value| {
        status["status"]["agents"][1]["state"]
            .to_string()
            .contains("exited")
    };
    await_true("the agent's end", SOON, || over(&place.status("one")));
    assert!(
        !place.status("two")["status"]["agents"]
            .to_string()
            .contains("exited")
    );
    let missing = env.run(&["attach", "one/7"]);
    assert_eq!(missing.code, 1, "{}", missing.all());
    assert!(
        missing
            .stderr
            .contains("has no agent 7 (its agents are 1, 2)"),
        "{}",
        missing.all()
    );

    run(
        &mut env.remote(&["terminate", "one", "--yes"]),
        b"",
        4 * SOON,
    );
    await_true("its end", SOON, || {
        place.status("one")["presence"] != "live"
    });
    assert_eq!(place.status("one")["presence"], "ended");
    for words in [
        &["attach", "one"][..],
        &["extend", "one", "30m"],
        &["send", "one/1", "x"],
    ] {
        place.refused(words, 255, "(one) has ended: terminated by ");
    }
    place.refused(&["terminate", "one", "--yes"], 1, "(one) is over already");
    if place.logs_stay {
        assert!(env.ok(&["logs", "one/1"]).stdout.contains("got abc"));
    } else {
        place.refused(&["logs", "one/1"], 255, "the machine of ");
    }
    assert_eq!(place.status("two")["presence"], "live");
    run(
        &mut env.remote(&["terminate", "--all", "--yes"]),
        b"",
        4 * SOON,
    );
    let nothing = json_of(&env.ok(&["status", "--json"]));
    assert_eq!(nothing, serde_json::json!([]));
}
