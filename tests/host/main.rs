//! Sessions on the real thing: the real binary, real terminals, OpenSSH's server, stock ssh, a bad network.

#[path = "../common/mod.rs"]
mod common;

#[path = "../suites/mod.rs"]
mod suites;

mod agents;
mod bad_input;
mod bad_place;
mod cuts;
mod digest;
mod grep;
mod harness;
mod hooks;
mod lend;
mod notices;
mod outer;
mod predict;
mod promise;
mod real;
mod replay;
mod repo;
mod same_screen;
mod secrets;
mod spine;
mod ssh_host;
mod states;
mod stock_ssh;
mod stream;
mod terminals;
mod trust;
mod tui;
mod upgrade;
mod upload;
mod versions;
mod workspace;

#[test]
fn every_file_is_a_module() {
    common::assert_all_modules(
        "tests/host",
        &[
            "agents",
            "bad_input",
            "bad_place",
            "cuts",
            "digest",
            "grep",
            "harness",
            "hooks",
            "lend",
            "notices",
            "outer",
            "predict",
            "promise",
            "real",
            "replay",
            "repo",
            "same_screen",
            "secrets",
            "spine",
            "ssh_host",
            "states",
            "stock_ssh",
            "stream",
            "terminals",
            "trust",
            "tui",
            "upgrade",
            "upload",
            "versions",
            "workspace",
        ],
    );
}
