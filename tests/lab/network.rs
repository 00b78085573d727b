//! The way between a person and a machine: once whole, in a virtual machine; and cut and mended, with the
//! laptop at another address than before.

use std::time::{Duration, Instant};

use aws_sdk_ec2::types::{InstanceStateName, IpPermission, IpRange};

use crate::common::env::{TestEnv, session_in};
use crate::common::terminal::{Terminal, USUAL, find, size};
use crate::common::{SOON, await_true};
use crate::harness::{Lab, Machines, REGION};
use crate::person::{
    LONG, all_is_listed_and_goes, await_instance, await_presence, block, dispatch, instance_of,
    json_of, slowness, told_end,
};
use crate::stream::Judge;

/// What `gc` lists: after an end the work and the door, and no machine.
pub fn kinds_left(env: &TestEnv) -> Vec<String> {
    let left = json_of(&env.ok(&["gc", "--here", "--json"]));
    let left = left.as_array().expect("a list").iter();
    left.map(|l| l["kind"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn from_a_task_to_nothing_on_a_real_kernel() {
    let lab = Lab::start(Machines::Vm);
    let env = lab.device();
    let begun = Instant::now();
    // The key before each `~.` arrives there too.
    let script = "echo hello from $(uname -s); while read x; do echo got $x; done";
    let mut terminal = env.terminal(&["dispatch", "--command", script], size(100, 30));
    terminal.limit(LONG);
    terminal.wait_text("hello from Linux");
    eprintln!("first output after {:.1} s", begun.elapsed().as_secs_f32());
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    let told = env.ok(&["status"]);
    let session = session_in(&told.stdout).expect("a session");
    let instance = instance_of(&env, &session);
    let mut terminal = env.attach(&session, USUAL);
    terminal.wait_text("hello from Linux");
    terminal.send("abc\r");
    terminal.wait_text("got abc");
    terminal.send("\r~.");
    assert_eq!(terminal.wait_exit(), 0);
    let ended = env.ok(&["terminate", &session, "--yes"]);
    assert!(
        ended.stderr.contains("kept: its work volume"),
        "{}",
        ended.all()
    );
    await_instance(&lab, &instance, &InstanceStateName::Terminated);
    assert_eq!(kinds_left(&env), ["volume", "security group"]);
    all_is_listed_and_goes(&lab, &env, "a session in a VM");
    let took = begun.elapsed().as_secs_f32();
    told_end(&lab, "the whole way", took, "its dispatch");
}

/// Numbered lines as [`Judge`] reads them, twenty a second: what is missed in a cut is little.
pub const STREAM: &str = r#"stty -echo; perl -e '$| = 1; for ($n = 1; ; $n++) { print substr(sprintf("L%010d %s", $n, "abcdefghij" x 9), 0, 98), sprintf("\e_%010d\e\\\n", $n); select(undef, undef, undef, 0.05) }'"#;

/// The rules of port 22, as `CIDR description`.
fn rules(lab: &Lab) -> Vec<(String, String)> {
    let told = block(async {
        let call = lab.ec2(REGION).describe_security_groups();
        call.group_names("remote").send().await.expect("groups")
    });
    let ranges = told.security_groups()[0].ip_permissions().iter();
    let ranges = ranges.flat_map(IpPermission::ip_ranges);
    let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
    ranges
        .map(|r| (text(r.cidr_ip()), text(r.description())))
        .collect()
}

/// As if this device had last come from somewhere else: its rule covers that, and not where it is now.
fn move_away(lab: &Lab) {
    let before = rules(lab);
    let [(cidr, description)] = before.as_slice() else {
        panic!("{before:?}");
    };
    let rule = |cidr: &str| {
        let range = IpRange::builder().cidr_ip(cidr).description(description);
        IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(22)
            .to_port(22)
            .ip_ranges(range.build())
            .build()
    };
    block(async {
        let ec2 = lab.ec2(REGION);
        let add = ec2.authorize_security_group_ingress().group_name("remote");
        add.ip_permissions(rule("198.51.100.7/32"))
            .send()
            .await
            .expect("a rule");
        let remove = ec2.revoke_security_group_ingress().group_name("remote");
        remove
            .ip_permissions(rule(cidr))
            .send()
            .await
            .expect("no rule");
    });
}

/// An attachment to the stream, and what it got.
pub struct Run {
    pub terminal: Terminal,
    pub judge: Judge,
    /// The newest bytes, to look for words in.
    pub tail: Vec<u8>,
}

impl Run {
    pub fn attach(env: &TestEnv, session: &str) -> Self {
        Self {
            terminal: Terminal::spawn_bare(env.remote(&["attach", session]), USUAL),
            judge: Judge::default(),
            tail: Vec::new(),
        }
    }

    pub fn until(&mut self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !seen(self) {
            let said = String::from_utf8_lossy(&self.tail);
            assert!(
                self.terminal.running(),
                "attach ended waiting for {what}: {said}"
            );
            let (last, faults) = (self.judge.last(), &self.judge.faults);
            assert!(
                begun.elapsed() < 2 * SOON * slowness(),
                "waited for {what}; line {last}, {faults:?}"
            );
            self.terminal.pump(Duration::from_millis(50));
            let bytes = self.terminal.take_raw();
            self.judge.feed(&bytes);
            self.tail.extend_from_slice(&bytes);
            let old = self.tail.len().saturating_sub(4096);
            self.tail.drain(..old);
        }
    }
}

/// Attaches, is cut off twice, comes back from another address each time; nothing of the stream is lost.
pub fn is_cut_and_mended(lab: &Lab, env: &mut TestEnv, session: &str) {
    let stats = env.work().join("stats.json");
    env.set("REMOTE_ATTACH_STATS", stats.to_string_lossy());
    let instance = instance_of(env, session);
    let mut run = Run::attach(env, session);
    run.until("the stream", |r| r.judge.lines > 40);
    for cut in 1..=2 {
        // First, since QEMU accepts for a machine whose cable is out, and keeps what it has accepted.
        move_away(lab);
        lab.control().kill(&instance, "unplug");
        run.until("word of the cut", |r| {
            find(&r.tail, b"connection lost").is_some()
        });
        let gone_at = run.judge.last();
        lab.control().kill(&instance, "plug");
        run.until("the stream again", |r| r.judge.last() > gone_at + 60);
        run.tail.clear();
        let now = rules(lab);
        assert_eq!(now.len(), 1, "cut {cut}: {now:?}");
        assert_eq!(now[0].0, "127.0.0.1/32", "cut {cut}");
    }
    run.terminal.send("\r~.");
    assert_eq!(run.terminal.wait_exit(), 0);
    let judge = &run.judge;
    assert!(judge.faults.is_empty(), "{:#?}", judge.faults);
    // What a repaint has skipped is in the history, every line once.
    let mut history = Judge::default();
    history.feed(&env.raw_logs(session));
    assert!(history.faults.is_empty(), "{:#?}", history.faults);
    assert_eq!(history.skipped, 0);
    assert!(
        history.lines >= judge.last(),
        "{} of {}",
        history.lines,
        judge.last()
    );
    await_true("attach's statistics", SOON, || stats.exists());
    eprintln!(
        "{} lines, {} repaints, {} skipped by one; {}",
        judge.lines,
        judge.repaints,
        judge.skipped,
        std::fs::read_to_string(&stats).expect("statistics")
    );
}

#[test]
fn a_cut_connection_is_mended_from_another_address_and_nothing_is_lost() {
    let lab = Lab::start(Machines::Box);
    let mut env = lab.device();
    let session = dispatch(&env, &["--command", STREAM]);
    is_cut_and_mended(&lab, &mut env, &session);

    // Nobody was attached as the address changed: the first knock finds the door shut.
    move_away(&lab);
    let mut again = Run::attach(&env, &session);
    again.until("the stream", |r| r.judge.lines > 10);
    again.terminal.send("\r~.");
    assert_eq!(again.terminal.wait_exit(), 0);
    await_presence(&env, &session, "live");

    // Who only asks for this one is let in as well.
    move_away(&lab);
    let told = env.status(&session);
    assert_eq!(told["presence"], "live", "{told}");
    assert_eq!(rules(&lab)[0].0, "127.0.0.1/32");
    // And who asks for all.
    move_away(&lab);
    let all = json_of(&env.ok(&["status", "--json"]));
    assert_eq!(all[0]["presence"], "live", "{all}");
    assert_eq!(rules(&lab)[0].0, "127.0.0.1/32");
    env.ok(&["terminate", &session, "--yes"]);
    all_is_listed_and_goes(&lab, &env, "cuts");
}
