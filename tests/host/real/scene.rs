//! One agent in one session, driven and looked at from outside: the truth about its state is what the test knows
//! by other ways than the host's (the model's gates, the text on the screen), and is recorded beside its output.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use remote_compute::model::{AgentStatus, DEFAULT_SIZE, HistoryKind, now_ms};
use remote_compute::mux::{HistoryReader, Screen};
use serde_json::{Value, json};

use super::model::Model;
use super::program;
use crate::common::env::TestEnv;
use crate::common::process::{Ran, run};
use crate::common::{SOON, await_some};

/// A program takes long to start on a busy machine.
const LONG: Duration = Duration::from_secs(120);
/// While recording each state lasts this long.
const HELD: Duration = Duration::from_secs(6);

pub struct Scene {
    pub env: TestEnv,
    pub model: Model,
    pub session: String,
    agent: String,
    version: String,
    name: &'static str,
    notes: Vec<Value>,
}

fn recording() -> Option<PathBuf> {
    std::env::var_os("REMOTE_RECORD_STATES").map(PathBuf::from)
}

impl Scene {
    /// Everything but the agent.
    pub fn prepare(agent: &str, name: &'static str, script: Value) -> Self {
        let (program, version) = program::find(agent);
        let env = TestEnv::new();
        std::os::unix::fs::symlink(program, env.bin().join(agent)).expect("the agent's program");
        let model = Model::start(env.home(), &script);
        for args in [
            &["init", "-q"][..],
            &["config", "user.name", "Agent"],
            &["config", "user.email", "agent@test"],
            &["commit", "-q", "--allow-empty", "-m", "begun"],
        ] {
            let ran = env.command("git").args(args).status().expect("git");
            assert!(ran.success(), "git {args:?}");
        }
        Self {
            env,
            model,
            session: String::new(),
            agent: agent.to_owned(),
            version,
            name,
            notes: Vec::new(),
        }
    }

    /// A file below the home.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.env.home().join(path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    /// Right where the repository is.
    pub fn start(&mut self, args: &[&str]) {
        self.start_in_repository(&[&["--no-repo"], args].concat());
    }

    /// As anybody would: in a working tree of its own.
    pub fn start_in_repository(&mut self, args: &[&str]) {
        let all = [&["--agent", self.agent.as_str()], args].concat();
        self.session = self.env.dispatch(&all);
    }

    /// The agent as the host sees it.
    pub fn status(&self) -> Option<AgentStatus> {
        self.env
            .last(&self.session)
            .and_then(|s| s.agents.into_iter().next())
    }

    /// The visible lines, by the history alone.
    pub fn screen(&self) -> String {
        let mut screen = Screen::new(DEFAULT_SIZE);
        for record in self.history() {
            if record.0 == HistoryKind::Output {
                screen.feed(&record.2);
            }
        }
        screen.text().join("\n")
    }

    fn history(&self) -> Vec<(HistoryKind, u64, Vec<u8>)> {
        let dir = self.env.session_dir(&self.session).join("agents/1");
        let Ok(mut reader) = HistoryReader::open(&dir) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        while let Ok(Some(record)) = reader.next_record() {
            all.push((record.kind, record.at, record.bytes.to_vec()));
        }
        all
    }

    pub fn await_text(&self, text: &str) {
        self.await_screen(text, |screen| screen.contains(text));
    }

    /// Waits for a screen.
    pub fn await_screen(&self, what: &str, shows: impl Fn(&str) -> bool) {
        let begun = std::time::Instant::now();
        while !shows(&self.screen()) {
            assert!(
                begun.elapsed() < LONG,
                "waited {LONG:?} for {what:?} on the screen; it shows\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// It is in this state now, until the next act; the host must come to say so.
    pub fn is(&mut self, truth: &str) -> AgentStatus {
        self.said(truth, truth)
    }

    /// It is in this state, but its evidence is not of one mind.
    pub fn is_doubted(&mut self, truth: &str) -> AgentStatus {
        self.said(truth, "unknown")
    }

    fn said(&mut self, truth: &str, said: &str) -> AgentStatus {
        self.notes.push(json!({"at": now_ms(), "truth": truth}));
        let mut last = None;
        let begun = std::time::Instant::now();
        let found = loop {
            let status = self.status();
            if let Some(status) = status.filter(|s| s.state.to_string() == said) {
                break status;
            }
            last = self.status().or(last);
            assert!(
                begun.elapsed() < SOON,
                "{} is {truth}, but the host says {last:#?}; the screen:\n{}",
                self.agent,
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        if recording().is_some() {
            std::thread::sleep(HELD);
        }
        found
    }

    /// What comes next changes its state.
    pub fn act(&mut self) {
        self.notes.push(json!({"at": now_ms(), "truth": null}));
    }

    /// Waits until it has asked its model for what is behind this gate: it is at work.
    pub fn await_gate(&self, gate: &str) {
        if !self.model.await_gate(gate) {
            panic!(
                "{} does not come to {gate:?}; the host says {:#?}, the screen:\n{}",
                self.agent,
                self.status(),
                self.screen()
            );
        }
    }

    pub fn release(&mut self, gate: &str) {
        self.act();
        self.model.release(gate);
    }

    /// Types.
    pub fn send(&mut self, args: &[&str]) {
        self.act();
        self.notes.push(json!({"at": now_ms(), "typed": true}));
        let mut all = vec!["send", &self.session];
        all.extend(args);
        self.env.ok(&all);
    }

    /// What `remote answer --json` shows.
    pub fn question(&self) -> Value {
        let ran = self.env.ok(&["answer", &self.session, "--json"]);
        serde_json::from_str(&ran.stdout).expect("JSON")
    }

    /// `remote answer`, to the question with this hash.
    pub fn answer(&mut self, answer: &str, hash: &str) -> Ran {
        self.act();
        self.notes.push(json!({"at": now_ms(), "typed": true}));
        let target = format!("{}/1", self.session);
        let mut command = self
            .env
            .remote(&["answer", &target, answer, "--seen", hash]);
        run(&mut command, b"", SOON)
    }

    /// Writes what was recorded, if that is asked for.
    pub fn save(&mut self) {
        self.act();
        let Some(dir) = recording() else {
            return;
        };
        let mut lines = Vec::new();
        for (kind, at, bytes) in self.history() {
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            lines.push(match kind {
                HistoryKind::Output => json!({"at": at, "out": STANDARD.encode(&bytes)}),
                HistoryKind::Mark => json!({"at": at, "mark": text()}),
                _ => continue,
            });
        }
        lines.append(&mut self.notes);
        lines.sort_by_key(|l| l["at"].as_u64());
        let head = json!({"agent": self.agent, "version": self.version, "scene": self.name});
        let name = format!("{}-{}-{}.jsonl.gz", self.agent, self.version, self.name);
        let file = std::fs::File::create(dir.join(name)).expect("the recording");
        let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        for line in std::iter::once(&head).chain(&lines) {
            writeln!(out, "{line}").expect("written");
        }
        out.finish().expect("written");
    }
}

/// Waits for something that is not on the screen.
pub fn await_it(what: &str, look: impl FnMut() -> Option<()>) {
    await_some(what, SOON, look);
}
