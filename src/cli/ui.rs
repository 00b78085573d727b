//! How verbs speak: results on stdout, everything else on stderr, colours only for a terminal that wants them.

mod stage;
mod table;
mod times;
mod tty;

use std::io::{IsTerminal, Write};

use serde::Serialize;

pub use stage::Stage;
pub use table::{Cell, Table, clean, cut};
pub use times::{age, span};
pub use tty::{confirm, prompt};

use crate::error::{Error, Result};

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The colours we use; a terminal's own palette decides what they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Color {
    fn sgr(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Blue => "34",
            Self::Magenta => "35",
            Self::Cyan => "36",
        }
    }
}

/// How to speak to the person. Plain data: cheap to copy into tasks.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    out_color: bool,
    err_color: bool,
    out_terminal: bool,
    err_terminal: bool,
    still: bool,
}

impl Ui {
    /// As the environment and the two streams ask for.
    pub fn new(choice: ColorChoice) -> Self {
        let (out, err) = (
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
        );
        let wanted = match choice {
            ColorChoice::Always => Some(true),
            ColorChoice::Never => Some(false),
            ColorChoice::Auto => {
                let no = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                let term = std::env::var("TERM").unwrap_or_default();
                (no || term.is_empty() || term == "dumb").then_some(false)
            }
        };
        Self {
            out_color: wanted.unwrap_or(out),
            err_color: wanted.unwrap_or(err),
            out_terminal: out,
            err_terminal: err,
            still: false,
        }
    }

    /// No colours, no terminal: for tests.
    pub fn plain() -> Self {
        Self {
            out_color: false,
            err_color: false,
            out_terminal: false,
            err_terminal: false,
            still: false,
        }
    }

    /// The same, with nothing drawn over what stands on the terminal: for screen readers.
    #[must_use]
    pub fn still(self, still: bool) -> Self {
        Self { still, ..self }
    }

    /// Whether everything is to stay as it was printed.
    pub fn is_still(&self) -> bool {
        self.still
    }

    /// Whether lines on stdout may be drawn over.
    pub fn redraws_out(&self) -> bool {
        self.out_terminal && !self.still
    }

    /// Whether lines on stderr may be drawn over.
    pub fn redraws_err(&self) -> bool {
        self.err_terminal && !self.still
    }

    /// Whether stdout is to have colours.
    pub fn colors(&self) -> bool {
        self.out_color
    }

    /// Whether stdout is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out_terminal
    }

    /// Whether stderr is a terminal.
    pub fn err_is_terminal(&self) -> bool {
        self.err_terminal
    }

    /// Whether stdin is a terminal: somebody can be asked.
    pub fn in_is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }

    /// `text` in `color`, for stdout.
    pub fn paint(&self, text: &str, color: Color) -> String {
        paint(text, color, self.out_color)
    }

    /// `text` in `color`, for stderr.
    pub fn err(&self, text: &str, color: Color) -> String {
        paint(text, color, self.err_color)
    }

    /// A line of the result, on stdout.
    ///
    /// # Errors
    /// A broken pipe, which ends the program silently; any other error of stdout.
    pub fn line(&self, text: impl AsRef<str>) -> Result<()> {
        let mut line = text.as_ref().to_owned();
        line.push('\n');
        self.raw(line.as_bytes())
    }

    /// Bytes of the result, on stdout, as they are.
    ///
    /// # Errors
    /// As [`Ui::line`].
    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())?;
        Ok(())
    }

    /// A result for programs: one JSON document on stdout.
    ///
    /// # Errors
    /// As [`Ui::line`].
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::internal("a result cannot be written as JSON").because(e))?;
        self.line(text)
    }

    /// A line about what is going on, on stderr. Nobody is told where stderr is gone.
    pub fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
    }

    /// Takes away the stage that is shown on the terminal's current line: something is to be asked there.
    pub fn line_is_free(&self) {
        if self.redraws_err() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// `Warning: …` on stderr.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.note(format!(
            "{} {}",
            self.err("Warning:", Color::Yellow),
            text.as_ref()
        ));
    }

    /// `Hint: …` on stderr.
    pub fn hint(&self, text: impl AsRef<str>) {
        self.note(format!(
            "{} {}",
            self.err("Hint:", Color::Cyan),
            text.as_ref()
        ));
    }

    /// Begins a stage: `  boot      sshd answers      17.2 s` once it is over.
    pub fn stage(&self, name: &str) -> Stage {
        Stage::begin(*self, name)
    }
}

fn paint(text: &str, color: Color, on: bool) -> String {
    if on {
        format!("\x1b[{}m{text}\x1b[0m", color.sgr())
    } else {
        text.to_owned()
    }
}
