//! The recorded sessions of tests/states/ put through what a host makes of them, in virtual time: a matrix of
//! what was so and what was said. `make states` writes it to docs/AGENTS.md.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::output::Output;
use crate::host::state::Belief;
use crate::host::state::rules::Book;
use crate::model::{AgentState, BlockedOn, DEFAULT_SIZE, Millis, Terminal};
use crate::mux::Screen;

/// How often the state is asked for.
const STEP: Millis = 250;
/// A change may take so long to be known: what contradicts the best evidence must last.
const GRACE: Millis = 3250;
const REPORT: &[u8] = b"\x1b]7501;";

/// Which evidence is kept from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Reports,
    ReportsAndHooks,
}

const VARIANTS: [(Kept, &str); 3] = [
    (Kept::Nothing, "all evidence"),
    (Kept::Reports, "without its own reports"),
    (Kept::ReportsAndHooks, "by screen and title alone"),
];

/// Samples by what was so and what was said.
type Matrix = BTreeMap<(String, String), usize>;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The recordings: head and lines.
fn recordings() -> Vec<(Value, Vec<Value>)> {
    let dir = std::fs::read_dir(top().join("tests/states")).expect("tests/states");
    let mut files: Vec<PathBuf> = dir.flatten().map(|e| e.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "gz"));
    files.sort();
    let read = |file: &PathBuf| {
        let mut text = String::new();
        let packed = std::fs::File::open(file).expect("a recording");
        flate2::read::GzDecoder::new(packed)
            .read_to_string(&mut text)
            .expect("text");
        let mut lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).expect("JSON"))
            .collect();
        (lines.remove(0), lines)
    };
    files.iter().map(read).collect()
}

/// Without OSC 7501; what may be the beginning of one waits in `held`.
fn deaf(bytes: &[u8], held: &mut Vec<u8>) -> Vec<u8> {
    held.extend_from_slice(bytes);
    let all = std::mem::take(held);
    let mut out = Vec::new();
    let mut rest = all.as_slice();
    while let Some(at) = rest.windows(REPORT.len()).position(|w| w == REPORT) {
        let (before, report) = rest.split_at(at);
        out.extend_from_slice(before);
        match report.windows(2).position(|w| w == b"\x1b\\") {
            Some(end) => rest = &report[end + 2..],
            None => match report.iter().position(|b| *b == 7) {
                Some(end) => rest = &report[end + 1..],
                None => {
                    held.extend_from_slice(report);
                    return out;
                }
            },
        }
    }
    let tail = (1..REPORT.len())
        .rev()
        .find(|n| rest.ends_with(&REPORT[..*n]));
    let (now, later) = rest.split_at(rest.len() - tail.unwrap_or(0));
    out.extend_from_slice(now);
    held.extend_from_slice(later);
    out
}

/// What a mark of the history says that a hook said.
fn hook(mark: &str) -> Option<(AgentState, Option<String>)> {
    let said = mark.strip_prefix("hook: ")?;
    let (word, message) = match said.split_once(": ") {
        Some((word, message)) => (word, Some(message.to_owned())),
        None => (said, None),
    };
    let on = |on| AgentState::Blocked { on };
    let state = match word {
        "idle" => AgentState::Idle,
        "working" => AgentState::Working,
        "done" => AgentState::Done,
        "error" => AgentState::Error,
        "blocked(permission)" => on(BlockedOn::Permission),
        "blocked(question)" => on(BlockedOn::Question),
        other => panic!("a hook of the corpus says `{other}`"),
    };
    Some((state, message))
}

struct Replay {
    output: Output,
    belief: Belief,
    now: Millis,
    /// What is so, and since when.
    truth: Option<(String, Millis)>,
    matrix: Matrix,
    wrong: Vec<String>,
    name: String,
}

impl Replay {
    fn advance(&mut self, to: Millis) {
        while self.now + STEP <= to {
            self.now += STEP;
            self.output.look(self.now, &mut self.belief);
            let (state, _, evidence) = self.belief.conclude(self.now);
            let Some((truth, since)) = &self.truth else {
                continue;
            };
            if self.now < since + GRACE {
                continue;
            }
            let said = match state {
                AgentState::Starting => "unknown".to_owned(),
                // It says so, and not for what.
                AgentState::Blocked {
                    on: BlockedOn::Unknown,
                } => truth.clone(),
                state => state.to_string(),
            };
            if said != *truth && said != "unknown" {
                self.wrong.push(format!(
                    "{}: {truth}, not {said} (by {:?}) {} ms after; the screen:\n{}",
                    self.name,
                    evidence,
                    self.now - since,
                    self.output.view().lines.join("\n")
                ));
            }
            *self.matrix.entry((truth.clone(), said)).or_default() += 1;
        }
    }
}

/// One recording, with some evidence kept back.
fn replay(head: &Value, lines: &[Value], kept: Kept) -> (Matrix, Vec<String>) {
    let text = |name: &str| head[name].as_str().unwrap_or_default().to_owned();
    let dir = tempfile::tempdir().expect("a directory");
    let agent = text("agent");
    let book = Book::of(&agent, std::slice::from_ref(&agent));
    let start = lines[0]["at"].as_u64().expect("a time");
    let mut belief = Belief::default();
    belief.spawned(start);
    let mut r = Replay {
        output: Output::open(
            dir.path(),
            Screen::new(DEFAULT_SIZE),
            book,
            tokio::sync::watch::channel(Default::default()).1,
        ),
        belief,
        now: start,
        truth: None,
        matrix: Matrix::new(),
        wrong: Vec::new(),
        name: format!("{agent}, {}, {kept:?} kept back", text("scene")),
    };
    let mut held = Vec::new();
    for line in lines {
        let at = line["at"].as_u64().expect("a time");
        r.advance(at);
        if let Some(out) = line["out"].as_str() {
            let mut bytes = STANDARD.decode(out).expect("base64");
            if kept != Kept::Nothing {
                bytes = deaf(&bytes, &mut held);
            }
            r.belief.output(at);
            let terminal = Terminal::default();
            r.output
                .ingest(&Bytes::from(bytes), at, &terminal, false, &mut r.belief);
        } else if let Some(mark) = line["mark"].as_str() {
            if kept != Kept::ReportsAndHooks
                && let Some((state, message)) = hook(mark)
            {
                r.belief.hook(state, message.as_deref(), None, at);
            }
        } else if line["typed"].as_bool() == Some(true) {
            r.belief.typed(at);
        } else {
            r.truth = line["truth"].as_str().map(|t| (t.to_owned(), at));
        }
    }
    (r.matrix, r.wrong)
}

fn table(matrix: &Matrix) -> String {
    let said: BTreeSet<&str> = matrix
        .keys()
        .map(|(_, s)| s.as_str())
        .filter(|s| *s != "unknown")
        .collect();
    let columns: Vec<&str> = said.into_iter().chain(["unknown"]).collect();
    let truths: BTreeSet<&str> = matrix.keys().map(|(t, _)| t.as_str()).collect();
    let mut out = format!("| it is \\ we say | {} |\n|---", columns.join(" | "));
    out += &"|---:".repeat(columns.len());
    out += "|\n";
    for truth in truths {
        let cells: Vec<String> = columns
            .iter()
            .map(|said| {
                let key = (truth.to_owned(), (*said).to_owned());
                matrix.get(&key).map_or("·".to_owned(), usize::to_string)
            })
            .collect();
        out += &format!("| {truth} | {} |\n", cells.join(" | "));
    }
    out
}

#[test]
fn no_state_of_the_corpus_is_told_wrong() {
    let recordings = recordings();
    let mut text = String::new();
    let mut wrong = Vec::new();
    for (kept, title) in VARIANTS {
        let mut all: BTreeMap<String, Matrix> = BTreeMap::new();
        for (head, lines) in &recordings {
            let name = format!(
                "{} {}",
                head["agent"].as_str().unwrap_or_default(),
                head["version"].as_str().unwrap_or_default()
            );
            let (matrix, more) = replay(head, lines, kept);
            wrong.extend(more);
            let sum = all.entry(name).or_default();
            for (key, n) in matrix {
                *sum.entry(key).or_default() += n;
            }
        }
        for (name, matrix) in all {
            let count = |f: &dyn Fn(&str, &str) -> bool| -> usize {
                let of = |((t, s), n): (&(String, String), &usize)| if f(t, s) { *n } else { 0 };
                matrix.iter().map(of).sum()
            };
            let unknown = count(&|_, s| s == "unknown");
            let right = count(&|t, s| t == s);
            let total = count(&|_, _| true);
            text += &format!(
                "**{name}, {title}**: {total} samples, {right} right, {unknown} unknown, {} wrong\n\n{}\n",
                total - right - unknown,
                table(&matrix)
            );
        }
    }
    println!("{text}");
    let file = top().join("docs/AGENTS.md");
    if std::env::var_os("REMOTE_WRITE_STATES").is_some() {
        let page = std::fs::read_to_string(&file).expect("docs/AGENTS.md");
        let mark = "<!-- made by `make states` -->\n";
        let (before, _) = page.split_once(mark).expect("the mark in docs/AGENTS.md");
        std::fs::write(&file, format!("{before}{mark}\n{}\n", text.trim_end())).expect("written");
    }
    assert!(!recordings.is_empty());
    assert!(
        wrong.is_empty(),
        "{} wrong, the first: {}",
        wrong.len(),
        wrong[0]
    );
}

#[test]
fn reports_are_taken_out_wherever_they_are_cut() {
    let all = b"a\x1b]7501;state=done\x1b\\b\x1b]7501;x\x07c\x1b]0;t\x07";
    for cut in 0..all.len() {
        let mut held = Vec::new();
        let mut out = deaf(&all[..cut], &mut held);
        out.extend(deaf(&all[cut..], &mut held));
        assert_eq!(out, b"abc\x1b]0;t\x07", "{cut}");
        assert!(held.is_empty());
    }
}
