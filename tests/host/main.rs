//! Sessions on the real thing: the real binary, real terminals, OpenSSH's server, stock ssh, a bad network.

#[path = "../common/mod.rs"]
mod common;

mod agents;
mod bad_input;
mod bad_place;
mod cuts;
mod harness;
mod hooks;
mod same_screen;
mod spine;
mod ssh_host;
mod stock_ssh;
mod stream;
mod upgrade;
mod versions;

#[test]
fn every_file_is_a_module() {
    common::assert_all_modules(
        "tests/host",
        &[
            "agents",
            "bad_input",
            "bad_place",
            "cuts",
            "harness",
            "hooks",
            "same_screen",
            "spine",
            "ssh_host",
            "stock_ssh",
            "stream",
            "upgrade",
            "versions",
        ],
    );
}
