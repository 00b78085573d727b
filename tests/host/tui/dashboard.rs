//! What the list tells beside states, and what is told wherever one looks.

use serde_json::json;

use super::list::{list, short};
use super::{B, WIDE, leave, press};
use crate::agents::{answers, sh};
use crate::common::env::TestEnv;
use crate::common::proxy::Proxy;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL, size};

/// Asks when it is told to, and says when it was answered.
pub fn asks() -> String {
    sh(
        "stty -echo; printf 'RE''ADY\\n'; read x; printf 'Allow npm install? [y/N] '; read x; \
        printf 'got %s\\n' \"$x\"; exec sleep 600",
    )
}

/// Whether the last line, the bar, says that.
fn bar_says(t: &Terminal, text: &str) -> bool {
    t.text().last().is_some_and(|line| line.contains(text))
}

fn go(env: &TestEnv, session: &str) {
    env.ok(&["send", session, "go", "--enter"]);
}

#[test]
fn what_happens_elsewhere_is_told_on_the_bar_and_can_be_read_again() {
    let mut env = TestEnv::new();
    env.set("PS1", "ok> ");
    let one = env.dispatch(&["--name", "alpha", "--command", &asks()]);
    let two = env.dispatch(&["--name", "beta", "--command", &asks()]);
    // In a shell's pane, one hears of both.
    let mut t = list(&env, WIDE);
    t.wait_for("both", |t| t.shows("alpha") && t.shows("beta"));
    press(&mut t, "c");
    t.wait_text("ok>");
    go(&env, &one);
    let told = "▲ alpha/1 is blocked(question): Allow npm install?";
    t.wait_for("its question on the bar", |t| bar_says(t, told));
    // It goes again by itself, and is kept.
    t.wait_for("the bar as it was", |t| !bar_says(t, "alpha/1"));
    press(&mut t, "~");
    t.wait_text("messages: any key closes");
    t.wait_text(told);
    t.send(" ");
    t.wait_for("the panes", |t| !t.shows("messages"));
    // The pane with the keys says nothing of itself on the bar.
    press(&mut t, "w");
    t.wait_text("sessions");
    t.send("\tj\r");
    t.wait_for("beta's pane", |t| {
        bar_says(t, &format!("{}/1*", short(&two)))
    });
    t.wait_text("READY");
    go(&env, &two);
    t.wait_for("its question above it", |t| {
        t.text()
            .first()
            .is_some_and(|l| l.contains("▲ blocked: Allow"))
    });
    press(&mut t, "~");
    t.wait_text("beta/1 is blocked(question): Allow");
    assert!(!bar_says(&t, "beta/1 is"), "{}", t.text().join("\n"));
    t.send("q");
    t.wait_for("the pane", |t| !t.shows("messages"));
    // A host that dies.
    env.kill_host(&one);
    t.wait_for("its end on the bar", |t| {
        bar_says(t, "✗ alpha: its host died")
    });
    leave(t);
}

#[test]
fn checks_and_ends_are_told_and_a_near_deadline_is_marked() {
    let env = TestEnv::new();
    let works = sh("read x; printf '\\033]7501;state=done\\033\\\\'; exec sleep 600");
    let args = [
        "--name",
        "soon",
        "--ttl",
        "4m",
        "--check",
        "exit 2",
        "--command",
    ];
    let one = env.dispatch(&[&args[..], &[&works]].concat());
    let mut t = list(&env, WIDE);
    t.wait_text("▲TTL 3m");
    t.wait_for("its end on the bar", |t| {
        bar_says(t, "▲ soon ends in 3m: its time (TTL) is up")
    });
    go(&env, &one);
    t.wait_for("its check on the bar", |t| {
        bar_says(t, "✗ soon/1: check failed(2)")
    });
    env.ok(&["extend", &one, "1h"]);
    t.wait_for("no mark any more", |t| {
        t.shows(" TTL 1h") && !t.shows("▲TTL")
    });
    // It is told for a few seconds: one looks while it is ended.
    std::thread::scope(|scope| {
        scope.spawn(|| env.ok(&["terminate", &one, "--yes"]));
        t.wait_for("its end on the bar", |t| bar_says(t, "soon has ended"));
    });
    leave(t);
}

#[test]
fn a_question_is_answered_from_the_list() {
    let env = TestEnv::new();
    let one = env.dispatch(&["--command", &asks()]);
    let mut t = list(&env, WIDE);
    t.wait_text("READY");
    go(&env, &one);
    t.wait_text("▲ 1 stty blocked: Allow");
    t.send("\ta");
    t.wait_text("answer:");
    t.send("y\r");
    t.wait_text("any key closes");
    t.send(" ");
    t.wait_text("got y");
    leave(t);
}

#[test]
fn the_machine_s_load_is_seen_in_the_list_and_in_json() {
    let env = TestEnv::new();
    let one = env.dispatch(&["--name", "a-long-name", "--command", &answers()]);
    let mut t = list(&env, size(180, 30));
    t.wait_for("CPU and memory", |t| {
        t.text()
            .iter()
            .any(|l| l.contains(short(&one)) && l.contains("% mem ") && l.contains("G "))
    });
    let load = env.status(&one)["status"]["load"].clone();
    let number = |field: &str| load[field].as_u64().expect("a number");
    assert!(number("cpu_percent") <= 100, "{load}");
    assert!(0 < number("memory_used") && number("memory_used") < number("memory"));
    // Where there is less room it gives way to the name.
    t.resize(USUAL);
    t.wait_for("the CPU alone", |t| t.shows("cpu ") && !t.shows("% mem "));
    leave(t);
    let shown = env.ok(&["status", &one]).stdout;
    assert!(
        shown.contains("machine") && shown.contains("% mem "),
        "{shown}"
    );
}

#[test]
fn what_was_spent_is_drawn_where_there_is_a_record_and_room() {
    let mut env = TestEnv::new();
    let one = env.dispatch(&["--command", &answers()]);
    let mut t = list(&env, USUAL);
    t.wait_text("READY");
    assert!(!t.shows("today") && !t.shows("24 h"), "{:?}", t.text());
    leave(t);
    let now = remote_compute::model::now_ms();
    let record = json!({
        "session": "session-zzzzzz", "instance_type": "m6i.large", "region": "us-east-1",
        "launched": now - 3 * 3_600_000, "deadline": now + 3_600_000, "seen": now,
        "rate": { "instance": 96_000, "address": 5_000 },
    });
    let file = env.home().join(".local/state/remote/spend.jsonl");
    std::fs::write(file, format!("{record}\n")).expect("a record");
    env.set("REMOTE_DAILY_BUDGET", "5usd");
    let mut t = list(&env, USUAL);
    t.wait_text("─ spend ─");
    t.wait_text("% of $5.00");
    t.wait_text(" 24 h ");
    assert!(
        t.text()
            .iter()
            .any(|l| l.contains("today $") && l.contains('░'))
    );
    assert!(t.shows("█"), "{:?}", t.text());
    // A list that would be left with too few rows has them all.
    t.resize(size(40, 12));
    t.wait_for("the list alone", |t| {
        !t.shows("spend") && t.shows(short(&one))
    });
    leave(t);
    // Without colours and without Unicode the same is told.
    env.set("LC_ALL", "C");
    env.set("NO_COLOR", "1");
    let mut t = list(&env, WIDE);
    t.wait_text("- spend -");
    t.wait_for("a bar", |t| {
        t.text()
            .iter()
            .any(|l| l.contains("today $") && l.contains(".] "))
    });
    t.send(format!("{B}~"));
    t.wait_text("nothing was said yet");
    t.send("q");
    assert!(t.raw().is_ascii());
    leave(t);
}

#[test]
fn a_connection_that_is_lost_and_comes_back_is_told() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    let proxy = Proxy::to(sshd.port);
    client.use_sshd(&sshd, proxy.port);
    client.dispatch(&[
        "--provider",
        "ssh",
        "--host",
        "box",
        "--name",
        "far",
        "--command",
        &answers(),
    ]);
    let mut t = list(&client, WIDE);
    t.wait_text("READY");
    proxy.refuse(true);
    proxy.cut();
    t.wait_for("its loss on the bar", |t| {
        bar_says(t, "✗ far: connection lost: ")
    });
    t.wait_text("unreachable");
    assert!(!t.shows("cpu "), "{:?}", t.text());
    proxy.refuse(false);
    t.wait_for("its return on the bar", |t| {
        bar_says(t, "✓ far answers again")
    });
    leave(t);
}
