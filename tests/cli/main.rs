//! The program as a person runs it: arguments in, text and exit code out, in a home of its own.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod allow;
mod config;
mod cost;
mod dispatch;
mod doctor;
mod frame;
mod from;
mod init;
mod man;
mod many;
mod over_ssh;
mod session;
mod shells;
mod watch;

#[test]
fn no_test_file_is_forgotten() {
    common::assert_all_modules(
        "tests/cli",
        &[
            "allow", "config", "cost", "dispatch", "doctor", "frame", "from", "init", "man",
            "many", "over_ssh", "session", "shells", "watch",
        ],
    );
}
