//! Panes beside tmux's: a key's echo over the same ssh, sixteen panes that flood, fifty at rest, memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use remote_compute::model::Size;
use rustix::process::Signal;

use crate::common::await_true;
use crate::common::process::{Process, kill};
use crate::common::terminal::Terminal;
use crate::echo;
use crate::lab::{Lab, Peer, find_shipped, median, ms, percentile};
use crate::memory::pss;
use crate::report::{Goal, Row, Section};

const WIDE: Size = Size {
    cols: 200,
    rows: 50,
};
const FLOODS: usize = 16;
const IDLE: usize = 50;
const HISTORIES: usize = 10;
const LINES: usize = 10_000;
const KEYS: usize = 60;
/// How long frames and the processor's time are counted.
const FLOODED: Duration = Duration::from_secs(5);
const RESTED: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(180);
/// A frame is what comes within so long.
const FRAME: Duration = Duration::from_millis(10);

const REMOTE: &str = "remote mux";

pub fn measure(lab: &Lab) -> Vec<Section> {
    let mut sections = vec![over_ssh(lab), flooded(lab), idle(lab)];
    sections.push(histories(lab));
    sections
}

fn section(title: &'static str, how: String, columns: Vec<&'static str>) -> Section {
    Section {
        title,
        how,
        columns,
        rows: Vec::new(),
        base: "tmux",
        goals: Vec::new(),
    }
}

/// A tmux on this side of the line, on a terminal; `panes` are its programs.
fn tmux(lab: &Lab, name: &str, panes: &[String], size: Size) -> Option<Terminal> {
    find_shipped("tmux")?;
    let conf = lab.client.work().join("tmux.conf");
    let text = format!(
        "set -g status off\nset -g history-limit {LINES}\nset -s escape-time 0\nset -g default-terminal tmux-256color\n"
    );
    std::fs::write(&conf, text).expect("tmux's configuration");
    let mut command = lab.client.command("tmux");
    command.env("TMUX_TMPDIR", lab.client.bin().with_file_name("tmp"));
    command.arg("-L").arg(name).arg("-f").arg(conf);
    for (n, pane) in panes.iter().enumerate() {
        let verb = if n == 0 {
            "new-session"
        } else {
            "split-window"
        };
        command.args([verb, pane.as_str(), ";", "select-layout", "tiled", ";"]);
    }
    Some(Terminal::spawn_bare(command, size))
}

/// The multiplexer's own processes, not the programs in it.
fn own(lab: &Lab, names: &[&str]) -> Vec<Process> {
    let mut all = lab.client.processes();
    all.retain(|p| names.iter().any(|n| p.name.starts_with(n)));
    all
}

/// Ends what runs with the client's home.
fn end(lab: &Lab, terminal: Terminal, session: Option<&str>) {
    drop(terminal);
    if let Some(session) = session {
        lab.terminate(session);
    }
    await_true("all to end", LIMIT, || {
        let left = lab.client.processes();
        left.iter().for_each(|p| kill(p.pid, Signal::KILL));
        left.is_empty()
    });
    lab.sweep();
}

fn mux(lab: &Lab, session: &str, size: Size) -> Terminal {
    Terminal::spawn_bare(lab.client.remote(&["mux", session]), size)
}

/// From here on it shows what it has to.
fn shown(terminal: &mut Terminal, word: &[u8]) {
    terminal.limit(LIMIT);
    terminal.wait_raw(0, word);
    terminal.settle(Duration::from_millis(300));
}

fn over_ssh(lab: &Lab) -> Section {
    let mut section = section(
        "Echo of a key in a pane",
        "`cat` on a raw terminal of a server: in a pane of tmux on this side that runs `ssh`, and in an agent's pane of \
         `remote mux`. As the echo above."
            .to_owned(),
        vec!["p50 ms", "p99 ms"],
    );
    let script = "stty raw -echo; printf REA''DY; exec cat";
    let mut sample = |who: &str, mut terminal: Terminal, session: Option<String>| {
        let mut samples = echo::keys(&mut terminal);
        let values = [0.5, 0.99].map(|p| ms(percentile(&mut samples, p)));
        section.rows.push(Row::new(who, &values));
        end(lab, terminal, session.as_deref());
    };
    let ssh = format!("exec ssh -tt box {}", shell_words::quote(script));
    if let Some(terminal) = tmux(lab, "echo", &[ssh], crate::lab::SIZE) {
        sample("tmux", terminal, None);
    }
    let session = lab.dispatch(Peer::RemoteSsh, 1, script);
    let terminal = mux(lab, &session, crate::lab::SIZE);
    sample(REMOTE, terminal, Some(session));
    section.goal(REMOTE, 1.0, "tmux");
    section
}

/// What one key costs, and how often the terminal is written to, while the other panes flood.
fn under_flood(terminal: &mut Terminal) -> [f64; 3] {
    shown(terminal, b"READY");
    let begun = Instant::now();
    let mut frames = std::collections::BTreeSet::new();
    while begun.elapsed() < FLOODED {
        if terminal.pump(FRAME) {
            frames.insert(begun.elapsed().as_millis() / FRAME.as_millis());
        }
        terminal.take_raw();
    }
    let rate = frames.len() as f64 / begun.elapsed().as_secs_f64();
    let mut samples = Vec::new();
    for n in 0..KEYS {
        let key = [b"yjokwzu"[n % 7]];
        terminal.take_raw();
        let begun = Instant::now();
        terminal.send(key);
        terminal.wait_raw(0, &key);
        samples.push(begun.elapsed());
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_millis(40) {
            terminal.pump(FRAME);
        }
    }
    let p50 = ms(median(samples.clone()));
    [p50, ms(percentile(&mut samples, 0.95)), rate]
}

fn flooded(lab: &Lab) -> Section {
    let mut section = section(
        "A key while 16 panes flood",
        format!(
            "{FLOODS} panes in which `seq` counts as fast as it can and one with `cat`, tiled on {} by {} cells. From the \
             write of a key to its appearance; and in how many spans of {} ms the terminal was written to, in a second: \
             a frame each.",
            WIDE.cols,
            WIDE.rows,
            FRAME.as_millis()
        ),
        vec!["p50 ms", "p95 ms", "frames/s"],
    );
    let flood = "exec seq 1 2000000000".to_owned();
    let quiet = "stty raw -echo; printf REA''DY; exec cat".to_owned();
    let mut panes = vec![flood.clone(); FLOODS];
    panes.push(quiet.clone());
    if let Some(mut terminal) = tmux(lab, "flood", &panes, WIDE) {
        let values = under_flood(&mut terminal);
        section.rows.push(Row::new("tmux", &values));
        end(lab, terminal, None);
    }
    // The last pane has the keys.
    let script = format!("if [ $REMOTE_AGENT = 1 ]; then {quiet}; else {flood}; fi");
    let session = lab.dispatch(Peer::RemoteLocal, FLOODS + 1, &script);
    let mut terminal = mux(lab, &session, WIDE);
    let values = under_flood(&mut terminal);
    section.rows.push(Row::new(REMOTE, &values));
    end(lab, terminal, Some(&session));
    section.goal_below(REMOTE, 33.0);
    section.goals.push(Goal {
        text: format!("{REMOTE}: at least 30 frames/s"),
        met: Some(values[2] >= 30.0),
    });
    section
}

/// Processor time of these processes so far.
fn used(processes: &[Process]) -> Duration {
    let ticks = |p: &Process| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", p.pid)).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    Duration::from_millis(processes.iter().filter_map(ticks).sum::<u64>() * 10)
}

fn rested(terminal: &mut Terminal, processes: &[Process]) -> f64 {
    let before = used(processes);
    let begun = Instant::now();
    while begun.elapsed() < RESTED {
        terminal.pump(Duration::from_millis(200));
        terminal.take_raw();
    }
    let used = used(processes).saturating_sub(before);
    100.0 * used.as_secs_f64() / begun.elapsed().as_secs_f64()
}

fn idle(lab: &Lab) -> Section {
    let mut section = section(
        "50 panes at rest",
        format!(
            "Processor time over {} s of all of the multiplexer's processes, hosts included, of one core.",
            RESTED.as_secs()
        ),
        vec!["%"],
    );
    let script = "stty -echo; printf REA''DY; exec sleep 600";
    let size = Size {
        cols: 240,
        rows: 80,
    };
    if let Some(mut terminal) = tmux(lab, "idle", &vec![script.to_owned(); IDLE], size) {
        shown(&mut terminal, b"READY");
        let value = rested(&mut terminal, &own(lab, &["tmux"]));
        section.rows.push(Row::new("tmux", &[value]));
        end(lab, terminal, None);
    }
    let session = lab.dispatch(Peer::RemoteLocal, IDLE, script);
    let mut terminal = mux(lab, &session, size);
    shown(&mut terminal, b"READY");
    terminal.settle(Duration::from_secs(2));
    let value = rested(&mut terminal, &own(lab, &["remote"]));
    section.rows.push(Row::new(REMOTE, &[value]));
    end(lab, terminal, Some(&session));
    section.goal_below(REMOTE, 1.0);
    section
}

/// Lines of coloured output, and a program that prints them once it may.
fn history(lab: &Lab) -> (PathBuf, String) {
    let (file, go) = (
        lab.client.work().join("history"),
        lab.client.work().join("go"),
    );
    let line = |i: usize| {
        let colour = 31 + i % 7;
        format!(
            "{i:06} \x1b[{colour}mwarning\x1b[m: a line of a program's output, as long as they often are\n"
        )
    };
    let text: String = (0..LINES).map(line).collect();
    std::fs::write(&file, text).expect("the file of lines");
    let script = format!(
        "stty -echo; printf REA''DY; until [ -e {} ]; do sleep 0.1; done; cat {}; printf DO''NE; exec sleep 600",
        go.display(),
        file.display()
    );
    (go, script)
}

fn histories(lab: &Lab) -> Section {
    let mut section = section(
        "Memory of a pane",
        format!(
            "{HISTORIES} panes, {LINES} lines of coloured output in each: proportional set size of all of the \
             multiplexer's processes, hosts included, by pane."
        ),
        vec!["MiB", "of it anonymous"],
    );
    let (go, script) = history(lab);
    let mut filled = |who: &str, names: &[&str], mut terminal: Terminal, session: Option<&str>| {
        shown(&mut terminal, b"READY");
        terminal.take_raw();
        std::fs::write(&go, "").expect("the word to go");
        terminal.wait_for("the ends of all", |t| {
            memchr::memmem::find_iter(t.raw(), b"DONE").count() >= HISTORIES
        });
        terminal.settle(Duration::from_secs(1));
        let mib = pss(&own(lab, names)).map(|mib| mib / HISTORIES as f64);
        section.rows.push(Row::new(who, &mib));
        std::fs::remove_file(&go).expect("the word taken back");
        end(lab, terminal, session);
    };
    let size = WIDE;
    if let Some(terminal) = tmux(lab, "memory", &vec![script.clone(); HISTORIES], size) {
        filled("tmux", &["tmux"], terminal, None);
    }
    match zellij(lab, &script, size) {
        Some(terminal) => filled("zellij", &["zellij"], terminal, None),
        None => println!("zellij: not installed"),
    }
    let session = lab.dispatch(Peer::RemoteLocal, HISTORIES, &script);
    let terminal = mux(lab, &session, size);
    filled(REMOTE, &["remote"], terminal, Some(&session));
    if find_shipped("zellij").is_none() {
        section.rows.push(Row::missing("zellij", "not installed"));
    }
    section
}

fn zellij(lab: &Lab, script: &str, size: Size) -> Option<Terminal> {
    find_shipped("zellij")?;
    let (config, layout) = (
        lab.client.work().join("z.kdl"),
        lab.client.work().join("l.kdl"),
    );
    let settings = format!(
        "pane_frames false\nshow_startup_tips false\nshow_release_notes false\nsession_serialization false\n\
         scroll_buffer_size {LINES}\n"
    );
    let pane = format!("pane command=\"sh\" {{ args \"-c\" {script:?}; }}\n");
    let half = format!(
        "pane split_direction=\"horizontal\" {{ {} }}\n",
        pane.repeat(HISTORIES / 2)
    );
    let text = format!("layout {{ pane split_direction=\"vertical\" {{ {half} {half} }} }}\n");
    std::fs::write(&config, settings).expect("zellij's configuration");
    std::fs::write(&layout, text).expect("zellij's layout");
    let tmp = lab.client.bin().with_file_name("tmp");
    let mut command = lab.client.command(find_shipped("zellij")?);
    command
        .env("ZELLIJ_SOCKET_DIR", &tmp)
        .env("XDG_RUNTIME_DIR", &tmp);
    command
        .arg("--config")
        .arg(config)
        .args(["--session", "memory"]);
    command.arg("--new-session-with-layout").arg(layout);
    Some(Terminal::spawn_bare(command, size))
}
