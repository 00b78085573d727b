//! The stages of something slow, one line each on stderr, with the time each took.

use std::io::Write;
use std::time::{Duration, Instant};

use super::{Color, Ui, span};

/// A stage under way; on a terminal its name is shown until it is over.
#[derive(Debug)]
pub struct Stage {
    ui: Ui,
    name: String,
    begun: Instant,
    open: bool,
}

impl Stage {
    pub(super) fn begin(ui: Ui, name: &str) -> Self {
        let stage = Self {
            ui,
            name: name.to_owned(),
            begun: Instant::now(),
            open: true,
        };
        if ui.redraws_err() {
            let line = ui.err(&format!("  {name:<9} …"), Color::Dim);
            let _ = write!(std::io::stderr(), "{line}");
            let _ = std::io::stderr().flush();
        } else if ui.is_still() {
            ui.note(format!("  {name}"));
        }
        stage
    }

    /// What it is waiting for now; shown on a terminal only.
    pub fn waits(&self, detail: &str) {
        if self.ui.redraws_err() {
            let line = self
                .ui
                .err(&format!("  {:<9} {detail} …", self.name), Color::Dim);
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
        }
    }

    /// It is over: `detail` says what came of it.
    pub fn done(mut self, detail: &str) {
        self.clear();
        let took = self.begun.elapsed();
        self.ui.note(line(&self.name, detail, took));
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.open) && self.ui.redraws_err() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A stage that failed leaves no half line: the error has the next one to itself.
impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(name: &str, detail: &str, took: Duration) -> String {
    format!("  {name:<9} {detail:<40} {:>8}", span(took))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_a_line_with_its_time() {
        assert_eq!(
            line("boot", "sshd answers", Duration::from_millis(17_230)),
            "  boot      sshd answers                               17.2 s"
        );
    }
}
