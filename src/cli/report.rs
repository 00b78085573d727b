//! How an error is told: what happened, why, and what to do next; the exit code is its kind's.

use std::io::Write;
use std::process::ExitCode;

use super::ui::{Color, ColorChoice, Ui};
use crate::error::{Error, Kind};

/// Prints `error` on stderr and gives its exit code. A broken pipe is silent.
pub fn print(error: &Error, color: ColorChoice) -> ExitCode {
    if error.kind != Kind::BrokenPipe {
        tell(error, &Ui::new(color));
    }
    error.exit_code()
}

/// Prints `error` on stderr, for a verb that has exit codes of its own.
pub fn tell(error: &Error, ui: &Ui) {
    // Where stderr is gone too there is nobody to tell.
    let _ = std::io::stderr().write_all(render(error, ui).as_bytes());
}

fn render(error: &Error, ui: &Ui) -> String {
    let head = match error.kind {
        Kind::Config => "Config error:",
        Kind::Internal => "Internal error:",
        _ => "Error:",
    };
    let mut text = format!("{} {}\n", ui.err(head, Color::Red), error.message);
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let line = cause.to_string();
        // Wrappers that are transparent say the same twice.
        if causes.last() != Some(&line) && line != error.message {
            causes.push(line);
        }
        source = cause.source();
    }
    match causes.as_slice() {
        [] => {}
        [one] => text += &format!("{} {one}\n", ui.err("Caused by:", Color::Yellow)),
        many => {
            text += &format!("{}\n", ui.err("Caused by:", Color::Yellow));
            for (n, cause) in many.iter().enumerate() {
                text += &format!("{}: {cause}\n", n + 1);
            }
        }
    }
    for hint in &error.hints {
        text += &format!("{} {hint}\n", ui.err("Hint:", Color::Cyan));
    }
    if error.kind == Kind::Internal {
        text += "This is a bug in remote; please report it.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_causes_and_hints_each_have_their_line() {
        let inner = Error::user("inner").because(std::io::Error::other("disk"));
        let error = Error::config("outer").because(inner).hint("run `x`");
        assert_eq!(
            render(&error, &Ui::plain()),
            "Config error: outer\nCaused by:\n1: inner\n2: disk\nHint: run `x`\n"
        );
        let error = Error::user("outer").because(std::io::Error::other("disk"));
        assert_eq!(
            render(&error, &Ui::plain()),
            "Error: outer\nCaused by: disk\n"
        );
    }
}
