//! What 10,000 lines of history cost in memory, beside tmux. Proportional set size, so that pages shared
//! by many processes count once.

use std::time::{Duration, Instant};

use crate::common::await_true;
use crate::common::process::{Process, run};
use crate::lab::{Lab, Peer, SIZE};
use crate::report::{Row, Section};

const LINES: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(120);

pub fn measure(lab: &Lab) -> Vec<Section> {
    let (peers, missing) = lab.peers(&[Peer::SshTmux, Peer::RemoteLocal]);
    let file = lab.server.work().join("history");
    let mut text = String::new();
    for i in 0..LINES {
        let colour = 31 + i % 7;
        text.push_str(&format!(
            "{i:06} \x1b[{colour}mwarning\x1b[m: a line of a program's output, as long as they often are\n"
        ));
    }
    std::fs::write(&file, &text).expect("the file of lines");
    // Every newline becomes two bytes on a terminal.
    let printed = (text.len() + LINES) as u64;
    let script = format!("stty -echo; cat {}; exec sleep 600", file.display());
    let mut sections = Vec::new();
    for (title, sessions, agents) in [
        ("Memory, one session of 1 agent", 1, 1),
        ("Memory, one session of 10 agents", 1, 10),
        ("Memory, one session of 100 agents", 1, 100),
        ("Memory, 100 sessions of 1 agent", 100, 1),
    ] {
        let mut section = Section {
            title,
            how: format!(
                "Proportional set size of the server processes (not of the agents) with {LINES} lines of \
                 coloured output in each history, {} by {}, nobody attached.",
                SIZE.cols, SIZE.rows
            ),
            columns: vec!["MiB", "of it anonymous"],
            rows: Vec::new(),
            base: "tmux",
            goals: Vec::new(),
        };
        for peer in &peers {
            let row = match peer {
                Peer::SshTmux => Row::new("tmux", &tmux(lab, &script, sessions, agents)),
                _ => remote(lab, &script, sessions, agents, printed),
            };
            section.rows.push(row);
        }
        for (peer, why) in &missing {
            let who = if peer.is_remote() { "remote" } else { "tmux" };
            section.rows.push(Row::missing(who, why.clone()));
        }
        section.goal("remote", 0.5, "tmux");
        sections.push(section);
    }
    sections
}

/// Sums over these processes in MiB: all of it, and what is not from files, so that it cannot be had again
/// from disk.
pub fn pss(processes: &[Process]) -> [f64; 2] {
    let rollup = |p: &Process| std::fs::read_to_string(format!("/proc/{}/smaps_rollup", p.pid));
    let texts: Vec<String> = processes.iter().filter_map(|p| rollup(p).ok()).collect();
    ["Pss:", "Pss_Anon:"].map(|name| {
        let kib = |text: &String| -> Option<u64> {
            let line = text.lines().find(|l| l.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        texts.iter().filter_map(kib).sum::<u64>() as f64 / 1024.0
    })
}

fn tmux(lab: &Lab, script: &str, sessions: usize, agents: usize) -> [f64; 2] {
    let tmp = lab.server.bin().with_file_name("tmp");
    // A client that comes to a socket whose server is just ending is told that it exited unexpectedly.
    let socket = format!("memory-{sessions}-{agents}");
    let tmux = |args: &[&str]| {
        let mut command = lab.server.command("tmux");
        command.env("TMUX_TMPDIR", &tmp);
        command
            .args(["-L", &socket, "-f"])
            .arg(lab.server.work().join("tmux.conf"));
        command.args(args);
        let ran = run(&mut command, b"", LIMIT);
        assert_eq!(ran.code, 0, "tmux {args:?}: {}", ran.all());
        ran.stdout
    };
    std::fs::write(
        lab.server.work().join("tmux.conf"),
        format!("set -g history-limit {LINES}\n"),
    )
    .expect("tmux's configuration");
    let (cols, rows) = (SIZE.cols.to_string(), SIZE.rows.to_string());
    for s in 0..sessions {
        let name = format!("s{s}");
        tmux(&[
            "new-session",
            "-d",
            "-x",
            &cols,
            "-y",
            &rows,
            "-s",
            &name,
            script,
        ]);
        for _ in 1..agents {
            tmux(&["new-window", "-d", "-t", &name, script]);
        }
    }
    // Everything but what is still on the screen; an over-full history is trimmed by a tenth.
    let want = LINES * 9 / 10 - usize::from(SIZE.rows);
    await_true("tmux to have read all lines", LIMIT, || {
        let listed = tmux(&["list-windows", "-a", "-F", "#{history_size}"]);
        let sizes: Vec<usize> = listed.lines().filter_map(|l| l.parse().ok()).collect();
        sizes.len() == sessions * agents && sizes.iter().all(|s| *s >= want)
    });
    let servers: Vec<Process> = lab
        .server
        .processes()
        .into_iter()
        .filter(|p| p.name.starts_with("tmux"))
        .collect();
    assert_eq!(servers.len(), 1, "one tmux server: {servers:?}");
    let mib = pss(&servers);
    tmux(&["kill-server"]);
    await_true("tmux's end", LIMIT, || lab.server.processes().is_empty());
    mib
}

fn remote(lab: &Lab, script: &str, sessions: usize, agents: usize, printed: u64) -> Row {
    let begun = Instant::now();
    let ids: Vec<String> = (0..sessions)
        .map(|_| lab.dispatch(Peer::RemoteLocal, agents, script))
        .collect();
    let started = begun.elapsed();
    await_true("the hosts to have read all lines", LIMIT, || {
        ids.iter().all(|id| {
            lab.client.last(id).is_some_and(|s| {
                s.agents.len() == agents && s.agents.iter().all(|a| a.bytes >= printed)
            })
        })
    });
    let hosts: Vec<Process> = lab
        .client
        .processes()
        .into_iter()
        .filter(|p| p.command.contains("host run"))
        .collect();
    assert_eq!(hosts.len(), sessions, "one host a session: {hosts:?}");
    let mib = pss(&hosts);
    for id in &ids {
        lab.terminate(id);
    }
    Row::new("remote", &mib).note(format!("started in {:.1} s", started.as_secs_f64()))
}
