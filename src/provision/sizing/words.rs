//! How heavy a task's words sound. Only clear words count; whatever speaks for both is usual work.

/// What the words say, with the word that said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Text and small changes: nothing is built.
    Light(&'static str),
    Usual,
    /// Everything is built or run.
    Heavy(&'static str),
}

const LIGHT: [&str; 22] = [
    "typo",
    "typos",
    "readme",
    "changelog",
    "spelling",
    "wording",
    "grammar",
    "comment",
    "comments",
    "docs",
    "doc",
    "documentation",
    "docstring",
    "docstrings",
    "license",
    "licence",
    "copyright",
    "gitignore",
    "whitespace",
    "formatting",
    "translate",
    "translation",
];

const HEAVY: [&str; 20] = [
    "benchmark",
    "benchmarks",
    "fuzz",
    "fuzzing",
    "e2e",
    "end-to-end",
    "simulate",
    "simulation",
    "simulations",
    "stress",
    "soak",
    "monorepo",
    "kernel",
    "chromium",
    "llvm",
    "transcode",
    "render",
    "bisect",
    "batch",
    "etl",
];

/// Together with one of [`SUITE`]: `the full integration suite`, `all tests`.
const SCOPE: [&str; 9] = [
    "full",
    "whole",
    "entire",
    "complete",
    "all",
    "every",
    "integration",
    "regression",
    "acceptance",
];
const SUITE: [&str; 7] = [
    "suite", "suites", "tests", "test", "build", "builds", "matrix",
];
/// Something is run, rather than written about.
const RUN: [&str; 8] = [
    "run", "runs", "running", "execute", "rerun", "re-run", "build", "compile",
];

/// What the words of `task` say.
pub fn weight(task: &str) -> Weight {
    let lower = task.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '-'))
        .filter(|w| !w.is_empty())
        .collect();
    let said = |list: &[&'static str]| list.iter().copied().find(|w| words.contains(w));
    let suite = said(&SCOPE).and(said(&RUN)).and(said(&SUITE));
    match (said(&LIGHT), said(&HEAVY).or(suite)) {
        (Some(word), None) => Weight::Light(word),
        (None, Some(word)) => Weight::Heavy(word),
        _ => Weight::Usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_as_people_write_them() {
        for (task, expected) in [
            ("fix typo in readme", Weight::Light("typo")),
            ("Fix the Typos.", Weight::Light("typos")),
            ("add rate limit to api endpoints", Weight::Usual),
            ("run full integration suite", Weight::Heavy("suite")),
            ("run all tests until one fails", Weight::Heavy("tests")),
            ("batch process logs", Weight::Heavy("batch")),
            ("add a test for the parser", Weight::Usual),
            ("write integration tests for login", Weight::Usual),
            // Both: neither is believed.
            (
                "document how to run the full test suite in the docs",
                Weight::Usual,
            ),
            ("", Weight::Usual),
            ("die Dokumentation übersetzen", Weight::Usual),
        ] {
            assert_eq!(weight(task), expected, "{task}");
        }
    }
}
