//! The program as a person runs it: arguments in, text and exit code out, in a home of its own.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod allow;
mod config;
mod doctor;
mod frame;
mod init;
mod man;
mod shells;

#[test]
fn no_test_file_is_forgotten() {
    common::assert_all_modules(
        "tests/cli",
        &[
            "allow", "config", "doctor", "frame", "init", "man", "shells",
        ],
    );
}
