//! Processes seen through /proc, and children that are waited for with a deadline.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// What a finished program left.
#[derive(Debug, Clone)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// Both outputs, for messages and for searching.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A shell's view of an exit: 128 + signal for a killed one.
pub fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Waits for the child's end, `None` when `limit` passes first.
pub fn wait_child(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    if let Some(status) = child.try_wait().expect("wait for a child") {
        return Some(status);
    }
    let pid = Pid::from_child(child);
    let fd = pidfd_open(pid, PidfdFlags::empty()).expect("pidfd of a child");
    let timeout = Timespec::try_from(limit).expect("a short time");
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    while let Err(e) = poll(&mut fds, Some(&timeout)) {
        assert_eq!(e, rustix::io::Errno::INTR, "poll on a pidfd");
    }
    child.try_wait().expect("wait for a child")
}

/// Runs a program to its end, its outputs captured, `input` on its stdin.
///
/// # Panics
/// When it has not ended within `limit`; it is killed then.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Ran {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // A program may end without reading: then the write fails, which is its right.
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input).is_ok());
    let out = drain(child.stdout.take().expect("a pipe"));
    let err = drain(child.stderr.take().expect("a pipe"));
    let Some(status) = wait_child(&mut child, limit) else {
        kill(child.id(), Signal::KILL);
        let _ = child.wait();
        panic!(
            "{command:?} did not end within {limit:?}; it printed:\n{}\n{}",
            collect(&out),
            collect(&err)
        );
    };
    let took = begun.elapsed();
    writer.join().expect("the writer of stdin");
    // A detached grandchild that kept our pipes open must not hang the test: what came by now counts.
    Ran {
        code: exit_code(status),
        stdout: collect(&out),
        stderr: collect(&err),
        took,
    }
}

type Drained = std::sync::mpsc::Receiver<Vec<u8>>;

fn drain(mut from: impl Read + Send + 'static) -> Drained {
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buf = [0; 65536];
        while let Ok(n) = from.read(&mut buf) {
            if n == 0 || tx.send(buf[..n].to_vec()).is_err() {
                return;
            }
        }
    });
    rx
}

fn collect(from: &Drained) -> String {
    let mut all = Vec::new();
    // Ends at once at the pipe's end; two quiet seconds mean that somebody else still holds the pipe.
    while let Ok(bytes) = from.recv_timeout(Duration::from_secs(2)) {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Sends a signal; a process that is gone is no error.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A process as /proc tells it.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// `R`, `S`, `Z` …
    pub state: char,
    pub name: String,
    pub command: String,
}

/// Every process that can be seen.
pub fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

/// One process; `None` when there is none of that number.
pub fn process(pid: u32) -> Option<Process> {
    let dir = Path::new("/proc").join(pid.to_string());
    let stat = std::fs::read_to_string(dir.join("stat")).ok()?;
    // The name is in parentheses and may hold anything, parentheses too.
    let (head, tail) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = tail.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let command = std::fs::read(dir.join("cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process {
        pid,
        parent,
        state,
        name: name.to_owned(),
        command,
    })
}

/// Whether the process is there and no zombie.
pub fn alive(pid: u32) -> bool {
    process(pid).is_some_and(|p| p.state != 'Z' && p.state != 'X')
}

/// Children, their children and so on.
pub fn descendants(of: u32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for p in all.iter().filter(|p| p.parent == parent) {
            parents.push(p.pid);
            found.push(p.clone());
        }
    }
    found
}

/// Living processes whose environment holds exactly this `NAME=value`.
pub fn with_environment(entry: &str) -> Vec<Process> {
    let own = std::process::id();
    processes()
        .into_iter()
        .filter(|p| p.pid != own && p.state != 'Z')
        .filter(|p| {
            std::fs::read(format!("/proc/{}/environ", p.pid))
                .is_ok_and(|e| e.split(|b| *b == 0).any(|v| v == entry.as_bytes()))
        })
        .collect()
}
