//! `remote` and the AWS SDK against an EC2 on this machine (docs/LAB.md): moto behind the API, real machines
//! behind the instances.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod api;
mod bare;
mod boxes;
mod guest;
mod harness;
mod hooks;
mod vms;

#[test]
fn every_file_is_a_module() {
    common::assert_all_modules(
        "tests/lab",
        &["api", "bare", "boxes", "guest", "harness", "hooks", "vms"],
    );
}
