//! What launches side by side show: a line each. On a terminal those under way are drawn again as they go on,
//! and what is over scrolls away above them; elsewhere each step is a line of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthStr;

use crate::cli::ui::{clean, cut};
use crate::cli::{Color, Ui, span, terminal};

/// What a step may take of a line.
const STEP: usize = 40;
/// Where nobody says how wide the terminal is.
const WIDTH: usize = 80;
const HEIGHT: usize = 24;

/// The lines on stderr.
pub(super) struct Board {
    ui: Ui,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    rows: Vec<Row>,
    waiting: usize,
    /// Lines that are drawn, with the cursor below them.
    drawn: usize,
}

#[derive(Debug, Clone)]
struct Row {
    number: usize,
    session: String,
    task: String,
    step: String,
    begun: Instant,
}

impl Board {
    pub fn new(ui: Ui, waiting: usize) -> Self {
        let now = Now {
            waiting,
            ..Now::default()
        };
        Self {
            ui,
            now: Mutex::new(now),
        }
    }

    /// One of those that wait begins.
    pub fn begin(&self, number: usize, session: &str, task: &str) {
        let mut now = self.lock();
        now.waiting = now.waiting.saturating_sub(1);
        now.rows.push(Row {
            number,
            session: session.to_owned(),
            task: clean(task),
            step: "start".to_owned(),
            begun: Instant::now(),
        });
        self.draw(&mut now);
    }

    /// It has come to this.
    pub fn step(&self, number: usize, step: &str) {
        let mut now = self.lock();
        let Some(row) = now.rows.iter_mut().find(|r| r.number == number) else {
            return;
        };
        row.step = clean(step);
        if self.ui.redraws_err() {
            self.draw(&mut now);
        } else {
            let line = line(row, row.begun.elapsed(), &row.step);
            self.ui.note(line);
        }
    }

    /// It is over, in this word.
    pub fn over(&self, number: usize, word: &str, color: Color) {
        let mut now = self.lock();
        let Some(at) = now.rows.iter().position(|r| r.number == number) else {
            return;
        };
        let row = now.rows.remove(at);
        let told = line(&row, row.begun.elapsed(), word);
        let told = match self.ui.redraws_err() {
            true => cut(told, size().0),
            false => told,
        };
        self.above(&mut now, &self.ui.err(&told, color));
    }

    /// The rest is not begun.
    pub fn stop(&self, text: &str) {
        let mut now = self.lock();
        now.waiting = 0;
        self.above(&mut now, text);
    }

    /// Time has passed.
    pub fn tick(&self) {
        if self.ui.redraws_err() {
            self.draw(&mut self.lock());
        }
    }

    /// Takes away what is drawn, for as long as `write` writes on the same terminal.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut now = self.lock();
        self.erase(&mut now);
        let written = write();
        self.draw(&mut now);
        written
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn above(&self, now: &mut Now, line: &str) {
        self.erase(now);
        self.ui.note(line);
        self.draw(now);
    }

    fn erase(&self, now: &mut Now) {
        if self.ui.redraws_err() && std::mem::take(&mut now.drawn) > 0 {
            // The cursor rests in the first of the lines.
            let _ = write!(std::io::stderr(), "\r\x1b[J");
        }
    }

    fn draw(&self, now: &mut Now) {
        if !self.ui.redraws_err() {
            return;
        }
        let lines = lines(now, size());
        let mut out = String::from("\r\x1b[J");
        for (n, line) in lines.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            let _ = write!(out, "{newline}{}", self.ui.err(line, Color::Dim));
        }
        if lines.len() > 1 {
            let _ = write!(out, "\x1b[{}F", lines.len() - 1);
        } else {
            out.push('\r');
        }
        now.drawn = lines.len();
        let mut stderr = std::io::stderr();
        let _ = stderr
            .write_all(out.as_bytes())
            .and_then(|()| stderr.flush());
    }
}

/// What is left on the terminal is gone with it: the summary has the lines to itself.
impl Drop for Board {
    fn drop(&mut self) {
        let mut now = std::mem::take(&mut *self.lock());
        self.erase(&mut now);
    }
}

/// Columns, less the last, and rows.
fn size() -> (usize, usize) {
    terminal::size().map_or((WIDTH - 1, HEIGHT), |(size, _)| {
        (usize::from(size.cols).saturating_sub(1), size.rows.into())
    })
}

/// The lines under way that fit, and what waits.
fn lines(now: &Now, (cols, rows): (usize, usize)) -> Vec<String> {
    let room = rows.saturating_sub(2).max(1);
    let all = now.rows.iter();
    let mut lines: Vec<String> = all
        .take(room)
        .map(|row| cut(line(row, row.begun.elapsed(), &row.step), cols))
        .collect();
    let hidden = now.rows.len().saturating_sub(room) + now.waiting;
    if hidden > 0 {
        lines.push(cut(format!("  … {hidden} more"), cols));
    }
    lines
}

/// `  3  session-abc234  boot i-0abc us-east-1b                    12.3 s  fix the flaky test`
fn line(row: &Row, took: Duration, step: &str) -> String {
    let step = cut(step.to_owned(), STEP);
    let pad = " ".repeat(STEP.saturating_sub(step.width()));
    format!(
        "{:>4}  {}  {step}{pad} {:>8}  {}",
        row.number,
        row.session,
        span(took),
        row.task
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize) -> Row {
        Row {
            number,
            session: "session-abc234".to_owned(),
            task: "fix the flaky test".to_owned(),
            step: "boot i-1".to_owned(),
            begun: Instant::now(),
        }
    }

    #[test]
    fn a_machine_has_a_line_and_no_more_are_drawn_than_fit() {
        let told = line(&row(3), Duration::from_millis(12_345), "running");
        let expected = format!(
            "   3  session-abc234  {:<40}   12.3 s  fix the flaky test",
            "running"
        );
        assert_eq!(told, expected);
        let mut now = Now {
            rows: (1..=8).map(row).collect(),
            waiting: 4,
            drawn: 0,
        };
        assert_eq!(lines(&now, (200, 24)).len(), 9);
        assert_eq!(lines(&now, (200, 24))[8], "  … 4 more");
        let few = lines(&now, (40, 5));
        assert_eq!((few.len(), few[3].as_str()), (4, "  … 9 more"));
        assert!(few.iter().all(|l| l.width() <= 40));
        now.rows.clear();
        now.waiting = 0;
        assert!(lines(&now, (80, 24)).is_empty());
    }
}
