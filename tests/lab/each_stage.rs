//! A machine is ended in each way at each stage of a dispatch. What was on its workspace is there afterwards, and what the
//! agent wrote and synced, there or on a volume of the session's own; nothing is left that nobody lists. Each way and
//! each stage in a check, all of them with each other in a soak. docs/RELIABILITY.md has the table.

use std::process::{Child, Stdio};
use std::time::Instant;

use aws_sdk_ec2::types::InstanceStateName;
use serde_json::Value;

use crate::common::await_true;
use crate::common::env::{TestEnv, session_in};
use crate::common::process::{Ran, wait_child};
use crate::common::repository::{git, remote_in, repository};
use crate::ec2_world::there;
use crate::guest::BOOT;
use crate::harness::{Lab, Machines, REGION, as_root};
use crate::person::{
    LONG, all_is_listed_and_goes, await_instance, block, dispatch, json_of, soak_time,
};

/// How far the dispatch has come. The first four are the launch's own words for it.
const STAGES: [&str; 7] = [
    "made", "trusted", "mounted", "handed", "setup", "working", "ending",
];

/// Whoever or whatever ends it.
const ENDS: [&str; 8] = [
    "power", "shutdown", "outside", "spot", "frozen", "ttl", "host", "client",
];

/// Its setup takes a while; then it has written, and synced, and goes on writing, until SIGTERM.
const AGENT: &str = r#"[agents.tool]
command = ["tool"]
setup = '''mkdir -p ~/.local/bin; printf '#!/bin/sh\nexec sh -c "$1"\n' >~/.local/bin/tool; chmod 755 ~/.local/bin/tool; sync -f ~; sleep 2'''
"#;

fn work(round: usize) -> String {
    format!(
        "trap '' HUP; echo {round} >>/work/data/mark; sync -f /work/data; echo by agent {round} >>a.txt; git commit -qam work; \
         sync -f .; echo ready; while :; do echo more >>noise; git add noise 2>/dev/null; git commit -qm more 2>/dev/null; done"
    )
}

struct Round<'a> {
    lab: &'a Lab,
    env: &'a TestEnv,
    top: &'a std::path::Path,
    stage: &'a str,
    end: &'a str,
    named: bool,
    number: usize,
}

impl Round<'_> {
    fn what(&self) -> String {
        let volume = if self.named {
            "a workspace"
        } else {
            "its own volume"
        };
        format!("{} at `{}` on {volume}", self.end, self.stage)
    }

    fn remote(&self, args: &[&str]) -> Ran {
        remote_in(self.env, self.top, args)
    }

    fn begin(&self, args: &[&str]) -> Child {
        let mut command = self.env.remote(args);
        command.current_dir(self.top).stdin(Stdio::null());
        let told = |name: &str| {
            let path = self.env.home().join(name);
            std::fs::File::create(path).expect("a file")
        };
        command.stdout(told("out")).stderr(told("err"));
        command.spawn().expect("remote")
    }

    fn said(&self) -> String {
        let text = |name: &str| std::fs::read_to_string(self.env.home().join(name)).expect("text");
        text("out") + &text("err")
    }

    /// How far the launch is, by what it writes down for whoever has to clear up after it.
    fn launch(&self) -> Option<Value> {
        let dir = self.env.home().join(".local/state/remote/launches");
        let files = std::fs::read_dir(dir).ok()?.flatten();
        let mut files = files.filter(|f| f.path().extension().is_some_and(|e| e == "json"));
        serde_json::from_slice(&std::fs::read(files.next()?.path()).ok()?).ok()
    }

    /// Until it has come so far, or gone past it.
    fn await_stage(&self, stage: &str, child: &mut Child) {
        let place = |s: &str| STAGES.iter().position(|o| *o == s);
        await_true(stage, LONG, || {
            let said = self.said();
            let seen = match stage {
                "setup" => said.contains("  setup "),
                _ => {
                    let launch = self.launch();
                    let now = launch.as_ref().and_then(|l| place(l["stage"].as_str()?));
                    now >= place(stage) || said.contains("  setup ")
                }
            };
            seen || child.try_wait().expect("a child").is_some()
        });
    }

    fn instance(&self) -> String {
        let there = block(there(self.lab));
        let instance = there.into_iter().find(|t| t.id.starts_with("i-"));
        instance.map(|t| t.id).unwrap_or_default()
    }

    /// The box's process 1, as numbered here; none where the box is gone: then the number may be anybody's.
    fn process_1(&self, instance: &str) -> Option<String> {
        let pid = self.lab.control().machine(instance)["pid"].to_string();
        let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        group.contains(instance).then_some(pid)
    }

    /// What only somebody within the machine could do, were it not a box.
    fn within(&self, instance: &str, script: &str) {
        let pid = self.process_1(instance).expect("a box");
        let mut command = as_root("nsenter".as_ref());
        command.args(["-t", &pid, "-m", "-u", "-i", "-n", "-p", "-r", "-w"]);
        let status = command.args(["sh", "-c", script]).status();
        let status = status.expect("nsenter");
        assert!(status.success(), "{}: {script}: {status}", self.what());
    }

    /// Its host has begun to end the session, and its agent takes its time.
    fn is_ending(&self, instance: &str, session: &str) -> bool {
        let Some(pid) = self.process_1(instance) else {
            return false;
        };
        let logs = format!("/proc/{pid}/root/work/.remote/sessions/{session}/log");
        let mut grep = as_root("grep".as_ref());
        grep.args(["-rqs", "ends: terminated", &logs]);
        grep.status().expect("grep").success()
    }

    /// Ends it, and waits for that, where it is an end of the machine.
    fn end(&self, child: &mut Child) {
        let (control, instance) = (self.lab.control(), self.instance());
        assert!(!instance.is_empty(), "{}: no machine", self.what());
        match self.end {
            "client" => return child.kill().expect("killed"),
            "power" | "shutdown" => control.kill(&instance, self.end),
            "outside" => {
                let ec2 = self.lab.ec2(REGION);
                let call = ec2.terminate_instances().instance_ids(&instance);
                block(call.send()).expect("terminated");
            }
            "spot" => control.interrupt(&instance, 4),
            "frozen" => {
                control.kill(&instance, "freeze");
                control.kill(&instance, "power");
            }
            // Left behind: a machine that shuts down stops everybody's processes first.
            "ttl" => self.within(
                &instance,
                "/usr/local/sbin/remote-root deadline $(($(date +%s) + 1)) && \
                 { sleep 2; /usr/local/sbin/remote-root check; } >/dev/null 2>&1 &",
            ),
            "host" => {
                // Where it does not run yet, its machine goes all the same.
                self.within(&instance, "pkill -KILL -f 'remote-.* [h]ost run' || :");
                control.kill(&instance, "power");
            }
            other => panic!("{other}?"),
        }
        await_instance(self.lab, &instance, &InstanceStateName::Terminated);
    }

    /// The person comes back: whatever still runs is ended, until no machine is there.
    fn clear(&self) {
        await_true("no machine", LONG, || {
            let told = self.remote(&["status", "--json"]);
            for one in json_of(&told).as_array().expect("a list") {
                let _ = self.remote(&[
                    "terminate",
                    one["session"].as_str().expect("a name"),
                    "--yes",
                ]);
            }
            self.instance().is_empty()
        });
    }

    /// Gives what was seen of the agent's work before the end.
    fn run(&self) -> bool {
        let work = work(self.number);
        let mut words = vec![
            "dispatch",
            "--detach",
            "--agent",
            "tool",
            "--instance",
            "m6i.large",
        ];
        if self.named {
            words.extend(["--workspace", "alpha"]);
        }
        words.push(&work);
        let mut child = self.begin(&words);
        let launching = !matches!(self.stage, "working" | "ending");
        if launching {
            self.await_stage(self.stage, &mut child);
            self.end(&mut child);
        }
        let ended = wait_child(&mut child, LONG).expect("an end");
        let said = self.said();
        assert!(
            !said.contains("panicked") && !said.contains("nternal error"),
            "{}: {said}",
            self.what()
        );
        let session = session_in(&said).unwrap_or_default();
        let mut ready = false;
        if !launching {
            assert!(ended.success(), "{}: {said}", self.what());
            await_true("its work", BOOT, || {
                self.remote(&["logs", &session]).stdout.contains("ready")
            });
            ready = true;
            if self.stage == "ending" {
                child = self.begin(&["terminate", &session, "--yes"]);
                let instance = self.instance();
                await_true("its end", LONG, || self.is_ending(&instance, &session));
            }
            self.end(&mut child);
            wait_child(&mut child, LONG).expect("an end");
        } else if self.end == "client" && !session.is_empty() {
            // It may have gone on without whoever began it.
            ready = self.remote(&["logs", &session]).stdout.contains("ready");
        }
        self.clear();
        self.is_there(&session, ready);
        ready
    }

    fn is_there(&self, session: &str, ready: bool) {
        let what = self.what();
        let cat = |path: &str| {
            let ran = self.remote(&["workspace", "cat", "alpha", path]);
            assert_eq!(ran.code, 0, "{what}: {}", ran.all());
            ran.stdout
        };
        assert_eq!(cat("/data/kept"), "kept\n", "{what}");
        if ready && self.named {
            let marks = cat("/data/mark");
            let mark = self.number.to_string();
            assert!(marks.lines().any(|l| l == mark), "{what}: {marks}");
        }
        if ready {
            let pulled = self.remote(&["pull", session, "--json"]);
            assert_eq!(pulled.code, 0, "{what}: {}", pulled.all());
            let of = format!("remote/{session}/1:a.txt");
            let text = git(self.env, self.top, &["show", &of]);
            assert!(
                text.contains(&format!("by agent {}", self.number)),
                "{what}: {text}"
            );
        }
        if !session.is_empty() {
            let gone = self.remote(&["discard", session, "--yes"]);
            assert!(!gone.stderr.contains("panicked"), "{what}: {}", gone.all());
        }
    }
}

#[test]
fn each_end_at_each_stage_of_a_dispatch_loses_nothing() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).expect("made");
    std::fs::write(config.join("config.toml"), AGENT).expect("written");
    let top = repository(&env);
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "10gb"]);
    let on = ["--no-repo", "--workspace", "alpha"];
    let make = "echo kept >/work/data/kept; sync -f /work/data; echo ready; exec sleep 1000";
    let first = dispatch(&env, &[&on[..], &["--command", make]].concat());
    await_true("its work", BOOT, || {
        env.ok(&["logs", &first]).stdout.contains("ready")
    });
    env.ok(&["discard", &first, "--yes"]);

    let begun = Instant::now();
    // Where there is no host, no deadline or no client yet or any more, nothing can be done to it; and a machine that
    // boots does not hear its button.
    let none = [
        ("made", "ttl"),
        ("made", "host"),
        ("made", "shutdown"),
        ("working", "client"),
    ];
    let all = STAGES
        .iter()
        .flat_map(|s| ENDS.iter().map(move |e| (*s, *e)))
        .filter(|both| !none.contains(both));
    // Each way and each stage once, in a check.
    let some = ENDS
        .iter()
        .enumerate()
        .map(|(i, e)| (STAGES[i % STAGES.len()], *e));
    let chosen: Vec<_> = match soak_time() {
        Some(_) => all.collect(),
        None => some.collect(),
    };
    let (mut seen, count) = (0, chosen.len());
    for (number, (stage, end)) in chosen.into_iter().enumerate() {
        let round = Round {
            lab: &lab,
            env: &env,
            top: &top,
            stage,
            end,
            // Each end on either kind of volume, as the stages go on.
            named: (number + number / ENDS.len()).is_multiple_of(2),
            number,
        };
        let one = Instant::now();
        seen += usize::from(round.run());
        eprintln!(
            "{}: nothing is lost ({:.1} s)",
            round.what(),
            one.elapsed().as_secs_f32()
        );
    }
    eprintln!(
        "soak: {count} ends at {} stages of a dispatch, {seen} amid work, 0 bytes lost; {count} dispatches in {:.0} s",
        STAGES.len(),
        begun.elapsed().as_secs_f32()
    );
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
    all_is_listed_and_goes(&lab, &env, "each end at each stage");
}
