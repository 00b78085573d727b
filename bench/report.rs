//! Results as tables: on the terminal as they come, and as ratios in docs/PERFORMANCE.md.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;

/// One table: a measure, and each peer's values.
#[derive(Debug, Clone)]
pub struct Section {
    pub title: &'static str,
    /// What was done, in a sentence or two.
    pub how: String,
    /// Heads of the value columns; the first one is what ratios are made of.
    pub columns: Vec<&'static str>,
    pub rows: Vec<Row>,
    /// The row that ratios are relative to.
    pub base: &'static str,
    /// What we want, and whether it is so.
    pub goals: Vec<Goal>,
}

#[derive(Debug, Clone)]
pub struct Row {
    pub who: String,
    pub values: Vec<f64>,
    /// `not installed`, or what is odd about this row.
    pub note: String,
}

#[derive(Debug, Clone)]
pub struct Goal {
    pub text: String,
    /// `None` when one of the two was not measured.
    pub met: Option<bool>,
}

impl Row {
    pub fn new(who: impl Into<String>, values: &[f64]) -> Self {
        Self {
            who: who.into(),
            values: values.to_vec(),
            note: String::new(),
        }
    }

    pub fn missing(who: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            who: who.into(),
            values: Vec::new(),
            note: why.into(),
        }
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl Section {
    pub fn value(&self, who: &str) -> Option<f64> {
        self.rows
            .iter()
            .find(|r| r.who == who)
            .and_then(|r| r.values.first().copied())
    }

    /// Adds the goal that `who` is at most `factor` times `than` in the first column.
    pub fn goal(&mut self, who: &str, factor: f64, than: &str) {
        let met = match (self.value(who), self.value(than)) {
            (Some(a), Some(b)) => Some(a <= b * factor),
            _ => None,
        };
        let text = if (factor - 1.0).abs() < f64::EPSILON {
            format!("{who} no more than {than}")
        } else {
            format!("{who} at most {factor} of {than}")
        };
        self.goals.push(Goal { text, met });
    }

    /// Adds the goal that `who` is at most `limit` in the first column.
    pub fn goal_below(&mut self, who: &str, limit: f64) {
        let met = self.value(who).map(|v| v <= limit);
        let column = self.columns.first().copied().unwrap_or_default();
        let text = format!("{who}: {column} at most {limit}");
        self.goals.push(Goal { text, met });
    }

    fn ratio(&self, row: &Row) -> Option<f64> {
        let base = self.value(self.base)?;
        let value = row.values.first()?;
        (base > 0.0).then_some(value / base)
    }

    fn goal_line(goal: &Goal) -> String {
        let mark = match goal.met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "not measured",
        };
        format!("Goal: {}: {mark}.", goal.text)
    }
}

fn number(v: f64) -> String {
    match v.abs() {
        a if a >= 100.0 => format!("{v:.0}"),
        a if a >= 10.0 => format!("{v:.1}"),
        _ => format!("{v:.2}"),
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        write!(f, "  {:26}", "")?;
        for c in &self.columns {
            write!(f, " {c:>14}")?;
        }
        writeln!(f, " {:>9}", format!("/ {}", self.base))?;
        for row in &self.rows {
            write!(f, "  {:26}", row.who)?;
            for v in &row.values {
                write!(f, " {:>14}", number(*v))?;
            }
            if let Some(r) = self.ratio(row) {
                write!(f, " {r:>9.2}")?;
            }
            writeln!(f, "  {}", row.note)?;
        }
        for goal in &self.goals {
            writeln!(f, "  {}", Self::goal_line(goal))?;
        }
        Ok(())
    }
}

/// Puts sections into a part of docs/PERFORMANCE.md.
pub fn write(part: &str, run: &str, load: &str, sections: &[Section]) {
    write_into("docs/PERFORMANCE.md", part, &markdown(run, load, sections));
}

/// Replaces a generated part of a document, which is between `<!-- PART:begin -->` and its end.
pub fn write_into(document: &str, part: &str, text: &str) {
    let begin = format!("<!-- {part}:begin -->");
    let end = format!("<!-- {part}:end -->");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let old = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = old.split_once(&begin).expect("the begin marker");
    let (_, after) = rest.split_once(&end).expect("the end marker");
    let new = format!("{before}{begin}\n{text}{end}{after}");
    std::fs::write(&path, new).expect("write the document");
}

fn markdown(run: &str, load: &str, sections: &[Section]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Measured {} on {}, load {load} as it began, all rows of a table in one run of {run}. Ratios travel between \
         machines; absolute figures do not.\n",
        date(),
        machine()
    );
    for s in sections {
        let _ = writeln!(out, "### {}\n\n{}\n", s.title, s.how);
        let _ = writeln!(
            out,
            "| | {} | ratio to {} | |\n|---|{}---:|---|",
            s.columns.join(" | "),
            s.base,
            "---:|".repeat(s.columns.len())
        );
        for row in &s.rows {
            let mut values: Vec<String> = row.values.iter().map(|v| number(*v)).collect();
            values.resize(s.columns.len(), "–".to_owned());
            let ratio = s
                .ratio(row)
                .map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"));
            let _ = writeln!(
                out,
                "| {} | {} | {ratio} | {} |",
                row.who,
                values.join(" | "),
                row.note
            );
        }
        out.push('\n');
        for goal in &s.goals {
            let _ = writeln!(out, "{}\n", Section::goal_line(goal));
        }
    }
    out
}

pub fn date() -> String {
    let out = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// How many processes wanted a processor in the last minute: what runs beside slows all that is measured.
pub fn load() -> String {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split(' ').next().unwrap_or("unknown").to_owned()
}

/// The processor and its count, the memory and the kernel: what a reader compares with.
pub fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, m)| m);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: f64 = meminfo
        .lines()
        .find_map(|l| {
            l.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0.0);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split(['-', '+']).next().unwrap_or_default().trim();
    let gib = kib / 1024.0 / 1024.0;
    format!("{cores} cores of {model}, {gib:.0} GiB, Linux {kernel}")
}
