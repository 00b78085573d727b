//! From "sshd answers" to the agent's first byte on a machine that has just been rented, beside the least that one
//! could do there: `ssh` and `tmux new`, tried from the same moment on with the same key.

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::calls;
use super::record::{Recorded, mark, since};
use crate::common::env::{TestEnv, session_in};
use crate::common::find_program;
use crate::common::terminal::{Terminal, find};
use crate::harness::{Control, Lab, Machines};
use crate::lab::{SIZE, median};
use crate::report::{Goal, Row, Section};

const PLAIN: &str = "ssh + tmux new";
const UPLOADED: &str = "remote, binary uploaded";
const CACHED: &str = "remote, binary on the volume";
/// Printed by the agent; not to be found in the command line.
const FIRST: &[u8] = b"FIRST-BYTE";
const SCRIPT: &str = "printf 'FIRST''-BYTE\\n'; exec sleep 600";
/// An emulated machine under load takes its time.
const LIMIT: Duration = Duration::from_secs(590);

pub fn on_boxes() -> Vec<Section> {
    measure(
        Machines::Box,
        "Rented machine (box): from sshd's answer to the first byte",
        5,
    )
}

pub fn on_vms() -> Vec<Section> {
    measure(
        Machines::Vm,
        "Rented machine (VM): from sshd's answer to the first byte",
        1,
    )
}

/// A device of the lab's account, and the lab.
struct World {
    lab: Lab,
    control: Control,
    env: TestEnv,
}

/// What was seen of one dispatch.
struct Seen {
    took: Duration,
    calls: Vec<Recorded>,
    /// The work volume.
    volume: String,
}

fn measure(machines: Machines, title: &'static str, rounds: usize) -> Vec<Section> {
    let lab = Lab::start(machines);
    let world = World {
        control: lab.control(),
        env: lab.device(),
        lab,
    };
    let mut times: [Vec<Duration>; 3] = Default::default();
    let (mut first, mut next) = (None, Vec::new());
    for _ in 0..rounds {
        let plain = world.dispatch(true);
        first.get_or_insert(plain.calls);
        let uploaded = world.dispatch(false);
        // What a workspace will be: a volume on which an earlier session has left its binary.
        world
            .control
            .post("set", &json!({ "seed": uploaded.volume }));
        let cached = world.dispatch(false);
        world.control.post("set", &json!({ "seed": "" }));
        next = cached.calls;
        for (times, took) in times
            .iter_mut()
            .zip([plain.took, uploaded.took, cached.took])
        {
            times.push(took);
        }
    }
    let what = world.behind(machines);
    let mut sections = vec![section(&what, title, rounds, times)];
    if machines == Machines::Box {
        sections.push(calls::section(&first.unwrap_or_default(), &next));
    }
    drop(world.lab);
    sections
}

fn section(what: &str, title: &'static str, rounds: usize, times: [Vec<Duration>; 3]) -> Section {
    let size = std::fs::metadata(crate::common::env::remote_binary()).map_or(0, |m| m.len());
    let of = match rounds {
        1 => "One".to_owned(),
        n => format!("Median of {n}"),
    };
    let [plain, uploaded, cached] = times.map(|t| median(t).as_secs_f64());
    let row = |who: &str, s: f64| Row::new(who, &[s, s - plain]);
    let goal = |who: &str, s: f64, limit: f64| Goal {
        text: format!("{who}: at most {limit} s more than {PLAIN}"),
        met: Some(s - plain <= limit),
    };
    Section {
        title,
        how: format!(
            "Each on a fresh machine: {what}. From the banner of its sshd to the first byte of a command on the terminal. \
             `{PLAIN}` knocks with OpenSSH each 0.1 s from the banner on, trusts whatever host key it is shown and mounts \
             nothing; `remote` changes the host key, formats and mounts the work volume, brings its binary ({:.0} MB \
             before packing) or finds it there, and starts its host. {of}.",
            size as f64 / 1e6
        ),
        columns: vec!["s", "s more"],
        rows: vec![
            row(PLAIN, plain),
            row(UPLOADED, uploaded),
            row(CACHED, cached),
        ],
        base: PLAIN,
        goals: vec![goal(CACHED, cached, 2.0), goal(UPLOADED, uploaded, 4.0)],
    }
}

impl World {
    /// A machine of its own. `plain`: as soon as `remote` has asked for it, `remote` is stopped, and `ssh` used
    /// instead; afterwards it goes on.
    fn dispatch(&self, plain: bool) -> Seen {
        let begun = mark(&self.control);
        let known = self.addresses();
        let command = self
            .env
            .remote(&["dispatch", "--keep", "--command", SCRIPT]);
        let mut terminal = Terminal::spawn_bare(command, SIZE);
        terminal.limit(LIMIT);
        if plain {
            self.await_boot(&mut terminal, begun);
            terminal.signal(Signal::STOP);
        }
        let (tell, told) = mpsc::channel();
        let control = self.control.clone();
        let banner = std::thread::spawn(move || {
            let address = fresh(&control, &known);
            let _ = tell.send(address.clone());
            answers(&address)
        });
        let (banner, first) = if plain {
            let address = told.recv().expect("an address");
            let banner = banner.join().expect("sshd's banner");
            let first = self.plain(&address);
            terminal.signal(Signal::CONT);
            terminal.wait_raw(0, FIRST);
            (banner, first)
        } else {
            terminal.wait_raw(0, FIRST);
            let first = Instant::now();
            (banner.join().expect("sshd's banner"), first)
        };
        let calls = since(&self.control, begun);
        let shown = String::from_utf8_lossy(terminal.raw()).into_owned();
        let volume = shown
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|w| w.starts_with("vol-"));
        let volume = volume.expect("the work volume's name").to_owned();
        let session = session_in(&shown).unwrap_or_else(|| self.only_session());
        drop(terminal);
        let ended = self.env.run(&["terminate", &session, "--yes"]);
        assert_eq!(ended.code, 0, "{}", ended.all());
        self.await_none();
        Seen {
            took: first.saturating_duration_since(banner),
            calls,
            volume,
        }
    }

    /// Until `remote` waits for the machine: it has asked for it, and port 22 is open.
    fn await_boot(&self, terminal: &mut Terminal, begun: usize) {
        let until = Instant::now() + LIMIT;
        loop {
            let calls = since(&self.control, begun);
            let run = calls.iter().position(|c| c.action == "RunInstances");
            let waits = |run: usize| calls[run..].iter().any(|c| c.action == "DescribeInstances");
            if run.is_some_and(waits) {
                return;
            }
            assert!(Instant::now() < until, "no machine was asked for");
            terminal.pump(Duration::from_millis(20));
        }
    }

    /// When `ssh` + `tmux new` has shown its first byte.
    fn plain(&self, address: &str) -> Instant {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            let mut terminal = Terminal::spawn_bare(self.ssh(address), SIZE);
            terminal.limit(LIMIT);
            while terminal.running() || terminal.pump(Duration::ZERO) {
                terminal.pump(Duration::from_millis(50));
                if find(terminal.raw(), FIRST).is_some() {
                    return Instant::now();
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("ssh does not get in")
    }

    fn ssh(&self, address: &str) -> Command {
        let identity = ".local/state/remote/device/id_ed25519";
        let mut ssh = self.env.command(find_program("ssh").expect("ssh"));
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=60",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.args(["-F", "/dev/null", "-tt", "-i"])
            .arg(self.env.home().join(identity))
            .arg(format!("admin@{address}"))
            .arg(format!("tmux new-session {}", shell_words::quote(SCRIPT)));
        ssh
    }

    /// What the machines were.
    fn behind(&self, machines: Machines) -> String {
        if machines != Machines::Vm {
            return "namespaces with systemd, cloud-init and sshd of the image, on this machine's kernel".to_owned();
        }
        let all = self.machines();
        let mut accelerators = all.as_object().into_iter().flatten();
        let how = match accelerators.find_map(|(_, m)| m["accelerator"].as_str()) {
            Some("kvm") => "run by KVM",
            _ => {
                "emulated, for this processor has no KVM: some twenty times slower than a real one"
            }
        };
        format!("a virtual machine with a kernel of its own ({how})")
    }

    fn machines(&self) -> Value {
        machines(&self.control)
    }

    fn addresses(&self) -> Vec<String> {
        addresses(&self.machines())
    }

    fn only_session(&self) -> String {
        let ran = self.env.ok(&["status", "--json"]);
        session_in(&ran.stdout).expect("a session")
    }

    /// Until no machine runs.
    fn await_none(&self) {
        let until = Instant::now() + LIMIT;
        let alive = || {
            let machines = self.machines();
            machines
                .as_object()
                .is_some_and(|m| m.values().any(|m| m["alive"] == true))
        };
        while alive() {
            assert!(Instant::now() < until, "the machine does not end");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn machines(control: &Control) -> Value {
    control.post("state", &json!({ "since": u32::MAX }))["machines"].clone()
}

fn addresses(machines: &Value) -> Vec<String> {
    let all = machines.as_object().into_iter().flatten();
    all.filter_map(|(_, m)| m["address"].as_str())
        .filter(|a| !a.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The address that was not there before.
fn fresh(control: &Control, known: &[String]) -> String {
    let until = Instant::now() + LIMIT;
    loop {
        let now = addresses(&machines(control));
        if let Some(new) = now.into_iter().find(|a| !known.contains(a)) {
            return new;
        }
        assert!(Instant::now() < until, "no machine");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// When its sshd has sent its banner.
fn answers(address: &str) -> Instant {
    let until = Instant::now() + LIMIT;
    let socket = format!("{address}:22").parse().expect("an address");
    while Instant::now() < until {
        let mut banner = [0; 4];
        if let Ok(mut stream) = TcpStream::connect_timeout(&socket, Duration::from_secs(1))
            && stream
                .set_read_timeout(Some(Duration::from_secs(2)))
                .is_ok()
            && stream.read_exact(&mut banner).is_ok()
            && &banner == b"SSH-"
        {
            return Instant::now();
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    panic!("no sshd answers at {address}")
}
